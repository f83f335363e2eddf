"""The gate in words: the conditions of the view `runtime_gate` one by one, so that a closed gate says which one fails.

`open` is always the answer of the view, and that no fault of its connection is known; the words explain it
and never replace it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from kernel import clock, prepared_queries
from kernel.ui.tones import Tone, ok, quiet, stop, wait
from kernel.ui.wording import relative, zone_of
from runtime.domain import connection_faults


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition that must hold before a worker may claim work."""

    key: str
    title: str
    says: str
    tone: Tone

    @property
    def met(self) -> bool:
        return self.tone.tone in ("ok", "quiet")


@dataclass(frozen=True, slots=True)
class GateState:
    """Whether work of a target may be claimed now.

    `permitted`: by people's decisions; `open`: by the vendor's state, too.
    """

    subscription_id: int
    permitted: bool
    open: bool
    conditions: tuple[Condition, ...]

    @property
    def unmet(self) -> tuple[Condition, ...]:
        return tuple(c for c in self.conditions if not c.met)

    @property
    def says(self) -> str:
        if self.open:
            return "Approved, active, not frozen, and the vendor accepts calls."
        return " ".join(c.says for c in self.unmet) or "The gate is closed."

    @property
    def tone(self) -> Tone:
        if self.open:
            return ok("Gate open", "gate-open")
        return stop("Gate closed", "gate-shut") if not self.permitted else wait("Gate waits", "gate-shut")


_STATES = """
select s.id as subscription_id, s.open as takes_work, s.target, s.instance,
       d.environment, d.active, d.paused, d.pause_reason, d.ended_at,
       a.id as approval_id, a.change_id, a.voided_at, a.void_reason, a.valid_from, a.valid_until,
       a.digest = r.digest as same_digest, r.digest,
       exists (select
                 from governance_valid_approval w
                where w.approval_id = d.approval_id
                  and w.subject_kind = 'integration' and w.subject_id = i.key
                  and w.digest = r.digest and w.environment = d.environment) as approved,
       (select array_agg(p.reference
                         || case when c.state = 'retired' then ' is retired'
                                 else ' is past its sunset of ' || to_char(c.sunset_at, 'FMDD Mon YYYY') end
                         order by p.reference)
          from runtime_pin p
          join catalog_apiversion c on c.id = p.version_id
         where p.release_id = r.id and (c.state = 'retired' or c.sunset_at <= clock_timestamp())) as past_sunset,
       (select array_agg(distinct w.entity || coalesce('/' || w.attribute_group, '')
                         || ', whose record is ' || w.record)
          from runtime_against_record w
         where w.release_id = r.id and w.target = s.target) as against_record,
       (select array_agg(m.system_key || ' in ' || m.environment order by m.system_key)
          from runtime_destination_moved m
         where m.approval_id = d.approval_id) as moved,
       f.name as freeze, f.ends_at as freeze_ends_at,
       coalesce(y.name, v.system_key) as system_name, v.instance as vendor_instance,
       v.breaker, v.failures, v.open_until, v.probe_until, v.not_before,
       v.fault, v.fault_detail, s.fault_tries > 0 as own_fault, s.fault as target_fault,
       s.fault_detail as target_fault_detail, s.held_until,
       v.rate, v.burst, v.budget, v.concurrency,
       v.rate is not null
       and least(v.burst, v.allowance + v.rate * extract(epoch from clock_timestamp() - v.refilled_at)) < 1
           as rate_used_up,
       v.budget is not null and v.spent >= v.budget
       and v.spent_on >= (clock_timestamp() at time zone 'UTC')::date as budget_used_up,
       v.not_before > clock_timestamp() as asked_to_wait,
       exists (select from runtime_rewind w where w.at > clock_timestamp() - interval '1 hour') as went_back,
       v.probe_until > clock_timestamp() as probing,
       exists (select from runtime_permitted g where g.subscription_id = s.id) as permitted,
       v.fault = ''
       and s.fault_tries = 0
       and exists (select from runtime_gate g where g.subscription_id = s.id) as is_open,
       clock_timestamp() as at
  from runtime_subscription s
  join runtime_deployment d on d.id = s.deployment_id
  join runtime_release r on r.id = d.release_id
  join runtime_integration i on i.id = r.integration_id
  join runtime_vendorstate v on v.id = s.vendor_id
  left join catalog_system y on y.key = v.system_key
  join governance_approval a on a.id = d.approval_id
  left join lateral (select f.name, f.ends_at
                       from governance_active_freeze f
                      where f.strictness = 'work'
                        and (f.environment is null or f.environment = d.environment)
                        and (f.tier is null or r.tier <= f.tier)
                        and (f.domain is null or f.domain = coalesce(r.manifest ->> 'domain', f.domain))
                        and (f.system is null or f.system = v.system_key)
                        and runtime_freezes_store(
                              f.banner_id, f.channel_id, f.region_id, f.store_zone, s.instance, d.environment)
                      order by f.ends_at desc nulls first
                      limit 1) f on true
 where s.id = any(%(ids)s)
 order by s.id"""


