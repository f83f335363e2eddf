"""Django's database engine `kernel.postgresql`: PostgreSQL with sessions that are checked for being writable, and
limited in time by what the process is for."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import django.db
import psycopg
from django.conf import settings
from django.db.backends.postgresql import base

from kernel import acting, clock
from kernel.postgresql import sessions

__all__ = ["DatabaseWrapper"]
CROWDED_SECONDS = 10.0  # until an old session is tried to be replaced again
_USABLE = "select current_setting('transaction_read_only') = 'off', clock_timestamp()"


class DatabaseWrapper(base.DatabaseWrapper):
    """`is_usable` is asked once a request, before the first statement."""

    Database: Any = SimpleNamespace(**vars(psycopg) | {"connect": sessions.BoundedConnection.connect})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(acting.tell_the_database)

    def init_connection_state(self) -> None:
        super().init_connection_state()
        raw = self.connection
        if raw is None or settings.TESTING or settings.DATABASE_POOLER == "transaction":
            return  # a pooler hands the session, and what was set in it, to others
        limits = sessions.limits_of(sessions.process_role)
        with psycopg.Cursor(raw) as cursor:
            found = cursor.execute(*sessions.set_statement(sessions.settings_of(limits, raw.info.server_version)))
            if (told := found.fetchone()) is not None:
                clock.follow(told[0])
        if not self.get_autocommit():
            raw.commit()
        raw.answer_within = limits.answer

    def close_if_unusable_or_obsolete(self) -> None:
        """A session that is good but old is replaced by a new one, and kept where the server has no room for that."""
        old, at = self.connection, self.close_at
        if old is None or at is None or time.monotonic() < at:
            super().close_if_unusable_or_obsolete()
            return
        self.close_at = None
        super().close_if_unusable_or_obsolete()
        if self.connection is None or self.in_atomic_block:
            return
        try:
            with self.wrap_database_errors:
                self.connect()
        except django.db.Error:
            if self.connection is not old:
                self.connection.close()
            self.connection, self.close_at = old, time.monotonic() + CROWDED_SECONDS
        else:
            old.close()

    def is_usable(self) -> bool:
        """Whether the session answers and takes writes. One that was opened while the database was read-only stays so
        for as long as it lives."""
        if self.connection is None:
            return False
        try:
            with psycopg.Cursor(self.connection) as cursor:
                found = cursor.execute(_USABLE).fetchone()
        except psycopg.Error:
            return False
        if found is None:
            return False
        clock.follow(found[1])
        return bool(found[0])
