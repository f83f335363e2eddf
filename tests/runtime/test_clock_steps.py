"""The database's clock is set by a day: nothing stands still for longer than a lease, and nobody who works is taken for
lost."""

from __future__ import annotations

import time as time_module
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg.types.json import Jsonb

from kernel import clock
from kernel.viewer import Viewer
from runtime.ledger import claims, clock_steps, leases, measures, quarantine, quarantine_claims
from runtime.ledger.append import append
from runtime.ledger.clock_steps import LONGEST_LEASE, ClockWatch
from runtime.ledger.connections import Connection, connected
from runtime.models import Schedule
from runtime.selectors import infrastructure
from runtime.services import schedules
from runtime.worker import loop as worker_loop
from runtime.worker import scheduler as worker_scheduler
from runtime.worker.scheduler import Scheduler
from runtime.worker.silent_work import SECONDS, SilentWork
from tests.runtime import make

pytestmark = pytest.mark.django_db
DAY = 86_400.0
NEVER_MOVED = 100.0  # seconds ahead of the clock, of which no lease tells
_LEFT = "select extract(epoch from {} - clock_timestamp())::float8 from {}"


@pytest.fixture
def flow(ledger: Connection) -> make.Flow:
    made = make.Flow(ledger, lanes=1)
    made.subscribe()
    push(made, "a", "b", "c")
    return made


@pytest.fixture
def schedule(ledger: Connection) -> Iterator[Schedule]:
    flow = make.Flow(ledger)
    row = ledger.execute(
        "insert into runtime_schedule (integration_id, environment, expression, zone, skipped, repeated, enabled) "
        "values (%s, 'x', 'every 15m', 'UTC', 'shift', 'first', true) returning id",
        (flow.integration,),
    ).fetchone()
    assert row
    yield Schedule.objects.get(pk=row[0])
    connection.close()
    ledger.execute("delete from runtime_schedule where id = %s", (row[0],))


def push(flow: make.Flow, *keys: str) -> None:
    append(flow.conn, flow.ref, [flow.item(key) for key in keys])


def set_back(conn: Connection, seconds: float) -> None:
    """As if the clock had been set back just now: every time of before lies further off."""
    for table, column in clock_steps._PAUSES + clock_steps._LEASES + clock_steps._SENT:
        conn.execute(
            f"update {table} set {column} = {column} + make_interval(secs => %s) where {column} > 'epoch'", (seconds,)
        )


def left(conn: Connection, column: str, table: str = "runtime_progress") -> float:
    return conn.execute(_LEFT.format(column, table)).fetchone()[0]


def since_first_send(conn: Connection, *, ahead: float) -> float:
    """Seconds for which the next claim takes the open call of a lost owner to be out, which is stored as begun so many
    seconds ahead of the clock."""
    conn.execute(
        "update runtime_progress set intent = 1, intent_at = clock_timestamp() + make_interval(secs => %s), "
        "lease_until = 'epoch', not_before = 'epoch'",
        (ahead,),
    )
    taken = claim(conn)
    assert taken is not None
    assert taken.first_sent is not None
    return time_module.monotonic() - taken.first_sent


def claim(conn: Connection, owner: str = "second", **more: Any) -> claims.Claim | None:
    return claims.claim(conn, owner=owner, **more)


def test_a_released_lane_is_free_whatever_its_lease_says(ledger, flow):
    taken = claim(ledger, "first")
    claims.release(ledger, taken)
    set_back(ledger, DAY)
    ledger.execute("update runtime_progress set not_before = 'epoch'")
    assert claim(ledger) is not None


def test_a_release_without_a_pause_leaves_no_time_to_wait_for(ledger, flow):
    claims.release(ledger, claim(ledger, "first"))
    set_back(ledger, DAY)
    assert claim(ledger) is not None


def test_a_lane_released_after_a_failure_is_free_and_counts_as_lost(ledger, flow):
    claims.release_after_failure(ledger, claim(ledger, "first"), wait=0.0)
    ledger.execute("update runtime_progress set lease_until = lease_until + interval '1 day', not_before = 'epoch'")
    again = claim(ledger)
    assert again is not None
    assert again.lease.attempt == 1
    assert again.lease.remaining_of_dead_owner <= LONGEST_LEASE


