"""Freeze windows at a time and in a period."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from psycopg.types.range import TimestamptzRange

from catalog.selectors import environments
from governance.domain.freeze import DIMENSIONS, UNREADABLE, FreezeScope, compiled_at, covers, is_zone
from governance.models import ChangeRequest, FreezeInterval, FreezeWindow
from kernel import prepared_queries

_STORES = ("channel", "banner", "region")
_OF_WINDOW = tuple(f"freeze__{name}" for name in _STORES)


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
        return words_of(self.scope)


def words_of(scope: Mapping[str, Any]) -> str:
    """A scope in words, such as `tier 1 and more critical, stores in Europe/Berlin`."""
    said = {"tier": "tier {} and more critical", "store_zone": "stores in {}"}
    words = [said.get(key, f"{key} {{}}").format(value) for key, value in scope.items() if value is not None]
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
        window.scope,
        str(window.calendar.get("zone", "")),
        window.ended_at,
    )


def _between(start: datetime, end: datetime, *, ended: bool = False) -> list[Occurrence]:
    read_with = ("freeze", *_OF_WINDOW)
    rows = FreezeInterval.objects.select_related(*read_with).filter(period__overlap=TimestamptzRange(start, end, "[)"))
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
    unresolved: dict[str, str]


_LIVE = """
select w.id, w.name, w.reason, w.strictness, w.calendar, w.unresolved, w.environment, w.tier, w.domain, w.system, c.key,
       b.key, r.key, w.store_zone, e.key, d.key, s.key, lower(i.period), upper(i.period)
  from governance_freezewindow w
  left join catalog_environment e on e.key = w.environment
  left join catalog_domain d on d.key = w.domain
  left join catalog_system s on s.key = w.system
  left join catalog_scopevalue c on c.id = w.channel_id
  left join catalog_scopevalue b on b.id = w.banner_id
  left join catalog_scopevalue r on r.id = w.region_id
  left join governance_freezeinterval i on i.freeze_id = w.id and i.period @> %s::timestamptz
 where w.ended_at is null order by w.id
"""


def at(moment: datetime) -> list[WindowAt]:
    """Every live window that is open at this moment, or that cannot be told: by its calendar, whatever is stored of
    its occurrences. A stored occurrence may make it longer, never shorter. A limit that nothing in the catalog has does
    not make a window narrower: it counts for all there, and the name is told as unresolved.
    """
    found = []
    for pk, name, reason, strictness, calendar, unresolved, *limits, in_catalog, starts, ends in _rows(moment):
        interval = compiled_at(_text(calendar), moment)
        if interval is None and ends is None:
            continue
        compiled = interval is not UNREADABLE or ends is not None
        if interval is not None and interval is not UNREADABLE:
            starts = min(starts or interval.starts, interval.starts)
            ends = max(ends or interval.ends, interval.ends)
        named = dict(zip(DIMENSIONS, limits, strict=True))
        scope = {key: value if _holds(key, value, in_catalog) else None for key, value in named.items()}
        lost = {key: str(value) for key, value in named.items() if value is not None and scope[key] is None}
        names = _names(unresolved) | lost
        found.append(WindowAt(pk, name, reason, strictness, compiled, starts, ends, scope, names))
    return found


def _rows(moment: datetime) -> list[tuple[Any, ...]]:
    """With the keys of environment, domain and system as the catalog has them in one value."""
    return [(*row[:-5], row[-5:-2], *row[-2:]) for row in prepared_queries.rows(_LIVE, [moment])]


def _holds(dimension: str, value: Any, in_catalog: Sequence[str | None]) -> bool:
    """Whether something can have this value."""
    if value is None or dimension not in ("environment", "domain", "system", "store_zone"):
        return True
    if dimension == "store_zone":
        return is_zone(value)
    return bool(value == dict(zip(("environment", "domain", "system"), in_catalog, strict=True))[dimension])


def _names(unresolved: Any) -> dict[str, str]:
    """By dimension; a document that does not say so is a dimension that nobody can read."""
    names = json.loads(_text(unresolved))
    if not isinstance(names, dict):
        return {"scope": _text(unresolved)}
    return {key: str(name) for key, name in names.items()}


def _text(calendar: Any) -> str:
    return calendar if isinstance(calendar, str) else json.dumps(calendar, sort_keys=True)


def edges_between(start: datetime, end: datetime) -> bool:
    """Whether an occurrence begins or ends in that time."""
    found = FreezeInterval.objects.filter(period__overlap=TimestamptzRange(start, end, "[]"))
    return any(
        edge is not None and start <= edge <= end
        for period in found.values_list("period", flat=True)
        for edge in (period.lower, period.upper)
    )


_LOST = """
select exists (select from kernel_auditentry a
                where a.verb = 'governance.freeze_planned'
                  and not exists (select from governance_freezewindow w where w.id::text = a.subject_id))
    or (select count(*) from governance_freezewindow)
       <> coalesce((select t.live from governance_releasetally t
                     where t.kind = 'freeze' and t.environment = '' and t.name = ''), 0)
"""


def all_there() -> bool:
    """Whether every window that the ledger says was planned still has its row, and there are as many as were
    counted."""
    return not prepared_queries.rows(_LOST, [])[0][0]


def scope_of(environment: str, facts: Mapping[str, Any]) -> FreezeScope:
    """What a change in this environment belongs to, by what was stored of its facts."""
    return FreezeScope.of_facts(environment, facts, fleet=is_fleet(environment))


def is_fleet(environment: str) -> bool | None:
    """Whether an environment has stores; None where there is no such environment."""
    found = environments.by_key(environment)
    return found.is_fleet if found else None


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
    then = [
        o
        for o in occurrences
        if o.strictness != FreezeWindow.Strictness.NOTICE
        and o.ends > change.planned_from
        and (change.planned_until is None or o.starts < change.planned_until)
    ]
    scope = scope_of(change.environment, change.facts or {}) if then else None
    return [o for o in then if scope is not None and covers(o.scope, scope)]


def next_of(window: FreezeWindow, at: datetime) -> Occurrence | None:
    """The occurrence of this window that is open at `at`, or the next one."""
    row = (
        FreezeInterval.objects.select_related("freeze", *_OF_WINDOW)
        .filter(freeze=window, period__endswith__gt=at)
        .order_by("period")
        .first()
    )
    return _occurrence(row) if row else None


def windows(*, ended: bool = False) -> list[FreezeWindow]:
    rows = FreezeWindow.objects.select_related(*_STORES)
    return list(rows if ended else rows.filter(Q(ended_at=None)))
