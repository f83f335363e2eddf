"""Alerts: what is open and what was, who is at it, silences, and the rules behind them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog.selectors import systems, teams
from kernel import clock
from kernel.errors import Conflict, Forbidden, Invalid, NotFound
from kernel.ui import tones
from kernel.ui.tones import Tone
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain import alert_rules
from runtime.domain.alert_rules import CONDITIONS, SEVERITIES
from runtime.domain.objectives import KINDS
from runtime.models import Alert, AlertRule
from runtime.selectors import alerts as selectors
from runtime.services import alert_settings
from runtime.services.alerting import owners_of

SHOWN = 30
HOURS = [("1", "1 hour"), ("4", "4 hours"), ("24", "1 day"), ("72", "3 days"), ("168", "1 week"), ("744", "31 days")]
WAYS = (("inbox", "inbox"), ("email", "e-mail"), ("webhook", "webhooks"))
_TONES = {"page": tones.stop, "ticket": tones.wait, "info": tones.quiet}


class AlertReasonForm(forms.Form):
    hours = forms.ChoiceField(choices=HOURS, initial="24", label="For")
    reason = forms.CharField(max_length=2000, label="Reason", widget=forms.Textarea(attrs={"rows": 2}))

    @property
    def until(self) -> Any:
        return clock.now() + timedelta(hours=int(self.cleaned_data["hours"]))


class SilenceForm(AlertReasonForm):
    kind = forms.ChoiceField(required=False, choices=[("", "All"), *KINDS.items()], label="Indicator")
    integration = forms.CharField(required=False, max_length=80, help_text="Its key; empty: all.")
    target = forms.CharField(required=False, max_length=80, help_text="Empty: all of the integration.")
    system_key = forms.CharField(required=False, max_length=80, label="System", help_text="Its key; empty: all.")
    environment = forms.CharField(required=False, max_length=40, help_text="Its key; empty: all.")
    field_order = ("kind", "integration", "target", "system_key", "environment", "hours", "reason")


class AlertRuleForm(forms.Form):
    name = forms.CharField(max_length=120)
    kind = forms.ChoiceField(required=False, choices=[("", "All"), *KINDS.items()], label="Indicator")
    tier = forms.TypedChoiceField(
        required=False, empty_value=None, coerce=int, choices=[("", "All"), *((str(n), f"Tier {n}") for n in range(4))]
    )
    integration = forms.CharField(required=False, max_length=80, help_text="Its key; empty: all.")
    target = forms.CharField(required=False, max_length=80, help_text="Empty: all of the integration.")
    system_key = forms.CharField(required=False, max_length=80, label="System", help_text="Its key; empty: all.")
    environment = forms.CharField(required=False, max_length=40, help_text="Its key; empty: all.")
    condition = forms.ChoiceField(choices=list(CONDITIONS.items()))
    factor = forms.FloatField(required=False, min_value=0, max_value=1000, help_text="Times too fast, for a burn rate.")
    long = forms.TypedChoiceField(
        coerce=int, label="Long window", choices=[(60, "1 hour"), (360, "6 hours"), (4320, "3 days")], required=False
    )
    short = forms.TypedChoiceField(
        coerce=int, label="Short window", choices=[(5, "5 min"), (30, "30 min"), (360, "6 hours")], required=False
    )
    at_least = forms.FloatField(
        required=False, min_value=0, max_value=1e6, label="At least bad", help_text="Minutes, messages or calls."
    )
    below = forms.FloatField(
        required=False, min_value=0, max_value=100, label="Budget left below", help_text="Per cent, for a budget."
    )
    for_minutes = forms.IntegerField(required=False, min_value=0, max_value=10_080, label="For minutes")
    severity = forms.ChoiceField(choices=list(SEVERITIES.items()))
    teams = forms.CharField(
        required=False, max_length=400, label="Teams beside the owners", help_text="Keys, with commas between."
    )
    inbox = forms.BooleanField(required=False, label="Inbox")
    email = forms.BooleanField(required=False, label="E-mail")
    webhook = forms.BooleanField(required=False, label="Webhooks")
    enabled = forms.BooleanField(required=False, label="Switched on")

    def given(self) -> dict[str, Any]:
        """As the service takes it: what is empty is its default."""
        made = {name: value for name, value in self.cleaned_data.items() if value is not None or name == "tier"}
        made["teams"] = [key.strip() for key in made.get("teams", "").split(",") if key.strip()]
        defaults = {"factor": 0.0, "long": 60, "short": 5, "at_least": 2.0, "below": 0.0, "for_minutes": 0}
        return defaults | {name: value for name, value in made.items() if value != "" or name not in defaults}


NEW_RULE = {"factor": 6, "long": 360, "short": 30, "at_least": 2, "severity": "ticket", "inbox": True, "email": True}
NEW_RULE |= {"webhook": True, "enabled": True, "for_minutes": 0}


def severity_of(severity: str) -> Tone:
    return _TONES[severity](SEVERITIES[severity])


def state_of(alert: Alert) -> Tone:
    if alert.state == Alert.State.RESOLVED:
        return tones.ok("Resolved")
    if alert.state == Alert.State.JOINED:
        return tones.quiet("Part of another")
    if alert.acknowledged_until is not None and alert.acknowledged_until > clock.now():
        return tones.wait("Acknowledged", "user")
    return tones.stop("Open") if alert.told else tones.wait("Open, silenced", "pause")


@never_cache
@require_safe
def alerts(request: HttpRequest) -> HttpResponse:
    viewer, before = Viewer.of(request.user), request.GET.get("before", "")
    history = selectors.alerts(viewer, state="over")
    if before.isdecimal() and len(before) < 19:
        history = history.filter(pk__lt=int(before))
    page = list(history[: SHOWN + 1])
    context = {
        "open": [(one, severity_of(one.severity), state_of(one)) for one in selectors.alerts(viewer, state="open")],
        "history": [(one, severity_of(one.severity), state_of(one)) for one in page[:SHOWN]],
        "more": page[SHOWN - 1].pk if len(page) > SHOWN else None,
        "later": bool(before),
        "silences": selectors.silences(viewer).filter(until__gt=clock.now()),
        "form": SilenceForm(),
        "allowed": permissions.may_set_alert_rules(viewer, None),
    }
    return render(request, "runtime/alerts.html", context)


@never_cache
@require_safe
def alert(request: HttpRequest, alert_id: int) -> HttpResponse:
    return _alert_page(request, alert_id, AlertReasonForm())


def _alert_page(request: HttpRequest, alert_id: int, form: AlertReasonForm) -> HttpResponse:
    viewer = Viewer.of(request.user)
    found = selectors.alert(viewer, alert_id)
    if found is None:
        raise NotFound("alert.unknown", f"There is no alert {alert_id}, or you may not see it.")
    context = {
        "alert": found,
        "severity": severity_of(found.severity),
        "state": state_of(found),
        "system": system.name if (system := systems.by_key(found.system_key)) else found.system_key,
        "owners": [team.name for team in _teams(owners_of(found))],
        "ways": [label for name, label in WAYS if getattr(found, name)],
        "form": form,
        "allowed": alert_settings.may_acknowledge(viewer, found),
        "open": found.state == Alert.State.OPEN,
    }
    return render(request, "runtime/alert.html", context, status=422 if form.errors else 200)


def _teams(ids: set[int]) -> list[Any]:
    return [team for team in teams.all_teams() if team.id in ids]


@require_POST
def acknowledge(request: HttpRequest, alert_id: int) -> HttpResponse:
    viewer, form = Viewer.of(request.user), AlertReasonForm(request.POST)
    found = selectors.alert(viewer, alert_id)
    if found is not None and not (allowed := alert_settings.may_acknowledge(viewer, found)):
        raise Forbidden("alert.not_operator", f"{allowed.reason} Nothing was changed.")
    if not form.is_valid():
        return _alert_page(request, alert_id, form)
    alert_settings.acknowledge(alert_id, until=form.until, reason=form.cleaned_data["reason"], actor=viewer.user)
    messages.success(request, "Acknowledged: nothing more is told before then, but that it is over.")
    return redirect("runtime:alert", alert_id)


@require_POST
def silence(request: HttpRequest) -> HttpResponse:
    viewer, form = Viewer.of(request.user), SilenceForm(request.POST)
    _require(request, viewer, form)
    if form.is_valid():
        scope = {name: form.cleaned_data[name] for name in ("kind", "integration", "target", "system_key")}
        scope["environment"] = form.cleaned_data["environment"]
        try:
            reason = form.cleaned_data["reason"]
            alert_settings.silence(scope, until=form.until, reason=reason, actor=viewer.user)
        except (Invalid, NotFound, Conflict) as error:
            _show(form, error)
        else:
            messages.success(request, "Silenced. Alerts are kept; what is open at the end is told then.")
            return redirect("runtime:alerts")
    context = {"form": form, "allowed": permissions.may_set_alert_rules(viewer, None), "only_form": True}
    return render(request, "runtime/alerts.html", context, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
def change_silence(request: HttpRequest, silence_id: int) -> HttpResponse:
    viewer = Viewer.of(request.user)
    found = selectors.silences(viewer).filter(pk=silence_id).first()
    if found is None:
        raise NotFound("silence.unknown", f"There is no silence {silence_id}, or it has ended.")
    allowed = permissions.may_set_alert_rules(viewer, found.integration)
    form, status = AlertReasonForm(request.POST or None, initial={"reason": found.reason}), 200
    if request.method == "POST":
        if not allowed:
            raise Forbidden("silence.not_allowed", allowed.reason)
        status = 422
        if form.is_valid():
            reason = form.cleaned_data["reason"]
            try:
                alert_settings.change_silence(silence_id, until=form.until, reason=reason, actor=viewer.user)
            except (Invalid, Conflict) as error:
                _show(form, error)
            else:
                messages.success(request, "The silence has another end.")
                return redirect("runtime:alerts")
    context = {"form": form, "one": found, "allowed": allowed}
    return render(request, "runtime/silence.html", context, status=status)


@require_POST
def end_silence(request: HttpRequest, silence_id: int) -> HttpResponse:
    alert_settings.end_silence(silence_id, actor=Viewer.of(request.user).user)
    messages.success(request, "The silence has ended.")
    return redirect("runtime:alerts")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    form = AlertRuleForm(request.POST if request.method == "POST" else None, initial=NEW_RULE)
    if request.method == "POST":
        _require(request, viewer, form)
    if request.method == "POST" and form.is_valid() and _saved(form, viewer, None):
        messages.success(request, "The rule is in force from the next look on, within a minute.")
        return redirect("runtime:alert-rules")
    context = {
        "rules": [(one, severity_of(one.severity), says(one), _ways(one)) for one in selectors.rules(viewer)],
        "form": form,
        "allowed": permissions.may_set_alert_rules(viewer, None),
    }
    return render(request, "runtime/alert_rules.html", context, status=422 if form.errors else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def rule(request: HttpRequest, rule_id: int) -> HttpResponse:
    viewer = Viewer.of(request.user)
    found = selectors.rules(viewer).filter(pk=rule_id).first() if rule_id < 2**63 else None
    if found is None:
        raise NotFound("alert_rule.unknown", f"There is no alert rule {rule_id}, or you may not see it.")
    allowed = permissions.may_set_alert_rules(viewer, found.integration)
    initial = {name: _typed(getattr(found, name)) for name in alert_settings.FIELDS}
    initial |= {name: "" for name in ("factor", "below") if not getattr(found, name)}  # 0: it does not count
    initial |= {"integration": found.integration.key if found.integration else "", "teams": ", ".join(found.teams)}
    form = AlertRuleForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST":
        if not allowed:
            raise Forbidden("alert_rule.not_allowed", f"{allowed.reason} Nothing was changed.")
        if request.POST.get("act") == "remove":
            alert_settings.remove_rule(rule_id, actor=viewer.user)
            messages.success(request, f"The rule {found.name} was removed.")
            return redirect("runtime:alert-rules")
        if form.is_valid() and _saved(form, viewer, rule_id):
            messages.success(request, "The rule was changed; it is in force within a minute.")
            return redirect(reverse("runtime:alert-rules"))
    whose = "" if found.condition == alert_rules.REFUSED else "an indicator "
    context = {"rule": found, "form": form, "allowed": allowed, "says": f"{whose}{says(found)}"}
    return render(request, "runtime/alert_rule.html", context, status=422 if form.errors else 200)


def _typed(value: Any) -> Any:
    """A number as people write it: 5, not 5.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else value


