"""The vendor's shared state (breaker, back-off) and what the ledger asks of a vendor client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from kernel.retry import PAUSE_SQL
from runtime.domain.retry import CIRCUIT_BREAKER
from runtime.ledger.connections import Connection

Status = Literal["confirmed", "refused", "retry", "unsent", "unknown"]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way to a vendor. `idempotency_key` is stable over attempts, takeovers and releases."""

    position: int
    key: str
    idempotency_key: str
    correlation: str
    document: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one message.

    `confirmed`: the vendor has it (`reference` names it there). `refused`: it never will. `retry`: not now, for a reason of
    this message alone. `unsent`: surely not acted on, for a reason of the vendor (down, throttled). `unknown`: sent, or
    partly sent, and no answer that can be trusted. `retry_after` in seconds.
    """

    status: Status
    reference: str | None = None
    detail: str = ""
    pattern: str = ""
    retry_after: float | None = None


class CannotAsk(Exception):
    """This vendor offers no way to learn whether a message has arrived."""


class Vendor(Protocol):
    """A vendor client. It never raises for what a vendor does: it answers. `guard` is called right before every request
    leaves, and raises when there is no time left in the lease."""

    deadline: float
    """Longest time in seconds that one call of `send` or `ask` may take; well below the lease."""

    def send(self, items: Sequence[Outgoing], *, guard: Callable[[], None]) -> list[Answer]:
        """One answer per item, in order."""
        ...

    def ask(self, items: Sequence[Outgoing]) -> list[Answer]:
        """`confirmed` for what the vendor has, `unsent` for what it surely has not, `unknown` where it does not say. Raises CannotAsk."""
        ...


# Calls that were under way when the breaker opened fail after it: they say nothing new and must not double the pause, as a failed
# probe does.
_FAILED = """
update runtime_vendorstate set failures = failures + 1, last_error = %(error)s, last_error_at = clock_timestamp(),
       not_before = greatest(not_before, clock_timestamp() + make_interval(secs => %(retry_after)s)),
       openings = case when {news} then openings + 1 else openings end,
       breaker = case when failures + 1 >= %(limit)s then 'open' else breaker end,
       open_until = case when {news}
                         then clock_timestamp() + make_interval(secs => {pause}) else open_until end,
       probe_subscription = null, probe_lane = null, probe_until = 'epoch'
 where id = %(vendor)s""".format(
    pause=PAUSE_SQL.format(count="openings"),
    news="(breaker = 'open' or failures + 1 >= %(limit)s) and (breaker = 'closed' or open_until <= clock_timestamp())",
)
_THROTTLED = """
update runtime_vendorstate set not_before = greatest(not_before, clock_timestamp() + make_interval(secs => %(retry_after)s)),
       last_error = %(error)s, last_error_at = clock_timestamp(), probe_subscription = null, probe_lane = null, probe_until = 'epoch'
 where id = %(vendor)s"""
_WORKS = """
update runtime_vendorstate set breaker = 'closed', failures = 0, openings = 0, probe_subscription = null, probe_lane = null, probe_until = 'epoch',
       last_success_at = clock_timestamp()
 where id = %s and (breaker <> 'closed' or failures > 0 or last_success_at is null or last_success_at < clock_timestamp() - interval '1 minute')"""


def failed(conn: Connection, vendor: int, error: str, *, retry_after: float = 0.0) -> None:
    """The vendor did not answer, or answered with its own failure. Three in a row open the breaker, with growing pauses."""
    conn.execute(
        _FAILED,
        CIRCUIT_BREAKER.parameters()
        | {"vendor": vendor, "error": error[:500], "retry_after": retry_after, "limit": CIRCUIT_BREAKER.attempts},
    )


def throttled(conn: Connection, vendor: int, error: str, *, retry_after: float) -> None:
    """The vendor said when to come back (Retry-After, RFC 9110 §10.2.3). That is an answer, not a failure."""
    conn.execute(_THROTTLED, {"vendor": vendor, "error": error[:500], "retry_after": retry_after})


def works(conn: Connection, vendor: int) -> None:
    """The vendor answered. Writes at most once a minute while all is well."""
    conn.execute(_WORKS, (vendor,))
