"""The freeze calendar as a year, and as an agenda with the planned changes beside."""

from __future__ import annotations

import calendar as months
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from governance.models import ChangeRequest
from governance.selectors import changes, freezes
from governance.selectors.freezes import Occurrence
from governance.web import tones
from kernel import clock
from kernel.viewer import Viewer

AGENDA_DAYS = 90
ORDER = {"work": 0, "changes": 1, "notice": 2}


def views(current: str) -> list[dict[str, Any]]:
    """The three readings of the calendar, as segments."""
    named = (("Month", "freezes"), ("Year", "freeze-year"), ("Agenda", "freeze-agenda"))
    return [
        {"label": label, "url": reverse(f"governance:{name}"), "current": label == current} for label, name in named
    ]


@require_safe
def year(request: HttpRequest) -> HttpResponse:
    """Twelve months, a line each; a day has the tone of the strictest window that touches it, ended windows too."""
    zone = timezone.get_current_timezone()
    wanted = _year(request, timezone.localtime(clock.now()).year)
    start, end = _midnight(date(wanted, 1, 1), zone), _midnight(date(wanted + 1, 1, 1), zone)
    found = freezes.calendar(start, end, ended=True)
    context = {
        "year": wanted,
        "views": views("Year"),
        "days": range(1, 32),
        "lines": [_month(wanted, number, found, zone) for number in range(1, 13)],
        "windows": _by_window(found),
        "tones": [tones.STRICTNESS[one] for one in ORDER],
        "zone": str(zone),
    }
    return render(request, "governance/freeze_year.html", context)


def _year(request: HttpRequest, present: int) -> int:
    text = request.GET.get("year", "")
    return int(text) if text.isascii() and text.isdecimal() and 2000 <= int(text) <= 2100 else present


def _midnight(day: date, zone: Any) -> datetime:
    return datetime.combine(day, datetime.min.time(), zone).astimezone(UTC)


def _month(year: int, number: int, found: list[Occurrence], zone: Any) -> dict[str, Any]:
    today = timezone.localtime(clock.now()).date()
    length = months.monthrange(year, number)[1]
    days: list[dict[str, Any]] = []
    for day in range(1, 32):
        if day > length:
            days.append({"outside": True})
            continue
        begins, closes = _midnight(date(year, number, day), zone), _midnight(_after(date(year, number, day)), zone)
        here = sorted((o for o in found if o.starts < closes and o.ends > begins), key=lambda o: ORDER[o.strictness])
        days.append(
            {
                "number": day,
                "today": date(year, number, day) == today,
                "tone": tones.STRICTNESS[here[0].strictness] if here else None,
                "names": ", ".join(dict.fromkeys(o.name for o in here)),
                "weekend": date(year, number, day).weekday() >= 5,
            }
        )
    return {"name": months.month_abbr[number], "key": f"{year}-{number:02}", "days": days}


def _after(day: date) -> date:
    return day + timedelta(days=1)


def _by_window(found: Iterable[Occurrence]) -> list[dict[str, Any]]:
    """Each window of the year once, with its first begin, its last end and how often it opens."""
    kept: dict[int, list[Occurrence]] = {}
    for occurrence in found:
        kept.setdefault(occurrence.id, []).append(occurrence)
    return [
        {
            "o": listed[0],
            "tone": tones.STRICTNESS[listed[0].strictness],
            "times": len(listed),
            "first": min(o.starts for o in listed),
            "last": max(o.ends for o in listed),
        }
        for listed in kept.values()
    ]


@require_safe
def agenda(request: HttpRequest) -> HttpResponse:
    """What comes in the next 90 days: windows in the local time of their scope, planned changes beside them."""
    viewer, now = Viewer.of(request.user), clock.now()
    until = now + timedelta(days=AGENDA_DAYS)
    found = freezes.calendar(now, until)
    planned = (
        changes.listed(viewer)
        .filter(
            state__in=[ChangeRequest.State.IN_REVIEW, ChangeRequest.State.APPROVED],
            planned_from__lt=until,
            planned_from__isnull=False,
        )
        .exclude(planned_until__lte=now)
    )
    lines = [_occurrence(o, now) for o in found] + [_planned(c, found) for c in planned[:200]]
    context = {
        "views": views("Agenda"),
        "lines": sorted(lines, key=lambda line: (line["starts"], line["name"])),
        "days": AGENDA_DAYS,
        "zone": str(timezone.get_current_timezone()),
    }
    return render(request, "governance/freeze_agenda.html", context)


def _occurrence(o: Occurrence, now: datetime) -> dict[str, Any]:
    zone = ZoneInfo(o.zone) if o.zone else UTC
    return {
        "kind": "freeze",
        "name": o.name,
        "starts": o.starts,
        "tone": tones.STRICTNESS[o.strictness],
        "scope": o.scope_words,
        "open": o.starts <= now,
        "ends": o.ends,
        "local": f"{_local(o.starts, zone)} to {_local(o.ends, zone)}, {o.zone or 'UTC'}",
    }


def _local(at: datetime, zone: Any) -> str:
    return f"{at.astimezone(zone):%a %d %b %Y %H:%M}"


def _planned(change: ChangeRequest, found: list[Occurrence]) -> dict[str, Any]:
    assert change.planned_from is not None
    touching = [o.name for o in freezes.touching_change(change, found)]
    return {
        "kind": "change",
        "name": change.title,
        "starts": change.planned_from,
        "ends": change.planned_until,
        "tone": tones.state_of(change),
        "change": change,
        "frozen": ", ".join(dict.fromkeys(touching)),
    }
