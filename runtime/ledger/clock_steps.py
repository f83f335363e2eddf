"""The database's clock may be set: by its time service, by a failover to another server, by a machine that slept.

Leases and pauses are times of that clock, so a step would end them early or keep them for as long as it was wide. Every
process that lives for a while has a clock that is never set, and compares the two. What was stored before a step is
moved with it (`attend`), and a claim takes no lease for ended that has not ended by both clocks (`latest`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from runtime.ledger import sql
from runtime.ledger.connections import Connection

log = logging.getLogger(__name__)
LEAST_STEP = 2.0  # seconds; a clock that is kept right moves less between two looks
SPENT = 1.0  # seconds that moving may take
UNATTENDED = 5.0  # seconds after a step in which what was stored before it may not have been moved yet
LONGEST_LEASE = sql.LONGEST_LEASE
NOBODY_KNOWS = 366 * 86_400.0  # seconds since something that lies ahead of the clock: no key that ends is kept as long
LONGEST_PAUSE = 3600.0  # what a vendor may ask for (Retry-After)
LONGEST_OF_WEBHOOKS = 6 * 3600.0  # the ceiling of their pauses
NOW = "select extract(epoch from clock_timestamp())::float8"
Columns = tuple[tuple[str, str], ...]
_PAUSES: Columns = (
    ("runtime_progress", "not_before"),
    ("runtime_quarantine", "not_before"),
    ("runtime_source", "not_before"),
    ("runtime_vendorstate", "not_before"),
    ("runtime_vendorstate", "open_until"),
    ("runtime_vendorstate", "probe_until"),
    ("runtime_subscription", "held_until"),
    ("kernel_outboxevent", "available_at"),
    ("governance_webhookdelivery", "next_at"),
    ("governance_pipelinereview", "next_at"),
)
_OF_WEBHOOKS: Columns = (("governance_webhookdelivery", "next_at"),)  # which pause for longer than others
_LEASES: Columns = (
    ("runtime_progress", "lease_until"),
    ("runtime_quarantine", "lease_until"),
    ("runtime_source", "lease_until"),
    ("kernel_outboxevent", "lease_until"),
    ("catalog_importrun", "lease_until"),
)
_PLACES_IN_LINE: Columns = (("runtime_progress", "waits_since"),)
_LOOKS: Columns = (("runtime_source", "read_at"), ("runtime_vendorstate", "last_success_at"))
"""When something was last seen to be well: never in the future, which would stay fresh for as long as the step."""
_SENT: Columns = (("runtime_progress", "sent_at"), ("runtime_quarantine", "sent_at"))
FIRST_SENT_BACK = (sql.read("clock_intent_back"), sql.read("clock_first_back"))
_LONGEST_SETTLE = "select coalesce(max(settle), 0)::float8 from runtime_subscription"


@dataclass(slots=True)
class ClockWatch:
    """Compares the database's clock with the monotonic one of this process. `monotonic` is given by tests."""

    monotonic: Callable[[], float] = time.monotonic
    _offset: float | None = None
    _trusted: float | None = None
    _stepped_at: float = field(default=float("-inf"))
    _lately: float = 0.0

    def look(self, conn: Connection) -> float:
        """Seconds by which the clock was set since the last look, negative for back; 0 where it was not."""
        return self.look_with(lambda: float((conn.execute(NOW).fetchone() or (0.0,))[0]))

    def look_with(self, ask: Callable[[], float]) -> float:
        """The same, where `ask` answers the database's time in seconds."""
        before = self.monotonic()
        database = ask()
        return self.noted(database, self.monotonic() - before)

    def noted(self, database: float, took: float) -> float:
        """The same for a time of the database that came just now, `took` seconds after it was asked for."""
        after, uncertain = self.monotonic(), took / 2
        offset = database - (after - uncertain)
        step = 0.0 if self._offset is None else offset - self._offset
        if abs(step) <= LEAST_STEP + uncertain:
            step = 0.0
        if not step and self._offset is not None and uncertain > 0.1:
            return 0.0  # says less than what is known
        self._offset = offset
        if step:
            self._lately = step + (self._lately if after - self._stepped_at <= UNATTENDED else 0.0)
            self._stepped_at = after
        if self._trusted is None or self._trusted > offset or after - self._stepped_at > LONGEST_LEASE:
            self._trusted = offset
        return step

    def latest(self) -> float | None:
        """The time by the clock of before a step ahead, for as long as a lease of before may last; it judges those that
        lie within the longest lease from it (`sql.lease_is_over`). Where there was no step it is a little more than the
        time as it is, and judges none. None before the first look."""
        return None if self._trusted is None else self._trusted + self.monotonic() + LEAST_STEP

    def no_less_ago(self, seconds: float | None) -> float | None:
        """The longest time that may have passed since something of which the database's clock says `seconds`: a step
        back of just now makes it seem as much less, and may not have been moved with it yet. What lies ahead even so
        was stored before a step that this process has not seen: nobody knows when (NOBODY_KNOWS)."""
        if seconds is None:
            return None
        longest = seconds + self.back_lately()
        return NOBODY_KNOWS if longest < 0 else longest

    def back_lately(self) -> float:
        """Seconds by which the clock was set back just now; 0 some seconds after the step."""
        return max(0.0, -self._lately) if self.monotonic() - self._stepped_at <= UNATTENDED else 0.0

    def ahead_lately(self) -> float:
        """Seconds by which the clock was set ahead just now: what was stored before may not have been moved yet, and
        seems as much longer ago. 0 some seconds after the step."""
        return max(0.0, self._lately) if self.monotonic() - self._stepped_at <= UNATTENDED else 0.0

    def at_least_ago(self, seconds: float | None) -> float | None:
        """What is left of a time that has passed by the database's clock once a step of just now is taken from it."""
        return seconds if seconds is None or seconds <= 0 else max(0.0, seconds - self.ahead_lately())


