"""Who may only connect keeps nobody from writing into the ledger, and who does so for long is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

from kernel.models import AuditEntry
from portal import readiness
from tests import serving_role

TELL = "select from kernel_record(null, 'x', 'kernel.tested', 'x', %s, null, null, '', '')"
OF_BEFORE = 7417118001  # the number of the advisory lock that the chain took once


@pytest.fixture
def stranger(transactional_db: None) -> Iterator[psycopg.Connection[Any]]:
    """A login without a right on any table."""
    with connection.cursor() as cursor:
        cursor.execute("drop role if exists tillgate_test_stranger")
        cursor.execute("create role tillgate_test_stranger login password 'only-connects'")
    address = serving_role.address() | {"user": "tillgate_test_stranger", "password": "only-connects"}
    with psycopg.connect(**address, autocommit=True) as session:
        yield session
    with connection.cursor() as cursor:
        cursor.execute("drop role tillgate_test_stranger")


def test_who_may_only_connect_keeps_nobody_from_the_ledger(stranger: psycopg.Connection[Any]):
    with connection.cursor() as cursor:
        cursor.execute("select oid::bigint from pg_class where relname like 'kernel_%' and relkind = 'r'")
        numbers = [OF_BEFORE, *(row[0] for row in cursor.fetchall())]
        cursor.execute("select hashtext('tillgate guard')")
        numbers.append(cursor.fetchone()[0])
    for number in numbers:
        stranger.execute("select pg_advisory_lock(%s::bigint)", [number])
    for mode in ("access share", "share update exclusive", "access exclusive"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), stranger.transaction():
            stranger.execute(f"lock table kernel_ledgerturn in {mode} mode")
    with serving_role.connected() as session:
        session.execute("set lock_timeout = '5s'")
        session.execute(TELL, ["a"])
        with pytest.raises(psycopg.errors.InsufficientPrivilege), session.transaction():
            session.execute("lock table kernel_ledgerturn in share update exclusive mode")
    assert AuditEntry.objects.filter(verb="kernel.tested").count() == 1


@pytest.mark.django_db(transaction=True)
def test_readiness_says_that_entries_wait_and_the_log_for_whom(caplog: pytest.LogCaptureFixture):
    with serving_role.connected() as first, serving_role.connected() as second:
        first.execute("begin")
        first.execute(TELL, ["a"])
        first.execute("set constraints all immediate")
        second.execute("set lock_timeout = '2s'")
        assert readiness._ledger() == "ok", "nobody waits yet"
        waiting = second.pgconn
        waiting.send_query(TELL.replace("%s", "'b'").encode())
        with connection.cursor() as cursor:
            cursor.execute(
                "select count(pg_sleep(0.05)) from generate_series(1, 30) where exists (select from pg_locks "
                "where relation = 'kernel_ledgerturn'::regclass)"
            )
        assert readiness._ledger().startswith("entries wait for another transaction")
        assert f"process {first.info.backend_pid}" in caplog.text
        first.execute("rollback")
        while waiting.get_result() is not None:
            pass
    assert readiness._ledger() == "ok"
    assert AuditEntry.objects.filter(verb="kernel.tested").count() == 1