def test_a_pause_of_before_a_step_back_ends_when_it_would_have(ledger, flow):
    claims.release(ledger, claim(ledger, "first"), wait=40.0)
    set_back(ledger, DAY)
    clock_steps.attend(ledger, -DAY)
    assert 30 < left(ledger, "not_before") <= 40


def test_a_lease_of_a_vanished_worker_ends_within_its_length_after_a_step_back(ledger, flow):
    assert claim(ledger, "first")
    set_back(ledger, DAY)
    clock_steps.attend(ledger, -DAY)
    assert left(ledger, "lease_until") <= leases.LEASE_SECONDS


def test_a_lease_that_was_stored_after_the_step_back_is_left_as_it_is(ledger, flow):
    assert claim(ledger, "first")
    clock_steps.attend(ledger, -DAY)
    assert left(ledger, "lease_until") > leases.LEASE_SECONDS - 10


def test_a_last_send_that_was_stored_after_the_step_back_is_left_as_it_is(ledger, flow):
    """It is the end of a lease, until which its lost owner may send: of before it would be further ahead."""
    assert claim(ledger, "first")
    ledger.execute("update runtime_progress set sent_at = clock_timestamp() + interval '14 s'")
    clock_steps.attend(ledger, -DAY)
    assert 10 < left(ledger, "sent_at") <= 14


def test_what_nobody_saw_is_bounded(ledger, flow):
    assert claim(ledger, "first")
    set_back(ledger, DAY)
    assert clock_steps.bound(ledger) >= 1
    assert left(ledger, "lease_until") <= LONGEST_LEASE


def test_after_a_step_ahead_a_pause_goes_on(ledger, flow):
    claims.release(ledger, claim(ledger, "first"), wait=40.0)
    set_back(ledger, -DAY)  # all times of before lie a day behind
    clock_steps.attend(ledger, DAY)
    assert 30 < left(ledger, "not_before") <= 40


def test_a_scheduler_that_stands_still_while_it_moves_leaves_what_was_stored_meanwhile(ledger, flow):
    """What ended five seconds ago, where twenty have passed since it began to move."""
    claims.release(ledger, claim(ledger, "first"), wait=0.001)
    ended = "clock_timestamp() - interval '5 seconds'"
    ledger.execute(f"update runtime_progress set not_before = {ended}, lease_until = {ended}")
    times = iter([100.0])
    clock_steps.attend(ledger, DAY, monotonic=lambda: next(times, 120.0))
    assert left(ledger, "not_before") < 1
    assert left(ledger, "lease_until") < 1


def test_what_was_stored_between_a_step_ahead_and_its_notice_is_not_moved_by_it(ledger, flow):
    """A pause that began and ended since, and the end of a lane that was released since."""
    claims.release(ledger, claim(ledger, "first"), wait=0.001)
    clock_steps.attend(ledger, DAY, since=0.5)
    assert left(ledger, "not_before") < 1
    assert left(ledger, "lease_until") < 1
    assert claim(ledger) is not None


def test_what_was_sent_before_a_step_was_sent_as_long_ago_as_it_was(ledger, flow):
    taken = claim(ledger, "first")
    claims.release_unanswered(ledger, taken, wait=0.0, last_sent=None)
    ledger.execute("update runtime_progress set sent_at = clock_timestamp() - interval '10 s'")
    for step in (DAY, -DAY):
        set_back(ledger, -step)
        clock_steps.attend(ledger, step)
        assert -20 < left(ledger, "sent_at") <= -9


def test_a_worker_that_knows_of_a_step_ahead_takes_nobody_for_lost(ledger, flow, monkeypatch):
    """The owner works and its session lives; the lease looks over, for the clock was set ahead by a day."""
    time = [1000.0]
    watch = ClockWatch(monotonic=lambda: time[0])
    monkeypatch.setattr(clock_steps, "watch", watch)
    watch.look(ledger)
    assert claim(ledger, "first")
    ledger.execute("update runtime_progress set lease_until = lease_until - make_interval(secs => %s)", (DAY,))
    watch._trusted -= DAY  # what the clock said before
    with connected() as other:
        assert claim(other) is None
        ledger.execute("update runtime_progress set lease_until = lease_until - make_interval(secs => %s)", (DAY,))
        assert claim(other) is not None