watch = ClockWatch()
"""That of a worker's process."""


def attend(
    conn: Connection, step: float, *, since: float = 0.0, monotonic: Callable[[], float] = time.monotonic
) -> int:
    """Move with a step what was stored before it. Answers how many times were moved. `since`: the step came within so
    many seconds; a scheduler that stands still in here meanwhile adds to them, by `monotonic`.

    After a step back a pause ends when it would have, at the earliest now; a lease that could not be as long as it
    looks is one of before, and so is a last send further ahead than the longest lease, to whose end a lost owner may
    send. A last send within that may have been stored since, and waits longer where it was not. After a step ahead the
    pauses and leases that it ran over go on, but for what may have been stored, and may have ended, since the step.
    """
    begun = monotonic()

    def ago() -> float:
        return since + (monotonic() - begun) + SPENT

    if step < 0:
        moved = _move(conn, "clock_back", _PAUSES, step, 0.0) + _move(conn, "clock_back", _LEASES, step, LONGEST_LEASE)
        moved += _move(conn, "clock_sent_back", _LOOKS, step, 0.0)
        moved += _move(conn, "clock_sent_back", _SENT, step, LONGEST_LEASE)
        moved += sum(conn.execute(text, {"step": step, "since": ago()}).rowcount for text in FIRST_SENT_BACK)
        _move(conn, "clock_back", _PLACES_IN_LINE, step, 0.0)
    else:
        moved = sum(_move(conn, "clock_ahead", (one,), step, 0.0, ago()) for one in _PAUSES + _LEASES)
        moved += _move(conn, "clock_sent_ahead", _SENT, step, LONGEST_PAUSE)
    log.warning("the database's clock was set by %+.0f s; %s leases and pauses were moved with it", step, moved)
    return moved


def attend_late(conn: Connection, step: float) -> int:
    """Some seconds after a step back: move what a transaction has stored since that had read the clock before it. Where
    the step was wider than the longest pause, what is further off than that can be nothing else; other steps leave it
    for as long as they are wide."""
    longest = LONGEST_PAUSE + _longest_settle(conn)
    if -step <= longest:
        return 0
    columns = tuple(one for one in _PAUSES + _LEASES if one not in _OF_WEBHOOKS)
    return _move(conn, "clock_back", columns, step, longest)


def bound(conn: Connection) -> int:
    """No lease and no pause lasts longer than the longest there is, whatever set the clock while nobody looked.
    Answers how many were shortened."""
    others = tuple(pause for pause in _PAUSES if pause not in _OF_WEBHOOKS)
    done = _bound(conn, _LEASES, LONGEST_LEASE) + _bound(conn, others, LONGEST_PAUSE + _longest_settle(conn))
    return done + _bound(conn, _OF_WEBHOOKS, LONGEST_OF_WEBHOOKS)


def _longest_settle(conn: Connection) -> float:
    row = conn.execute(_LONGEST_SETTLE).fetchone()
    return float(row[0]) if row else 0.0


def _move(conn: Connection, name: str, columns: Columns, step: float, beyond: float, since: float = 0.0) -> int:
    given = {"step": step, "beyond": beyond, "since": since}
    return sum(conn.execute(sql.read(name, table=t, column=c), given).rowcount for t, c in columns)


def _bound(conn: Connection, columns: Columns, longest: float) -> int:
    texts = (sql.read("clock_bound", table=table, column=column) for table, column in columns)
    return sum(conn.execute(text, {"longest": longest}).rowcount for text in texts)
