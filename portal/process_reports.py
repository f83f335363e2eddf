"""What a web process does for those who watch: a thread that writes what it has counted, and traces. Workers and the
scheduler write in their loops."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, cast

import psycopg
from django.db import DatabaseError

from kernel import process_measures, replaced_processes
from kernel.errors import Unavailable
from kernel.postgresql import errors
from portal import trace_export
from portal.front import refused_calls
from runtime.ledger import pool
from runtime.services.refused_calls import store

log = logging.getLogger(__name__)


def start(role: str) -> None:
    """Called once in each web process, by its entry point; the thread ends with it."""
    trace_export.start(role)
    threading.Thread(target=_report, args=(role,), name="process report", daemon=True).start()


def _report(role: str) -> None:
    while True:
        time.sleep(process_measures.EVERY_SECONDS)
        try:
            refused_calls.counted.write(lambda rows: store(rows, _execute))
            process_measures.mine(role).write(_execute)
            if replaced_processes.tell():
                errors.close_connections()
        except (Unavailable, psycopg.Error, DatabaseError) as error:
            log.debug("what this process has counted is written later: %s", error)


def _execute(statement: str, values: Mapping[str, Any]) -> int:
    with pool.connection() as conn:
        return conn.execute(cast("Any", statement), values).rowcount
