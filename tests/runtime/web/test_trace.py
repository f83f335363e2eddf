"""The trace of a message says per target how it ended, what the vendor calls it and said, and what it waits for."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from kernel import clock
from kernel.viewer import Viewer
from runtime.models import Attempt, Delivery, Message, Progress, QuarantinedMessage, TargetSubscription, VendorState
from runtime.selectors import trace_targets, traces
from runtime.selectors.trace_targets import TraceStep
from tests.runtime import scene

pytestmark = pytest.mark.django_db


class Place:
    """The last message of a lane of the sales, which no target has passed yet. Both lanes of the day have as many
    messages; the dead letters are in the second."""

    def __init__(self, lane: int = 1) -> None:
        self.day = scene.day()
        self.journal = TargetSubscription.objects.get(target="journal", replay_of=None)
        self.earn = TargetSubscription.objects.get(target="earn", replay_of=None)
        self.message = Message.objects.filter(stream=self.day.sales.stream, lane=lane).latest("position")
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

    def tried(self, outcome: str, *, before: int = 0, **said: Any) -> None:
        """An attempt of `earn` with this message and so many before it."""
        last = self.message.position
        place = {"subscription": self.earn, "lane": self.message.lane, "first": last - before, "last": last, "token": 1}
        Attempt.objects.create(outcome=outcome, **place, **said)

    def steps(self, target: str) -> list[TraceStep]:
        found = next(
            one
            for one in traces.search(self.viewer, self.message.key)
            if (one.lane, one.position) == (self.message.lane, self.message.position)
        )
        return [step for step in traces.trace(found).steps if target in step.who]

    def step(self, target: str) -> TraceStep:
        steps = [step for step in self.steps(target) if step.until is None]
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


def test_the_answer_that_confirmed_it_is_no_try_without_an_outcome(place: Place):
    place.passed(place.earn, confirmed=1, outcomes="c")
    place.tried("answered", reference="T-1", answer='{"points": 20}')
    (step,) = place.steps("earn")
    assert (step.tone.word, step.reference, step.answer) == ("Confirmed", "T-1", '{"points": 20}')


def test_the_answer_that_declined_it_in_its_batch_is_shown_with_its_words(place: Place):
    place.passed(place.earn, first=place.message.position - 1, confirmed=1, declined=1, outcomes="cd")
    place.tried("answered", detail="20 points available", answer='{"available": 20}')
    (step,) = place.steps("earn")
    assert (step.tone.word, step.note) == ("Declined by the vendor", "20 points available")
    assert step.answer == '{"available": 20}'


@pytest.mark.parametrize(("code", "word"), [("s", "Skipped (condition)"), ("u", "Superseded")])
def test_what_was_not_sent_shows_no_try_of_its_batch(place: Place, code: str, word: str):
    place.passed(place.earn, first=place.message.position - 1, confirmed=1, outcomes=f"c{code}")
    place.tried("unknown", before=1, detail="503", answer='{"of": "another message"}')
    (step,) = place.steps("earn")
    assert (step.tone.word, step.answer) == (word, "")


def test_what_was_sent_shows_the_try_of_its_batch_without_the_answer_to_another(place: Place):
    place.tried("unknown", before=1, detail="503: no time", answer='{"of": "another message"}')
    place.passed(place.earn, first=place.message.position - 1, confirmed=2, outcomes="cc")
    asked, ended = place.steps("earn")
    assert (asked.tone.word, asked.note, asked.answer) == ("Unknown, asked", "its batch of 2: 503: no time", "")
    assert ended.tone.word == "Confirmed"


def test_a_try_that_was_put_off_is_not_called_unknown(place: Place):
    place.tried("retry", detail="429")
    assert {step.tone.word for step in place.steps("earn")} == {"Not now", "Waits"}


@pytest.mark.parametrize(("rounds", "note"), [(0, "before anything is sent again"), (1, "without an answer once")])
def test_a_message_that_may_have_arrived_is_asked_about_and_not_called_tried_no_times(
    place: Place, rounds: int, note: str
):
    QuarantinedMessage.objects.create(
        subscription=place.earn,
        lane=place.message.lane,
        position=place.message.position,
        key=place.message.key,
        state="sending",
        rounds=rounds,
    )
    step = place.step("earn")
    assert (step.tone.word, step.says) == ("Being asked about", "Asked")
    assert step.note.endswith(note)


@pytest.mark.parametrize(
    ("idempotency", "note"),
    [("K", "sent again under the same key"), ("N", "sent again under its own name"), ("U", "a person decides")],
)
def test_a_vendor_that_cannot_be_asked_is_not_said_to_be_asked(idempotency: str, note: str):
    target = {"state": "sending", "reason_class": "unsettled", "reason": "", "rounds": 2, "first_seen_at": clock.now()}
    target |= {"idempotency": idempotency, "connection": '{"protocol": "rest", "settings": {}}'}
    step = trace_targets.now_at("erp", target, [], (0, 1), clock.now(), None)
    assert "cannot be asked" in step.note
    assert note in step.note
    assert step.tone.word != "Being asked about"


@pytest.mark.parametrize(
    ("tries", "note"), [(0, "goes alone next"), (1, "tried alone once"), (3, "tried alone 3 times")]
)
def test_a_message_that_will_be_tried_again_says_how_often_it_was(place: Place, tries: int, note: str):
    QuarantinedMessage.objects.create(
        subscription=place.earn,
        lane=place.message.lane,
        position=place.message.position,
        key=place.message.key,
        state="retry",
        attempt=tries,
    )
    assert place.step("earn").note == note


@pytest.mark.parametrize("lane", [0, 1])
def test_where_a_message_stands_at_a_target_comes_after_the_tries_that_led_there(lane: int):
    place = Place(lane)
    letter = place.day.letters[0]
    if letter.lane == lane:  # else it has the two tries of the day
        for outcome in ("unknown", "dead"):
            place.day.sales.attempt((letter.lane, letter.position), "journal", outcome, "no answer within 5 s")
    [found] = [one for one in traces.search(place.viewer, letter.key) if one.position == letter.position]
    journal = [step.who for step in traces.trace(found).steps if "journal" in step.who]
    assert journal == [
        "S/4HANA Cloud, journal, try 1",
        "S/4HANA Cloud, journal, try 2",
        "S/4HANA Cloud, journal, dead letter",
    ]


def test_the_page_says_each_time_to_the_second_and_with_its_zone(client: Any, place: Place):
    letter = place.day.letters[0]
    client.force_login(place.day.people.rita)
    text = client.get(reverse("runtime:traces") + f"?q={letter.key}").text
    assert re.search(r"\d\d:\d\d:\d\d to \w{3} \d+ \w{3}, \d\d:\d\d:\d\d UTC; bars show when", text)
    steps = text.split('<ol class="lanes">')[1].split("</ol>")[0].split("<li>")[1:]
    assert all(re.search(r"<time[^>]*UTC[^>]*>\d\d:\d\d:\d\d</time>", step) for step in steps)
