"""What a probe is told: by the address of the pod, without TLS, and the truth about storing."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from portal import readiness
from runtime.ledger import connections, partitions, pool

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "health", pool.StoringHealth())


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_a_probe_by_the_address_of_the_pod_is_answered_without_tls(client: Any, settings: Any, path: str) -> None:
    settings.ALLOWED_HOSTS = ["tillgate.example"]
    settings.SECURE_SSL_REDIRECT = True
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_other_pages_still_ask_for_their_host_and_tls(client: Any, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["tillgate.example"]
    assert client.get("/sign-in/", headers={"Host": "10.1.2.3:8000"}).status_code == 421


def test_a_read_only_database_is_not_ready(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = connections.connect

    def read_only(**arguments: Any) -> Any:
        made = connect(**arguments)
        made.execute("set default_transaction_read_only = on")
        return made

    monkeypatch.setattr(connections, "connect", read_only)
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["database"]) == (503, "read-only")


def test_a_database_that_is_away_is_not_ready(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: Any) -> Any:
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(connections, "connect", refused)
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["database"] == "unavailable: The database does not answer right now."


def test_after_a_message_could_not_be_stored_it_is_ready_only_when_there_is_room_again(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool._unavailable("could not extend file: No space left on device")
    monkeypatch.setattr(readiness, "_ROOM", "do $$ begin raise disk_full; end $$")
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["intake"]) == (503, "unavailable")
    monkeypatch.undo()
    pool._unavailable("could not extend file: No space left on device")
    assert client.get("/health/ready").status_code == 200
    assert not pool.health.failing


def test_a_session_that_ended_between_two_looks_is_replaced() -> None:
    look = readiness.Look()
    try:
        assert readiness.good(look())
        assert look._conn is not None
        with connections.connected() as other:
            other.execute("select pg_terminate_backend(%s, 5000)", (look._conn.info.backend_pid,))
        assert readiness.good(look())
    finally:
        look.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["django_migrations", "runtime_database", "a partition"])
def test_who_locks_a_table_that_no_call_needs_makes_nobody_unready(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Intake went on, and the balancer took every process out."""
    monkeypatch.setattr(readiness, "MIGRATED_SECONDS", -1.0)
    look = readiness.Look()
    try:
        before = look()
        assert readiness.good(before)
        with connections.connected() as person, person.transaction():
            locked = partitions.present(person)[0].name if table == "a partition" else table
            person.execute(f"lock table {locked} in access exclusive mode")
            assert look() == before
            assert look._conn is not None
    finally:
        look.close()


@pytest.mark.django_db(transaction=True)
def test_what_nobody_has_seen_yet_is_not_taken_for_good() -> None:
    look = readiness.Look()
    try:
        with connections.connected() as person, person.transaction():
            person.execute("lock table django_migrations in access exclusive mode")
            assert look()["migrations"].startswith("not known yet")
        assert look()["migrations"] == "ok"
    finally:
        look.close()


@pytest.mark.django_db(transaction=True)
def test_while_others_hold_all_sessions_it_is_ready_only_with_one_for_intake(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was, by its own session, while every call was told 503."""
    look = readiness.Look()
    pool.close()
    try:
        assert readiness.good(look())
        with monkeypatch.context() as full:

            def refused(**_: Any) -> Any:
                raise psycopg.OperationalError("FATAL:  sorry, too many clients already")

            full.setattr(connections, "connect", refused)
            pool._unavailable("sorry, too many clients already")
            assert look()["database"] == "unavailable: The database has no free connection."
        assert readiness.good(look())
        assert len(pool._pool.idle) == 1
    finally:
        look.close()
        pool.close()
