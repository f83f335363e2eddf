"""Connections of the ledger: autocommit, UTC, payloads as bytes. Django's own connection is not used for the hot
path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.string import ByteaBinaryLoader

from kernel import clock
from kernel.postgresql import pooler, sessions
from runtime.ledger import rewind

Connection = sessions.BoundedConnection


class _AsBytes(Loader):
    """`json` comes as the bytes that were stored; who needs the document decodes it, with Decimal for fractions."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


def connect(*, name: str = "tillgate-ledger", role: str = "worker", **more: Any) -> Connection:
    """A new connection to the product's database (Django's `default`, the one of DATABASE_DIRECT_URL, or the URL given
    as `conninfo`), limited in time by `role` (`kernel.postgresql.sessions`).

    Before its first use it is compared which database this is (`runtime.ledger.rewind`). Raises OperationalError, also
    for a standby, for a database that is not migrated, and behind a pooler in transaction mode.
    """
    arguments = dict(sessions.KEEP_ALIVE) | (more if "conninfo" in more else _arguments() | more)
    arguments["application_name"] = name[:63]
    opened = sessions.BoundedConnection.connect(**arguments, autocommit=True)
    try:
        _set_up(opened, sessions.limits_of(role))
        pooler.refuse_transaction_mode(opened, lambda: psycopg.connect(**arguments, autocommit=True))
        rewind.notice(opened)
    except BaseException:
        opened.close()
        raise
    return opened


def _arguments() -> dict[str, Any]:
    if settings.DATABASE_DIRECT:
        return dict(settings.DATABASE_DIRECT)
    known = connections["default"].get_connection_params()
    own = {"cursor_factory", "context", "server_side_binding", "pool", "prepare_threshold"}
    return {key: value for key, value in known.items() if key not in own}


def _set_up(opened: sessions.BoundedConnection, limits: sessions.TimeLimits) -> None:
    opened.prepare_threshold = 1
    opened.answer_within = limits.answer
    stated = sessions.settings_of(limits, opened.info.server_version)
    opened.lock_wait = stated.get("lock_timeout", "0")
    # Every hot statement goes by keys, so one plan serves all values; planning the gate's join anew costs more than
    # running it.
    own = {"timezone": "UTC", "plan_cache_mode": "force_generic_plan"}
    with opened.cursor() as cursor:
        found = cursor.execute(*sessions.set_statement(own | stated)).fetchone()
    assert found is not None
    clock.follow(found[0])
    opened.adapters.register_loader("json", _AsBytes)
    opened.adapters.register_loader("json", ByteaBinaryLoader)


def refusal() -> str | None:
    """Why a process that needs the ledger should not start: an address that can never do. None also while the database
    is away, for which a process waits."""
    try:
        connect(name="tillgate-start", role="probe").close()
    except pooler.PoolerInTheWay as error:
        return f"{'DATABASE_DIRECT_URL' if settings.DATABASE_DIRECT else 'DATABASE_URL'}: {error}."
    except psycopg.Error:
        return None
    return None


@contextmanager
def connected(*, name: str = "tillgate-ledger", role: str = "worker") -> Iterator[Connection]:
    opened = connect(name=name, role=role)
    try:
        yield opened
    finally:
        opened.close()
