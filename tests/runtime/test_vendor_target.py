"""Vendor calls: intent before, answer after; unknown is asked about before anything is sent again."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.domain.retry import CIRCUIT_BREAKER
from runtime.ledger import circuit_breaker, vendor_target
from runtime.ledger.append import Fenced, append
from runtime.ledger.claims import claim, claim_to_ask, quota_left, spend
from runtime.ledger.connections import Connection
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Mapper, Unmappable
from runtime.ledger.quarantine_claims import claim_quarantined
from runtime.ledger.quarantine_retry import retry_at_vendor
from runtime.ledger.vendor_target import MappedVendor
from tests.runtime import make
from tests.runtime.make import FakeVendor, Flow


def as_is(message: LoggedMessage) -> Any:
    if message.document.get("bad"):
        raise Unmappable("no amount")
    return message.document


class Site:
    """A flow with one vendor subscription and a worker that serves it step by step."""

    def __init__(self, conn: Connection, vendor: FakeVendor | None = None, **subscription: Any) -> None:
        self.conn, self.vendor = conn, vendor or FakeVendor()
        self.flow = Flow(conn, lanes=1)
        self.subscription = self.flow.subscribe(**subscription)

    def bind(self, release: int) -> MappedVendor:
        return MappedVendor(Mapper(as_is), self.vendor)

    def put(self, *items: Any) -> None:
        append(self.conn, self.flow.ref, items)

    def work(self, rounds: int = 30) -> None:
        for _ in range(rounds):
            self.flow.expire()
            self.conn.execute("update runtime_vendorstate set breaker = 'closed', not_before = 'epoch'")
            if taken := claim(self.conn, owner="w"):
                vendor_target.deliver(self.conn, taken, self.bind)
            elif parked := claim_quarantined(self.conn):
                retry_at_vendor(self.conn, parked, self.bind)
            else:
                return

    def effects(self) -> list[tuple[str, int]]:
        return [(key, document["version"]) for _, key, document in self.vendor.journal]

    def parked(self) -> list[tuple[int, str, str]]:
        return self.conn.execute(
            "select position, state, reason_class from runtime_quarantine order by position"
        ).fetchall()


def test_messages_reach_the_vendor_once_and_in_order_per_key(ledger: Connection) -> None:
    site = Site(ledger, batch=3)
    site.put(*[site.flow.item(f"k{i % 4}", i // 4) for i in range(12)])
    site.work()
    assert sorted(site.effects()) == sorted((f"k{i % 4}", i // 4) for i in range(12))
    for key in range(4):
        assert [v for k, v in site.effects() if k == f"k{key}"] == [0, 1, 2]
    assert site.vendor.asked == 0


@pytest.mark.parametrize("fate", ["cut", "half"])
def test_a_cut_answer_is_asked_about_and_only_the_rest_is_sent(ledger: Connection, fate: str) -> None:
    site = Site(ledger)
    site.vendor.fates = [fate, fate]
    site.put(*[site.flow.item(f"k{i}") for i in range(10)])
    site.work()
    assert sorted(site.effects()) == sorted((f"k{i}", 0) for i in range(10))
    assert site.vendor.asked >= 10


def test_when_the_question_has_no_answer_the_intent_stays_open_and_nothing_is_sent_again(ledger: Connection) -> None:
    site = Site(ledger)
    site.vendor.fates = ["cut", "mute"]
    site.put(site.flow.item("a"))
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    assert ledger.execute("select position, intent from runtime_progress").fetchone() == (0, 1)
    assert len(site.effects()) == 1
    site.work()
    assert len(site.effects()) == 1
    assert ledger.execute("select position, intent from runtime_progress").fetchone() == (1, None)
    assert ledger.execute("select outcome from runtime_attempt").fetchall() == [("unknown",)]


def test_a_worker_that_died_after_the_vendor_acted_leaves_no_second_effect(ledger: Connection) -> None:
    site = Site(ledger)
    site.put(*[site.flow.item(f"k{i}") for i in range(6)])
    send = site.vendor.send

    def die(items: Any, *, guard: Any) -> Any:
        send(items[:4], guard=guard)
        raise KeyboardInterrupt

    site.vendor.send = die  # type: ignore[method-assign]
    taken = claim(ledger, owner="w")
    assert taken
    with pytest.raises(KeyboardInterrupt):
        vendor_target.deliver(ledger, taken, site.bind)
    site.vendor.send = send  # type: ignore[method-assign]
    site.work()
    assert sorted(site.effects()) == sorted((f"k{i}", 0) for i in range(6))


def test_a_vendor_that_is_down_gets_nothing_twice_and_its_breaker_opens(ledger: Connection) -> None:
    site = Site(ledger)
    site.vendor.fates = ["down"] * 3
    site.put(site.flow.item("a"))
    for _ in range(3):
        site.flow.expire()
        taken = claim(ledger, owner="w")
        assert taken
        vendor_target.deliver(ledger, taken, site.bind)
    assert ledger.execute(
        "select breaker, failures, open_until > clock_timestamp() from runtime_vendorstate"
    ).fetchone() == ("open", 3, True)
    site.flow.expire()
    assert claim(ledger, owner="w") is None
    ledger.execute("update runtime_vendorstate set open_until = 'epoch'")
    probe = claim(ledger, owner="w")
    assert probe
    vendor_target.deliver(ledger, probe, site.bind)
    assert site.effects() == [("a", 0)]
    assert ledger.execute("select breaker, failures from runtime_vendorstate").fetchone() == ("closed", 0)


def test_retry_after_is_obeyed_by_everybody_and_is_no_failure(ledger: Connection) -> None:
    site = Site(ledger)
    site.vendor.fates = ["busy"]
    site.put(site.flow.item("a"))
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    state = ledger.execute(
        "select failures, not_before > clock_timestamp() + interval '5 s' from runtime_vendorstate"
    ).fetchone()
    assert state == (0, True)
    site.flow.expire()
    assert claim(ledger, owner="w") is None


def test_a_refused_message_is_dead_and_later_ones_of_its_key_wait(ledger: Connection) -> None:
    site = Site(ledger, batch=2)
    site.vendor.refuse = {"b": "unknown article"}
    site.put(*[site.flow.item(key, version) for version in (1, 2) for key in ("a", "b", "c")])
    site.work()
    assert sorted(site.effects()) == [("a", 1), ("a", 2), ("c", 1), ("c", 2)]
    assert site.parked() == [(2, "dead", "refused"), (5, "behind", "")]


def test_a_message_refused_for_a_while_is_tried_again_before_those_behind_it(ledger: Connection) -> None:
    site = Site(ledger)
    site.vendor.refuse = {"b": "retry"}
    site.put(site.flow.item("b", 1), site.flow.item("b", 2), site.flow.item("a", 1))
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    assert site.parked() == [(1, "retry", "not_now"), (2, "behind", "")]
    site.vendor.refuse = {}
    site.work()
    assert site.effects() == [("a", 1), ("b", 1), ("b", 2)]
    assert site.parked() == []


def test_an_unsafe_vendor_is_never_sent_the_same_twice_and_a_person_decides(ledger: Connection) -> None:
    site = Site(ledger, FakeVendor(can_ask=False), idempotency="U", batch=1)
    site.vendor.fates = ["cut"]
    site.put(site.flow.item("a"), site.flow.item("b"))
    site.work()
    assert site.effects() == [("a", 0), ("b", 0)]
    assert site.parked() == [(1, "unknown", "unknown")]


def test_a_vendor_that_honours_keys_but_cannot_be_asked_is_sent_the_same_key_again(ledger: Connection) -> None:
    site = Site(ledger, FakeVendor(can_ask=False, honours_keys=True), idempotency="K")
    site.vendor.fates = ["cut", "cut"]
    site.put(*[site.flow.item(f"k{i}") for i in range(5)])
    site.work()
    assert sorted(site.effects()) == sorted((f"k{i}", 0) for i in range(5))


def test_absolute_values_are_coalesced_to_the_newest_of_a_batch(ledger: Connection) -> None:
    site = Site(ledger, coalesce=True)
    site.put(*[site.flow.item(f"k{i % 2}", i // 2) for i in range(20)])
    site.work()
    assert sorted(site.effects()) == [("k0", 9), ("k1", 9)]
    assert ledger.execute("select confirmed, superseded, first, last from runtime_delivery").fetchall() == [
        (2, 18, 1, 20)
    ]


def test_under_a_closed_gate_an_open_intent_is_asked_about_and_nothing_is_sent(ledger: Connection) -> None:
    site = Site(ledger)
    site.vendor.fates = ["half", "mute"]
    site.put(*[site.flow.item(f"k{i}") for i in range(4)])
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    make.void(ledger, site.flow.approval)
    site.flow.expire()
    ledger.execute("update runtime_vendorstate set breaker = 'closed', not_before = 'epoch'")
    assert claim(ledger, owner="w") is None
    asking = claim_to_ask(ledger, owner="w")
    assert asking
    vendor_target.deliver(ledger, asking, site.bind)
    assert len(site.effects()) == 2
    assert ledger.execute("select position, intent from runtime_progress").fetchone() == (4, None)
    assert [p[1] for p in site.parked()] == ["sending", "sending"]
    assert claim_to_ask(ledger, owner="w") is None
    assert claim_quarantined(ledger, to_ask=True) is None, (
        "the answer is known; asking on would only trouble the vendor"
    )
    site.flow.deploy({"integration": site.flow.key, "build": 2})
    site.work()
    assert sorted(site.effects()) == sorted((f"k{i}", 0) for i in range(4))


def test_an_intent_of_the_release_before_is_asked_about_and_its_rest_goes_through_the_new_one(
    ledger: Connection,
) -> None:
    site = Site(ledger)
    site.vendor.fates = ["half", "mute"]
    site.put(*[site.flow.item(f"k{i}") for i in range(4)])
    taken = claim(ledger, owner="w")
    assert taken
    old = site.flow.release
    vendor_target.deliver(ledger, taken, site.bind)
    new = site.flow.deploy({"integration": site.flow.key, "build": 2})
    site.bind = lambda release: MappedVendor(  # type: ignore[method-assign]
        Mapper(lambda m: {**m.document, "by": release}), site.vendor
    )
    site.work()
    assert sorted(site.effects()) == sorted((f"k{i}", 0) for i in range(4))
    assert {document.get("by") for _, _, document in site.vendor.journal} == {None, new}
    assert old != new


def test_an_owner_fenced_off_after_its_call_says_so_when_its_request_left_too_late(ledger: Connection) -> None:
    site = Site(ledger)
    site.put(site.flow.item("a"))
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


def test_a_lease_lasts_for_the_call_that_is_made_under_it(ledger: Connection) -> None:
    site = Site(ledger)
    site.put(site.flow.item("a", 1), site.flow.item("a", 2))
    taken = claim(ledger, owner="w", lease=0.3)
    assert taken
    site.vendor.deadline = 60.0
    left: list[float] = []
    send = site.vendor.send

    def look(items: Any, *, guard: Any) -> Any:
        guard()
        row = ledger.execute(
            "select extract(epoch from lease_until - clock_timestamp())::float8 from runtime_progress"
        ).fetchone()
        assert row
        left.append(row[0])
        taken.lease.deadline -= 50.0  # the call has taken long; the next one needs its own time
        return send(items, guard=lambda: None)

    site.vendor.send = look  # type: ignore[method-assign]
    vendor_target.deliver(ledger, taken, site.bind)
    assert site.effects() == [("a", 1), ("a", 2)]
    assert min(left) > 60.0


def test_no_call_is_made_once_the_lane_is_lost(ledger: Connection) -> None:
    site = Site(ledger)
    site.put(site.flow.item("a", 1), site.flow.item("a", 2))
    taken = claim(ledger, owner="w")
    assert taken
    send = site.vendor.send

    def lose(items: Any, *, guard: Any) -> Any:
        answers = send(items, guard=guard)
        site.flow.expire()
        assert claim(ledger, owner="heir")
        taken.lease.deadline = 0.0
        return answers

    site.vendor.send = lose  # type: ignore[method-assign]
    with pytest.raises(Fenced, match="not current"):
        vendor_target.deliver(ledger, taken, site.bind)
    assert site.effects() == [("a", 1)]


def test_a_batch_that_keeps_killing_its_workers_is_taken_apart_and_the_rest_goes_on(ledger: Connection) -> None:
    site = Site(ledger, batch=10, max_attempts=4)
    site.put(*[site.flow.item(f"k{i}") for i in range(10)])
    send = site.vendor.send

    def deadly(items: Any, *, guard: Any) -> Any:
        if any(item.key == "k5" for item in items):
            raise KeyboardInterrupt
        return send(items, guard=guard)

    site.vendor.send = deadly  # type: ignore[method-assign]
    for _ in range(40):
        try:
            site.work(1)
        except KeyboardInterrupt:
            continue
    assert sorted(key for key, _ in site.effects()) == sorted(f"k{i}" for i in range(10) if i != 5)
    assert [p[0] for p in site.parked()] == [6]


def test_quota_is_taken_per_message_and_never_overdrawn(ledger: Connection) -> None:
    site = Site(ledger, batch=3)
    ledger.execute("update runtime_vendorstate set budget = 5, spent = 0")
    site.put(*[site.flow.item(f"k{i}") for i in range(12)])
    for _ in range(5):
        if taken := claim(ledger, owner="w"):
            vendor_target.deliver(ledger, taken, site.bind)
    assert len(site.effects()) == 5
    ledger.execute("update runtime_vendorstate set spent_on = spent_on - 1")
    assert claim(ledger, owner="w") is not None


def test_a_rate_lets_no_more_through_than_its_burst_however_large_a_batch_is(ledger: Connection) -> None:
    site = Site(ledger, batch=10)
    ledger.execute(
        "update runtime_vendorstate set rate = 0.001, burst = 4, allowance = 4, refilled_at = clock_timestamp()"
    )
    site.put(*[site.flow.item(f"k{i}") for i in range(12)])
    for _ in range(5):
        if taken := claim(ledger, owner="w"):
            vendor_target.deliver(ledger, taken, site.bind)
    assert len(site.effects()) == 4


def test_two_lanes_cannot_take_the_same_rest_of_a_quota(ledger: Connection) -> None:
    site = Site(ledger, batch=10)
    ledger.execute("update runtime_vendorstate set budget = 5, spent = 0")
    assert spend(ledger, site_vendor(ledger), 3)
    assert not spend(ledger, site_vendor(ledger), 3)
    assert quota_left(ledger, site_vendor(ledger)) == 2
    assert site.effects() == []


def site_vendor(conn: Connection) -> int:
    row = conn.execute("select id from runtime_vendorstate").fetchone()
    assert row
    return int(row[0])


def test_a_parked_message_takes_its_part_of_the_quota(ledger: Connection) -> None:
    site = Site(ledger)
    site.vendor.refuse = {"a": "retry", "b": "retry"}
    site.put(site.flow.item("a"), site.flow.item("b"))
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    ledger.execute(
        "update runtime_vendorstate set budget = 1, spent = 0, spent_on = (clock_timestamp() at time zone 'UTC')::date"
    )
    site.vendor.refuse = {}
    site.work()
    assert len(site.effects()) == 1
    assert claim_quarantined(ledger) is None


def test_parked_messages_of_a_paced_subscription_keep_its_pace(ledger: Connection) -> None:
    site = Site(ledger, pace=10.0)
    site.vendor.refuse = {f"k{i}": "retry" for i in range(3)}
    site.put(*[site.flow.item(f"k{i}") for i in range(3)])
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    site.flow.expire()
    first = claim_quarantined(ledger)
    assert first
    assert claim_quarantined(ledger) is None, "the next one waits for its turn"
    wait = ledger.execute(
        "select extract(epoch from not_before - clock_timestamp())::float8 from runtime_progress"
    ).fetchone()
    assert wait
    assert 0.0 < wait[0] <= 0.1
    site.flow.expire()
    assert claim_quarantined(ledger) is not None


def test_what_had_not_arrived_before_a_release_switch_is_asked_about_once_more_before_it_is_sent(
    ledger: Connection,
) -> None:
    """The first request may still have been under way when the question was answered with no."""
    site = Site(ledger, idempotency="L")
    site.put(site.flow.item("a", 1))
    under_way: list[Any] = []

    def dies(items: Any, *, guard: Any) -> Any:
        under_way.extend(items)
        raise KeyboardInterrupt

    site.vendor.send, send = dies, site.vendor.send  # type: ignore[method-assign]
    taken = claim(ledger, owner="dies")
    assert taken
    with pytest.raises(KeyboardInterrupt):
        vendor_target.deliver(ledger, taken, site.bind)
    site.vendor.send = send  # type: ignore[method-assign]
    site.flow.deploy({"integration": site.flow.key, "build": 2})
    site.flow.expire()
    taken = claim(ledger, owner="heir")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)  # asks: not there; the present release may send it
    site.vendor.send(under_way, guard=lambda: None)  # the first request arrives after all
    site.work()
    assert site.effects() == [("a", 1)]
    assert site.parked() == []


def test_calls_that_fail_after_the_breaker_has_opened_do_not_lengthen_its_pause(ledger: Connection) -> None:
    """With many workers at once every late failure used to double the pause, as only a failed probe should."""
    Site(ledger)
    vendor = site_vendor(ledger)
    for _ in range(8):
        circuit_breaker.record_failure(ledger, vendor, "no answer")
    state = (
        "select breaker, openings, extract(epoch from open_until - clock_timestamp())::float8 from runtime_vendorstate"
    )
    row = ledger.execute(state).fetchone()
    assert row
    assert row[:2] == ("open", 1)
    assert row[2] <= CIRCUIT_BREAKER.base
    ledger.execute("update runtime_vendorstate set open_until = clock_timestamp() - interval '1 s'")
    circuit_breaker.record_failure(ledger, vendor, "no answer to the probe")
    row = ledger.execute(state).fetchone()
    assert row
    assert row[:2] == ("open", 2)
    assert CIRCUIT_BREAKER.base < row[2] <= 2 * CIRCUIT_BREAKER.base


def test_a_paced_subscription_gives_the_lane_back_and_waits(ledger: Connection) -> None:
    site = Site(ledger, batch=5, pace=10.0)
    site.put(*[site.flow.item(f"k{i}") for i in range(20)])
    taken = claim(ledger, owner="w")
    assert taken
    assert vendor_target.deliver(ledger, taken, site.bind) == 5
    assert len(site.effects()) == 5
    wait = ledger.execute(
        "select extract(epoch from not_before - clock_timestamp())::float8 from runtime_progress"
    ).fetchone()
    assert wait
    assert 0.2 < wait[0] <= 0.5