@pytest.fixture
def stepped(ledger, monkeypatch) -> ClockWatch:
    """The watch of a worker that knows that the clock was set ahead by a day a moment ago."""
    watch = ClockWatch(monotonic=lambda: 1000.0)
    monkeypatch.setattr(clock_steps, "watch", watch)
    watch.look(ledger)
    watch._trusted -= DAY
    return watch


@pytest.mark.parametrize("when", ["before the step", "since the step"])
def test_a_lane_of_a_machine_that_vanished_waits_no_longer_than_its_lease_after_a_step_ahead(
    ledger, flow, stepped, when
):
    """Its database session is still open: the server has not noticed."""
    assert claim(ledger, "vanished")
    if when == "before the step":
        set_back(ledger, -DAY)
        clock_steps.attend(ledger, DAY)
    with connected() as other:
        assert claim(other) is None, "the lease lasts"
        ledger.execute("update runtime_progress set lease_until = lease_until - interval '16 s'")
        assert claim(other) is not None


def test_a_quarantined_message_of_a_machine_that_vanished_waits_no_longer_than_its_lease_either(ledger, flow, stepped):
    taken = claim(ledger, "first")
    entry = quarantine.QuarantineEntry(1, "a", "retry", "", "said no", delay=0.0)
    quarantine.quarantine(ledger, taken, [entry])
    ledger.execute("update runtime_quarantine set not_before = clock_timestamp() - interval '1 s'")
    assert quarantine_claims.claim_quarantined(ledger) is not None
    assert quarantine_claims.claim_quarantined(ledger) is None, "the lease lasts"
    ledger.execute("update runtime_quarantine set lease_until = clock_timestamp() - interval '1 s'")
    assert quarantine_claims.claim_quarantined(ledger) is not None


def test_steps_are_told_from_a_slow_answer_and_from_a_clock_that_is_kept_right():
    time = [0.0]
    watch = ClockWatch(monotonic=lambda: time[0])

    def look(database: float, *, took: float = 0.0) -> float:
        time[0] += took
        return watch.noted(database, took)

    assert look(1_000_000.0) == 0.0
    time[0] += 100
    assert look(1_000_100.3) == 0.0
    assert look(1_000_108.0, took=8.0) == 0.0
    assert round(look(1_086_508.0)) == 86_400
    assert round(watch.latest() or 0) == 1_000_110, "leases are judged by the clock of before"
    time[0] += 1.0
    assert look(1_086_509.0) == 0.0
    time[0] += LONGEST_LEASE
    assert look(1_086_509.0 + LONGEST_LEASE) == 0.0
    assert round(watch.latest() or 0) == round(1_086_511.0 + LONGEST_LEASE)
    assert round(look(1_000_110.0 + LONGEST_LEASE)) == -86_399
    assert round(watch.latest() or 0) == round(1_000_112.0 + LONGEST_LEASE), "back is believed at once"


def test_a_claim_just_after_a_step_ahead_takes_what_was_sent_for_no_longer_ago_than_it_was(ledger, flow, monkeypatch):
    watch = ClockWatch()
    monkeypatch.setattr(clock_steps, "watch", watch)
    taken = claim(ledger, "first")
    assert taken is not None
    claims.release_unanswered(ledger, taken, wait=0.0, last_sent=None)
    ledger.execute(
        "update runtime_progress set intent = 1, intent_at = clock_timestamp() - interval '10 s', "
        "not_before = 'epoch', sent_at = clock_timestamp() - make_interval(secs => %s)",
        (DAY + 10,),
    )
    watch._offset -= DAY  # the clock was set, and nobody has looked since
    again = claim(ledger)
    assert again is not None
    assert again.last_sent is not None
    assert 9 < time_module.monotonic() - again.last_sent < 20


def test_a_first_send_that_lies_ahead_of_the_clock_was_sent_nobody_knows_when(ledger, flow, monkeypatch):
    monkeypatch.setattr(clock_steps, "watch", ClockWatch())  # a worker that began after the step
    assert 0 < NEVER_MOVED < LONGEST_LEASE
    assert since_first_send(ledger, ahead=NEVER_MOVED) > 30 * DAY
    assert since_first_send(ledger, ahead=2 * DAY) > 30 * DAY


