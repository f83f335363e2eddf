"""Policies of domains and teams: whose they are, that they only tighten, and that they bear on their own next
version."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.models import Domain
from governance.models import ChangeRequest, Policy
from governance.services import applying, changes, checks, policies
from kernel.errors import Invalid
from tests.governance import make

pytestmark = pytest.mark.django_db
TWO_OWNERS: dict[str, Any] = {"rules": [{"id": "two", "why": "Prices are money.", "slots": {"owner": 2}}]}


@pytest.fixture(autouse=True)
def domain(house: make.House) -> Domain:
    return Domain.objects.create(key="price", name="Price", owner_team=make.team("price"))


def proposed(house: make.House, level: str, document: dict[str, Any]) -> ChangeRequest:
    change = policies.propose(
        level=level,
        document=document,
        author=house.security,
        title="New policy",
        justification="Because.",
        environment="test",
    )
    changes.submit(change, actor=house.security)
    checks.run_checks(change.pk)
    change.refresh_from_db()
    return change


def keys(change: ChangeRequest) -> dict[str, int]:
    found: dict[str, int] = {}
    for slot in change.slots.filter(revision=change.revision):
        found[slot.key] = found.get(slot.key, 0) + 1
    return found


def test_the_owner_of_a_domain_decides_on_its_policy_beside_the_architects(house: make.House):
    change = proposed(house, "domain:price", TWO_OWNERS)
    assert keys(change) == {"team:price": 1, "architect": 1}
    assert make.approve(change, house.owner, house.architect).state == "approved"
    applying.apply(change, actor=house.releaser)
    feed = make.in_review(house.author)
    assert keys(feed) == {"team:price": 2, "architect": 1}, "both levels ask, and the larger number counts"


def test_a_policy_of_a_domain_is_loosened_only_by_those_whom_it_asks_itself(house: make.House):
    policies.install(level="domain:price", document=TWO_OWNERS, actor=None)
    softer = {"rules": [{"id": "one", "why": "Enough.", "slots": {"owner": 1}}]}
    assert keys(proposed(house, "domain:price", softer)) == {"team:price": 2, "architect": 1}


def test_no_document_of_a_lower_level_takes_anything_away(house: make.House):
    before = keys(make.in_review(house.author))
    policies.install(
        level="domain:price",
        document={"rules": [{"id": "none", "why": "Nothing more.", "slots": {"owner": 1}}]},
        actor=None,
    )
    assert keys(make.in_review(house.author, make.thing("other"))) == before
    with pytest.raises(Invalid) as caught:
        policies.write(level="domain:price", document=TWO_OWNERS | {"approval_days": 60}, author=None)
    assert "may only tighten" in caught.value.findings[0]["message"]


def test_a_policy_of_a_domain_without_an_owner_is_decided_by_nobody(house: make.House, domain: Domain):
    domain.owner_team = None
    domain.save()
    change = proposed(house, "domain:price", TWO_OWNERS)
    assert change.slots.get(key="owner").group_ids == []
    assert make.approve(change, house.architect).state == "in_review"


@pytest.mark.parametrize("level", ["domain:nowhere", "team:nobody", "galaxy", "domain:", "team:" + "x" * 90])
def test_a_level_that_binds_nobody_is_refused(house: make.House, level: str):
    with pytest.raises(Invalid) as caught:
        policies.write(level=level, document=TWO_OWNERS, author=None)
    assert caught.value.code == "policy.level"
    assert not Policy.objects.exclude(level="organisation").exists()
