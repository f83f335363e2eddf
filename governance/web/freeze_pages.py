"""The freeze calendar."""

from __future__ import annotations

import calendar as months
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from catalog.selectors import systems
from governance import permissions
from governance.models import FreezeWindow
from governance.selectors import freezes as selectors
from governance.services import freezes
from governance.web import tones
from governance.web.decisions import person
from kernel import clock
from kernel.errors import Invalid, finding
from kernel.viewer import Viewer

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class LocalInput(forms.TextInput):
    input_type = "datetime-local"


class FreezeForm(forms.Form):
    """A one-off or weekly window; the other calendars come by API or blueprint."""

    name = forms.CharField(label="Name", max_length=120)
    strictness = forms.ChoiceField(label="What it stops", choices=FreezeWindow.Strictness.choices, initial="changes")
    environment = forms.ChoiceField(label="Environment", required=False)
    tier = forms.TypedChoiceField(
        label="Tiers",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "all"), *((n, f"0 to {n}" if n else "0 only") for n in range(4))],
    )
    zone = forms.CharField(label="Time zone", max_length=60, initial="Europe/Berlin")
    starts = forms.CharField(label="From (local time)", max_length=16, widget=LocalInput())
    ends = forms.CharField(label="Until (local time)", max_length=16, widget=LocalInput())
    reason = forms.CharField(label="Why", required=False, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["environment"].choices = [("", "all"), *((key, name) for key, name, *_ in systems.environments())]  # type: ignore[attr-defined]


@require_http_methods(["GET", "HEAD", "POST"])
def freeze_calendar(request: HttpRequest) -> HttpResponse:
    """One month as weeks, the windows behind it, and a form to plan one."""
    form = FreezeForm(request.POST or None)
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
        "windows": [{"window": w, "tone": tones.STRICTNESS[w.strictness], "scope": _scope(w)} for w in selectors.windows()],
        "may_plan": permissions.may_plan_freezes(Viewer.of(request.user)),
        "zone": str(zone),
    }
    return render(request, "governance/freezes.html", context, status=status)


def _planned(request: HttpRequest, form: FreezeForm) -> bool:
    values = form.cleaned_data
    document = {"kind": "once", "zone": values["zone"], "from": values["starts"], "until": values["ends"]}
    try:
        freezes.plan(
            actor=person(request), name=values["name"], calendar=document, strictness=values["strictness"], reason=values["reason"],
            environment=values["environment"] or None, tier=values["tier"],
        )  # fmt: skip
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
        here = sorted((o for o in occurrences if o.starts < closes and o.ends > begins), key=lambda o: order[o.strictness])
        days.append(
            {
                "number": day.day,
                "month": months.month_abbr[day.month],
                "outside": day.month != first.month,
                "today": day == today,
                "tone": tones.STRICTNESS[here[0].strictness] if here else None,
                "names": [o.name for o in here[:3]],
                "more": max(0, len(here) - 3),
            }
        )
        day += timedelta(days=1)
    return [days[n : n + 7] for n in range(0, len(days), 7)]


def _scope(window: FreezeWindow) -> str:
    fields = {name: getattr(window, name) for name in selectors.SCOPE_FIELDS}
    return selectors.Occurrence(window.pk, window.name, "", window.strictness, clock.now(), clock.now(), fields).scope_words


@require_POST
def end_freeze(request: HttpRequest, freeze_id: int) -> HttpResponse:
    freezes.end(freeze_id, actor=person(request), reason=request.POST.get("reason", ""))
    messages.success(request, "The window holds no longer.")
    return redirect("governance:freezes")
