"""Whom a change is asked of where the database has to derive it from several rows: systems of record that share an
entity, and the APIs that an application touches. What it derives is what the product derives."""

from __future__ import annotations

import json
import random
from itertools import product
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from psycopg.types.range import Range

from catalog.models import (
    Api,
    ApiEntity,
    Application,
    AttributeGroup,
    Boundary,
    BusinessEntity,
    Domain,
    Environment,
    ProviderRight,
    ScopeValue,
    SlaTier,
    Subscription,
    System,
)
from governance.domain import kinds
from governance.domain.subject import Subject
from governance.models import ApplicationRelease
from governance.services import policies
from kernel import clock
from tests.catalog import make as catalog
from tests.governance.forging import as_serving
from tests.governance.raw_sql import beneath_guards, run
from tests.governance.test_catalog_changes import POLICY
from tests.governance.test_change_facts import _forger

pytestmark = pytest.mark.django_db
DIMENSIONS = ("group", "channel", "region")
SYSTEMS = ("erp", "pos", "loyalty-engine")


@pytest.fixture(autouse=True)
def estate() -> None:
    catalog.estate()
    policies.install(level="organisation", document=POLICY, actor=None)


def boundaries(*rows: dict[str, str]) -> None:
    """These are the systems of record of prices; `group`, `channel`, `region` are left out where one is for all."""
    entity = BusinessEntity.objects.get(key="price")
    with beneath_guards():
        Boundary.objects.filter(entity=entity).delete()
        for row in rows:
            Boundary.objects.create(
                entity=entity,
                attribute_group=AttributeGroup.objects.get(entity=entity, key=row["group"]) if "group" in row else None,
                channel=ScopeValue.objects.get(dimension="channel", key=row["channel"]) if "channel" in row else None,
                region=ScopeValue.objects.get(dimension="region", key=row["region"]) if "region" in row else None,
                valid=Range(clock.now().replace(year=2025), None),
                system=System.objects.get(key=row["system"]),
            )


def exposes(*uses: tuple[str | None, str]) -> None:
    """What the Price API exposes of prices: the part, None for all of it, and how."""
    entity = BusinessEntity.objects.get(key="price")
    with beneath_guards():
        ApiEntity.objects.filter(api__slug="price-api").delete()
        for part, access in uses:
            group = AttributeGroup.objects.get(entity=entity, key=part) if part else None
            ApiEntity.objects.create(
                api=Api.objects.get(slug="price-api"), entity=entity, attribute_group=group, access=access
            )


