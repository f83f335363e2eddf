"""Time limits of a session, by what its connection is for. The server keeps them, so they also end what a process
left behind that stands still; the client has one of its own, for a server that stands still.

`docs/reference/time-limits.md` lists them.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg import errors
from psycopg.abc import RV, PQGen

from kernel.postgresql.round_trips import FewRoundTrips

ANSWER_MARGIN = 5.0  # the client waits so many seconds longer than the server should

KEEP_ALIVE: Mapping[str, Any] = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "connect_timeout": 5,
}
"""A server that vanished from the network is noticed after about ten seconds; one that does not answer is not waited
for when a connection is opened."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds; 0 is no limit. `statement`: one statement; `lock`: one wait for a lock; `idle`: a transaction that does
    nothing; `transaction`: a whole one (PostgreSQL 17 and newer)."""

    statement: float = 0.0
    lock: float = 0.0
    idle: float = 0.0
    transaction: float = 0.0

    @property
    def answer(self) -> float | None:
        """How long the client waits for the server."""
        return self.statement + ANSWER_MARGIN if self.statement else None


LIMITS: Mapping[str, TimeLimits] = {
    "web": TimeLimits(statement=30, lock=5, idle=20, transaction=60),
    "intake": TimeLimits(statement=10, lock=3, idle=1, transaction=15),
    "worker": TimeLimits(statement=60, lock=10, idle=2, transaction=120),
    "collector": TimeLimits(statement=60, lock=10, idle=2, transaction=120),
    "scheduler": TimeLimits(statement=60, lock=10, idle=60, transaction=300),
    "report": TimeLimits(statement=600, lock=10, idle=60),
    "migration": TimeLimits(lock=10, idle=60),
    "probe": TimeLimits(statement=2, lock=1, idle=1, transaction=3),
    "unlimited": TimeLimits(),
}
_FIELDS = {field.name for field in dataclasses.fields(TimeLimits)}

process_role = os.environ.get("TILLGATE_ROLE", "web")


def serve_as(role: str) -> None:
    """What the connections that Django opens in this process are for, from now on."""
    global process_role
    limits_of(role)
    process_role = role


def limits_of(role: str, given: str | None = None) -> TimeLimits:
    """The limits of a role, with what DATABASE_LIMITS says: `web.statement=60s intake.idle=2s`."""
    found = LIMITS[role]
    text = os.environ.get("DATABASE_LIMITS", "") if given is None else given
    for part in re.split(r"[,\s]+", text.strip()) if text.strip() else ():
        stated = re.fullmatch(r"(\w+)\.(\w+)=(\d+(?:\.\d+)?)(ms|s|min)?", part)
        if stated is None or stated[1] not in LIMITS or stated[2] not in _FIELDS:
            raise ImproperlyConfigured(
                f"DATABASE_LIMITS: {part!r} is not role.limit=seconds, as in web.statement=60s. "
                f"Roles: {', '.join(LIMITS)}. Limits: {', '.join(sorted(_FIELDS))}."
            )
        if stated[1] == role:
            seconds = float(stated[3]) * {"ms": 0.001, "min": 60.0}.get(stated[4] or "s", 1.0)
            found = dataclasses.replace(found, **{stated[2]: seconds})
    return found


_NAMES = {
    "statement": "statement_timeout",
    "lock": "lock_timeout",
    "idle": "idle_in_transaction_session_timeout",
    "transaction": "transaction_timeout",
}


def settings_of(limits: TimeLimits, server_version: int) -> dict[str, str]:
    """What PostgreSQL calls the limits, each with its value. 0 stays out: what the server or the role says holds."""
    return {
        _NAMES[name]: f"{int(seconds * 1000)}ms"
        for name, seconds in dataclasses.asdict(limits).items()
        if seconds and (name != "transaction" or server_version >= 170000)
    }


def set_statement(settings: Mapping[str, str]) -> tuple[str, list[str]]:
    """One `select` that tells the server's time and sets them all for the session, and its arguments."""
    parts = ", ".join(["clock_timestamp()", *["set_config(%s, %s, false)"] * len(settings)])
    return f"select {parts}", [text for pair in settings.items() for text in pair]


class BoundedConnection(FewRoundTrips):
    """Waits for the server no longer than `answer_within` seconds, then the session is closed: a server that stands
    still sends nothing, and neither keep-alives nor the server's own limits would end the wait."""

    answer_within: float | None = None
    lock_wait: str = "0"
    """How long the session waits for a lock, as PostgreSQL writes it."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        if timeout is not None or self.answer_within is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_within)
        except errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server gave no answer within {self.answer_within:g} s") from None
