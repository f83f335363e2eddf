"""A person who has looked and found a message at its target says so: it counts as delivered, by that person's word."""

from __future__ import annotations

import pytest

from kernel.errors import Conflict, Forbidden, Invalid, NotApproved
from kernel.models import AuditEntry, User
from runtime.ledger.connections import Connection
from runtime.services import confirming, dead_letters
from tests.runtime.test_asked_about import asked_about, chosen, dead
from tests.runtime.test_outcomes_in_time import Clock, Vendor

pytestmark = pytest.mark.django_db(transaction=True)


def confirm(site: Clock, reason: str = "it is in their list", reference: str = "", actor: User | None = None) -> int:
    return confirming.confirm(chosen(site), actor=actor, reason=reason, reference=reference)


def test_what_arrived_counts_as_delivered_by_a_persons_word_and_is_not_sent_again(ledger: Connection) -> None:
    site = asked_about(ledger)
    site.put(site.flow.item("a", 1))
    effects = len(site.effects())
    assert confirm(site, reference="V-17\x00") == 1
    outcome, detail, reference = ledger.execute(
        "select outcome, detail, reference from runtime_attempt order by id desc limit 1"
    ).fetchall()[0]
    assert (outcome, reference) == ("confirmed", "V-17?")
    assert detail == f"{confirming.BY_WORD}it is in their list"
    site.vendor.fates = []
    site.work()
    assert (site.parked(), len(site.effects())) == ([], effects + 1), "the later one of its key follows"
    entry = AuditEntry.objects.get(verb="runtime.confirmed_by_person")
    assert (entry.reason, entry.after and entry.after["count"]) == ("it is in their list", 1)


def test_a_message_of_unknown_outcome_can_be_confirmed(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(can_ask=False), idempotency="U")
    site.put(site.flow.item("a"))
    site.vendor.fates = ["cut"]
    site.work()
    assert [state for _, state, _ in site.parked()] == ["unknown"]
    assert confirm(site) == 1
    assert site.parked() == []


def test_a_dead_letter_can_be_confirmed_only_where_an_earlier_try_may_have_arrived(ledger: Connection) -> None:
    site = dead(ledger, "L", arrived=True)
    assert confirm(site) == 1
    assert site.parked() == []


def test_what_never_left_cannot_have_arrived(ledger: Connection) -> None:
    site = dead(ledger, "L", arrived=False, hours=None)
    with pytest.raises(Conflict) as refused:
        confirm(site)
    assert refused.value.code == "confirm.not_sent"
    assert len(site.parked()) == 1


def test_a_word_needs_its_reason_and_the_right_to_operate(ledger: Connection) -> None:
    site = asked_about(ledger)
    with pytest.raises(Invalid):
        confirm(site, reason=" ")
    with pytest.raises(Forbidden):
        confirm(site, actor=User.objects.create_user("stranger"))
    assert len(site.parked()) == 1


def test_what_a_worker_is_trying_is_left_alone(ledger: Connection) -> None:
    site = asked_about(ledger)
    ledger.execute("update runtime_quarantine set lease_until = clock_timestamp() + interval '1 minute'")
    assert confirm(site) == 0
    assert len(site.parked()) == 1


def test_many_words_at_once_need_an_approval_however_they_are_parted(
    ledger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "APPROVAL_ABOVE", 1)
    assert confirm(asked_about(ledger)) == 1, "one is within the limit"
    second = Clock(ledger, Vendor(can_ask=False), idempotency="U")
    for key in ("a", "b"):
        second.put(second.flow.item(key))
        second.vendor.fates = ["cut"]
        second.work()
    waiting = second.parked()
    assert len(waiting) == 2
    both = chosen(second, addresses=((0, 1), (0, 2)))
    with pytest.raises(NotApproved):
        confirming.confirm(both, actor=None, reason="seen in their list")
    assert second.parked() == waiting, "nothing was decided"
