"""The state of each vendor that all workers share: circuit breaker, back-off, quotas, and messages being retried."""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.selectors import systems
from kernel import clock
from kernel.ui.tones import Tone, ok, quiet, stop, wait
from kernel.ui.wording import relative
from kernel.viewer import Viewer
from runtime.permissions import SEEN, sight
from runtime.selectors import connection_faults
from runtime.selectors.connection_faults import ConnectionFaultRow
from runtime.selectors.sql_rows import rows


@dataclass(slots=True)
class VendorRow:
    """One system (or one store of a fleet) in one environment.

    `rate` in calls per second, `budget` in messages per UTC day.
    """

    id: int
    system_key: str
    instance: str
    environment: str
    name: str
    breaker: str
    failures: int
    openings: int
    open_until: datetime
    probing: bool
    not_before: datetime
    rate: float | None
    burst: float | None
    left: float | None
    concurrency: int | None
    leases: int
    budget: int | None
    spent: int
    last_error: str
    last_error_at: datetime | None
    last_success_at: datetime | None
    retrying: int
    unknown: int
    integrations: tuple[str, ...]
    fault: str
    fault_detail: str
    fault_since: datetime | None
    faults: tuple[ConnectionFaultRow, ...] = ()

    @property
    def waiting(self) -> int:
        """Messages that wait for a fault of the connection."""
        return sum(fault.waiting for fault in self.faults)

    @property
    def label(self) -> str:
        return f"{self.name}, {self.instance}" if self.instance else self.name

    @property
    def breaker_tone(self) -> Tone:
        now = clock.now()
        if self.breaker == "open":
            if self.probing:
                return wait("One call tries")
            if self.fault:
                return stop("Connection fault")
            return stop("Open") if self.open_until > now else wait("Half open")
        if self.faults:
            of_question = all(fault.question for fault in self.faults)
            return wait("Fault of the question" if of_question else "Connection fault", "alert")
        if self.not_before > now:
            return wait("Asked to wait")
        return ok("Closed") if self.last_success_at or not self.failures else wait(f"{self.failures} failures", "alert")

    @property
    def breaker_note(self) -> str:
        now = clock.now()
        if self.breaker == "open" and self.open_until > now:
            return f"next attempt {relative(self.open_until, since=now)}".replace("just now", "in a moment")
        if self.not_before > now:
            return f"continues {relative(self.not_before, since=now)}".replace("just now", "in a moment")
        return ""

    @property
    def used(self) -> list[tuple[float | None, float, str, Tone]]:
        """(used, limit, words, tone) of each limit that is set."""
        made: list[tuple[float | None, float, str, Tone]] = []
        if self.budget is not None:
            made.append(_used(self.spent, self.budget, f"{self.spent:,} of {self.budget:,} a day"))
        if self.rate is not None and self.burst:
            gone = max(self.burst - (self.left or 0), 0)
            made.append(_used(gone, self.burst, f"{self.rate:g} per s, burst {self.burst:g}"))
        if self.concurrency is not None:
            made.append(_used(self.leases, self.concurrency, f"{self.leases} of {self.concurrency} at once"))
        return made

    @property
    def abnormal(self) -> bool:
        return self.breaker_tone.tone != "ok"


def _used(value: float, limit: float, words: str) -> tuple[float, float, str, Tone]:
    share = value / limit if limit else 1.0
    tone = stop("Used up") if share >= 1 else wait("Nearly used") if share >= 0.7 else ok("Left")
    return value, limit, words, tone


