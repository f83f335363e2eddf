"""Usage reports: which application called which version. Sent in batches, added up per day, counted once however
often a batch is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from catalog.models import UsageBatch
from catalog.services import search_index
from kernel import audit, clock, moments
from kernel.digest import digest_of
from kernel.errors import Conflict, Invalid, finding
from kernel.models import User
from kernel.ui.wording import counted
from kernel.viewer import SYSTEM, Viewer

MAX_ROWS = 5000
MAX_OPERATIONS = 500
_NUMBERS = {"calls": 10**15, "errors": 10**15, "p95_ms": 2**31, "staleness_s": 2**31, "outage_s": 2**31}


@dataclass(frozen=True, slots=True)
class UsageReceipt:
    """`repeated`: this batch was taken in before, nothing was counted again. `unknown` rows name things that do not
    exist, or that the reporter may not see: those are counted, and told in the same words."""

    batch_id: str
    accepted: int
    repeated: bool
    unknown: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _Row:
    position: int
    application: str
    version: str
    environment: str
    day: date
    calls: int
    errors: int
    p95_ms: int | None
    staleness_s: int | None
    outage_s: int | None
    seen_at: datetime
    operations: Mapping[str, int]


_TAKE = """
with given as (
  select *
    from unnest(
           %(n)s::int[], %(application)s::text[], %(slug)s::text[], %(label)s::text[], %(environment)s::text[],
           %(day)s::date[], %(calls)s::bigint[], %(errors)s::bigint[], %(p95)s::int[], %(staleness)s::int[],
           %(outage)s::int[], %(seen)s::timestamptz[])
      as g (n, application, slug, label, environment, day, calls, errors, p95_ms, staleness_s, outage_s, seen_at)),
known as (
  select g.*, a.id as application_id, v.id as version_id, v.api_id, e.id as environment_id
    from given g
    join catalog_application a on a.key = g.application
    join catalog_api api on api.slug = g.slug
    join catalog_apiversion v on v.api_id = api.id and v.label = g.label
    join catalog_environment e on e.key = g.environment),
added as (
  insert into catalog_usageday as d (
    application_id, version_id, environment_id, day,
    calls, errors, p95_ms, staleness_s, outage_s, last_seen_at)
  select application_id, version_id, environment_id, day,
         sum(calls), sum(errors), max(p95_ms), max(staleness_s), max(outage_s), max(seen_at)
    from known
   group by 1, 2, 3, 4
   order by 1, 2, 3, 4
  on conflict (version_id, environment_id, application_id, day) do update set
    calls = d.calls + excluded.calls,
    errors = d.errors + excluded.errors,
    p95_ms = greatest(d.p95_ms, excluded.p95_ms),
    staleness_s = greatest(d.staleness_s, excluded.staleness_s),
    outage_s = greatest(d.outage_s, excluded.outage_s),
    last_seen_at = greatest(d.last_seen_at, excluded.last_seen_at)
  returning 1),
seen as (
  update catalog_subscription s set last_seen_at = greatest(s.last_seen_at, k.seen_at)
    from (select application_id, version_id, environment_id, max(seen_at) as seen_at from known group by 1, 2, 3) k
   where (s.application_id, s.version_id, s.environment_id) = (k.application_id, k.version_id, k.environment_id)
     and s.state = 'active'
     and s.last_seen_at is distinct from greatest(s.last_seen_at, k.seen_at)
  returning 1)
select array(
         select k.n from known k join catalog_apisearch s on s.api_id = k.api_id
          where %(all)s or not s.restricted or s.team_ids && %(teams)s::int[]),
       array(select distinct api_id from known),
       (select count(*) from added),
       (select count(*) from seen)
"""


_TAKE_OPERATIONS = """
with given as (
  select *
    from unnest(
           %(n)s::int[], %(application)s::text[], %(slug)s::text[], %(label)s::text[], %(environment)s::text[],
           %(operation)s::text[], %(calls)s::bigint[], %(seen)s::timestamptz[])
      as g (n, application, slug, label, environment, operation, calls, seen_at)),
named as (
  select g.*, a.id as application_id, v.id as version_id, e.id as environment_id, v.contract_id
    from given g
    join catalog_application a on a.key = g.application
    join catalog_api api on api.slug = g.slug
    join catalog_apiversion v on v.api_id = api.id and v.label = g.label
    join catalog_environment e on e.key = g.environment),
listed as (
  select d.contract_id, concat(o.value ->> 'method', ' ', o.value ->> 'path') as operation
    from (select distinct contract_id from named) d
    join catalog_contract c on c.digest = d.contract_id
   cross join lateral jsonb_array_elements(c.operations) o),
