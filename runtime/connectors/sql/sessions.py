"""What a database of one kind needs to be read: a connection to the address that was judged, a session that changes
nothing, statements that end, and errors in words. A module for each kind gives a `Session`."""

from __future__ import annotations

import ssl
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import httpcore

from kernel import authorities, egress
from kernel.egress import NoSuchHost, NotReached
from runtime.connectors.outcomes import fault
from runtime.connectors.protocols import CallContext, Refused, Resource, Retriable
from runtime.connectors.sql.statements import Dialect, Statement
from runtime.connectors.sql.values import Rows


@dataclass(frozen=True, slots=True)
class Target:
    """Where a database is, as the address of its system says. `tls`: certificates are checked; without it others on
    the way can read the password (`?tls=none` in the address, which a person has approved)."""

    scheme: str
    host: str
    port: int
    database: str
    tls: bool = True

    @classmethod
    def of(cls, address: str) -> Target:
        """Raises NoAuthority."""
        authority, parts = authorities.of_address(address), urlsplit(address)
        if parts.query not in ("", authorities.WITHOUT_TLS) or parts.fragment:
            raise authorities.NoAuthority("behind its path stands something else than '?tls=none'")
        database = unquote(parts.path.strip("/"))
        return cls(authority.scheme, authority.host, authority.port, database, not parts.query)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True, slots=True)
class Horizon:
    """The present of the database: its clock (UTC), and where it tells them the lowest transaction that is at work and
    the next one to begin."""

    now: datetime
    lowest: int | None = None
    next: int | None = None


class Session(Protocol):
    """One connection; read-only, and each `reading` is one view of the data where the database has such a thing."""

    dialect: Dialect

    def rows(self, statement: Statement, call: CallContext) -> Rows:
        """Raises Retriable, ConnectionFault, Refused."""
        ...

    def horizon(self, call: CallContext) -> Horizon: ...

    def tables(self, call: CallContext) -> Sequence[Resource]: ...

    def close(self) -> None: ...


def address_of(target: Target, seconds: float) -> str:
    """The judged address of the host, for drivers that open their sockets themselves."""
    with connecting(target):
        found = egress.addresses(target.host, target.port, seconds, egress.systems())
    if not found:
        raise Retriable(f"{target.host} has no address")
    return found[0]


@contextmanager
def connecting(target: Target) -> Iterator[None]:
    try:
        yield
    except NoSuchHost as error:
        raise fault("name", str(error)) from None
    except NotReached as error:
        raise fault("address", str(error)) from None
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
        raise Retriable(f"{target.host}:{target.port} is not reached ({error})") from None


@contextmanager
def within(seconds: float, fileno: int) -> Iterator[None]:
    """What is called inside ends when the time is over, for the connection is cut then, however the server behaves."""
    over = threading.Event()

    def cut() -> None:
        over.set()
        egress.cut(fileno)

    timer = threading.Timer(max(seconds, 0.001), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if over.is_set():
            raise Retriable(f"the database did not answer within {seconds:g} seconds") from error
        raise
    finally:
        timer.cancel()


def left(call: CallContext) -> float:
    """Seconds of a call."""
    return call.deadline if call.until is None else min(call.deadline, max(call.until - time.monotonic(), 0.001))


def authorities_file(trusted: str) -> Any:
    """A file with the certificates that are believed: those that are named, or the machine's. Closed, it is gone."""
    if not trusted:
        return None
    made = tempfile.NamedTemporaryFile("w", suffix=".pem")  # noqa: SIM115
    made.write(trusted)
    made.flush()
    return made


def machine_authorities() -> str:
    found = ssl.get_default_verify_paths()
    return found.cafile or found.openssl_cafile


def settings_fault(target: Target, said: str) -> Refused:
    return Refused("sql.statement", f"{target} does not take the statement: {said}")


__all__ = ["Horizon", "Session", "Target", "address_of", "connecting", "left", "settings_fault", "within"]
