"""What the simulation and the campaign have found, kept as tests against the real database."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from runtime.ledger import connections, vendor_target
from runtime.ledger.append import Fenced, append
from runtime.ledger.claims import claim, claim_to_ask
from runtime.ledger.connections import Connection
from runtime.ledger.mappers import Mapper
from runtime.ledger.quarantine_claims import claim_quarantined
from runtime.ledger.quarantine_retry import retry_at_vendor
from runtime.ledger.vendor_target import MappedVendor
from tests.runtime import make
from tests.runtime.make import FakeVendor, Flow

pytestmark = pytest.mark.faults


class Site:
    """One lane to one vendor, worked by hand."""

    def __init__(self, conn: Connection, vendor: FakeVendor, **subscription: Any) -> None:
        self.conn, self.vendor = conn, vendor
        self.flow = Flow(conn, lanes=1)
        self.subscription = self.flow.subscribe(**subscription)

    def bind(self, release: int) -> MappedVendor:
        return MappedVendor(Mapper(lambda message: message.document), self.vendor)

    def work(self, rounds: int = 20) -> None:
        for _ in range(rounds):
            self.flow.expire()
            if taken := claim(self.conn, owner="w"):
                vendor_target.deliver(self.conn, taken, self.bind)
            elif parked := claim_quarantined(self.conn):
                retry_at_vendor(self.conn, parked, self.bind)
            else:
                return

    def die_after_sending(self) -> None:
        """A worker that sends everything and ends before it can store the answer."""
        send = self.vendor.send

        def die(items: Any, *, guard: Any) -> Any:
            answers = send(items, guard=guard)
            if len(self.vendor.journal) == 2:
                raise KeyboardInterrupt
            return answers

        self.vendor.send = die  # type: ignore[method-assign]
        taken = claim(self.conn, owner="dies")
        assert taken
        with pytest.raises(KeyboardInterrupt):
            vendor_target.deliver(self.conn, taken, self.bind)
        self.vendor.send = send  # type: ignore[method-assign]

    def breaker(self) -> tuple[str, int]:
        row = self.conn.execute("select breaker, failures from runtime_vendorstate").fetchone()
        assert row
        return row[0], row[1]

    def parked(self) -> list[tuple[int, str]]:
        return self.conn.execute("select position, state from runtime_quarantine order by position").fetchall()


def test_at_an_unsafe_vendor_every_message_of_an_unanswered_batch_is_unknown(ledger: Connection) -> None:
    """Both messages of the key may have arrived; if the second only waited behind the first, it would be sent twice
    later."""
    site = Site(ledger, FakeVendor(can_ask=False), idempotency="U")
    append(ledger, site.flow.ref, [site.flow.item("a", 1), site.flow.item("a", 2)])
    site.die_after_sending()
    site.work()
    assert len(site.vendor.journal) == 2
    assert site.parked() == [(1, "unknown"), (2, "unknown")]


@pytest.mark.parametrize("idempotency", ["K", "N"])
def test_an_intent_of_another_release_that_nobody_can_ask_about_goes_to_a_person(
    ledger: Connection, idempotency: str
) -> None:
    """It used to be tried for ever, and each try opened the vendor's breaker for everybody."""
    site = Site(ledger, FakeVendor(can_ask=False, honours_keys=True), idempotency=idempotency)
    append(ledger, site.flow.ref, [site.flow.item("a", 1), site.flow.item("b", 1)])
    site.vendor.send = lambda items, *, guard: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]
    taken = claim(ledger, owner="dies")
    assert taken
    with pytest.raises(KeyboardInterrupt):
        vendor_target.deliver(ledger, taken, site.bind)
    site.flow.deploy({"integration": site.flow.key, "build": 2})
    site.work()
    assert site.parked() == [(1, "unknown"), (2, "unknown")]
    assert site.breaker() == ("closed", 0)