_VENDORS = (
    """
with seen as (
       select v.id, array_agg(distinct s.id) as subscriptions, bool_or(s.fault_tries > 0) as target_at_fault,
              coalesce(array_agg(distinct i.key) filter (where """
    + SEEN
    + """), '{}') as integrations
         from runtime_vendorstate v
         join runtime_subscription s on s.vendor_id = v.id
         join runtime_stream st on st.id = s.stream_id
         join runtime_integration i on i.id = st.integration_id
        where (%(environment)s = '' or v.environment = %(environment)s)
          and (%(id)s::bigint is null or v.id = %(id)s)
          and (v.system_key = any(%(owned)s) or """
    + SEEN
    + """)
        group by v.id)
select v.id, v.system_key, v.instance, v.environment, v.breaker, v.failures, v.openings, v.open_until,
       v.probe_until > clock_timestamp() as probing, v.not_before, v.rate, v.burst, v.concurrency, v.budget,
       v.last_error, v.last_error_at, v.last_success_at, v.fault, v.fault_detail, v.fault_since, seen.integrations,
       v.fault <> '' or seen.target_at_fault as at_fault,
       case when v.rate is not null
            then least(v.burst, v.allowance + v.rate * extract(epoch from clock_timestamp() - v.refilled_at))
        end as left,
       case when v.spent_on = (clock_timestamp() at time zone 'UTC')::date then v.spent else 0 end as spent,
       (select count(*)
          from runtime_progress p
         where p.subscription_id = any(seen.subscriptions)
           and p.owner is not null
           and p.lease_until > clock_timestamp()) as leases,
       (select count(*)
          from runtime_quarantine q
         where q.subscription_id = any(seen.subscriptions)
           and q.state in ('retry', 'sending'))
     + (select count(*)
          from runtime_progress p
         where p.subscription_id = any(seen.subscriptions)
           and p.intent is not null
           and p.owner is null) as retrying,
       (select count(*)
          from runtime_quarantine q
         where q.subscription_id = any(seen.subscriptions)
           and q.state = 'unknown') as unknown
  from runtime_vendorstate v
  join seen using (id)
 order by v.system_key, v.instance"""
)


def listed(viewer: Viewer, environment: str) -> list[VendorRow]:
    """Vendors that integrations visible to the viewer call, or whose system the viewer's team owns, those with problems
    first. Two queries, and more only while a connection is at fault."""
    found = _found(viewer, environment, None)
    return sorted(found, key=lambda one: (not one.abnormal, one.name, one.instance))


def one(viewer: Viewer, vendor_id: int) -> VendorRow | None:
    """None when there is none, or when no integration visible to the viewer calls it."""
    if vendor_id >= 2**63:
        return None
    return next(iter(_found(viewer, "", vendor_id)), None)


def _found(viewer: Viewer, environment: str, vendor_id: int | None) -> list[VendorRow]:
    known = systems.all_systems()
    names = {system.key: system.name for system in known}
    owned = [system.key for system in known if system.owner_team_id in viewer.team_ids]
    found = rows(_VENDORS, sight(viewer) | {"environment": environment, "id": vendor_id, "owned": owned})
    faults: dict[int | None, list[ConnectionFaultRow]] = {}
    at_fault = [row.pop("at_fault") for row in found]
    if any(at_fault):
        for fault in connection_faults.of_targets(viewer, environment, vendor=vendor_id):
            faults.setdefault(fault.vendor, []).append(fault)
    return [_made(row, names, faults.get(row["id"], [])) for row in found]


def _made(one: dict[str, Any], names: dict[str, str], faults: list[ConnectionFaultRow]) -> VendorRow:
    name, callers = names.get(one["system_key"], one["system_key"]), tuple(one["integrations"])
    return VendorRow(**(one | {"name": name, "integrations": callers}), faults=tuple(faults))


@dataclass(frozen=True, slots=True)
class SystemRow:
    """All instances of one system together. `vendor` is the worst of them; its limits are shown."""

    name: str
    vendor: VendorRow
    instances: int
    troubled: int
    retrying: int
    unknown: int

    @property
    def tone(self) -> Tone:
        worst = self.vendor.breaker_tone
        if self.instances == 1 or not self.troubled:
            return worst
        return Tone(
            worst.tone, f"{self.troubled} of {self.instances}: {worst.word[:1].lower()}{worst.word[1:]}", worst.icon
        )


def by_system(found: list[VendorRow]) -> list[SystemRow]:
    """One row per system, in the order of `found`, which has problems first."""
    grouped: dict[str, list[VendorRow]] = {}
    for one in found:
        grouped.setdefault(one.system_key, []).append(one)
    return [
        SystemRow(
            mine[0].name,
            mine[0],
            len(mine),
            sum(one.abnormal for one in mine),
            sum(one.retrying for one in mine),
            sum(one.unknown for one in mine),
        )
        for mine in grouped.values()
    ]


def state_of(found: list[VendorRow]) -> Tone:
    broken = [one for one in found if one.breaker_tone.tone == "stop"]
    if broken:
        faulty = sum(one.breaker_tone.word == "Connection fault" for one in broken)
        if faulty == len(broken):
            return stop(f"{faulty} with a connection fault")
        return stop(f"{len(broken)} not answering")
    waiting = [one for one in found if one.abnormal]
    if waiting:
        return wait(f"{len(waiting)} wait")
    return ok("All answer") if found else quiet("None called yet")
