"""What a person edits in a message that may have arrived never makes a second one of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kernel.errors import Conflict
from runtime.models import QuarantinedMessage
from runtime.services import dead_letters
from tests.runtime.test_who_is_asked import RIGHT, WRONG, Site, site

__all__ = ["Callable", "Iterator", "site"]


def differing(one: Site) -> None:
    """A message without an answer, which a person decides about."""
    one.conn.execute("update runtime_quarantine set state = 'unknown', reason_class = 'differs', lease_until = 'epoch'")


def edit(key: str) -> None:
    found = QuarantinedMessage.objects.get()
    dead_letters.edit_payload(
        found.subscription_id, found.lane, found.position, payload={"key": key}, actor=None, reason="mistyped"
    )


@pytest.mark.django_db(transaction=True)
def test_a_message_that_may_have_arrived_keeps_the_name_under_which_it_was_sent(site: Callable[..., Site]) -> None:
    one = site(idempotency="L")
    one.deployed(WRONG)
    one.lost = {"a"}
    one.put("a")
    one.rounds()
    one.deployed(RIGHT)
    differing(one)
    with pytest.raises(Conflict) as refused:
        edit("b")
    assert refused.value.code == "dead_letter.name_sent"
    assert QuarantinedMessage.objects.get().payload is None
    edit("a")
    chosen = dead_letters.DeadLetterFilter(QuarantinedMessage.objects.get().subscription_id)
    assert dead_letters.redrive(chosen, actor=None, reason="asked first") == 1
    one.rounds()
    assert one.journal == ["a"]