known as (
  select n.*
    from named n
    join (select distinct * from listed) l on (l.contract_id, l.operation) = (n.contract_id, n.operation)),
added as (
  insert into catalog_operationuse as u (
    application_id, version_id, environment_id, operation, calls, last_seen_at)
  select application_id, version_id, environment_id, operation, sum(calls), max(seen_at)
    from known
   group by 1, 2, 3, 4
   order by 1, 2, 3, 4
  on conflict (version_id, environment_id, application_id, operation) do update set
    calls = u.calls + excluded.calls,
    last_seen_at = greatest(u.last_seen_at, excluded.last_seen_at)
  returning 1)
select array(select n from named except all select n from known), (select count(*) from added)
"""


def report(*, actor: User | None, batch_id: str, rows: Sequence[Any]) -> UsageReceipt:
    """Take in one batch: rows are `{application, version: slug@label, environment, calls, errors?, p95_ms?,
    staleness_s?, outage_s?, day?, seen_at?, operations?}`; `operations` says how many of the calls went to which
    operation of the contract.

    Rows that name something unknown are reported back and not counted; the others are. What the actor may not see is
    counted, since a gateway need not see what it passes on, and reported back like what is unknown.

    The same `batch_id` of the same reporter with the same rows is answered again without counting; with other rows it
    is a Conflict `usage.batch_reused`. Raises Invalid with findings when a row cannot be read: then nothing is counted.
    """
    read = _read(batch_id, rows)
    body = digest_of(rows)
    with transaction.atomic():
        batch, new = UsageBatch.objects.get_or_create(
            reporter=actor, batch_id=batch_id, defaults={"body_digest": body, "rows": len(read)}
        )
        if not new:
            if batch.body_digest != body:
                raise Conflict(
                    "usage.batch_reused",
                    f"The batch {batch_id!r} was reported before with other rows. Give every batch its own id.",
                )
            return UsageReceipt(batch_id, 0, True, ())
        told = _count(read, Viewer.of(actor) if actor else SYSTEM) if read else set()
        unknown = tuple(
            finding(
                f"/rows/{r.position}",
                f"{r.application} · {r.version} · {r.environment}: at least one of them is unknown, "
                "or you may not see it.",
            )
            for r in read
            if r.position not in told
        ) + tuple(
            finding(
                f"/rows/{position}/operations",
                "At least one of these operations is not in the contract of the version. It was not counted.",
            )
            for position in sorted(_count_operations(read) & told)
        )
        audit.record(
            actor=actor,
            verb="catalog.usage_reported",
            subject_kind="usage",
            subject_id=batch_id[:100],
            after={"rows": len(read), "accepted": len(told), "unknown": len(unknown), "digest": body},
        )
    return UsageReceipt(batch_id, len(told), False, unknown)


def _count(rows: list[_Row], viewer: Viewer) -> set[int]:
    """Add the rows up; the positions of those that name things that the viewer knows of."""
    with connection.cursor() as cursor:
        sees: dict[str, Any] = {"all": viewer.sees_everything, "teams": sorted(viewer.team_ids)}
        cursor.execute(_TAKE, _columns(rows) | sees)
        positions, api_ids, _, _ = cursor.fetchone()
    search_index.refresh_calls(api_ids)
    return set(positions)


def _count_operations(rows: list[_Row]) -> set[int]:
    """Add up the calls by operation; the positions of rows with an operation that the contract does not list."""
    several = [(r, name, calls) for r in rows for name, calls in r.operations.items()]
    if not several:
        return set()
    parts = [r.version.partition("@") for r, _, _ in several]
    columns: dict[str, Any] = {
        "n": [r.position for r, _, _ in several],
        "application": [r.application for r, _, _ in several],
        "slug": [p[0] for p in parts],
        "label": [p[2] for p in parts],
        "environment": [r.environment for r, _, _ in several],
        "operation": [name for _, name, _ in several],
        "calls": [calls for _, _, calls in several],
        "seen": [r.seen_at for r, _, _ in several],
    }
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_OPERATIONS, columns)
        unknown, _ = cursor.fetchone()
    return set(unknown)


def _columns(rows: list[_Row]) -> dict[str, list[Any]]:
    parts = [r.version.partition("@") for r in rows]
    return {
        "n": [r.position for r in rows],
        "application": [r.application for r in rows],
        "slug": [p[0] for p in parts],
        "label": [p[2] for p in parts],
        "environment": [r.environment for r in rows],
        "day": [r.day for r in rows],
        "calls": [r.calls for r in rows],
        "errors": [r.errors for r in rows],
        "p95": [r.p95_ms for r in rows],
        "staleness": [r.staleness_s for r in rows],
        "outage": [r.outage_s for r in rows],
        "seen": [r.seen_at for r in rows],
    }


def _read(batch_id: str, rows: Sequence[Any]) -> list[_Row]:
    found: list[dict[str, Any]] = []
    if not isinstance(batch_id, str) or not 1 <= len(batch_id) <= 100 or "\x00" in batch_id:
        found.append(finding("/batch_id", "Give a text of 1 to 100 characters that no earlier batch has used."))
    if not isinstance(rows, list | tuple) or len(rows) > MAX_ROWS:
        found.append(finding("/rows", f"Give a list of at most {MAX_ROWS} rows."))
        rows = []
    made = []
    for n, row in enumerate(rows):
        if not isinstance(row, dict):
            found.append(finding(f"/rows/{n}", "Give an object {application, version, environment, calls}."))
            continue
        row_made = _read_row(n, row, found)
        if row_made is not None:
            made.append(row_made)
        if len(found) > 100:
            break
    if found:
        raise Invalid(
            "usage.invalid",
            f"The report cannot be read: {counted(len(found), 'finding')}. Nothing was counted.",
            {"findings": found},
        )
    return made


def _read_row(n: int, row: dict[str, Any], found: list[dict[str, Any]]) -> _Row | None:
    size, now = len(found), clock.now()
    texts = {name: _text(n, row, name, found) for name in ("application", "version", "environment")}
    numbers = {name: _number(n, row, name, found) for name in _NUMBERS}
    seen = _moment(row.get("seen_at"), now)
    day = _day(row.get("day"), seen or now)
    if seen is None or seen > now + timedelta(hours=1):
        found.append(finding(f"/rows/{n}/seen_at", "Give a time in the past, in ISO 8601 with a time zone."))
    if day is None or day > now.date() + timedelta(days=1):
        found.append(finding(f"/rows/{n}/day", "Give today or an earlier day, e.g. 2026-11-23."))
    operations = _operations(n, row.get("operations"), found)
    if len(found) == size and sum(operations.values()) > numbers["calls"]:
        found.append(finding(f"/rows/{n}/operations", "More calls to its operations than calls."))
    if len(found) == size and numbers["errors"] > numbers["calls"]:
        found.append(finding(f"/rows/{n}/errors", "More errors than calls."))
    if len(found) > size or seen is None or day is None:
        return None
    values: dict[str, Any] = {**texts, **numbers, "operations": operations}
    return _Row(position=n, day=day, seen_at=seen, **values)


def _text(n: int, row: dict[str, Any], name: str, found: list[dict[str, Any]]) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 220 or "\x00" in value:
        found.append(finding(f"/rows/{n}/{name}", "Enter a text."))
    return str(value)


def _operations(n: int, given: Any, found: list[dict[str, Any]]) -> dict[str, int]:
    """Calls by operation, {"POST /orders": 12}; empty where they were not reported."""
    if given is None:
        return {}
    at = f"/rows/{n}/operations"
    if not isinstance(given, dict) or len(given) > MAX_OPERATIONS:
        found.append(finding(at, f'Give an object of at most {MAX_OPERATIONS} operations: {{"POST /orders": 12}}.'))
        return {}
    for name, calls in given.items():
        if not isinstance(name, str) or not 1 <= len(name) <= 300 or "\x00" in name:
            found.append(finding(at, "Name an operation as the contract does, for example POST /orders."))
        elif isinstance(calls, bool) or not isinstance(calls, int) or not 0 <= calls < _NUMBERS["calls"]:
            found.append(finding(at, f"Give the calls of {name[:80]} as a whole number that is not negative."))
    return dict(given)


def _number(n: int, row: dict[str, Any], name: str, found: list[dict[str, Any]]) -> Any:
    """The number; where it is left out, 0 errors and None for a measure; noted when it is none."""
    value, top = row.get(name), _NUMBERS[name]
    if value is None and name != "calls":
        return 0 if name == "errors" else None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < top:
        found.append(finding(f"/rows/{n}/{name}", "Give a whole number that is not negative."))
        return None
    return value


def _moment(value: Any, default: datetime) -> datetime | None:
    if value is None:
        return default
    made = moments.read(value)
    return made.astimezone(UTC) if made is not None else None


def _day(value: Any, default: datetime) -> date | None:
    if value is None:
        return default.astimezone(UTC).date()
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (ValueError, TypeError):
        return None
