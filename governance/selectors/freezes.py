"""Freeze windows at a time and in a period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from psycopg.types.range import TimestamptzRange

from governance.domain.freeze import FreezeScope, covers
from governance.models import ChangeRequest, FreezeInterval, FreezeWindow
from kernel import prepared_queries

SCOPE_FIELDS = ("environment", "tier", "domain", "system", "channel", "banner")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One interval of one window."""

    id: int
    name: str
    reason: str
    strictness: str
    starts: datetime
    ends: datetime
    scope: dict[str, Any]
    zone: str = ""
    ended_at: datetime | None = None

    @property
    def scope_words(self) -> str:
        words = [
            f"tier {value} and more critical" if key == "tier" else f"{key} {value}"
            for key, value in self.scope.items()
            if value is not None
        ]
        return ", ".join(words) or "everything"


def _occurrence(row: FreezeInterval) -> Occurrence:
    window = row.freeze
    return Occurrence(
        window.pk,
        window.name,
        window.reason,
        window.strictness,
        row.period.lower,
        row.period.upper,
        {f: getattr(window, f) for f in SCOPE_FIELDS},
        str(window.calendar.get("zone", "")),
        window.ended_at,
    )


def _between(start: datetime, end: datetime, *, ended: bool = False) -> list[Occurrence]:
    rows = FreezeInterval.objects.select_related("freeze").filter(period__overlap=TimestamptzRange(start, end, "[)"))
    if not ended:
        rows = rows.filter(freeze__ended_at=None)
    return [_occurrence(row) for row in rows.order_by("period")]


_ACTIVE = """
select w.id, w.name, w.reason, w.strictness, lower(i.period), upper(i.period),
       w.environment, w.tier, w.domain, w.system, w.channel, w.banner
  from governance_freezeinterval i join governance_freezewindow w on w.id = i.freeze_id
 where i.period @> %s::timestamptz and w.ended_at is null order by w.id
"""


def active(scope: FreezeScope, at: datetime) -> list[Occurrence]:
    """Every window that is open at `at` and covers the scope, notices included."""
    found = [
        Occurrence(pk, name, reason, strictness, starts, ends, dict(zip(SCOPE_FIELDS, limits, strict=True)))
        for pk, name, reason, strictness, starts, ends, *limits in prepared_queries.rows(_ACTIVE, [at])
    ]
    return [occurrence for occurrence in found if covers(occurrence.scope, scope)]


def touching(scope: FreezeScope, start: datetime, end: datetime) -> list[Occurrence]:
    """Every occurrence within `[start, end)` that covers the scope and refuses changes."""
    return [
        o for o in _between(start, end) if covers(o.scope, scope) and o.strictness != FreezeWindow.Strictness.NOTICE
    ]


def calendar(start: datetime, end: datetime, *, ended: bool = False) -> list[Occurrence]:
    """Every occurrence within `[start, end)`, for the calendar pages; with `ended` those of ended windows too, as far
    as they came before the end."""
    found = _between(start, end, ended=ended)
    return [o for o in found if o.ended_at is None or o.starts < o.ended_at]


def touching_change(change: ChangeRequest, occurrences: list[Occurrence]) -> list[Occurrence]:
    """Those of the occurrences that refuse a change in its planned window."""
    if change.planned_from is None:
        return []
    facts = change.facts or {}
    scope = FreezeScope(change.environment, facts.get("tier"), facts.get("domain"), tuple(facts.get("systems") or ()))
    return [
        o
        for o in occurrences
        if o.strictness != FreezeWindow.Strictness.NOTICE
        and o.ends > change.planned_from
        and (change.planned_until is None or o.starts < change.planned_until)
        and covers(o.scope, scope)
    ]


def next_of(window: FreezeWindow, at: datetime) -> Occurrence | None:
    """The occurrence of this window that is open at `at`, or the next one."""
    row = (
        FreezeInterval.objects.select_related("freeze")
        .filter(freeze=window, period__endswith__gt=at)
        .order_by("period")
        .first()
    )
    return _occurrence(row) if row else None


def windows(*, ended: bool = False) -> list[FreezeWindow]:
    rows = FreezeWindow.objects.all()
    return list(rows if ended else rows.filter(Q(ended_at=None)))
