"""The board of service levels, one indicator, and the panel of an API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from kernel import clock
from kernel.errors import Invalid, NotFound
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain import service_levels as rules
from runtime.domain.objectives import AVAILABILITY, KINDS, Objective, ObjectiveScope
from runtime.domain.standings import WindowStanding
from runtime.models import ObjectiveChange
from runtime.selectors import alerts as alert_rows
from runtime.selectors import service_levels as selectors
from runtime.selectors.service_levels import ServiceLevel, WindowWords
from runtime.services import objectives, standings
from runtime.web import environment


class ObjectiveForm(forms.Form):
    share = forms.DecimalField(
        required=False, max_digits=6, decimal_places=3, label="Share", help_text="Per cent, 50 to 99.999."
    )
    limit_s = forms.FloatField(required=False, min_value=1, label="Within seconds")
    give_back = forms.BooleanField(required=False, label="Give back to the manifest and the tier")
    reason = forms.CharField(max_length=2000, label="Reason", widget=forms.Textarea(attrs={"rows": 2}))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not cleaned.get("give_back") and cleaned.get("share") is None and not self.errors:
            self.add_error("share", "Say which share, or give it back.")
        return cleaned


@never_cache
@require_safe
def board(request: HttpRequest) -> HttpResponse:
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    kind = request.GET.get("kind", "")
    kind = kind if kind in KINDS else ""
    found = selectors.listed(viewer, place, kind=kind)
    context = {
        "environment": place,
        "environments": environment.segments(request, place),
        "kinds": _kinds(request, kind),
        "levels": found,
        "tone": selectors.summary(found),
        "open_alerts": alert_rows.alerts(viewer, state="open").count(),
        "zone": timezone.get_current_timezone_name(),
    }
    return render(request, "runtime/service_levels.html", context)


def _kinds(request: HttpRequest, current: str) -> list[dict[str, Any]]:
    made = []
    for key, label in (("", "All"), *KINDS.items()):
        query = request.GET.copy()
        query.pop("kind", None)
        if key:
            query["kind"] = key
        made.append({"label": label, "url": f"?{query.urlencode()}", "current": key == current})
    return made


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def level(request: HttpRequest, indicator_id: int) -> HttpResponse:
    viewer = Viewer.of(request.user)
    found, row = selectors.one(viewer, indicator_id), selectors.indicator(viewer, indicator_id)
    if found is None or row is None:
        raise NotFound("indicator.unknown", f"There is no indicator {indicator_id}, or you may not see it.")
    form = ObjectiveForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        objectives.require_setting(found.integration, actor=viewer.user)
    if request.method == "POST" and form.is_valid() and _set(form, found, viewer):
        messages.success(request, "The objective is set: it judges what comes from the next minute on.")
        return redirect("runtime:service-level", indicator_id)
    today = timezone.localtime(clock.now()).date()
    known = [(f"{day:%-d %b}", 100 * share) for day, share in found.days if share is not None]
    context = {
        "level": found,
        "history": [(_words(change, found.kind), change) for change in selectors.history(indicator_id)],
        "windows": _windows(found, standings.report(row, *rules.month_before(today))),
        "bad_days": [(name, 100 - share) for name, share in known],
        "burns": _burns(found),
        "form": form,
        "allowed": permissions.may_set_objectives(viewer),
        "zone": timezone.get_current_timezone_name(),
        "of_system": found.kind == AVAILABILITY,
    }
    return render(request, "runtime/service_level.html", context, status=422 if form.errors else 200)


WINDOWS = {"5": "5 min", "30": "30 min", "60": "1 hour", "360": "6 hours", "4320": "3 days"}


def _burns(found: ServiceLevel) -> list[tuple[str, str]]:
    rates = found.standing.burn if found.standing else {}
    return [(label, selectors.rate_words(rates[key])) for key, label in WINDOWS.items() if key in rates]


def _windows(found: ServiceLevel, before: WindowStanding) -> list[tuple[str, WindowWords]]:
    named = [("Last month", before)]
    if found.standing is not None:
        named = [("28 days", found.standing.rolling), ("This month", found.standing.month), *named]
    return [(name, selectors.window_words(window, found)) for name, window in named]


def _words(change: ObjectiveChange, kind: str) -> str:
    if change.share is None:
        return "none"
    return Objective(change.share, change.limit_s, change.source).words(kind)


def _set(form: ObjectiveForm, about: ServiceLevel, viewer: Viewer) -> bool:
    given = form.cleaned_data
    scope = ObjectiveScope(
        about.kind,
        about.integration,
        about.target,
        about.system if about.kind == AVAILABILITY else "",
        about.environment,
    )
    share: Decimal | None = None if given["give_back"] else given["share"]
    limit = None if given["give_back"] or about.kind == AVAILABILITY else given["limit_s"]
    try:
        objectives.set_policy(scope, share, limit, actor=viewer.user, reason=given["reason"])
    except Invalid as error:
        for one in error.findings or []:
            name = str(one["pointer"]).strip("/")
            form.add_error(name if name in form.fields else None, one["message"][:1].upper() + one["message"][1:] + ".")
        return False
    return True


@never_cache
@require_safe
def of_api(request: HttpRequest, slug: str) -> HttpResponse:
    """What is measured of the flows that deliver to an API: a fragment of its page."""
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    context = {"levels": selectors.of_api(viewer, slug, place), "environment": place, "slug": slug}
    return render(request, "runtime/_service_levels_of_api.html", context)
