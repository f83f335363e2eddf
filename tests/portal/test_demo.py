"""The demo retailer: applied twice it is the same, and every owner in it is a team with people."""

from __future__ import annotations

import pytest

from catalog.selectors import boundaries, teams, versions
from catalog.services import blueprint
from kernel import clock
from portal import demo

pytestmark = pytest.mark.django_db


def test_the_blueprint_applies_and_a_second_time_changes_nothing():
    first = blueprint.apply(demo.document(), actor=None, base_dir=demo.SEED)
    again = blueprint.apply(demo.document(), actor=None, base_dir=demo.SEED)
    assert first.number("created") > 60
    assert not again.changed_anything, [line for line in again.lines if line[0] in {"created", "changed"}]


def test_the_record_of_base_price_is_the_erp_and_of_a_sale_the_tills():
    blueprint.apply(demo.document(), actor=None, base_dir=demo.SEED)
    now = clock.now()
    price = boundaries.record_of("price", "base-price", {}, now)
    sale = boundaries.record_of("sale", None, {}, now)
    assert (price and price.key, sale and sale.key) == ("s4", "pos")


def test_every_version_of_the_demo_has_a_contract_and_an_owner_with_members():
    blueprint.apply(demo.document(), actor=None, base_dir=demo.SEED)
    for reference in (
        "s4-product@v1",
        "store-prices@v1",
        "pos-sales@v1",
        "s4-sales@v1",
        "loyalty-earn@v1",
        "price-api@v3",
    ):
        facts = versions.by_reference(reference)
        assert facts is not None, reference
        assert facts.contract_digest
        assert teams.members(facts.owner_team_id), f"{reference} is owned by nobody"
