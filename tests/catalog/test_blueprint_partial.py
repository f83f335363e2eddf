"""A blueprint whose items say little: what an item leaves out stays as it was, in every section."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.forms.models import model_to_dict

from catalog import models
from catalog.services import blueprint
from kernel.errors import Invalid
from kernel.models import User
from tests.catalog import make

pytestmark = pytest.mark.django_db

FULL: dict[str, Any] = {
    "blueprint": 1,
    "teams": [{"key": "till", "name": "Till team", "kind": "role", "email": "till@example.com", "on_call": "+49 1"}],
    "people": [
        {"username": "robot", "first_name": "R", "last_name": "B", "email": "r@example.com", "kind": "service"},
        {"username": "root", "first_name": "R", "superuser": True},
    ],
    "environments": [
        {
            "key": "stores",
            "name": "All stores",
            "is_fleet": True,
            "records_complete_since": "2026-01-01",
            "records_enforced_from": "2026-01-02",
        },
        {"key": "backend", "name": "Back end"},
    ],
    "domains": [{"key": "a", "name": "A", "owner_team": "till"}, {"key": "b", "name": "B", "owner_team": "till"}],
    "systems": [
        {
            "key": "pos",
            "name": "Point of sale",
            "vendor": "Vendor",
            "third_party": False,
            "kind": "pos",
            "deployment": "on_premise",
            "network_zone": "stores",
            "owner_team": "till",
            "description": "Sells.",
            "endpoints": {
                "backend": {
                    "base_url": "https://pos.example.com",
                    "auth_kind": "basic",
                    "secret_ref": "env:TILLGATE_SECRET_POS",
                    "further_hosts": ["up.example.com"],
                    "trust_ref": "file:ca.pem",
                }
            },
        }
    ],
    "tiers": [{"level": 1, "name": "Gold", "rules": {"notice_days": 90}}],
    "scopes": {
        "banner": [{"key": "fresh", "name": "Fresh"}],
        "region": [{"key": "north", "name": "North"}],
        "channel": [{"key": "store", "name": "In store"}],
    },
    "stores": [
        {"key": "s-1", "name": "One", "banner": "fresh", "region": "north", "channel": "store", "zone": "Europe/Berlin"}
    ],
    "entities": [
        {
            "key": "price",
            "name": "Price",
            "domain": "a",
            "aliases": ["tag"],
            "attribute_groups": [{"key": "promo", "name": "Promotion"}, {"key": "base", "name": "Base price"}],
        },
        {"key": "sale", "name": "Sale", "domain": "b"},
    ],
    "apis": [
        {
            "slug": "secret",
            "name": "Secret",
            "purpose": "Hidden.",
            "domain": "a",
            "owner_team": "till",
            "layer": "experience",
            "style": "file",
            "tier": 1,
            "data_class": "cardholder",
            "visibility": "restricted",
            "system": "pos",
            "aliases": ["hush"],
            "if_it_fails": "Nothing.",
            "documentation_url": "https://d.example.com",
            "status_url": "https://s.example.com",
            "third_party": False,
            "per_instance": True,
            "versions": [
                {
                    "label": "v1",
                    "state": "published",
                    "published_at": "2026-01-01",
                    "contract": "price-v1.yaml",
                    "endpoints": {"backend": "https://pos.example.com/v1"},
                }
            ],
        }
    ],
    "applications": [{"key": "shop", "name": "Shop", "team": "till", "description": "Sells online."}],
    "dependencies": [{"api": "secret", "needs_system": "pos", "criticality": "soft", "degraded_mode": "Old prices."}],
    "campaigns": [
        {"key": "owners", "name": "Owners", "point": "owner", "due_on": date(2027, 3, 31), "owner_team": "till"}
    ],
}
IDENTITY = {"key", "slug", "username", "level", "dimension", "api", "needs", "needs_system", "label"}
MODELS = {
    "teams": models.Team,
    "people": User,
    "environments": models.Environment,
    "domains": models.Domain,
    "systems": models.System,
    "endpoints": models.SystemEndpoint,
    "tiers": models.SlaTier,
    "scopes": models.ScopeValue,
    "stores": models.RetailStore,
    "entities": models.BusinessEntity,
    "groups": models.AttributeGroup,
    "apis": models.Api,
    "versions": models.ApiVersion,
    "version endpoints": models.VersionEndpoint,
    "applications": models.Application,
    "dependencies": models.Dependency,
    "campaigns": models.Campaign,
}


def _bare(value: Any, section: str = "") -> Any:
    """The same document with nothing but the keys of its items; the last item of a section comes alone."""
    if section == "scopes":
        return {dimension: _bare(items, "one") for dimension, items in value.items()}
    if isinstance(value, list):
        return [_bare(value[-1])]
    bare = {name: one for name, one in value.items() if name in IDENTITY}
    bare |= {name: _bare(value[name]) for name in ("attribute_groups", "versions") if name in value}
    if "endpoints" in value and "slug" not in value and "label" not in value:
        bare["endpoints"] = {environment: {} for environment in value["endpoints"]}
    return bare


def _rows() -> dict[str, list[dict[str, Any]]]:
    return {
        name: [model_to_dict(row) | {"pk": row.pk} for row in model.objects.order_by("pk")]
        for name, model in MODELS.items()
    }


def _apply(document: dict[str, Any]) -> blueprint.BlueprintReport:
    return blueprint.apply({"blueprint": 1} | document, actor=None, base_dir=make.ESTATE)


@pytest.mark.parametrize("section", [name for name in FULL if name != "blueprint"])
def test_an_item_that_gives_its_key_alone_changes_nothing(section: str):
    _apply(FULL)
    before = _rows()
    report = _apply({section: _bare(FULL[section], section)})
    assert _rows() == before
    assert not report.changed_anything
    assert not report.number("kept")


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_value_puts_no_default_in_the_place_of_what_was_decided(nothing: object):
    _apply(FULL)
    _apply(
        {
            "apis": [{"slug": "secret", "visibility": nothing, "data_class": nothing, "name": nothing}],
            "people": [{"username": "robot", "kind": nothing}],
            "teams": [{"key": "till", "kind": nothing}],
            "environments": [{"key": "stores", "is_fleet": None}],
            "tiers": [{"level": 1, "rules": None}],
        }
    )
    api = models.Api.objects.get(slug="secret")
    assert (api.visibility, api.data_class, api.name) == ("restricted", "cardholder", "Secret")
    assert User.objects.get(username="robot").kind == "service"
    assert models.Team.objects.get(key="till").kind == "role"
    assert models.Environment.objects.get(key="stores").is_fleet is True
    assert models.SlaTier.objects.get(level=1).rules == {"notice_days": 90}


def test_what_is_given_as_empty_is_emptied():
    _apply(FULL)
    _apply(
        {
            "applications": [{"key": "shop", "team": None}],
            "stores": [{"key": "s-1", "banner": None}],
            "systems": [{"key": "pos", "network_zone": ""}],
            "apis": [{"slug": "secret", "tier": None, "aliases": []}],
        }
    )
    assert models.Application.objects.get(key="shop").team is None
    store = models.RetailStore.objects.get(key="s-1")
    assert (store.banner, store.region.key) == (None, "north")
    assert models.System.objects.get(key="pos").network_zone == ""
    api = models.Api.objects.get(slug="secret")
    assert (api.tier, api.aliases, api.visibility) == (None, [], "restricted")


@pytest.mark.parametrize("vendor", ["Vendor", "Another vendor"])
def test_the_name_of_a_vendor_makes_no_third_party_of_a_system_that_is_there(vendor: str):
    """Whether a third party provides it is evidence of the gate: said, and never guessed for what is there."""
    _apply(FULL)
    _apply({"systems": [{"key": "pos", "vendor": vendor}]})
    system = models.System.objects.get(key="pos")
    assert (system.vendor, system.third_party) == (vendor, False)
    _apply({"systems": [{"key": "new", "vendor": vendor}]})
    assert models.System.objects.get(key="new").third_party is True


def test_new_items_get_the_defaults_and_come_last():
    _apply(FULL)
    _apply({"environments": [{"key": "test"}], "apis": [{"slug": "open"}], "people": [{"username": "ann"}]})
    made = models.Environment.objects.get(key="test")
    assert (made.name, made.is_fleet, made.position) == ("test", False, 3)
    api = models.Api.objects.get(slug="open")
    assert (api.name, api.visibility) == ("open", "internal")
    assert User.objects.get(username="ann").kind == "person"


def test_a_document_that_names_all_environments_orders_them():
    _apply(FULL)
    _apply({"environments": [{"key": "backend"}, {"key": "stores"}]})
    assert list(models.Environment.objects.order_by("position").values_list("key", flat=True)) == ["backend", "stores"]


@pytest.mark.parametrize("said", ["yes", 1, "false", []])
def test_what_is_neither_true_nor_false_is_named_by_its_place(said: object):
    _apply(FULL)
    with pytest.raises(Invalid) as caught:
        _apply(
            {
                "environments": [{"key": "stores", "is_fleet": said}],
                "people": [{"username": "robot", "superuser": said}],
            }
        )
    assert [f["pointer"] for f in caught.value.findings] == ["/people/0/superuser", "/environments/0/is_fleet"]
    assert models.Environment.objects.get(key="stores").is_fleet is True