def states(subscription_ids: Sequence[int]) -> dict[int, GateState]:
    """Gate states by subscription id, in one query. The caller passes only subscriptions that the viewer may see."""
    if not subscription_ids:
        return {}
    found = prepared_queries.named_rows(_STATES, {"ids": list(subscription_ids)})  # a plan costs more than its query
    return {row["subscription_id"]: _gate(row) for row in found}


def _gate(row: dict[str, Any]) -> GateState:
    found = (_approved, _destinations, _running, _in_time, _direction, _unfrozen, _circuit_breaker, _quota)
    conditions = tuple(condition(row) for condition in found)
    return GateState(row["subscription_id"], row["permitted"], row["is_open"], conditions)


def at(moment: datetime | None) -> str:
    """ "Mon 06:00 CET" within a week, with the date beyond."""
    if moment is None:
        return "further notice"
    here = timezone.localtime(moment)
    near = abs((moment - clock.now()).days) < 6
    day = f"{here:%a}" if near else f"{here.day} {here:%b %Y},"
    return f"{day} {here:%H:%M} {zone_of(here)}"


def _approved(row: dict[str, Any]) -> Condition:
    title = "Approval of this digest"
    by = f"change {row['change_id']}" if row["change_id"] else "break-glass"
    if row["approved"]:
        until = f", valid until {at(row['valid_until'])}" if row["valid_until"] else ""
        return Condition("approved", title, f"Approved by {by}{until}.", ok("Approved"))
    if row["voided_at"]:
        reason = f": {row['void_reason']}" if row["void_reason"] else ""
        return Condition("approved", title, f"The approval by {by} is void{reason}.", stop("Approval void"))
    if row["valid_until"] and row["valid_until"] <= row["at"]:
        return Condition(
            "approved", title, f"The approval by {by} ended {at(row['valid_until'])}.", stop("Approval ended")
        )
    if row["valid_from"] and row["valid_from"] > row["at"]:
        return Condition(
            "approved", title, f"The approval by {by} begins {at(row['valid_from'])}.", wait("Not yet valid")
        )
    return Condition(
        "approved", title, "No valid approval binds this digest to this environment.", stop("Not approved")
    )


def _destinations(row: dict[str, Any]) -> Condition:
    title = "Addresses of its systems"
    if row["moved"]:
        said = f"Destination changed since approval: {', '.join(row['moved'])}. Nothing is sent until it is approved."
        return Condition("destination", title, said, stop("Destination changed"))
    return Condition("destination", title, "Its systems answer where they did when it was approved.", ok("As approved"))


def _running(row: dict[str, Any]) -> Condition:
    title = "Deployment and pauses"
    if not row["active"]:
        return Condition(
            "active", title, f"This release was replaced {at(row['ended_at'])}.", quiet("Replaced", "stop")
        )
    if not row["takes_work"]:
        return Condition("active", title, "This target accepts no more work.", stop("Closed"))
    if row["paused"]:
        reason = f": {row['pause_reason']}" if row["pause_reason"] else "."
        return Condition("active", title, f"Paused by a person{reason}", wait("Paused", "pause"))
    return Condition("active", title, "Active and not paused.", ok("Active"))