def test_a_claim_just_after_a_step_back_takes_what_was_sent_first_for_as_long_ago_as_it_may_be(
    ledger, flow, monkeypatch
):
    watch = ClockWatch()
    monkeypatch.setattr(clock_steps, "watch", watch)
    watch.look(ledger)
    watch._offset += 7_200  # the clock is set back by two hours, and what was stored before has not been moved
    assert 7_190 < since_first_send(ledger, ahead=5) < 7_200
    assert 7_290 < since_first_send(ledger, ahead=-95) < 7_300, "the worker knows of the step for some seconds"


def test_a_quarantined_message_whose_first_send_lies_ahead_is_believed_no_longer(ledger, flow, monkeypatch):
    monkeypatch.setattr(clock_steps, "watch", ClockWatch())
    taken = claim(ledger, "first")
    assert taken is not None
    entry = quarantine.QuarantineEntry(1, "a", "unknown", "unknown", "no answer")
    quarantine.quarantine(ledger, taken, [entry])
    ledger.execute(
        "update runtime_quarantine set state = 'sending', not_before = 'epoch', "
        "first_sent_at = clock_timestamp() + make_interval(secs => %s)",
        (NEVER_MOVED,),
    )
    again = quarantine_claims.claim_quarantined(ledger)
    assert again is not None
    assert again.first_sent is not None
    assert time_module.monotonic() - again.first_sent > 30 * DAY


def test_a_worker_that_lost_the_database_looks_at_its_clock_before_it_claims_again(ledger, monkeypatch):
    seen: list[str] = []

    class Watch(ClockWatch):
        def look(self, conn: Connection) -> float:
            seen.append("look")
            if len(seen) == 1:
                raise psycopg.OperationalError("server closed the connection unexpectedly")
            return super().look(conn)

    def serve(*_: Any, **__: Any) -> None:
        seen.append("claim")

    monkeypatch.setattr(clock_steps, "watch", Watch())
    monkeypatch.setattr(worker_loop, "serve_one", serve)
    monkeypatch.setattr(worker_loop, "DATABASE_LOST", replace(worker_loop.DATABASE_LOST, base=0.0))
    worker_loop.WorkerLoop(collect=False).run(until_idle=True)
    assert seen == ["look", "look", "claim"]


def test_after_a_step_back_no_key_is_known_for_less_long_than_it_was(ledger, flow):
    taken = claim(ledger, "first")
    assert taken is not None
    claims.release_unanswered(ledger, taken, wait=0.0, last_sent=None)
    for ago, expected in (("-1 day +50 s", 50), ("100 s", DAY + 100), ("1 s", 1)):
        ledger.execute("update runtime_progress set intent_at = clock_timestamp() - %s::interval", (ago,))
        clock_steps.attend(ledger, -DAY, since=1.0)
        assert expected - 1 <= -left(ledger, "intent_at") < expected + 5


def test_a_row_that_was_stored_after_the_look_with_a_time_of_before_is_moved_by_the_next_looks(ledger, flow):
    ledger.execute(
        "update runtime_progress set not_before = clock_timestamp() + make_interval(secs => %s)", (DAY - 20,)
    )
    assert clock_steps.attend_late(ledger, -DAY) == 1
    assert left(ledger, "not_before") <= 0
    assert clock_steps.attend_late(ledger, -DAY) == 0
    ledger.execute("update runtime_progress set not_before = clock_timestamp() + interval '40 min'")
    assert clock_steps.attend_late(ledger, -DAY) == 0, "a pause as long as a vendor may ask for"
    assert clock_steps.attend_late(ledger, -40.0) == 0


def silent(time: list[float]) -> SilentWork:
    return SilentWork(monotonic=lambda: time[0])


def look(watcher: SilentWork) -> tuple[int, float]:
    with connection.cursor() as cursor:
        return watcher.look(cursor)


