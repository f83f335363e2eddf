"""Vendors for Prometheus: circuit breakers, connection faults and limits, the stores of a fleet summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kernel import clock
from kernel.measures import Found, reading
from kernel.viewer import SYSTEM
from runtime.selectors import vendors
from runtime.selectors.sql_rows import rows
from runtime.selectors.vendors import VendorRow

SYSTEM_LABELS = ("environment", "system")

BREAKERS = reading(
    "vendor_instances",
    "Vendors by state of the circuit breaker: closed, open, half_open. A fleet counts each store.",
    (*SYSTEM_LABELS, "circuit_breaker"),
)
FAULTS = reading(
    "vendor_connection_faults", "Vendors with a connection fault, by what is wrong.", (*SYSTEM_LABELS, "fault")
)
WAITS = reading("vendor_waiting_instances", "Vendors that have asked to be left alone for a while.", SYSTEM_LABELS)
RETRYING = reading("vendor_retrying_messages", "Messages that are tried again or asked about.", SYSTEM_LABELS)
CALLS = reading("vendor_lanes_held", "Lanes under way at the vendor.", SYSTEM_LABELS)
CALLS_LIMIT = reading("vendor_lanes_limit", "Lanes that may be under way at once, of all stores.", SYSTEM_LABELS)
BUDGET = reading("vendor_budget_messages", "Messages that the vendor takes a day (UTC), of all stores.", SYSTEM_LABELS)
SPENT = reading("vendor_spent_messages", "Messages of today's budget that are used.", SYSTEM_LABELS)
RATE = reading("vendor_rate_limit_messages_per_second", "Messages a second that the vendor takes.", SYSTEM_LABELS)
LEFT = reading("vendor_burst_left_messages", "Messages that may be sent at once now, of all stores.", SYSTEM_LABELS)
ANSWERED = reading("vendor_last_success_timestamp_seconds", "When a store of the vendor last answered.", SYSTEM_LABELS)

_ENVIRONMENTS = "select distinct environment from runtime_vendorstate order by 1"


def read() -> Iterator[Found]:
    for found in rows(_ENVIRONMENTS):
        by_system: dict[str, list[VendorRow]] = {}
        for one in vendors.listed(SYSTEM, found["environment"]):
            by_system.setdefault(one.system_key, []).append(one)
        for system, mine in by_system.items():
            yield from _system((found["environment"], system), mine)


def _system(place: tuple[str, str], mine: list[VendorRow]) -> Iterator[Found]:
    now = clock.now()
    states = Counter(_state(one) for one in mine)
    for state in ("closed", "open", "half_open"):
        yield Found(BREAKERS, (*place, state), states[state])
    kinds = Counter(kind for one in mine for kind in {one.fault, *(fault.kind for fault in one.faults)} if kind)
    for kind, count in kinds.items():
        yield Found(FAULTS, (*place, kind), count)
    yield Found(WAITS, place, sum(one.not_before > now for one in mine))
    yield Found(RETRYING, place, sum(one.retrying for one in mine))
    yield Found(CALLS, place, sum(one.leases for one in mine))
    for limit, values in (
        (CALLS_LIMIT, [one.concurrency for one in mine]),
        (BUDGET, [one.budget for one in mine]),
        (SPENT, [one.spent for one in mine if one.budget is not None]),
        (RATE, [one.rate for one in mine]),
        (LEFT, [one.left for one in mine]),
    ):
        known = [value for value in values if value is not None]
        if known:
            yield Found(limit, place, sum(known))
    answered = [one.last_success_at for one in mine if one.last_success_at is not None]
    if answered:
        yield Found(ANSWERED, place, max(answered).timestamp())


def _state(one: VendorRow) -> str:
    if one.breaker != "open":
        return "closed"
    return "open" if one.open_until > clock.now() and not one.probing else "half_open"
