"""Freeze windows at a time and in a period."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from psycopg.types.range import TimestamptzRange

from catalog.selectors import environments
from governance.domain.freeze import (
    DIMENSIONS,
    EVERYTHING,
    UNREADABLE,
    FreezeReach,
    FreezeScope,
    compiled_at,
    covers,
    is_zone,
)
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
select w.id, w.name, w.reason, w.strictness, w.calendar, nullif(w.unresolved, '{}'), w.environment, w.tier, w.domain,
       w.system,
       (select c.key from catalog_scopevalue c where c.id = w.channel_id),
       (select b.key from catalog_scopevalue b where b.id = w.banner_id),
       (select r.key from catalog_scopevalue r where r.id = w.region_id),
       w.store_zone,
       not exists (select from catalog_environment e where e.key = w.environment),
       not exists (select from catalog_domain d where d.key = w.domain),
       not exists (select from catalog_system s where s.key = w.system)
  from governance_freezewindow w
 where w.ended_at is null
   and (w.environment is null or %(environments)s::text[] is null or w.environment = any(%(environments)s::text[])
        or not exists (select from catalog_environment e where e.key = w.environment))
   and (w.tier is null or %(tier)s::int is null or w.tier >= %(tier)s::int)
   and (w.domain is null or %(domains)s::text[] is null or w.domain = any(%(domains)s::text[])
        or not exists (select from catalog_domain d where d.key = w.domain))
   and (w.system is null or %(systems)s::text[] is null or w.system = any(%(systems)s::text[])
        or not exists (select from catalog_system s where s.key = w.system))
   and (w.channel_id is null or %(channels)s::text[] is null
        or coalesce((select c.key = any(%(channels)s::text[]) from catalog_scopevalue c where c.id = w.channel_id),
                    true))
   and (w.banner_id is null or %(banners)s::text[] is null
        or coalesce((select b.key = any(%(banners)s::text[]) from catalog_scopevalue b where b.id = w.banner_id),
                    true))
   and (w.region_id is null or %(regions)s::text[] is null
        or coalesce((select r.key = any(%(regions)s::text[]) from catalog_scopevalue r where r.id = w.region_id),
                    true))
 order by w.id
"""
"""The subqueries run for each window alone, so that the plan is the same however new the tables are."""

_STORED = """
select freeze_id, min(lower(period)), max(upper(period))
  from governance_freezeinterval
 where period @> %s::timestamptz
   and freeze_id = any(%s::bigint[])
 group by freeze_id
"""


def at(moment: datetime, reach: FreezeReach = EVERYTHING) -> list[WindowAt]:
    """Every live window within reach that is open at this moment, or that cannot be told: by its calendar, whatever is
    stored of its occurrences. A stored occurrence may make it longer, never shorter. A limit that nothing in the
    catalog has does not make a window narrower: it counts for all there, and the name is told as unresolved.
    """
    rows = [row for row in _rows(reach) if _zone_within(row[6:14][-1], reach)]
    stored = _stored([row[0] for row in rows], moment)
    found = []
    for pk, name, reason, strictness, calendar, unresolved, *limits, no_environment, no_domain, no_system in rows:
        interval = compiled_at(_text(calendar), moment)
        starts, ends = stored.get(pk, (None, None))
        if interval is None and pk not in stored:
            continue
        compiled = interval is not UNREADABLE or ends is not None
        if interval is not None and interval is not UNREADABLE:
            starts = min(starts or interval.starts, interval.starts)
            ends = max(ends or interval.ends, interval.ends)
        named = dict(zip(DIMENSIONS, limits, strict=True))
        gone = {"environment": no_environment, "domain": no_domain, "system": no_system}
        scope = {key: value if _holds(key, value, gone) else None for key, value in named.items()}
        lost = {key: str(value) for key, value in named.items() if value is not None and scope[key] is None}
        names = (_names(unresolved) if unresolved else {}) | lost
        found.append(WindowAt(pk, name, reason, strictness, compiled, starts, ends, scope, names))
    return found


def _rows(reach: FreezeReach) -> list[tuple[Any, ...]]:
    values = {
        "environments": reach.environments,
        "domains": reach.domains,
        "systems": reach.systems,
        "channels": reach.channels,
        "banners": reach.banners,
        "regions": reach.regions,
    }
    arrays = {key: None if known is None else list(known) for key, known in values.items()}
    return prepared_queries.rows(_LIVE, {"tier": reach.tier, **arrays})


def _zone_within(zone: str | None, reach: FreezeReach) -> bool:
    return zone is None or reach.store_zones is None or zone in reach.store_zones or not is_zone(zone)


def _stored(windows: list[int], moment: datetime) -> dict[int, tuple[datetime | None, datetime | None]]:
    """The stored occurrence of each of these windows that is open at this moment; None: without an edge."""
    if not windows:
        return {}
    return {pk: (starts, ends) for pk, starts, ends in prepared_queries.rows(_STORED, [moment, windows])}


def _holds(dimension: str, value: Any, gone: Mapping[str, bool]) -> bool:
    """Whether something can have this value."""
    if value is None:
        return True
    return is_zone(value) if dimension == "store_zone" else not gone.get(dimension, False)


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
select exists (select a.subject_id
                 from kernel_auditentry a
                where a.verb = 'governance.freeze_planned'
               except
               select w.id::text from governance_freezewindow w)
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
        for w in at(moment, FreezeReach.of_scope(scope))
        if covers(w.scope, scope)
    ]


def touching(scope: FreezeScope, start: datetime, end: datetime) -> list[Occurrence]:
    """Every occurrence within `[start, end)` that covers the scope and refuses changes."""
    return [
        o for o in _between(start, end) if covers(o.scope, scope) and o.strictness != FreezeWindow.Strictness.NOTICE
    ]


def first_within(environment: str, start: datetime, end: datetime, *, begun: bool = True) -> Occurrence | None:
    """The first occurrence within `[start, end)` that may concern this environment and refuses changes; without `begun`
    the first one that begins after `start`."""
    found = (
        FreezeInterval.objects.select_related("freeze", *_OF_WINDOW)
        .filter(Q(freeze__environment=None) | Q(freeze__environment=environment), freeze__ended_at=None)
        .filter(period__overlap=TimestamptzRange(start, end, "[)"))
        .exclude(freeze__strictness=FreezeWindow.Strictness.NOTICE)
    )
    if not begun:
        found = found.filter(period__startswith__gt=start)
    first = found.order_by("period", "freeze_id").first()
    return _occurrence(first) if first else None


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