def test_work_that_nobody_takes_is_seen_whatever_the_clock_says(ledger, flow):
    time = [0.0]
    watcher = silent(time)
    set_back(ledger, DAY)
    ledger.execute("update runtime_progress set not_before = clock_timestamp() + interval '1 day'")
    assert look(watcher) == (0, 0.0)
    time[0] += SECONDS
    push(flow, "d")
    assert look(watcher) == (1, SECONDS)


def test_work_that_moves_or_pauses_is_not_silent(ledger, flow):
    time = [0.0]
    watcher = silent(time)
    look(watcher)
    claims.release(ledger, claim(ledger, "first"), wait=300.0)
    time[0] += SECONDS
    assert look(watcher) == (0, 0.0)
    time[0] += SECONDS
    assert look(watcher) == (0, 0.0)


def test_the_page_today_says_what_the_scheduler_has_seen(ledger):
    counted = {measures.UNTOUCHED._name: {"[]": 3.0}}
    ledger.execute("insert into kernel_processmetrics (process, counted) values ('s-1', %s)", (Jsonb(counted),))
    try:
        state = infrastructure.state(Viewer.of(None), "production")
    finally:
        ledger.execute("delete from kernel_processmetrics where process = 's-1'")
    assert (state.workers_tone.tone, state.untouched) == ("stop", 3)
    assert "3 lanes" in state.workers_tone.word


def test_webhooks_and_imports_wait_no_longer_than_they_would_have(ledger):
    table, at = "governance_webhookdelivery", "clock_timestamp() + interval '40 s'"
    with ledger.transaction():
        ledger.execute("set local session_replication_role = replica")
        ledger.execute(
            "insert into governance_webhookdelivery (endpoint_id, event_id, topic, body, state, attempts, last_error, "
            f"next_at) values (1, 'evt_1', 'runtime.x', '{{}}', 'open', 1, '', {at})"
        )
    try:
        set_back(ledger, DAY)
        assert left(ledger, "next_at", table) > DAY - 100
        clock_steps.attend(ledger, -DAY)
        assert 30 < left(ledger, "next_at", table) <= 40
        ledger.execute("update governance_webhookdelivery set next_at = next_at + interval '3 days'")
        assert clock_steps.bound(ledger) >= 1
        assert left(ledger, "next_at", table) <= 6 * 3600
    finally:
        ledger.execute("delete from governance_webhookdelivery where event_id = 'evt_1'")


def test_schedules_are_planned_again_when_the_clock_goes_back(schedule):
    now = clock.now()
    Schedule.objects.filter(pk=schedule.pk).update(next_due_at=now + timedelta(days=1))
    assert schedules.plan_again() == 1
    schedule.refresh_from_db()
    assert schedule.next_due_at <= now + timedelta(minutes=16)
    assert schedules.plan_again() == 0, "what is due sooner stays due"


def test_schedules_are_planned_again_when_the_databases_clock_goes_back(schedule, monkeypatch):
    made, far = Scheduler(), clock.now() + timedelta(days=1)
    made.turn()
    Schedule.objects.filter(pk=schedule.pk).update(next_due_at=far)
    real = worker_scheduler._now
    monkeypatch.setattr(worker_scheduler, "_now", lambda: real() - DAY)
    made.turn()
    schedule.refresh_from_db()
    assert schedule.next_due_at < far


def test_a_look_of_tomorrow_is_not_fresh_until_then(ledger, flow):
    ledger.execute(
        "insert into runtime_source (stream_id, name, read_at) "
        "select id, 'looked', clock_timestamp() + interval '1 day' - interval '20 seconds' from runtime_stream"
    )
    clock_steps.attend(ledger, -DAY)
    assert -30 < left(ledger, "read_at", "runtime_source where name = 'looked'") <= -20
    ledger.execute("delete from runtime_source where name = 'looked'")


def test_the_scheduler_notices_that_the_clock_of_its_own_host_was_set(schedule, monkeypatch):
    made, far = Scheduler(), clock.now() + timedelta(days=1)
    made.turn()
    Schedule.objects.filter(pk=schedule.pk).update(next_due_at=far)
    real = time_module.time
    monkeypatch.setattr(time_module, "time", lambda: real() - DAY)
    made.turn()
    schedule.refresh_from_db()
    assert schedule.next_due_at < far
