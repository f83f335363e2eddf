"""The freeze calendar."""

from __future__ import annotations

import calendar as months
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from governance import permissions
from governance.models import FreezeWindow
from governance.selectors import freeze_scopes
from governance.selectors import freezes as selectors
from governance.services import freezes
from governance.web import freeze_year, tones
from governance.web.decisions import person
from governance.web.freeze_form import KINDS, FreezeForm, words
from kernel import clock
from kernel.errors import Invalid, finding
from kernel.viewer import Viewer

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@require_http_methods(["GET", "HEAD", "POST"])
def freeze_calendar(request: HttpRequest) -> HttpResponse:
    """One month as weeks, the windows behind it, and a form to plan one."""
    kind = (request.POST if request.method == "POST" else request.GET).get("repeats", "once")
    form = FreezeForm(request.POST or None, kind=kind)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid() and _planned(request, form):
            messages.success(request, "Planned.")
            return redirect("governance:freezes")
    first = _month(request)
    start, end = first - timedelta(days=first.weekday()), _next(first)
    end += timedelta(days=(7 - end.weekday()) % 7)
    zone = timezone.get_current_timezone()
    occurrences = selectors.calendar(
        datetime.combine(start, datetime.min.time(), zone), datetime.combine(end, datetime.min.time(), zone)
    )
    context = {
        "form": form,
        "weekdays": WEEKDAYS,
        "weeks": _weeks(first, start, end, occurrences),
        "month": f"{months.month_name[first.month]} {first.year}",
        "previous": _previous(first).isoformat()[:7],
        "following": _next(first).isoformat()[:7],
        "occurrences": [{"o": o, "tone": tones.STRICTNESS[o.strictness]} for o in occurrences],
        "kinds": KINDS,
        "planning": "repeats" in request.GET or request.method == "POST",
        "windows": [_window(w) for w in selectors.windows()],
        "may_plan": permissions.may_plan_freezes(Viewer.of(request.user)),
        "may_end": permissions.may_end_freezes(Viewer.of(request.user)),
        "zone": str(zone),
        "views": freeze_year.views("Month"),
    }
    return render(request, "governance/freezes.html", context, status=status)


def _planned(request: HttpRequest, form: FreezeForm) -> bool:
    values = form.cleaned_data
    try:
        freezes.plan(
            actor=person(request),
            name=values["name"],
            calendar=form.calendar(),
            strictness=values["strictness"],
            reason=values["reason"],
            **form.scope(),
        )
    except Invalid as error:
        names = {"zone": "zone", "until": "ends", "from": "starts"}
        for found in error.findings or [finding("", error.message)]:
            name = names.get(found["pointer"].strip("/"), found["pointer"].strip("/"))
            form.add_error(name if name in form.fields else None, found["message"])
        return False
    return True


def _month(request: HttpRequest) -> date:
    try:
        asked = date.fromisoformat(f"{request.GET.get('month', '')}-01")
    except ValueError:
        asked = timezone.localtime(clock.now()).date().replace(day=1)
    return asked if 2000 <= asked.year <= 2100 else date(2026, 1, 1)


def _next(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def _previous(first: date) -> date:
    return (first - timedelta(days=1)).replace(day=1)


def _weeks(first: date, start: date, end: date, occurrences: list[selectors.Occurrence]) -> list[list[dict[str, Any]]]:
    zone = timezone.get_current_timezone()
    today = timezone.localtime(clock.now()).date()
    order = {"work": 0, "changes": 1, "notice": 2}
    days = []
    day = start
    while day < end:
        begins = datetime.combine(day, datetime.min.time(), zone).astimezone(UTC)
        closes = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone).astimezone(UTC)
        here = sorted(
            (o for o in occurrences if o.starts < closes and o.ends > begins), key=lambda o: order[o.strictness]
        )
        days.append(
            {
                "number": day.day,
                "month": months.month_abbr[day.month],
                "outside": day.month != first.month,
                "today": day == today,
                "tone": tones.STRICTNESS[here[0].strictness] if here else None,
                "here": [{"name": o.name, "tone": tones.STRICTNESS[o.strictness]} for o in here[:3]],
                "more": max(0, len(here) - 3),
            }
        )
        day += timedelta(days=1)
    return [days[n : n + 7] for n in range(0, len(days), 7)]


def _window(window: FreezeWindow) -> dict[str, Any]:
    coming = selectors.next_of(window, clock.now())
    return {
        "window": window,
        "tone": tones.STRICTNESS[window.strictness],
        "scope": selectors.words_of(window.scope),
        "unresolved": [freeze_scopes.unresolved_words(key, name) for key, name in sorted(window.unresolved.items())],
        "when": words(window.calendar),
        "next": coming,
        "open": coming is not None and coming.starts <= clock.now(),
        "begun": freezes.has_begun(window),
        "asked": urlencode({"subject": str(window.pk), "environment": window.environment_id or "production"}),
    }


@require_POST
def end_freeze(request: HttpRequest, freeze_id: int) -> HttpResponse:
    freezes.end(freeze_id, actor=person(request), reason=request.POST.get("reason", ""))
    messages.success(request, "The freeze has ended.")
    return redirect("governance:freezes")
