"""Connections of the ledger: autocommit, UTC, payloads as bytes. Django's own connection is not used for the hot
path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.string import ByteaBinaryLoader

from runtime.ledger import rewind

Connection = psycopg.Connection[tuple[Any, ...]]


class _AsBytes(Loader):
    """`json` comes as the bytes that were stored; who needs the document decodes it, with Decimal for fractions."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


def connect(*, name: str = "tillgate-ledger", **more: Any) -> Connection:
    """A new connection to the product's database (Django's `default`, or the URL given as `conninfo`).

    Before its first use it is compared which database this is (`runtime.ledger.rewind`). Raises OperationalError, also
    for a standby and for a database that is not migrated.
    """
    if "conninfo" in more:
        arguments = more
    else:
        known = connections["default"].get_connection_params()
        arguments = {
            key: value
            for key, value in known.items()
            if key not in {"cursor_factory", "context", "server_side_binding", "pool"}
        } | more
    arguments = {
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    } | arguments
    opened: Connection = psycopg.connect(**arguments, autocommit=True, application_name=name[:63])
    opened.prepare_threshold = 1
    # Every hot statement goes by keys, so one plan serves all values; planning the gate's join anew costs more than
    # running it.
    opened.execute(
        "select set_config('timezone', 'UTC', false), set_config('plan_cache_mode', 'force_generic_plan', false)"
    )
    opened.adapters.register_loader("json", _AsBytes)
    opened.adapters.register_loader("json", ByteaBinaryLoader)
    try:
        rewind.notice(opened)
    except BaseException:
        opened.close()
        raise
    return opened


@contextmanager
def connected(*, name: str = "tillgate-ledger") -> Iterator[Connection]:
    opened = connect(name=name)
    try:
        yield opened
    finally:
        opened.close()
