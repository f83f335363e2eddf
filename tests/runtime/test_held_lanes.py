"""Somebody keeps one lane locked: calls for it are told so in time, and nobody else waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Any

import psycopg
import pytest

from bench.order_server import order
from kernel.errors import Unavailable
from runtime.domain.batches import item_of
from runtime.domain.correlation import lane_of
from runtime.ledger import connections, lane_locks, pool
from runtime.ledger.append import IncomingMessage, append
from runtime.ledger.group_commit import GroupCommit, PendingCall
from runtime.models import Stream
from runtime.services import held_lanes, intake, intake_place
from tests.runtime import make
from tests.runtime.test_services import FEED, deployed

pytestmark = pytest.mark.django_db(transaction=True)
HELD = 1
SOON = 10.0  # far more than it takes; a call that waits for the lock never comes


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    make.catalog_of_orders()
    deployed()
    monkeypatch.setattr(lane_locks, "SOON", "20ms", raising=False)
    pool.close()
    yield Stream.objects.get().pk
    pool.close()
    held_lanes._met.clear()


@pytest.fixture
def holder(stream: int) -> Iterator[psycopg.Connection[Any]]:
    """A session of somebody else, who has locked one of two lanes and does nothing."""
    with connections.connected(role="unlimited") as conn:
        conn.execute("begin")
        conn.execute("select from runtime_lane where stream_id = %s and lane = %s for update", (stream, HELD))
        yield conn


def orders_of(lane: int, count: int) -> list[dict[str, Any]]:
    return [made for n in range(1, 500) if lane_of(str((made := order(n))["number"]), 2) == lane][:count]


def calls_of(*documents: dict[str, Any]) -> list[PendingCall[Any]]:
    return [PendingCall(intake._Handed([item_of(one)], None, None, None), 1) for one in documents]


def said(future: Future[Any]) -> str:
    return str(future.result(SOON)[0].status)


def test_calls_for_other_lanes_are_stored_while_one_is_held(
    stream: int, holder: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_LIMITS", "intake.lock=60s intake.statement=60s")
    with ThreadPoolExecutor(8) as threads:
        held = [threads.submit(intake.accept, FEED, "production", [one]) for one in orders_of(HELD, 3)]
        free = [threads.submit(intake.accept, FEED, "production", [one]) for one in orders_of(0, 3)]
        try:
            assert [said(one) for one in free] == ["accepted"] * 3
            assert not any(one.done() for one in held)
        finally:
            holder.rollback()
        assert [said(one) for one in held] == ["accepted"] * 3
    assert not held_lanes.of(stream)


def test_calls_for_the_held_lane_are_told_that_somebody_holds_it(
    stream: int, holder: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_LIMITS", "intake.lock=100ms")
    with ThreadPoolExecutor(4) as threads:
        held = [threads.submit(intake.accept, FEED, "production", [one]) for one in orders_of(HELD, 4)]
        errors = [one.exception(SOON) for one in held]
    assert {error.code for error in errors if isinstance(error, Unavailable)} == {"database.busy"}
    assert len(errors) == 4
    assert not pool.health.failing  # the database works
    assert not intake._group_commit._queues


def test_a_lane_that_is_known_to_be_held_does_not_take_others_with_it_again(
    stream: int, holder: psycopg.Connection[Any]
) -> None:
    held_lanes.met(stream, frozenset([HELD]))
    calls = calls_of(*orders_of(HELD, 1), *orders_of(0, 1))
    intake._store_together((FEED, "production"), calls)
    assert calls[1].settled
    assert calls[1].error is None
    assert not calls[0].settled
    assert calls[0].moves == (FEED, "production", stream, {HELD})


def test_those_who_wait_for_a_held_lane_leave_threads_for_the_others(
    stream: int, holder: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_lanes, "MOST_WAITING", 2)
    calls = calls_of(*orders_of(HELD, 3))
    intake._store_together((FEED, "production"), calls)
    assert [one.moves is not None for one in calls] == [True, True, False]
    assert isinstance(calls[2].error, Unavailable)
    assert calls[2].error.code == "database.busy"


def test_where_every_lane_is_held_for_a_moment_everybody_waits(
    stream: int, holder: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_lanes, "MOST_WAITING", 1)
    holder.execute("select from runtime_lane where stream_id = %s for update", (stream,))
    calls = calls_of(*orders_of(HELD, 2), *orders_of(0, 2))
    intake._store_together((FEED, "production"), calls)
    assert all(one.moves is not None for one in calls)


def test_a_batch_that_has_to_be_split_waits_for_the_held_lane_too(
    stream: int, holder: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_LIMITS", "intake.lock=100ms")
    part = calls_of(*orders_of(HELD, 1))[0]
    intake._store_part((FEED, "production"), part)
    assert isinstance(part.error, Unavailable)
    assert part.error.code == "database.busy"


def test_a_writer_of_many_lanes_holds_none_while_it_waits_for_one(
    stream: int, holder: psycopg.Connection[Any], ledger: connections.Connection
) -> None:
    """A source's page, a correction: others go on in the lanes that are free."""
    flow = make.Flow(ledger, lanes=2)
    holder.execute("select from runtime_lane where stream_id = %s and lane = %s for update", (flow.stream, HELD))
    items = [IncomingMessage(f"k{n}", 1, b"{}") for n in range(8)]
    with connections.connected(role="unlimited") as writer:
        thread = Thread(target=append, args=(writer, flow.ref, items))
        thread.start()
        try:
            assert waits_and_lets_others_on(ledger, writer.info.backend_pid, flow.stream)
        finally:
            holder.rollback()
            thread.join(SOON)
    assert ledger.execute("select count(*) from runtime_message").fetchone() == (8,)