def test_under_a_closed_gate_what_nobody_can_ask_about_waits_without_blaming_the_vendor(ledger: Connection) -> None:
    site = Site(ledger, FakeVendor(can_ask=False, honours_keys=True), idempotency="K")
    append(ledger, site.flow.ref, [site.flow.item("a", 1)])
    send = site.vendor.send
    site.vendor.send = lambda items, *, guard: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]
    taken = claim(ledger, owner="dies")
    assert taken
    with pytest.raises(KeyboardInterrupt):
        vendor_target.deliver(ledger, taken, site.bind)
    site.vendor.send = send  # type: ignore[method-assign]
    ledger.execute("update runtime_deployment set paused = true where id = %s", (site.flow.deployment,))
    site.flow.expire()
    asking = claim_to_ask(ledger, owner="w")
    assert asking
    vendor_target.deliver(ledger, asking, site.bind)
    for _ in range(4):
        site.flow.expire()
        if waiting := claim_quarantined(ledger, to_ask=True):
            retry_at_vendor(ledger, waiting, site.bind)
    assert site.breaker() == ("closed", 0)
    assert site.parked() == [(1, "sending")]
    ledger.execute("update runtime_deployment set paused = false where id = %s", (site.flow.deployment,))
    site.work()
    assert site.parked() == []
    assert len(site.vendor.journal) == 1


def test_a_message_that_ends_its_workers_at_a_vendor_that_cannot_be_asked_reaches_its_limit(ledger: Connection) -> None:
    site = Site(ledger, FakeVendor(can_ask=False, honours_keys=True), idempotency="K", max_attempts=3)
    append(ledger, site.flow.ref, [site.flow.item("a", 1)])
    site.vendor.send = lambda items, *, guard: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]
    for _ in range(15):
        try:
            site.work(1)
        except KeyboardInterrupt:
            continue
    assert site.parked() == [(1, "unknown")]
    assert site.breaker() == ("closed", 0)


def test_a_late_request_is_on_record_also_when_the_next_wave_finds_no_time_left(ledger: Connection) -> None:
    site = Site(ledger, FakeVendor())
    append(ledger, site.flow.ref, [site.flow.item("a", 1), site.flow.item("a", 2)])
    send = site.vendor.send
    taken = claim(ledger, owner="sleeper")
    assert taken

    def late(items: Any, *, guard: Any) -> Any:
        answers = send(items, guard=guard)
        taken.lease.deadline = 0.0
        site.flow.expire()
        assert claim(ledger, owner="heir")
        return answers

    site.vendor.send = late  # type: ignore[method-assign]
    with pytest.raises(Fenced):
        vendor_target.deliver(ledger, taken, site.bind)
    assert ledger.execute("select outcome, first, last from runtime_attempt").fetchall() == [("late", 1, 1)]


def test_a_gate_that_closes_while_a_claim_is_under_way_is_an_empty_claim(ledger: Connection) -> None:
    """The claim reads the gate as it begins, the guard again at the row; between them a person may close it."""
    flow = Flow(ledger, lanes=1)
    flow.subscribe()
    append(ledger, flow.ref, [flow.item("a")])
    ledger.execute(
        """create function a_slow_moment() returns trigger language plpgsql as $$
           begin perform pg_advisory_lock(4711); perform pg_advisory_unlock(4711); return new; end $$;
           create trigger a_slow_moment before update on runtime_progress for each row
           execute function a_slow_moment()"""
    )
    try:
        with connections.connected(name="person") as person, connections.connected(name="worker") as worker:
            person.execute("select pg_advisory_lock(4711)")
            found: list[Any] = []
            thread = threading.Thread(target=lambda: found.append(claim(worker, owner="w")))
            thread.start()
            waiting = "select exists (select from pg_locks where locktype = 'advisory' and not granted)"
            while not (row := person.execute(waiting).fetchone()) or not row[0]:
                pass
            make.void(person, flow.approval)
            person.execute("select pg_advisory_unlock(4711)")
            thread.join(10)
            assert found == [None]
    finally:
        ledger.execute("drop trigger a_slow_moment on runtime_progress; drop function a_slow_moment()")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ledger.execute("update runtime_progress set token = token + 1, owner = 'me'")