def _in_time(row: dict[str, Any]) -> Condition:
    title = "Sunsets of what it uses"
    if row["past_sunset"]:
        return Condition("sunset", title, f"{'; '.join(row['past_sunset'])}.", stop("Past sunset"))
    return Condition("sunset", title, "Every API version that it pins is before its sunset.", ok("In time"))


def _direction(row: dict[str, Any]) -> Condition:
    title = "Systems of record"
    if row["against_record"]:
        return Condition(
            "direction", title, f"It writes {'; '.join(row['against_record'])}.", stop("Against system of record")
        )
    return Condition("direction", title, "No write goes against a system of record in force now.", ok("Allowed"))


def _unfrozen(row: dict[str, Any]) -> Condition:
    title = "Freeze windows"
    if row["freeze"] is not None:
        return Condition(
            "freeze",
            title,
            f"Freeze “{row['freeze']}” stops work until {at(row['freeze_ends_at'])}.",
            wait("Frozen", "calendar"),
        )
    return Condition("freeze", title, "No freeze window stops work now.", ok("Not frozen"))


def vendor_name(row: dict[str, Any]) -> str:
    """ "S/4HANA Cloud"; of a fleet the store as well: "Store POS estate, 0590"."""
    return f"{row['system_name']}, {row['vendor_instance']}" if row["vendor_instance"] else str(row["system_name"])


def _circuit_breaker(row: dict[str, Any]) -> Condition:
    title = "Circuit breaker"
    name = vendor_name(row)
    if row["asked_to_wait"] and row["went_back"]:
        said = f"{name} is left alone until {at(row['not_before'])}: "
        said += "the database went back, and calls of before may still be under way there."
        return Condition("breaker", title, said, wait("Left alone"))
    if row["asked_to_wait"]:
        return Condition(
            "breaker", title, f"{name} asked to wait until {at(row['not_before'])}.", wait("Asked to wait")
        )
    if row["own_fault"] and row["breaker"] == "closed":
        said = connection_faults.title(row["target_fault"], row["target_fault_detail"])
        return Condition("breaker", title, f"{said}. {_next(row['held_until'], row)}", stop("Connection fault"))
    if row["breaker"] == "open" and row["fault"]:
        said = connection_faults.title(row["fault"], row["fault_detail"])
        said = f"{said}. {_next(row['open_until'], row)}"
        return Condition("breaker", title, said, wait("One call tries") if row["probing"] else stop("Connection fault"))
    if row["breaker"] == "open":
        after = f" after {row['failures']} failures" if row["failures"] else ""
        if row["probing"]:
            return Condition(
                "breaker",
                title,
                f"Circuit breaker of {name} open{after}; one call is trying now.",
                wait("One call tries"),
            )
        if row["open_until"] and row["open_until"] > row["at"]:
            gap = relative(row["open_until"], since=row["at"]).replace("just now", "in a moment")
            return Condition(
                "breaker",
                title,
                f"Circuit breaker of {name} open{after}; next attempt {gap}.",
                stop("Circuit breaker open"),
            )
        return Condition(
            "breaker", title, f"Circuit breaker of {name} half open{after}: the next call decides.", wait("Half open")
        )
    return Condition("breaker", title, f"{name} answers; circuit breaker closed.", ok("Closed"))


def _next(until: datetime | None, row: dict[str, Any]) -> str:
    if row["probing"]:
        return "One call is trying now."
    if until is None or until <= row["at"]:
        return "The next message tries."
    return f"Next probe {relative(until, since=row['at']).replace('just now', 'in a moment')}."


def _quota(row: dict[str, Any]) -> Condition:
    title = "Quota"
    if row["budget_used_up"]:
        return Condition(
            "quota",
            title,
            f"The daily budget of {row['budget']:,} is used up until midnight UTC.",
            wait("Budget used up"),
        )
    if row["rate_used_up"]:
        return Condition(
            "quota", title, f"The rate of {row['rate']:g} per second is used for this moment.", wait("Rate used")
        )
    limited = row["rate"] is not None or row["budget"] is not None
    return Condition(
        "quota",
        title,
        "Quota is left." if limited else "No limit is set.",
        ok("Left") if limited else quiet("No limit"),
    )
