"""G3: the short race of every day. The long one: `TILLGATE_RACE_STEPS=100000 pytest tests/governance/test_races.py -s`."""

from __future__ import annotations

import os

import pytest
from django.db import connection

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
    world = World(changes, [p.pk for p in people], [house.author.pk], [make.team("price").pk, make.team("architects").pk])
    report = race(plain, world, steps=STEPS, hands=4, seed=3)
    print(f"{report.steps} steps, {report.looks} looks, done {dict(report.done)}, refused {dict(report.refused)}")
    assert dict(report.seen) == {}
    assert report.steps >= STEPS - 4
    assert report.done["seal"] >= STEPS // 400, "the race must reach approvals, or it proves nothing"
    assert report.refused["decide_as_author: decision_separation_of_duties"] > 0
    assert not report.done["decide_as_author"]
    assert not report.done["revive"]