def waits_and_lets_others_on(conn: connections.Connection, pid: int, stream: int) -> bool:
    for _ in range(2_000):
        waits = conn.execute("select from pg_locks where pid = %s and not granted", (pid,)).fetchone() is not None
        free = not lane_locks.held_lanes(conn, stream, [0])
        still = conn.execute("select from pg_locks where pid = %s and not granted", (pid,)).fetchone() is not None
        if waits and free and still:
            return True
    return False


def test_who_moves_a_call_goes_on_with_the_others_and_the_moved_come_again_together() -> None:
    served: list[tuple[Any, list[int]]] = []

    def serve(key: Any, calls: list[PendingCall[int]]) -> None:
        served.append((key, [call.content for call in calls]))
        for call in calls:
            if key == "k" and call.content == 1:
                call.move("held")
            else:
                call.answer(call.content)

    group_commit: GroupCommit[int] = GroupCommit(serve)
    assert group_commit.submit("k", 1, 1) == 1
    assert served == [("k", [1]), ("held", [1])]
    assert not group_commit._queues
    assert group_commit.moved == 0


@pytest.mark.parametrize("table", ["runtime_lanechange", "runtime_deployment"])
def test_a_call_waits_once_for_a_table_that_it_asks_before_the_lanes(
    stream: int, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setenv("DATABASE_LIMITS", "intake.lock=200ms")
    intake.accept(FEED, "production", orders_of(HELD, 1))  # what is deployed is known from now on
    tries: list[Any] = []
    before = intake._store_once
    monkeypatch.setattr(intake, "_store_once", lambda *given: (tries.append(given), before(*given))[1])
    with connections.connected(role="unlimited") as conn:
        conn.execute("begin")
        conn.execute(f"lock table {table} in access exclusive mode")
        with pytest.raises(Unavailable) as said:
            intake.accept(FEED, "production", orders_of(HELD, 1))
        conn.rollback()
    intake_place.forget((FEED, "production"))
    assert (said.value.code, len(tries)) == ("database.busy", 1)
    assert not held_lanes.of(stream)


def test_a_table_that_somebody_locks_is_no_lane_that_somebody_holds(
    stream: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_LIMITS", "intake.lock=200ms")
    asked: list[Any] = []
    monkeypatch.setattr(held_lanes, "wait", lambda queue: asked.append(queue))
    with connections.connected(role="unlimited") as conn, ThreadPoolExecutor(4) as threads:
        conn.execute("begin")
        conn.execute("lock table runtime_head in access exclusive mode")
        waiting = [threads.submit(intake.accept, FEED, "production", [one]) for one in orders_of(HELD, 4)]
        errors = [one.exception(SOON) for one in waiting]
        conn.rollback()
    assert {error.code for error in errors if isinstance(error, Unavailable)} == {"database.busy"}
    assert asked == []
    assert not held_lanes.of(stream)


def test_a_wait_whose_connection_ends_lets_no_rollback_of_its_own_through(
    stream: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connections.connected(role="unlimited") as ending, connections.connected(role="unlimited") as conn:
        execute = conn.execute

        def executed_at_last(*arguments: Any) -> Any:
            found = execute(*arguments)
            ending.execute("select pg_terminate_backend(%s, 5000)", (conn.info.backend_pid,))
            return found

        monkeypatch.setattr(conn, "execute", executed_at_last)
        lane_locks.wait_for(conn, stream, [HELD])
        with pytest.raises(psycopg.OperationalError):
            execute("select 1")
