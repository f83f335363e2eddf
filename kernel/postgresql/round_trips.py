"""Connections that speak to the server as seldom as they can: statements of a pipeline leave together, and a short
transaction begins with its first statement and ends with its last ones.

Each round trip costs both sides a system call, a wake-up and, among threads, a turn for the interpreter: more than most
statements of the ledger themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

MOST_KEPT = 256  # commands of a pipeline that wait to leave together
_OPEN = (TransactionStatus.INTRANS, TransactionStatus.INERROR)


class JoinedPipeline(psycopg.Pipeline):
    """A pipeline whose commands leave together, with the sync as their last word.

    psycopg sends each command when it is given, and asks for a flush behind the sync. For PostgreSQL that flush ends
    the idleness which `idle` limits (`sessions`): a process that froze after a pipeline would hold its locks without
    end. One that froze within it would, too; here it has sent nothing yet.
    """

    synced = False

    def _enqueue_sync(self) -> None:
        super()._enqueue_sync()
        self.synced = True

    def _communicate_gen(self) -> PQGen[None]:
        if self.synced or len(self.command_queue) >= MOST_KEPT:
            self.synced = False
            yield from super()._communicate_gen()

    def _fetch_gen(self, *, flush: bool) -> PQGen[None]:
        if self.command_queue:
            yield from super()._communicate_gen()
        yield from super()._fetch_gen(flush=flush)

    def _exit_gen(self) -> PQGen[None]:
        try:
            self._enqueue_sync()
            yield from self._communicate_gen()
        except psycopg.Error:  # it says why; what the server passed over behind it says only that it did
            with suppress(psycopg.Error):
                yield from self._fetch_gen(flush=False)
            raise
        yield from self._fetch_gen(flush=False)


class FewRoundTrips(psycopg.Connection[Any]):
    """`pipeline` and `short_transaction` as above."""

    _to_begin = False
    _short = False  # in a short transaction, and in no savepoint of it

    @contextmanager
    def pipeline(self) -> Iterator[psycopg.Pipeline]:
        try:
            with super().pipeline() as made:
                made.__class__ = JoinedPipeline
                yield made
        except psycopg.Error:
            # The server has passed over what came behind the error, and psycopg takes it for prepared. A rollback
            # makes it forget; where there is nothing to roll back, we do.
            if self._status is TransactionStatus.IDLE and self._pipeline is None:
                with self.lock:
                    self._prepared.clear()
                    self.wait(self._prepared.maintain_gen(self))
            raise

    @contextmanager
    def short_transaction(self) -> Iterator[None]:
        """A transaction like `transaction()` whose BEGIN leaves with its first statement, or with its first pipeline.

        Its COMMIT leaves with `committing_pipeline`, else at the end of the block. Within another transaction it is a
        savepoint.
        """
        if not self.autocommit or self._to_begin or self._pipeline or self._status is not TransactionStatus.IDLE:
            with self.transaction():
                yield
            return
        self._to_begin = self._short = True
        try:
            yield
        except BaseException as error:
            self._to_begin = False
            if self._status in _OPEN:
                with suppress(psycopg.Error):
                    self.rollback()
            if not isinstance(error, psycopg.Rollback):
                raise
        else:
            if self._to_begin:
                self._to_begin = False
            elif self._status in _OPEN:
                self._command(b"COMMIT")
        finally:
            self._short = False

    @contextmanager
    def committing_pipeline(self) -> Iterator[psycopg.Pipeline]:
        """The last pipeline of a short transaction, whose COMMIT leaves with it; within another transaction, one like
        any other."""
        with self.pipeline() as made:
            yield made
            if self._short:
                self._command(b"COMMIT")

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[psycopg.Transaction]:
        if self._to_begin:
            self._to_begin = False
            self._command(b"BEGIN")
        short, self._short = self._short, False
        try:
            with super().transaction(savepoint_name, force_rollback) as made:
                yield made
        finally:
            self._short = short

    def _start_query(self) -> PQGen[None]:
        if self._to_begin:
            self._to_begin = False
            yield from self._exec_command(b"BEGIN")
        else:
            yield from super()._start_query()

    @property
    def _status(self) -> TransactionStatus:
        return TransactionStatus(self.pgconn.transaction_status)

    def _command(self, command: bytes) -> None:
        with self.lock:
            self.wait(self._exec_command(command))
