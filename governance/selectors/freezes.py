"""Freeze windows at a time and in a period."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from psycopg.types.range import TimestamptzRange

from governance.domain.freeze import UNREADABLE, FreezeScope, compiled_at, covers
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


@dataclass(frozen=True, slots=True)
class WindowAt:
    """A window that is open at a moment, or of which nobody can say so (`compiled` False). `ends` None: unknown."""

    id: int
    name: str
    reason: str
    strictness: str
    compiled: bool
    starts: datetime | None
    ends: datetime | None
    scope: dict[str, Any]


_LIVE = """
select w.id, w.name, w.reason, w.strictness, w.calendar, w.environment, w.tier, w.domain, w.system, w.channel,
       w.banner, lower(i.period), upper(i.period)
  from governance_freezewindow w
  left join governance_freezeinterval i on i.freeze_id = w.id and i.period @> %s::timestamptz
 where w.ended_at is null order by w.id
"""


def at(moment: datetime) -> list[WindowAt]:
    """Every live window that is open at this moment, or that cannot be told: by its calendar, whatever is stored of
    its occurrences. A stored occurrence may make it longer, never shorter.
    """
    found = []
    for pk, name, reason, strictness, calendar, *limits, starts, ends in prepared_queries.rows(_LIVE, [moment]):
        interval = compiled_at(_text(calendar), moment)
        if interval is None and ends is None:
            continue
        compiled = interval is not UNREADABLE or ends is not None
        if interval is not None and interval is not UNREADABLE:
            starts = min(starts or interval.starts, interval.starts)
            ends = max(ends or interval.ends, interval.ends)
        scope = dict(zip(SCOPE_FIELDS, limits, strict=True))
        found.append(WindowAt(pk, name, reason, strictness, compiled, starts, ends, scope))
    return found


def _text(calendar: Any) -> str:
    return calendar if isinstance(calendar, str) else json.dumps(calendar, sort_keys=True)


_LOST = """
select exists (select from kernel_auditentry a
                where a.verb = 'governance.freeze_planned'
                  and not exists (select from governance_freezewindow w where w.id::text = a.subject_id))
"""


def all_there() -> bool:
    """Whether every window that the ledger says was planned still has its row."""
    return not prepared_queries.rows(_LOST, [])[0][0]


def active(scope: FreezeScope, moment: datetime) -> list[Occurrence]:
    """Every window that is open and covers the scope, notices included; one of which nobody can say whether it is open
    counts as open.
    """
    later = moment + timedelta(days=1)
    return [
        Occurrence(w.id, w.name, w.reason, w.strictness, w.starts or moment, w.ends or later, w.scope)
        for w in at(moment)
        if covers(w.scope, scope)
    ]


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
    scope = FreezeScope.of_facts(change.environment, facts)
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