@pytest.mark.parametrize(("idempotency", "honours"), [("K", True), ("L", False), ("N", True)])
def test_a_replay_that_delivers_again_has_no_second_effect(ledger: Connection, idempotency: str, honours: bool) -> None:
    """It runs as a subscription of its own; the keys are still those of the first delivery, and it asks before it
    sends."""
    site = Site(ledger, FakeVendor(honours_keys=honours), idempotency=idempotency)
    append(ledger, site.flow.ref, [site.flow.item(f"k{i}", 1) for i in range(5)])
    site.work()
    assert len(site.vendor.journal) == 5
    made = ledger.execute(
        """insert into runtime_subscription (stream_id, target, instance, deployment_id, vendor_id, kind,
           idempotency, coalesce, batch, max_attempts, tier, open, replay_of_id)
           select stream_id, target, instance, deployment_id, vendor_id, kind, idempotency, coalesce, batch,
           max_attempts, 3, true, id
           from runtime_subscription
            where id = %s returning id""",
        (site.subscription,),
    ).fetchone()
    assert made
    ledger.execute(
        "insert into runtime_progress (subscription_id, lane, position, upto) values (%s, 0, 0, 5)", (made[0],)
    )
    site.work()
    assert ledger.execute("select position from runtime_progress where subscription_id = %s", made).fetchone() == (5,)
    assert len(site.vendor.journal) == 5


