"""The trace of a message says per target how it ended, what the vendor calls it and said, and what it waits for."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from kernel import clock
from kernel.viewer import Viewer
from runtime.models import Attempt, Delivery, Message, Progress, QuarantinedMessage, TargetSubscription, VendorState
from runtime.selectors import traces
from runtime.selectors.trace_targets import TraceStep
from tests.runtime import scene

pytestmark = pytest.mark.django_db


class Place:
    """The last message of a lane of the sales, which no target has passed yet."""

    def __init__(self) -> None:
        self.day = scene.day()
        self.journal = TargetSubscription.objects.get(target="journal", replay_of=None)
        self.earn = TargetSubscription.objects.get(target="earn", replay_of=None)
        self.message = Message.objects.filter(stream=self.day.sales.stream).order_by("-position").first()
        both = (self.journal, self.earn)
        QuarantinedMessage.objects.filter(subscription__in=both, position=self.message.position).delete()
        self.before = self.message.position - 1
        Progress.objects.filter(subscription__in=both, lane=self.message.lane).delete()
        for one in both:
            Progress.objects.create(subscription=one, lane=self.message.lane, position=self.before)
        with connection.cursor() as cursor:
            cursor.execute("set session_replication_role = replica")
            Delivery.objects.filter(subscription__in=both, lane=self.message.lane).delete()
            Attempt.objects.filter(subscription__in=both, lane=self.message.lane).delete()
            cursor.execute("set session_replication_role = origin")
        self.viewer = Viewer.of(self.day.people.sofia)

    def passed(self, subscription: TargetSubscription, **evidence: Any) -> None:
        position = self.message.position
        place = {"first": position, "last": position, "lane": self.message.lane, "token": 1, "outcome": "answered"}
        Delivery.objects.create(subscription=subscription, **(place | evidence))
        Progress.objects.filter(subscription=subscription, lane=self.message.lane).update(position=position)

    def step(self, target: str) -> TraceStep:
        found = next(
            one
            for one in traces.search(self.viewer, self.message.key)
            if (one.lane, one.position) == (self.message.lane, self.message.position)
        )
        steps = [step for step in traces.trace(found).steps if target in step.who and step.until is None]
        assert len(steps) == 1
        return steps[0]


@pytest.fixture
def place() -> Place:
    return Place()


def test_it_shows_what_the_vendor_calls_the_message(place: Place):
    last = place.message.position
    place.passed(place.journal, first=last - 2, last=last, confirmed=2, outcomes="csc", references=["A-1", "A-3"])
    step = place.step("journal")
    assert (step.tone.word, step.reference) == ("Confirmed", "A-3")


def test_declined_has_a_word_of_its_own_with_what_the_vendor_said(client, place: Place):
    position = place.message.position
    place.passed(place.earn, declined=1, outcomes="d")
    Attempt.objects.create(
        subscription=place.earn,
        lane=place.message.lane,
        first=position,
        last=position,
        token=1,
        outcome="declined",
        detail="20 points available, 1000 wanted",
        answer='{"available": 20}',
    )
    step = place.step("earn")
    assert (step.tone.tone, step.tone.word) == ("quiet", "Declined by the vendor")
    assert step.note == "20 points available, 1000 wanted"
    assert step.answer == '{"available": 20}'
    client.force_login(place.day.people.sofia)
    said = client.get(reverse("runtime:traces"), {"q": place.message.key}).content.decode()
    assert "Declined by the vendor" in said
    assert "20 points available, 1000 wanted" in said
    assert "What the vendor said" in said


def test_it_says_which_target_it_waits_for(place: Place):
    TargetSubscription.objects.filter(pk=place.earn.pk).update(after_subscription=place.journal.pk)
    step = place.step("earn")
    assert (step.tone.word, step.note) == ("Waits for journal", "goes after journal has confirmed it")
    assert step.at == place.message.received_at


def test_it_says_that_the_other_one_holds_it(place: Place):
    TargetSubscription.objects.filter(pk=place.earn.pk).update(after_subscription=place.journal.pk)
    for subscription, state, reason_class in ((place.journal, "dead", "refused"), (place.earn, "behind", "after")):
        QuarantinedMessage.objects.create(
            subscription=subscription,
            lane=place.message.lane,
            position=place.message.position,
            key=place.message.key,
            state=state,
            reason_class=reason_class,
        )
    step = place.step("earn")
    assert step.tone.word == "Waits for journal"
    assert "held there; a person settles it there" in step.note


def test_it_says_that_the_connection_is_at_fault_and_since_when(place: Place):
    now = clock.now()
    VendorState.objects.filter(pk=place.journal.vendor_id).update(
        breaker="open", fault="credentials", fault_detail="401 Unauthorized", fault_since=now
    )
    step = place.step("journal")
    assert step.tone.word == "Connection fault"
    assert step.note == "Connection fault: credentials (401 Unauthorized)"
    assert step.at == now


def test_accepted_is_no_try_that_failed(place: Place):
    QuarantinedMessage.objects.create(
        subscription=place.earn,
        lane=place.message.lane,
        position=place.message.position,
        key=place.message.key,
        state="sending",
        reason_class="accepted",
    )
    step = place.step("earn")
    assert (step.tone.word, step.says) == ("Accepted, asked again", "Accepted")
