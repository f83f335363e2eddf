"""What is asked about is a person's to act on, too: ask now, send again, discard; and a redrive is not blind where an
earlier try may have arrived."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.errors import Conflict, Invalid
from runtime.ledger import vendor_target
from runtime.ledger.claims import claim
from runtime.ledger.connections import Connection
from runtime.ledger.vendor_client import SendResult
from runtime.services import dead_letters
from runtime.services.dead_letters import DeadLetterFilter
from tests.runtime.test_outcomes_in_time import DAY, Clock, Vendor

pytestmark = pytest.mark.django_db(transaction=True)
EARLIER = "insert into runtime_attempt (subscription_id, lane, first, last, token, outcome, detail, at) "


def asked_about(ledger: Connection, **more: Any) -> Clock:
    """One message without an answer, whose question has none either."""
    site = Clock(ledger, Vendor(), **({"idempotency": "L"} | more))
    site.put(site.flow.item("a"))
    site.vendor.ask = lambda items, *, by="key": (  # type: ignore[method-assign]
        [SendResult("unknown", detail="404", fault="address")] * len(items)
    )
    site.vendor.fates = ["cut"]
    site.work(6)
    assert site.parked() == [(1, "sending", "question")]
    ledger.execute("update runtime_quarantine set not_before = clock_timestamp() + interval '1 hour'")
    return site


def due(site: Clock) -> bool:
    row = site.conn.execute("select not_before <= clock_timestamp() from runtime_quarantine").fetchone()
    return bool(row and row[0])


def chosen(site: Clock, **more: Any) -> DeadLetterFilter:
    return DeadLetterFilter(site.subscription, **({"addresses": ((0, 1),)} | more))


@pytest.mark.parametrize("how", [{}, {"addresses": (), "asked": True}])
def test_a_message_that_is_asked_about_can_be_asked_about_now(ledger: Connection, how: dict[str, Any]) -> None:
    site = asked_about(ledger)
    assert dead_letters.redrive(chosen(site, **how), actor=None) == 1
    assert due(site)
    assert site.parked() == [(1, "sending", "question")]
    site.vendor.ask = lambda items, *, by="key": [SendResult("confirmed")] * len(items)  # type: ignore[method-assign]
    site.work()
    assert (site.parked(), site.effects()) == ([], [("a", 0)])


def test_a_person_who_has_looked_has_it_sent_again_without_a_question(ledger: Connection) -> None:
    site = asked_about(ledger)
    site.vendor.journal.clear()  # it did not arrive
    with pytest.raises(Invalid):
        dead_letters.redrive(chosen(site), actor=None, not_arrived=True)
    assert dead_letters.redrive(chosen(site), actor=None, reason="not in their list", not_arrived=True) == 1
    site.work()
    assert (site.parked(), site.effects()) == ([], [("a", 0)])


@pytest.mark.parametrize("state", ["sending", "unknown", "dead"])
def test_not_there_is_not_believed_before_the_vendors_own_time_has_passed(ledger: Connection, state: str) -> None:
    """It may still act on what was sent: a person sees no more than a question would."""
    site = asked_about(ledger, settle=3_600.0)
    ledger.execute("update runtime_quarantine set state = %s", [state])
    with pytest.raises(Conflict) as refused:
        dead_letters.redrive(chosen(site), actor=None, reason="not in their list", not_arrived=True)
    assert refused.value.code == "redrive.unsettled"
    assert 3_500 < refused.value.data["seconds"] <= 3_600
    assert site.parked() == [(1, state, "question")]
    ledger.execute("update runtime_subscription set settle = 0")  # as if the hour had passed
    assert dead_letters.redrive(chosen(site), actor=None, reason="not in their list", not_arrived=True) == 1
    assert due(site)


def test_a_message_that_is_asked_about_can_be_discarded(ledger: Connection) -> None:
    site = asked_about(ledger)
    assert dead_letters.discard(chosen(site), actor=None, reason="cancelled there") == 1
    assert site.parked() == []
    assert site.attempts()[-1][0] == "given_up"


def test_a_decision_about_everything_of_a_target_leaves_alone_what_is_asked_about(ledger: Connection) -> None:
    site = asked_about(ledger)
    everything = DeadLetterFilter(site.subscription)
    assert dead_letters.discard(everything, actor=None, reason="x") == 0
    assert dead_letters.redrive(everything, actor=None) == 0


def test_what_a_worker_is_trying_at_this_moment_is_nobodys_to_decide(ledger: Connection) -> None:
    site = asked_about(ledger)
    ledger.execute("update runtime_quarantine set lease_until = clock_timestamp() + interval '1 minute'")
    assert dead_letters.discard(chosen(site), actor=None, reason="x") == 0


# -- dead letters whose last send proves nothing -----------------------------------------------------------------------


def dead(ledger: Connection, idempotency: str, *, arrived: bool, hours: float | None = 1, **more: Any) -> Clock:
    """A dead letter of rules before the present ones: refused when it was sent again after a lost answer."""
    site = Clock(ledger, Vendor(honours_keys=idempotency == "K"), idempotency=idempotency, batch=1, **more)
    site.put(site.flow.item("a"))
    site.vendor.refuse = {"a": "409"}
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    assert site.parked() == [(1, "dead", "refused")]
    site.vendor.refuse = {}
    if arrived:
        site.vendor.journal.append(("k", "a", {"version": 0}))
        site.vendor.known.add(vendor_target.key_of(taken, 1))
    if hours is not None:
        ledger.execute(
            EARLIER + "values (%s, 0, 1, 1, 0, 'unknown', '503', clock_timestamp() - make_interval(hours => %s))",
            (site.subscription, hours),
        )
    return site


@pytest.mark.parametrize("arrived", [True, False])
def test_a_dead_letter_that_may_have_arrived_is_asked_about_before_it_is_sent_again(
    ledger: Connection, arrived: bool
) -> None:
    site = dead(ledger, "L", arrived=arrived)
    assert dead_letters.redrive(chosen(site), actor=None) == 1
    site.work()
    assert (site.parked(), site.effects()) == ([], [("a", 0)])
    assert site.vendor.asked > 0


def test_a_dead_letter_that_was_never_without_an_answer_is_sent_again_at_once(ledger: Connection) -> None:
    site = dead(ledger, "L", arrived=False, hours=None)
    dead_letters.redrive(chosen(site), actor=None)
    site.work()
    assert (site.effects(), site.vendor.asked) == ([("a", 0)], 0)


def test_the_key_of_a_dead_letter_is_as_old_as_its_first_send(ledger: Connection) -> None:
    site = dead(ledger, "K", arrived=True, hours=25, key_kept=DAY)
    site.vendor.can_ask = False
    site.vendor.known.clear()
    dead_letters.redrive(chosen(site), actor=None)
    site.work()
    assert (site.effects(), site.parked()) == ([("a", 0)], [(1, "unknown", "forgotten")])


def test_where_nobody_can_be_asked_a_person_says_that_a_dead_letter_did_not_arrive(ledger: Connection) -> None:
    site = dead(ledger, "U", arrived=False)
    with pytest.raises(Conflict) as refused:
        dead_letters.redrive(chosen(site), actor=None)
    assert (refused.value.code, refused.value.data["unproven"]) == ("redrive.unproven", 1)
    assert site.parked() == [(1, "dead", "refused")]
    dead_letters.redrive(chosen(site), actor=None, reason="not in their list", not_arrived=True)
    site.work()
    assert (site.effects(), site.parked()) == ([("a", 0)], [])


# -- unknown outcomes that nobody can be asked about -------------------------------------------------------------------


def unaskable(ledger: Connection, idempotency: str) -> Clock:
    """A message of unknown outcome at a vendor that cannot be asked: of class U, or of class K with a forgotten key."""
    if idempotency == "K":
        site = dead(ledger, "K", arrived=True, hours=25, key_kept=DAY)
        site.vendor.can_ask = False
        site.vendor.known.clear()
        dead_letters.redrive(chosen(site), actor=None)
    else:
        site = Clock(ledger, Vendor(can_ask=False), idempotency="U")
        site.put(site.flow.item("a"))
        site.vendor.fates = ["cut"]
    site.work()
    return site


@pytest.mark.parametrize("idempotency", ["U", "K"])
def test_an_unknown_outcome_that_nobody_can_be_asked_about_is_not_sent_again_by_a_plain_redrive(
    ledger: Connection, idempotency: str
) -> None:
    site = unaskable(ledger, idempotency)
    waits = [(1, "unknown", "forgotten" if idempotency == "K" else "unknown")]
    assert (site.effects(), site.parked()) == ([("a", 0)], waits)
    for narrowed in ({}, {"addresses": ()}):
        with pytest.raises(Conflict) as refused:
            dead_letters.redrive(chosen(site, **narrowed), actor=None, reason="try")
        assert (refused.value.code, refused.value.data["unproven"]) == ("redrive.unproven", 1)
    site.work()
    assert (site.effects(), site.parked()) == ([("a", 0)], waits)
    site.vendor.journal.clear()
    dead_letters.redrive(chosen(site), actor=None, reason="not in their list", not_arrived=True)
    site.passes(101.0)
    site.work()
    assert (site.effects(), site.parked()) == ([("a", 0)], [])
