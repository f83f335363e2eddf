"""What a web process does for those who watch: a thread that writes what it has counted, and traces. Workers and the
scheduler write in their loops."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, cast

import psycopg

from kernel import process_measures
from kernel.errors import Unavailable
from portal import trace_export
from runtime.ledger import pool

log = logging.getLogger(__name__)


def start(role: str) -> None:
    """Called once in each web process, by its entry point; the thread ends with it."""
    trace_export.start(role)
    threading.Thread(target=_report, args=(role,), name="process report", daemon=True).start()


def _report(role: str) -> None:
    while True:
        time.sleep(process_measures.EVERY_SECONDS)
        try:
            process_measures.mine(role).write(_execute)
        except (Unavailable, psycopg.Error) as error:
            log.debug("what this process has counted is written later: %s", error)


def _execute(statement: str, values: Mapping[str, Any]) -> int:
    with pool.connection() as conn:
        return conn.execute(cast("Any", statement), values).rowcount
