"""Replays: select stored messages, dry-run them, get approval for a large replay, start it, watch it, cancel it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from governance.domain.subject import Subject
from governance.selectors import sight
from kernel import clock
from kernel.errors import Invalid, NotApproved, NotFound
from kernel.ui.fields import UtcMomentField
from kernel.ui.wording import number
from kernel.viewer import SYSTEM, Permission, Viewer
from runtime import permissions
from runtime.models import Integration, Replay
from runtime.selectors import replays as selectors
from runtime.selectors.replays import ReplayRow, ReplayTarget
from runtime.services import replays as services
from runtime.web import environment


class PlanForm(forms.Form):
    """What to deliver again. The choices are the targets that the viewer may see."""

    target = forms.ChoiceField(label="Integration and target")
    instance = forms.CharField(required=False, max_length=80, label="Store", help_text="Only for a target with stores.")
    since = UtcMomentField(label="Arrived from")
    until = UtcMomentField(label="Until", required=False)
    key_from = forms.CharField(
        required=False, max_length=500, label="First key", help_text="Empty: from the first one."
    )
    key_to = forms.CharField(
        required=False,
        max_length=500,
        label="Last key",
        help_text="Includes keys that begin with it. Empty: to the last one.",
    )
    pace = forms.FloatField(
        required=False,
        min_value=services.SLOWEST,
        max_value=services.FASTEST,
        label="Pace",
        help_text="Messages per second and lane. Empty: as fast as the target accepts them.",
    )
    reason = forms.CharField(max_length=2000, label="Reason", widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, choices: list[ReplayTarget], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.targets = {one.key: one for one in choices}
        self.fields["target"].choices = [(one.key, one.label) for one in choices]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        chosen = self.targets.get(cleaned.get("target", ""))
        if chosen is not None:
            instance = cleaned.get("instance") or ""
            if instance not in chosen.subscriptions:
                said = "Name one of its stores." if chosen.fleet else "This target has no stores; leave it empty."
                self.add_error("instance", said)
            cleaned["subscription"] = chosen.subscriptions.get(instance)
        return cleaned


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def replays(request: HttpRequest) -> HttpResponse:
    """Past replays, and a form to plan the next one. A plan sends nothing."""
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    choices = selectors.choices(viewer, place)
    start = {"since": (clock.now() - timedelta(hours=1)).astimezone(UTC), "target": request.GET.get("target", "")}
    form = PlanForm(request.POST if request.method == "POST" else None, initial=start, choices=choices)
    if request.method == "POST" and form.is_valid():
        made = _plan(form, viewer)
        if made is not None:
            messages.success(request, f"{number(made.messages)} messages are planned. Nothing was sent.")
            return redirect("runtime:replay", made.pk)
    context = {
        "environment": place,
        "environments": environment.segments(request, place),
        "replays": selectors.listed(viewer, place),
        "choices": choices,
        "form": form,
        "limit_words": number(services.APPROVAL_ABOVE),
    }
    return render(request, "runtime/replays.html", context, status=422 if form.errors else 200)


def _plan(form: PlanForm, viewer: Viewer) -> Replay | None:
    """None when the service found an error that the form did not; the page then shows it beside its field."""
    values = form.cleaned_data
    try:
        return services.plan(
            values["subscription"],
            since=_utc(values["since"]),
            until=_utc(values["until"]) if values["until"] else None,
            key_from=values["key_from"],
            key_to=values["key_to"],
            pace=values["pace"],
            actor=viewer.user,
            reason=values["reason"],
        )
    except Invalid as error:
        for found in error.findings:
            name = str(found["pointer"]).strip("/")
            form.add_error(
                name if name in form.fields else None, found["message"][:1].upper() + found["message"][1:] + "."
            )
        return None


def _utc(moment: datetime) -> datetime:
    """The form asks in UTC, regardless of the zone in which pages show times."""
    return moment.replace(tzinfo=UTC)


def _found(viewer: Viewer, replay_id: int) -> ReplayRow:
    found = selectors.one(viewer, replay_id)
    if found is None:
        raise NotFound("replay.unknown", f"There is no replay {replay_id}, or you may not see it.")
    return found


@never_cache
@require_safe
def replay(request: HttpRequest, replay_id: int) -> HttpResponse:
    """The plan, its dry run and its progress; for htmx, the part that changes, which stops polling when nothing
    changes.
    """
    viewer = Viewer.of(request.user)
    found = _found(viewer, replay_id)
    context: dict[str, Any] = {"replay": found, "at": clock.now(), "environment": found.environment}
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "runtime/_replay.html", context)
    context |= _actions(viewer, found)
    return render(request, "runtime/replay.html", context)


def _actions(viewer: Viewer, found: ReplayRow) -> dict[str, Any]:
    operate = permissions.may_operate(
        viewer, Integration.objects.select_related("owner_team").get(key=found.integration)
    )
    needs = found.messages > services.APPROVAL_ABOVE
    unmet = _unmet(found, viewer) if needs and found.state == "planned" else ""
    begin = operate and Permission(found.state == "planned", f"It is {found.state} already.")
    if begin and found.idempotency == "U":
        begin = Permission(
            False, "This target neither honours idempotency keys nor has a lookup, so a repetition could act twice."
        )
    if begin and found.state == "planned" and (count := services.forgotten_in(found.id)):
        begin = Permission(
            False,
            f"The vendor may have forgotten the keys of {count:,} of these messages and cannot be asked by business "
            "reference, so a repetition could act twice. Choose later ones, or redrive single messages.",
        )
    if begin and unmet:
        begin = Permission(False, unmet)
    wanted = {"kind": "replay.open", "subject": found.subject, "environment": found.environment}
    return {
        "operate": operate,
        "may_try": operate and Permission(found.state == "planned", "A dry run comes before the start."),
        "may_start": begin,
        "may_cancel": operate and Permission(found.state in ("planned", "running"), f"It is {found.state}."),
        "needs_approval": needs,
        "unmet": unmet,
        "change_url": f"{reverse('governance:new-change')}?{urlencode(wanted)}",
        "limit_words": number(services.APPROVAL_ABOVE),
        "decided": services.decided_in(found.id),
    }


def _unmet(found: ReplayRow, viewer: Viewer) -> str:
    plan = Replay.objects.select_related("target__stream__integration").get(pk=found.id)
    try:
        services.approval_for(plan, actor=viewer.user)
    except NotApproved as error:
        return " ".join(str(one["message"]) for one in error.unmet) or error.message
    return ""


@require_POST
def act(request: HttpRequest, replay_id: int) -> HttpResponse:
    """`act`: try, start or cancel."""
    viewer = Viewer.of(request.user)
    found = _found(viewer, replay_id)
    integration = Integration.objects.select_related("owner_team").get(key=found.integration)
    permissions.require_operate(viewer, integration, outcome="Nothing was changed.")
    wanted = request.POST.get("act", "")
    if wanted == "try":
        services.try_out(replay_id, actor=viewer.user)
    elif wanted == "start":
        services.start(replay_id, actor=viewer.user)
    elif wanted == "cancel":
        services.cancel(replay_id, actor=viewer.user, reason=request.POST.get("reason", "").replace("\0", "")[:2000])
    else:
        raise Invalid("replay.act", "Choose one: dry run, start or cancel. Nothing was changed.")
    return redirect("runtime:replay", replay_id)


@never_cache
@require_safe
def panel(request: HttpRequest, subject: str) -> HttpResponse:
    """The panel of a change about a replay, for its readers and deciders: what would be sent again, without any
    message.
    """
    digest = request.GET.get("digest", "").replace("\0", "")[:71]
    viewer = Viewer.of(request.user)
    decides = bool(digest) and sight.reads_of(viewer, Subject("replay", subject, digest))
    found = selectors.by_digest(SYSTEM if decides else viewer, digest) if digest else None
    if found is None or not found.subject.startswith(f"{subject}@"):
        raise NotFound(
            "replay.unknown", "There is no such replay; a redrive of dead letters is known only by its digest."
        )
    seen = selectors.one(viewer, found.id) is not None
    return render(request, "runtime/_replay_panel.html", {"replay": found, "seen": seen})
