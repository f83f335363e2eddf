"""R5, approvals written by hand: of any number of them, each otherwise than policy and ledger want it in one way or in
several, none is ever valid. The long one tries ten thousand."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import IntegrityError, transaction

from tests.governance import make
from tests.governance.forging import Forger, as_serving
from tests.governance.raw_sql import run
from tests.governance.test_forged_approvals import forger

__all__ = ["forger"]
pytestmark = pytest.mark.django_db
Way = Callable[[Forger, make.House], Forger]
WAYS: dict[str, Way] = {
    "a slot less": lambda f, h: replace(f, slots=f.slots[:-1], people=f.people[:-1]),
    "no slot but anyone's": lambda f, h: replace(
        f, slots=(("anyone", (make.team("stores").pk,)),), people=(h.stranger,)
    ),
    "slots of another team": lambda f, h: replace(f, slots=tuple((k, (make.team("stores").pk,)) for k, _ in f.slots)),
    "the author decides": lambda f, h: replace(f, people=(h.author, *f.people[1:])),
    "a stranger decides": lambda f, h: replace(f, people=(*f.people[:-1], h.stranger)),
    "one person twice": lambda f, h: replace(f, people=f.people[:1] * len(f.people)),
    "no checks": lambda f, h: replace(f, checks=()),
    "no owner": lambda f, h: replace(f, owners=()),
    "facts left out": lambda f, h: replace(f, facts={}),
    "graver data": lambda f, h: replace(f, facts={**f.facts, "data_class": "cardholder"}),
    "no entries": lambda f, h: replace(f, recorded=False),
    "no level": lambda f, h: replace(f, levels=()),
}


def tries(house: make.House, whole: Forger, number: int, seed: int) -> None:
    chance, stored = random.Random(seed), []
    for _ in range(number):
        ways = chance.sample(list(WAYS), chance.choice([1, 1, 2, 3]))
        made = replace(whole, recorded=True)
        for way in ways:
            made = WAYS[way](made, house)
        try:
            with transaction.atomic(), as_serving():
                made.forge()
            stored.append(ways)
        except (IntegrityError, ValueError):  # as many people as slots, or nothing is written at all
            pass
    assert stored == []
    assert run("select count(*) from governance_valid_approval") == [(0,)]


def test_no_approval_by_hand_is_valid(house: make.House, forger: Forger) -> None:
    tries(house, forger, 60, seed=5)


@pytest.mark.thorough
def test_of_ten_thousand_none_is(house: make.House, forger: Forger) -> None:
    tries(house, forger, 10_000, seed=6)
