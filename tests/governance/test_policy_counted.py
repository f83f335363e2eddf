"""The database counts what a policy asks for by the rules of `governance.domain.policy`: both get the same cases."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from governance.domain.policy import ChangeProfile, matches
from kernel.digest import digest_of
from tests.governance.raw_sql import run

pytestmark = pytest.mark.django_db
ASKED = """
select governance_rule_matches(%s::jsonb, c)
  from jsonb_populate_record(null::governance_changerequest, %s::jsonb) c"""
KINDS, PLACES, CLASSES = ["a.b", "c.d"], ["test", "production"], ["internal", "personal"]
ENTITIES = ["price", "price/base", "product", "stock/on-hand"]


def condition(chance: random.Random) -> dict[str, Any]:
    every = {
        "kinds": chance.sample(KINDS, 1),
        "environments": chance.sample(PLACES, 1),
        "tiers": chance.sample([0, 1, 2, 3], 2),
        "data_classes": chance.sample(CLASSES, 1),
        "entities": chance.sample(ENTITIES, chance.randint(1, 2)),
        "consumers_at_least": chance.randint(0, 2),
        "breaking": True,
        "unknown_impact": True,
    }
    return {key: every[key] for key in chance.sample(list(every), chance.randint(0, 3))}


def profile(chance: random.Random) -> ChangeProfile:
    return ChangeProfile(
        kind=chance.choice(KINDS),
        environment=chance.choice(PLACES),
        tier=chance.choice([None, 0, 1, 2, 3]),
        data_class=chance.choice([None, "", *CLASSES]),
        entities=tuple(chance.sample(ENTITIES, chance.randint(0, 2))),
        consumers=chance.choice([None, 0, 1, 3]),
        breaking=chance.choice([None, 0, 2]),
    )


def test_a_rule_matches_in_the_database_where_it_matches_in_the_product() -> None:
    chance, seen = random.Random(7), set()
    for _ in range(400):
        when, of = condition(chance), profile(chance)
        facts = {key: getattr(of, key) for key in ("tier", "data_class", "consumers", "breaking")}
        row = {"kind": of.kind, "environment": of.environment, "facts": facts | {"entities": list(of.entities)}}
        found = run(ASKED, json.dumps(when), json.dumps(row))[0][0]
        assert found is matches(when, of), (when, of)
        seen.add(found)
    assert seen == {True, False}


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"b": [1, "x", None, True, 1.5, -0.25], "a": {"z": [], "ä": '\n\t"\\ €\u007f\u0001', "Z": {}}},
        {"rate": 0.0001, "large": 123456789012345.5, "whole": 10**15, "one": 1.0},
    ],
)
def test_the_database_computes_the_digest_of_a_manifest_as_the_product_does(manifest: dict[str, Any]) -> None:
    found = run("select encode(sha256(convert_to(runtime_canonical(%s::jsonb), 'UTF8')), 'hex')", json.dumps(manifest))
    assert "sha256:" + found[0][0] == digest_of(manifest)