def _require(request: HttpRequest, viewer: Viewer, form: forms.Form) -> None:
    """People who may set nothing hear that before what is wrong with what they typed. An integration that they do not
    see is an error of its field."""
    try:
        alert_settings.require_setting(request.POST.get("integration", "").replace("\0", "")[:80], actor=viewer.user)
    except NotFound as error:
        form.is_valid()
        _show(form, error)


def _saved(form: AlertRuleForm, viewer: Viewer, rule_id: int | None) -> bool:
    """False when the service found an error that the form did not; the page then shows it beside its field."""
    try:
        if rule_id is None:
            alert_settings.make_rule(form.given(), actor=viewer.user)
        else:
            alert_settings.change_rule(rule_id, form.given(), actor=viewer.user)
    except (Invalid, NotFound, Conflict) as error:
        _show(form, error)
        return False
    return True


def _show(form: forms.Form, error: Invalid | NotFound | Conflict) -> None:
    known = {"integration.unknown": "integration", "alert_rule.name_taken": "name"}
    found = error.findings or [{"pointer": f"/{known.get(error.code, '')}", "message": error.message.rstrip(".")}]
    for one in found:
        name = {"until": "hours"}.get(str(one["pointer"]).strip("/"), str(one["pointer"]).strip("/"))
        form.add_error(name if name in form.fields else None, one["message"][:1].upper() + one["message"][1:] + ".")


def _ways(one: AlertRule) -> str:
    return ", ".join(label for name, label in WAYS if getattr(one, name)) or "nobody"


def says(one: AlertRule) -> str:
    """When a rule holds: what an indicator does then, or of refused calls what happened."""
    windows = {5: "5 min", 30: "30 min", 60: "1 h", 360: "6 h", 4320: "3 days"}
    long, short = windows.get(one.long, f"{one.long} min"), windows.get(one.short, f"{one.short} min")
    if one.condition == alert_rules.BURN:
        said = f"burns {one.factor:g} times too fast over {long} and {short}, at least {one.at_least:g} bad"
    elif one.condition == alert_rules.BUDGET:
        said = f"has less than {one.below:g} % of its error budget left"
    elif one.condition == alert_rules.REFUSED:
        said = f"at least {one.at_least:g} calls were refused within {long}, and one was heard of within {short}"
    else:
        return f"has not been measured for {one.for_minutes} min"
    return said + (f", for {one.for_minutes} min" if one.for_minutes else "")