def test_the_work_loop_outlives_a_database_that_django_misses(
    ledger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A binding reads the catalog through Django's connection, which has an OperationalError of its own; it used to end
    the worker."""
    from django.db import OperationalError

    from runtime.worker import loop

    calls: list[int] = []

    def serve_one(*_: Any, **__: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(loop, "serve_one", serve_one)
    loop.WorkerLoop(collect=False, poll=0.01).run(until_idle=True, seconds=20)
    assert len(calls) == 2


@pytest.mark.django_db
def test_intake_says_unavailable_also_when_django_misses_the_database(
    ledger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is documented to; a till would get an internal error instead of being told to push again."""
    from django.db import OperationalError

    from kernel.errors import Unavailable
    from runtime.ledger import pool
    from runtime.services import intake, intake_place

    def gone(*_: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(intake_place, "deployed_row", gone)
    try:
        with pytest.raises(Unavailable):
            intake.accept("any", "production", [{}])
    finally:
        pool.close()


def killer(key: str) -> Any:
    """A mapping that ends its worker at one key."""

    def mapper(message: Any) -> Any:
        if message.key == key:
            raise KeyboardInterrupt
        return message.document

    return mapper


def test_when_a_worker_is_gone_other_keys_of_its_lane_pass_at_once_and_its_batch_waits_for_the_lease(
    ledger: Connection,
) -> None:
    """The lane used to wait for the lease of every worker that a poison message ended."""
    site = Site(ledger, FakeVendor(), batch=2, idempotency="L")
    append(ledger, site.flow.ref, [site.flow.item(key, 1) for key in ("a", "b", "c", "d")] + [site.flow.item("a", 2)])
    with connections.connected(name="gone") as gone:
        here, site.conn = site.conn, gone
        site.die_after_sending()  # a and b have arrived
        assert claim(here, owner="heir") is None, "as long as the session is there, the lease counts"
    site.conn = here
    session = (
        "select count(*) from pg_stat_get_activity((select session from runtime_progress where subscription_id = %s))"
    )
    while ledger.execute(session, (site.subscription,)).fetchone() != (0,):
        pass
    taken = claim(ledger, owner="heir")
    assert taken is not None
    assert taken.lease.remaining_of_dead_owner > 1
    vendor_target.deliver(ledger, taken, site.bind)
    assert [key for _, key, _ in site.vendor.journal] == ["a", "b", "c", "d"]
    assert site.parked() == [(1, "sending"), (2, "sending"), (5, "behind")]
    assert claim_quarantined(ledger) is None, "its sender may still be sending"
    assert site.vendor.asked == 0
    site.work()
    assert [(key, document["version"]) for _, key, document in site.vendor.journal] == [
        ("a", 1),
        ("b", 1),
        ("c", 1),
        ("d", 1),
        ("a", 2),
    ]
    assert site.parked() == []


def test_a_mapping_that_ends_its_worker_does_not_hold_a_vendors_lane_for_ever(ledger: Connection) -> None:
    """Before the intent there was no limit at all: the lane went from worker to worker without end."""
    site = Site(ledger, FakeVendor(), batch=10, max_attempts=3)
    append(ledger, site.flow.ref, [site.flow.item(f"k{i}", 1) for i in range(30)])
    bind = lambda release: MappedVendor(Mapper(killer("k4")), site.vendor)  # noqa: E731
    lost = 0
    for _ in range(60):
        site.flow.expire()
        try:
            if taken := claim(ledger, owner="w"):
                vendor_target.deliver(ledger, taken, bind)
            elif row := claim_quarantined(ledger):
                retry_at_vendor(ledger, row, bind)
        except KeyboardInterrupt:
            lost += 1
    assert lost == 2 + 4
    assert sorted(key for _, key, _ in site.vendor.journal) == sorted(f"k{i}" for i in range(30) if i != 4)
    assert site.parked() == [(5, "unknown")]


class _Fixed:
    """Target clients with one mapper and one vendor."""

    def __init__(self, mapper: Any, vendor: FakeVendor) -> None:
        self._binding = MappedVendor(Mapper(mapper), vendor)

    def vendor(self, taken: Any, *, connected: bool = True) -> Any:
        return lambda release: self._binding


def test_a_fault_of_our_own_hands_the_lane_back_at_once_and_ends_as_a_letter(ledger: Connection) -> None:
    """An exception nobody foresaw used to end the worker and hold the lane to the end of its lease, again and again."""
    from runtime.worker.delivery import serve_one

    def broken(message: Any) -> Any:
        return 1 // 0 if message.key == "k4" else message.document

    site = Site(ledger, FakeVendor(), batch=10, max_attempts=3)
    append(ledger, site.flow.ref, [site.flow.item(f"k{i}", 1) for i in range(30)])
    for _ in range(60):
        serve_one(ledger, _Fixed(broken, site.vendor), owner="w")  # type: ignore[arg-type]
        ledger.execute(
            "update runtime_progress set not_before = 'epoch'; update runtime_quarantine set not_before = 'epoch'"
        )
    assert sorted(key for _, key, _ in site.vendor.journal) == sorted(f"k{i}" for i in range(30) if i != 4)
    assert site.parked() == [(5, "unknown")]


def test_a_missing_endpoint_does_not_use_a_parked_message_up(ledger: Connection) -> None:
    """It is no fault of the message, however often it is tried."""
    from kernel.errors import Unavailable
    from runtime.worker.delivery import serve_one

    class NoEndpoint:
        def vendor(self, taken: Any, *, connected: bool = True) -> Any:
            raise Unavailable("connection.none", "There is no endpoint.")

    site = Site(ledger, FakeVendor(), max_attempts=2)
    append(ledger, site.flow.ref, [site.flow.item("a", 1)])
    site.vendor.refuse = {"a": "retry"}
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    for _ in range(8):
        ledger.execute(
            "update runtime_quarantine set not_before = 'epoch'; "
            "update runtime_vendorstate set breaker = 'closed', not_before = 'epoch'"
        )
        assert serve_one(ledger, NoEndpoint(), owner="w") is not None  # type: ignore[arg-type]
    assert site.parked() == [(1, "retry")]
    ledger.execute("update runtime_vendorstate set breaker = 'closed', failures = 0, not_before = 'epoch'")
    site.vendor.refuse = {}
    site.work()
    assert site.parked() == []
