"""What is sent again, and when: not before the vendor's own time limit, not under a key that it has forgotten, not for
ever; and what is taken, declined or answered is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runtime.domain.retry import ACCEPTED, UNANSWERED
from runtime.ledger import vendor_target
from runtime.ledger.claims import claim
from runtime.ledger.connections import Connection
from runtime.ledger.quarantine_claims import claim_quarantined
from runtime.ledger.quarantine_retry import retry_at_vendor
from runtime.ledger.vendor_client import CannotAsk, SendResult
from runtime.services import dead_letters
from tests.runtime.make import FakeVendor
from tests.runtime.test_vendor_target import Site

DAY = 86_400.0
HOUR = 3_600.0


class Vendor(FakeVendor):
    """Acts after its caller has given up (`late`), forgets keys, takes work and decides later, declines, and fails for
    ever at some messages. Its journal is its own."""

    def __init__(self, *, can_ask: bool = True, honours_keys: bool = False, by_reference: bool = False) -> None:
        super().__init__(can_ask=can_ask, honours_keys=honours_keys)
        self.by_reference = by_reference
        self.late: list[Any] = []
        self.jobs: dict[str, str] = {}
        self.says: dict[str, SendResult] = {}
        self.asked_as: list[str] = []

    def send(self, items: Any, *, guard: Callable[[], None]) -> list[SendResult]:
        if self.fates and self.fates[0] == "late":
            guard()
            self.fates.pop(0)
            self.late += items
            return [SendResult("unknown", detail="no answer in time")] * len(items)
        if any(self.says.get(item.key, SendResult("unsent")).status == "unknown" for item in items):
            guard()
            return [next(self.says[item.key] for item in items if item.key in self.says)] * len(items)
        return super().send(items, guard=guard)

    def _act(self, item: Any) -> SendResult:
        if item.key in self.jobs:
            return SendResult("accepted", self.jobs[item.key], "taken", answer='{"job": 7}')
        return self.says.get(item.key) or super()._act(item)

    def arrive(self) -> None:
        """What was sent long ago takes effect now."""
        for item in self.late:
            super()._act(item)
        self.late = []

    def ask(self, items: Any, *, by: str = "key") -> list[SendResult]:
        self.asked_as.append(by)
        if by == "reference":
            if not self.by_reference:
                raise CannotAsk
            there = {key for _, key, _ in self.journal}
            return [SendResult("confirmed" if item.key in there else "unsent") for item in items]
        if self.jobs and any(item.key in self.jobs for item in items):
            return [SendResult("accepted", item.accepted_as or None) for item in items]
        return super().ask(items)


class Clock(Site):
    """A site whose time passes at will: it stands as if everything had happened earlier."""

    vendor: Vendor

    def passes(self, seconds: float) -> None:
        for table, columns in (
            ("runtime_progress", ("intent_at", "sent_at")),
            ("runtime_quarantine", ("first_seen_at", "first_sent_at", "sent_at")),
        ):
            moved = ", ".join(f"{column} = {column} - make_interval(secs => {seconds})" for column in columns)
            self.conn.execute(f"update {table} set {moved}")

    def attempts(self) -> list[tuple[str, str | None, str | None]]:
        return self.conn.execute("select outcome, reference, answer from runtime_attempt order by id").fetchall()


# -- key_kept ----------------------------------------------------------------------------------------------------------


def forgotten(ledger: Connection, vendor: Vendor) -> Clock:
    """One message that has arrived, without an answer, at a vendor that has forgotten its key since."""
    site = Clock(ledger, vendor, idempotency="K", key_kept=DAY)
    vendor.fates = ["cut", "mute"]
    site.put(site.flow.item("a"))
    taken = claim(ledger, owner="w")
    assert taken
    vendor.can_ask = True
    vendor_target.deliver(ledger, taken, site.bind)
    assert site.effects() == [("a", 0)]
    vendor.known.clear()
    site.passes(DAY)
    return site


def test_after_its_time_a_key_protects_no_more_and_the_business_reference_is_asked_for(ledger: Connection) -> None:
    site = forgotten(ledger, Vendor(honours_keys=True, by_reference=True))
    site.work()
    assert site.effects() == [("a", 0)]
    assert site.vendor.asked_as[-1] == "reference"
    assert site.parked() == []


def test_without_a_business_reference_a_person_decides_about_a_forgotten_key(ledger: Connection) -> None:
    site = forgotten(ledger, Vendor(honours_keys=True))
    site.work()
    assert site.effects() == [("a", 0)]
    assert site.parked() == [(1, "unknown", "forgotten")]


def test_not_now_after_a_lost_answer_does_not_make_it_a_first_try(ledger: Connection) -> None:
    """The vendor may answer so while the first one is under way; a day later it would be taken for new."""
    site = Clock(ledger, Vendor(can_ask=False, honours_keys=True), idempotency="K", key_kept=DAY)
    site.put(site.flow.item("a"))
    site.vendor.fates = ["cut", "ok"]
    act = site.vendor._act

    def concurrent(item: Any) -> SendResult:
        done = act(item)
        site.vendor.says["a"] = SendResult("retry", detail="concurrent")
        return done

    site.vendor._act = concurrent  # type: ignore[method-assign]
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    assert site.parked() == [(1, "sending", "not_now")]
    site.vendor._act = act  # type: ignore[method-assign]
    site.vendor.says, site.vendor.known = {}, set()
    site.passes(DAY)
    site.work()
    assert site.effects() == [("a", 0)]
    assert site.parked() == [(1, "unknown", "forgotten")]


def test_a_key_that_its_vendor_forgets_while_it_may_still_act_is_no_reason_to_send_again(ledger: Connection) -> None:
    """What is sent now may take effect as late as `settle` says, and the key has to be known then."""
    site = Clock(ledger, Vendor(can_ask=False, honours_keys=True), idempotency="K", key_kept=1000.0, settle=100.0)
    site.put(site.flow.item("a"), site.flow.item("b"))
    site.vendor.fates = ["cut"]
    site.work()
    site.passes(850.0)
    site.vendor.fates = ["late", "late"]
    site.work()
    site.vendor.known.clear()
    site.vendor.arrive()
    assert sorted(site.effects()) == [("a", 0), ("b", 0)]
    assert site.parked() == [(1, "unknown", "forgotten"), (2, "unknown", "forgotten")]


def test_a_vendor_is_asked_by_key_for_as_long_as_it_knows_it(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(honours_keys=True), idempotency="K", key_kept=1000.0, settle=100.0)
    site.put(site.flow.item("a"))
    site.vendor.fates = ["cut", "mute"]
    site.vendor.can_ask = False
    site.work()
    site.vendor.can_ask = True
    site.passes(850.0)
    site.work()
    assert (site.effects(), site.parked()) == ([("a", 0)], [])


# -- a refusal of what was sent again ----------------------------------------------------------------------------------


def refused_again(ledger: Connection, vendor: Vendor) -> Clock:
    """One message: its first call acts and its answer is lost, the same under the same key is refused later."""
    site = Clock(ledger, vendor, idempotency="K", key_kept=DAY, settle=100.0)
    site.put(site.flow.item("a"))
    vendor.fates = ["cut"]
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    vendor.says["a"] = SendResult("refused", detail="409 request_in_progress")
    site.passes(101.0)
    site.flow.expire()
    again = claim_quarantined(ledger)
    assert again
    retry_at_vendor(ledger, again, site.bind)
    assert (site.effects(), site.parked()) == ([("a", 0)], [(1, "sending", "unsettled")])
    row = ledger.execute("select reason from runtime_quarantine").fetchone()
    assert row
    assert "409 request_in_progress" in row[0]
    return site


def test_a_refusal_of_a_message_sent_again_says_nothing_about_the_first(ledger: Connection) -> None:
    site = refused_again(ledger, Vendor(can_ask=False, honours_keys=True))
    site.vendor.says = {}
    site.passes(101.0)
    site.work()
    assert (site.effects(), site.parked()) == ([("a", 0)], []), "the same key has the answer of the first"


@pytest.mark.django_db(transaction=True)
def test_what_was_refused_again_goes_to_a_person_as_unknown_and_its_redrive_is_not_blind(ledger: Connection) -> None:
    site = refused_again(ledger, Vendor(can_ask=False, honours_keys=True))
    site.passes(101.0)
    site.work(8)
    assert site.parked() == [(1, "unknown", "unknown")]
    chosen = dead_letters.DeadLetterFilter(site.subscription)
    site.vendor.says, site.vendor.known = {}, set()
    site.passes(DAY)
    dead_letters.redrive(chosen, actor=None)
    site.work()
    assert site.effects() == [("a", 0)]
    assert site.parked() == [(1, "unknown", "forgotten")]


def test_what_was_refused_again_is_asked_about_and_is_a_dead_letter_only_when_it_is_not_there(
    ledger: Connection,
) -> None:
    site = refused_again(ledger, Vendor(can_ask=False, honours_keys=True))
    site.vendor.can_ask = True
    site.vendor.known = set()
    site.vendor.journal = []  # it did not act
    site.passes(101.0)
    site.work()
    assert site.parked() == [(1, "dead", "refused")]


def test_what_was_refused_again_and_is_there_is_delivered(ledger: Connection) -> None:
    site = refused_again(ledger, Vendor(can_ask=False, honours_keys=True))
    site.vendor.can_ask = True
    site.work()
    assert (site.effects(), site.parked()) == ([("a", 0)], [])


def test_what_is_there_with_another_amount_goes_to_a_person_and_is_not_sent_again(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(), idempotency="L")
    site.put(site.flow.item("a", 1), site.flow.item("a", 2), site.flow.item("b", 1))
    other = SendResult("differs", "T-9", "what is there as T-9 is not what was sent: total 30 was sent, 25 is there")
    ask = site.vendor.ask

    def another(items: Any, *, by: str = "key") -> list[SendResult]:
        return [other if item.key == "a" else found for item, found in zip(items, ask(items), strict=True)]

    site.vendor.ask = another  # type: ignore[method-assign]
    site.vendor.fates = ["cut"]
    site.work()
    assert site.vendor.calls == [2]
    assert site.parked() == [(1, "unknown", "differs"), (2, "behind", "")]
    row = ledger.execute("select reason from runtime_quarantine where position = 1").fetchone()
    assert row
    assert "30 was sent, 25 is there" in row[0]
    assert ledger.execute("select breaker, failures from runtime_vendorstate").fetchone() == ("closed", 0)


# -- rounds without an outcome -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ['{"error": "UNIQUE constraint failed"}', None])
def test_one_message_that_fails_for_ever_ends_with_a_person_and_blocks_no_other(
    ledger: Connection, answer: str | None
) -> None:
    vendor = Vendor(can_ask=False, honours_keys=True)
    site = Clock(ledger, vendor, idempotency="K")
    vendor.says["bad"] = SendResult("unknown", detail="HTTP 500", answer=answer)
    site.put(site.flow.item("a"), site.flow.item("bad"), site.flow.item("c"))
    for _ in range(UNANSWERED.attempts or 0):
        site.work(10)
    assert sorted(key for key, _ in site.effects()) == ["a", "c"]
    assert site.parked() == [(2, "unknown", "unknown")]
    row = ledger.execute("select reason from runtime_quarantine").fetchone()
    assert row
    assert row[0] == "no trustworthy answer in 8 rounds; the last one: HTTP 500"
    site.work()
    assert ledger.execute("select breaker, failures from runtime_vendorstate").fetchone() == ("closed", 0)


def test_a_vendor_that_answers_nobody_sends_no_message_to_a_person_for_a_day(ledger: Connection) -> None:
    vendor = Vendor(can_ask=False, honours_keys=True)
    site = Clock(ledger, vendor, idempotency="K")
    for name in "abc":
        vendor.says[name] = SendResult("unknown", detail="no answer")
    site.put(*[site.flow.item(name) for name in "abc"])
    for _ in range(12):
        site.work(5)
    assert {state for _, state, _ in site.parked()} <= {"sending"}
    site.passes(DAY + HOUR)
    for _ in range(12):
        site.work(5)
    assert {state for _, state, _ in site.parked()} == {"unknown"}


# -- accepted, declined, answers ---------------------------------------------------------------------------------------


def test_what_is_taken_is_asked_about_with_growing_pauses_and_ends_confirmed(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(), idempotency="L")
    site.vendor.jobs = {"a": "job-7"}
    site.put(site.flow.item("a", 1), site.flow.item("a", 2), site.flow.item("b", 1))
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    assert site.effects() == [("b", 1)], "the lane goes on, the key waits"
    assert ledger.execute("select breaker, failures from runtime_vendorstate").fetchone() == ("closed", 0)
    pauses = []
    for _ in range(3):
        site.flow.expire()
        parked = claim_quarantined(ledger)
        assert parked
        assert parked.accepted_as == "job-7"
        retry_at_vendor(ledger, parked, site.bind)
        row = ledger.execute(
            "select extract(epoch from not_before - clock_timestamp())::float8 "
            "from runtime_quarantine where position = 1"
        ).fetchone()
        assert row
        pauses.append(round(row[0]))
    assert pauses == [round(ACCEPTED.pause(count)) for count in (1, 2, 3)]
    site.vendor.jobs = {}
    done = SendResult("confirmed")
    site.vendor.ask = lambda items, *, by="key": [done] * len(items)  # type: ignore[method-assign]
    site.work()
    assert site.parked() == []
    assert ("accepted", "job-7", '{"job": 7}') in site.attempts()


def test_what_is_taken_is_never_sent_again_because_it_does_not_show(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(), idempotency="L")
    site.vendor.jobs = {"a": "job-7"}
    site.put(site.flow.item("a"))
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    site.vendor.jobs = {}
    site.passes(HOUR)
    site.work()
    assert site.effects() == []
    assert site.parked() == [(1, "sending", "accepted")]


@pytest.mark.parametrize("idempotency", ["K", "N", "U"])
def test_what_is_taken_and_cannot_be_asked_about_goes_to_a_person_and_is_not_sent_again(
    ledger: Connection, idempotency: str
) -> None:
    site = Clock(ledger, Vendor(can_ask=False, honours_keys=True), idempotency=idempotency, key_kept=DAY)
    site.vendor.jobs = {"a": "job-7"}
    site.put(site.flow.item("a"), site.flow.item("b"))
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    assert site.parked() == [(1, "sending", "accepted")]
    site.vendor.jobs = {}
    site.passes(101.0)
    site.work(6)
    assert site.effects() == [("b", 0)]
    assert site.parked() == [(1, "unknown", "unknown")]
    row = ledger.execute("select reason, accepted_as from runtime_quarantine").fetchone()
    assert row
    assert ("neither a job nor a lookup" in row[0], row[1]) == (True, "job-7")


def test_an_answer_of_the_vendors_business_ends_the_message_and_later_ones_follow(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(), idempotency="L")
    site.vendor.says = {"a": SendResult("declined", detail="20 points, 1000 wanted", answer='{"available": 20}')}
    site.put(site.flow.item("a", 1), site.flow.item("b", 1))
    site.work()
    site.vendor.says = {}
    site.put(site.flow.item("a", 2))
    site.work()
    assert site.effects() == [("b", 1), ("a", 2)]
    assert site.parked() == []
    assert ledger.execute("select sum(declined)::int, sum(confirmed)::int from runtime_delivery").fetchone() == (1, 2)
    assert site.attempts() == [("answered", None, '{"available": 20}')]