def both(kind: str, subject_kind: str, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the database derives of a subject, and what the product does."""
    said = run("select governance_facts_of(%s, %s, %s, '{}')::text", kind, subject_kind, key)[0][0]
    facts = kinds.kind(kind).facts(Subject(subject_kind, key, ""))
    assert facts is not None
    product_says = {"owner_of_record": sorted(facts.record_owner_team_ids), "tier": facts.tier}
    derived = json.loads(said)
    known = {"owner_of_record": sorted(derived["owner_of_record"]), "tier": derived.get("tier")}
    return known | {"domain": derived.get("domain")}, product_says | {"domain": facts.domain_key}


def owners(*systems: str) -> list[int]:
    return sorted(System.objects.filter(key__in=systems).values_list("owner_team_id", flat=True))


PARTS = [{"channel": "store", "system": "pos"}, {"channel": "online", "system": "pos"}]


def test_boundaries_of_one_system_that_cover_an_entity_in_parts_have_its_owner_of_record():
    boundaries(*PARTS)
    known, told = both("version.publish", "version", "price-api@v3")
    assert known["owner_of_record"] == told["owner_of_record"] == owners("pos")


def test_a_part_without_a_system_of_record_leaves_the_owner_of_the_domain():
    boundaries(PARTS[0])
    known, told = both("version.publish", "version", "price-api@v3")
    pricing = list(Domain.objects.filter(key="price").values_list("owner_team_id", flat=True))
    assert known["owner_of_record"] == told["owner_of_record"] == pricing


@pytest.mark.parametrize("seed", range(12))
def test_the_database_and_the_product_name_the_same_owners_of_record(seed: int):
    draw = random.Random(seed)
    values = {"group": ("base", "offer"), "channel": ("store", "online"), "region": ("mainland", "islands")}
    for _ in range(6):
        apart = [name for name in DIMENSIONS if draw.random() < 0.6]
        few = draw.sample(SYSTEMS, draw.choice((1, 1, 2)))
        boundaries(
            *(
                {**dict(zip(apart, place, strict=True)), "system": draw.choice(few)}
                for place in product(*(values[name] for name in apart))
                if draw.random() < 0.9
            )
        )
        parts = draw.sample((None, "base", "offer"), draw.choice((1, 2)))
        exposes(*((part, draw.choice(("authoritative_read", "command", "copy"))) for part in parts))
        known, told = both("version.publish", "version", "price-api@v3")
        assert known == told, (apart, list(Boundary.objects.values()), list(ApiEntity.objects.values()))


def test_who_writes_an_approval_by_hand_asks_the_owner_of_a_record_in_parts():
    boundaries(*PARTS)
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), as_serving():
        _forger().forge()
    assert caught.value.__cause__.diag.constraint_name == "approval_fits_facts", str(caught.value)
    assert f"owner_of_record {owners('pos')[0]}" in str(caught.value)


# -- applications ------------------------------------------------------------------------------------------------------
def subscribed(slug: str, state: str = "active") -> None:
    Subscription.objects.create(
        application=Application.objects.get(key="price-service"),
        version=versions_of(slug),
        environment=Environment.objects.get(key="production"),
        state=state,
        valid_from=clock.now(),
    )


def versions_of(slug: str) -> Any:
    return Api.objects.get(slug=slug).versions.filter(state="published").first()


def weigh(slug: str, tier: int | None) -> None:
    with beneath_guards():
        Api.objects.filter(slug=slug).update(tier=None if tier is None else SlaTier.objects.get(level=tier))


def recorded(slug: str) -> None:
    with beneath_guards():
        ApplicationRelease.objects.create(
            application="price-service", version="1", environment="production", provides=[f"{slug}@v1"], consumes=[]
        )


WAYS = {
    "nothing": lambda: None,
    "a subscription": lambda: subscribed("price-api"),
    "one that is asked for": lambda: subscribed("price-api", "requested"),
    "a right to provide": lambda: ProviderRight.objects.create(
        application=Application.objects.get(key="price-service"), api=Api.objects.get(slug="price-api"), reason="x"
    ),
    "a record of what runs": lambda: recorded("price-api"),
    "APIs of two domains": lambda: (subscribed("price-api"), subscribed("loyalty-api")),
    "an API without a domain": lambda: (subscribed("price-api"), recorded("self-checkout")),
    "an API without a tier": lambda: (subscribed("price-api"), subscribed("loyalty-api"), weigh("loyalty-api", None)),
    "a less critical API": lambda: (subscribed("price-api"), weigh("price-api", 2)),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_application_weighs_what_the_most_critical_of_its_apis_does(way: str):
    WAYS[way]()
    known, told = both("application.hand_over", "application", "price-service")
    assert (known["tier"], known["domain"]) == (told["tier"], told["domain"])
    assert (known["tier"] == 3) is (way == "nothing")


def test_an_application_that_is_said_to_be_unimportant_is_not_handed_over():
    subscribed("price-api")
    facts = {
        "tier": 3,
        "data_class": "internal",
        "domain": "price",
        "domains": ["price"],
        "consumers": 0,
        "breaking": 0,
    }
    forged = _forger(kind="application.hand_over")
    forged.subject = Subject("application", "price-service", "sha256:" + "1" * 64)
    forged.facts = facts | {"entities": [], "teams": {"owner_of_record": [], "consumer_owner": []}}
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), as_serving():
        forged.forge()
    assert caught.value.__cause__.diag.constraint_name == "approval_fits_facts", str(caught.value)
    assert "tier" in str(caught.value)
