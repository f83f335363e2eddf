"""Nothing is sent again before the vendor's own time limit (`settle`), whatever the class of the target; and what is
known of a batch is kept when a part of it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from runtime.ledger import vendor_target
from runtime.ledger.claims import claim
from runtime.ledger.connections import Connection
from runtime.ledger.quarantine_claims import claim_quarantined
from runtime.ledger.vendor_client import SendResult
from tests.runtime.test_outcomes_in_time import Clock, Vendor

EVERYDAY = 2


def test_what_is_not_there_is_sent_again_only_after_the_vendors_own_time_limit(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(), idempotency="L", settle=100.0)
    site.vendor.fates = ["late"]
    site.put(site.flow.item("a"), site.flow.item("b"))
    site.work()
    assert (site.effects(), site.vendor.asked > 1) == ([], True), "it is asked about, and not sent again"
    assert site.parked() == [(1, "sending", "unsettled"), (2, "sending", "unsettled")]
    site.vendor.arrive()
    site.work()
    assert sorted(site.effects()) == [("a", 0), ("b", 0)]
    assert site.parked() == []


def test_what_never_arrived_is_sent_after_that_time(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(), idempotency="L", settle=100.0)
    site.vendor.fates = ["late"]
    site.put(site.flow.item("a"))
    site.work()
    site.vendor.late = []
    site.passes(101.0)
    site.work()
    assert site.effects() == [("a", 0)]


def test_other_keys_of_the_lane_do_not_wait_for_that_time(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(), idempotency="L", settle=100.0, batch=1)
    site.vendor.fates = ["late"]
    site.put(site.flow.item("a", 1), site.flow.item("b", 1), site.flow.item("a", 2))
    site.work()
    assert site.effects() == [("b", 1)]
    site.vendor.arrive()
    site.work()
    assert site.effects() == [("b", 1), ("a", 1), ("a", 2)]


def test_a_takeover_and_another_release_obey_that_time_too(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(), idempotency="L", settle=100.0)
    site.put(site.flow.item("a"))
    send = site.vendor.send

    def die(items: Any, *, guard: Any) -> Any:
        site.vendor.late += items
        raise KeyboardInterrupt

    site.vendor.send = die  # type: ignore[method-assign]
    taken = claim(ledger, owner="dies")
    assert taken
    with pytest.raises(KeyboardInterrupt):
        vendor_target.deliver(ledger, taken, site.bind)
    site.vendor.send = send  # type: ignore[method-assign]
    site.flow.deploy({"integration": site.flow.key, "build": 2})
    site.work()
    assert site.effects() == []
    site.vendor.arrive()
    site.work()
    assert site.effects() == [("a", 0)]


@pytest.mark.parametrize("idempotency", ["N", "K"])
@pytest.mark.parametrize("can_ask", [False, True])
def test_a_late_first_effect_does_not_replace_a_newer_state(
    ledger: Connection, idempotency: str, can_ask: bool
) -> None:
    """The vendor has no versions: what takes effect last counts. So the second price waits until the first call is
    over for certain."""
    site = Clock(ledger, Vendor(can_ask=can_ask), idempotency=idempotency, settle=100.0)
    site.vendor.fates = ["late"]
    site.put(site.flow.item("a", 1))
    site.work()
    site.put(site.flow.item("a", 2))
    site.work()
    assert (site.effects(), site.parked()) == ([], [(1, "sending", "unsettled"), (2, "behind", "")])
    site.vendor.arrive()
    site.passes(101.0)
    site.work(8)
    assert site.effects()[-1] == ("a", 2)
    assert site.parked() == []


@pytest.mark.parametrize("idempotency", ["N", "K"])
def test_a_key_does_not_stand_in_for_the_vendors_own_time_limit_at_a_takeover_either(
    ledger: Connection, idempotency: str
) -> None:
    site = Clock(ledger, Vendor(can_ask=False), idempotency=idempotency, settle=100.0)
    site.put(site.flow.item("a", 1))
    send = site.vendor.send

    def die(items: Any, *, guard: Any) -> Any:
        site.vendor.late += items
        raise KeyboardInterrupt

    site.vendor.send = die  # type: ignore[method-assign]
    taken = claim(ledger, owner="dies")
    assert taken
    with pytest.raises(KeyboardInterrupt):
        vendor_target.deliver(ledger, taken, site.bind)
    site.vendor.send = send  # type: ignore[method-assign]
    site.put(site.flow.item("a", 2), site.flow.item("b", 1))
    site.work()
    assert site.effects() == [("b", 1)]
    site.vendor.arrive()
    site.passes(101.0)
    site.work(8)
    assert (site.effects()[0], site.effects()[-1], site.parked()) == (("b", 1), ("a", 2), [])


def test_no_newer_state_is_under_way_when_an_older_one_may_have_to_be_sent_again(ledger: Connection) -> None:
    """The worker dies with the second state under way. Whatever of it takes effect, the first one does not follow."""
    site = Clock(ledger, Vendor(can_ask=False), idempotency="N", settle=100.0)
    site.put(site.flow.item("a", 1), site.flow.item("b", 1), site.flow.item("a", 2))
    send = site.vendor.send

    def die_with_the_second(items: Any, *, guard: Any) -> Any:
        if [item.document["version"] for item in items] != [2]:
            return send(items, guard=guard)
        site.vendor.late += items
        raise KeyboardInterrupt

    site.vendor.send = die_with_the_second  # type: ignore[method-assign]
    taken = claim(ledger, owner="dies")
    assert taken
    with pytest.raises(KeyboardInterrupt):
        vendor_target.deliver(ledger, taken, site.bind)
    site.vendor.send = send  # type: ignore[method-assign]
    site.vendor.arrive()
    site.work()
    site.passes(101.0)
    site.work(8)
    assert (site.effects(), site.parked()) == ([("a", 1), ("b", 1), ("a", 2), ("a", 2)], [])


@pytest.mark.parametrize("idempotency", ["N", "K"])
def test_what_never_left_waits_for_nothing(ledger: Connection, idempotency: str) -> None:
    site = Clock(ledger, Vendor(can_ask=False), idempotency=idempotency, settle=100.0)
    site.vendor.fates = ["down"]
    site.put(site.flow.item("a", 1), site.flow.item("a", 2))
    site.work()
    assert (site.effects(), site.parked()) == ([("a", 1), ("a", 2)], [])


@pytest.mark.parametrize("idempotency", ["N", "K"])
def test_where_nothing_late_does_harm_the_same_is_sent_again_at_once(ledger: Connection, idempotency: str) -> None:
    site = Clock(ledger, Vendor(can_ask=False, honours_keys=True), idempotency=idempotency, settle=0.0)
    site.vendor.fates = ["late"]
    site.put(site.flow.item("a", 1))
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    assert (site.effects(), site.parked()) == ([("a", 1)], [])


def test_while_it_waits_nobody_is_asked_who_cannot_be(ledger: Connection) -> None:
    """It comes back once, when its time has passed, and not again and again before."""
    site = Clock(ledger, Vendor(can_ask=False), idempotency="N", settle=100.0)
    site.vendor.fates = ["late"]
    site.put(site.flow.item("a", 1))
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    row = ledger.execute(
        "select extract(epoch from not_before - clock_timestamp())::float8 from runtime_quarantine"
    ).fetchone()
    assert row
    assert 99.0 < row[0] < 101.0


def test_under_a_closed_gate_nobody_is_asked_who_has_named_a_time(ledger: Connection) -> None:
    """`Retry-After`, and the pause after the database went back, hold for questions about single messages too."""
    site = Clock(ledger, Vendor(), idempotency="L", settle=100.0)
    site.vendor.fates = ["late"]
    site.put(site.flow.item("a"))
    site.work()
    site.flow.expire()
    ledger.execute("update runtime_deployment set paused = true")
    ledger.execute("update runtime_vendorstate set not_before = clock_timestamp() + interval '1 hour'")
    assert claim_quarantined(ledger, to_ask=True) is None
    ledger.execute("update runtime_vendorstate set not_before = 'epoch'")
    assert claim_quarantined(ledger, to_ask=True) is not None


# -- a batch of which a part has an outcome ---------------------------------------------------------------------------


class PartlySilent(Vendor):
    """Answers for every item but `b`, in one call; `sent` counts how often each item came."""

    def __init__(self, *, can_ask: bool) -> None:
        super().__init__(can_ask=can_ask, honours_keys=True)
        self.sent: Counter[str] = Counter()

    def send(self, items: Any, *, guard: Callable[[], None]) -> list[SendResult]:
        guard()
        self.sent.update(item.key for item in items)
        silent = SendResult("unknown", detail="the answer says nothing about this message")
        return [silent if item.key == "b" else self._act(item) for item in items]


@pytest.mark.parametrize("can_ask", [False, True])
@pytest.mark.parametrize("settle", [0.0, 100.0])
@pytest.mark.parametrize("idempotency", ["K", "N", "L"])
def test_what_is_known_of_a_batch_is_kept_when_one_item_stays_unknown(
    ledger: Connection, idempotency: str, settle: float, can_ask: bool
) -> None:
    vendor = PartlySilent(can_ask=can_ask)
    site = Clock(ledger, vendor, idempotency=idempotency, settle=settle)
    site.vendor.refuse = {"d": "unknown article"}
    site.put(*[site.flow.item(key) for key in "abcd"], site.flow.item("b", 1))
    vendor.ask = lambda items, *, by="key": (  # type: ignore[method-assign]
        Vendor.ask(vendor, items) if not can_ask else [SendResult("unknown", detail="no answer")] * len(items)
    )
    site.work(6)
    assert (vendor.sent["a"], vendor.sent["c"], vendor.sent["d"]) == (1, 1, 1)
    assert [position for position, _, _ in site.parked()] == [2, 4, 5]
    kept = ledger.execute("select confirmed, refused, outcomes from runtime_delivery order by id").fetchall()
    assert (kept[0][:2], "".join(outcomes for *_, outcomes in kept)) == ((2, 1), "cqcqq")


@pytest.mark.parametrize("version_without_answer", [1, 2])
@pytest.mark.parametrize("idempotency", ["K", "L"])
def test_what_a_lost_owner_may_have_sent_is_no_first_try_because_the_question_about_one_before_it_had_no_answer(
    ledger: Connection, idempotency: str, version_without_answer: int
) -> None:
    """Three messages of a key are three calls; the third one takes effect late, and its sender is gone."""
    site = Clock(ledger, Vendor(), idempotency=idempotency, settle=100.0)
    site.put(*[site.flow.item("a", version) for version in (1, 2, 3)], site.flow.item("b", 1))
    send, ask = site.vendor.send, site.vendor.ask

    def die_at_the_third(items: Any, *, guard: Any) -> Any:
        if items[0].document["version"] < 3:
            return send(items, guard=guard)
        site.vendor.late += items
        raise KeyboardInterrupt

    def silent_about_one(items: Any, *, by: str = "key") -> list[SendResult]:
        if items[0].document["version"] == version_without_answer:
            site.vendor.ask = ask  # type: ignore[method-assign]
            return [SendResult("unknown", detail="no answer to the question")] * len(items)
        return ask(items, by=by)

    site.vendor.send = die_at_the_third  # type: ignore[method-assign]
    taken = claim(ledger, owner="dies")
    assert taken
    with pytest.raises(KeyboardInterrupt):
        vendor_target.deliver(ledger, taken, site.bind)
    site.vendor.send, site.vendor.ask = send, silent_about_one  # type: ignore[method-assign]
    site.work(8)
    assert ("a", 3) not in site.effects(), "what was sent may still take effect"
    site.vendor.arrive()
    site.passes(101.0)
    site.work(8)
    assert sorted(site.effects()) == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]
    assert site.parked() == []
