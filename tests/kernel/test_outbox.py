"""The outbox lives and dies with its fact, delivers at least once, and keeps what it cannot deliver."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from kernel import outbox
from kernel.models import OutboxEvent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard():
    events: list[dict] = []
    outbox.subscribe("tests.*", events.append)
    yield events
    outbox._handlers.pop("tests.*")


def emit(key: str, **payload) -> None:
    with transaction.atomic():
        outbox.emit("tests.happened", key=key, payload=payload)


def test_an_event_outside_a_transaction_is_refused():
    with pytest.raises(RuntimeError):
        outbox.emit("tests.happened", key="1")


def test_an_event_is_lost_exactly_when_its_fact_is(heard):
    with transaction.atomic():
        outbox.emit("tests.happened", key="gone")
        transaction.set_rollback(True)
    emit("kept", amount="1.00")
    outbox.dispatch()
    assert [(e["key"], e["payload"]) for e in heard] == [("kept", {"amount": "1.00"})]


def test_a_limit_is_a_limit_and_what_is_done_is_not_done_again(heard):
    for number in range(5):
        emit(str(number))
    assert [outbox.dispatch(limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert [e["key"] for e in heard] == ["0", "1", "2", "3", "4"]


def test_a_failing_handler_leaves_the_event_open_for_later_and_is_kept_after_its_last_attempt(heard):
    def fail(event):
        raise ValueError("no")

    outbox.subscribe("tests.*", fail)
    emit("1")
    outbox.dispatch()
    event = OutboxEvent.objects.get()
    assert (event.done_at, event.failed_at, event.attempts) == (None, None, 1)
    assert "ValueError" in event.last_error
    assert outbox.dispatch() == 0, "it waits before it is tried again"
    with connection.cursor() as cursor:
        cursor.execute(
            "update kernel_outboxevent set attempts = %s, available_at = now() - interval '1 s'",
            [(outbox.OUTBOX_RETRY.attempts or 0) - 1],
        )
    outbox.dispatch()
    assert OutboxEvent.objects.get().failed_at is not None


def test_a_handler_that_fails_keeps_no_other_from_the_event(heard):
    def fail(event):
        raise OSError("the broker is away")

    outbox._handlers["tests.*"].insert(0, fail)
    emit("1")
    outbox.dispatch()
    assert [e["key"] for e in heard] == ["1"], "a receiver of webhooks does not wait for somebody else's broker"
    event = OutboxEvent.objects.get()
    assert (event.done_at, event.attempts) == (None, 1)
    assert "the broker is away" in event.last_error
