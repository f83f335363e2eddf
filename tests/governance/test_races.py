"""G3: the short race of every day.

The long one: `TILLGATE_RACE_STEPS=100000 pytest tests/governance/test_races.py -s`.
"""

from __future__ import annotations

import os
import threading

import pytest
from django.db import connection, connections

from governance.services import reviews
from kernel.models import User
from tests.governance import make
from tests.governance.races import World, race

STEPS = int(os.environ.get("TILLGATE_RACE_STEPS", "1600"))


@pytest.mark.django_db(transaction=True)
def test_no_interleaving_of_many_hands_reaches_a_state_that_must_never_be():
    house = make.house()
    people = [
        house.owner,
        house.architect,
        *(make.person(f"p{n}", "price") for n in range(3)),
        *(make.person(f"a{n}", "architects") for n in range(3)),
        make.person("both", "price", "architects"),
    ]
    changes = [make.in_review(house.author, make.thing(f"thing-{n}")).pk for n in range(max(5, STEPS // 2500))]
    parameters = connection.get_connection_params()
    plain = {key: parameters[key] for key in ("dbname", "user", "password", "host", "port") if parameters.get(key)}
    world = World(
        changes, [p.pk for p in people], [house.author.pk], [make.team("price").pk, make.team("architects").pk]
    )
    report = race(plain, world, steps=STEPS, hands=4, seed=3)
    print(f"{report.steps} steps, {report.looks} looks, done {dict(report.done)}, refused {dict(report.refused)}")
    assert dict(report.seen) == {}
    assert report.steps >= STEPS - 4
    assert report.done["seal"] >= STEPS // 400, "the race must reach approvals, or it proves nothing"
    assert report.refused["decide_as_author: decision_separation_of_duties"] > 0
    assert not report.done["decide_as_author"]
    assert not report.done["revive"]


@pytest.mark.django_db(transaction=True)
def test_two_reviewers_at_the_same_moment_are_both_heard_and_the_change_is_sealed_once():
    house = make.house()
    change = make.in_review(house.author)
    seen = reviews.Seen.of(change)
    start = threading.Barrier(2)
    failures: list[BaseException] = []

    def decide(actor: User) -> None:
        try:
            start.wait(timeout=10)
            reviews.approve(change, actor=actor, seen=seen)
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    hands = [threading.Thread(target=decide, args=[actor]) for actor in (house.owner, house.architect)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert failures == []
    change.refresh_from_db()
    assert change.state == "approved"
    assert change.approvals.filter(voided_at=None).count() == 1
    assert change.decisions.count() == 2
