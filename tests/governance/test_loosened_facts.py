"""Who loosens what decides which approvals a change needs does not save the change an approval: it is judged by the
stricter fact until a change that shows the difference was approved and has taken effect."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from catalog.models import Api, ApiEntity, Domain, SlaTier
from catalog.services import importing
from catalog.services.importing.sources import ImportSource
from governance.domain.subject import Subject
from governance.models import ChangeRequest, Decision, LoosenedFact
from governance.services import applying, changes, policies, sealing
from governance.services.catalog import subject_facts
from portal import database_roles
from tests.catalog import make as catalog
from tests.governance import gate_estate, make
from tests.governance.raw_sql import SEAL, decide, refused, seal
from tests.governance.test_catalog_changes import asked, decided, settle, version

pytestmark = pytest.mark.django_db
POLICY: dict[str, Any] = {
    "rights_rest_hours": 0,
    "rules": [
        {"id": "owner", "why": "The owner agrees.", "slots": {"owner": 1}},
        {
            "id": "personal",
            "why": "Personal data.",
            "when": {"data_classes": ["personal", "cardholder"]},
            "slots": {"security": 1},
        },
        {"id": "critical", "why": "Critical.", "when": {"tiers": [0, 1]}, "slots": {"release_manager": 1}},
        {"id": "price", "why": "Prices.", "when": {"entities": ["price"]}, "slots": {"architect": 1}},
    ],
}
OF_DOMAIN = {"rules": [{"id": "strict", "why": "A strict domain.", "slots": {"team:loyalty": 1}}]}


@pytest.fixture(autouse=True)
def estate() -> None:
    catalog.estate()
    for key in make.ROLES:
        make.team(key, kind="role")
    policies.install(level="organisation", document=POLICY, actor=None)
    policies.install(level="domain:price", document=OF_DOMAIN, actor=None)
    Api.objects.filter(slug="price-api").update(data_class="personal", tier=SlaTier.objects.get(level=1))


def patched(body: dict[str, Any]) -> None:
    answer = catalog.client("piet").patch(
        "/api/v1/apis/price-api", json.dumps(body), content_type="application/json", headers={"If-Match": "*"}
    )
    assert answer.status_code == 200, answer.content


def by_sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def by_import(sheet: bytes) -> None:
    importing.run([ImportSource("apis.csv", sheet)], actor=None, source="sheet")


def later() -> ChangeRequest:
    """A change that is proposed afterwards, by the team that owns the API."""
    return asked("version.publish", version("price-api@v3"))


def slots_of(change: ChangeRequest) -> set[str]:
    return set(change.slots.values_list("key", flat=True))


def test_what_the_api_is_asks_for_these():
    assert slots_of(later()) == {"team:pricing", "security", "release_manager", "architect", "team:loyalty"}


WAYS = {
    "a plain write": lambda: patched({"data_class": "internal"}),
    "SQL": lambda: by_sql("update catalog_api set data_class = 'public' where slug = 'price-api'"),
    "the ORM": lambda: Api.objects.filter(slug="price-api").update(data_class="internal"),
    "an import": lambda: by_import(b"slug,name,data_class\nprice-api,Price API,internal\n"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_lower_data_class_takes_no_slot_away(way: str):
    WAYS[way]()
    assert Api.objects.get(slug="price-api").data_class in ("internal", "public")
    assert "security" in slots_of(later())


@pytest.mark.parametrize(
    ("loosen", "slot"),
    [
        (lambda: patched({"data_class": "internal"}), "security"),
        (lambda: patched({"entities": []}), "architect"),
        (lambda: patched({"domain": "loyalty"}), "team:loyalty"),
        (lambda: Api.objects.filter(slug="price-api").update(tier=SlaTier.objects.get(level=3)), "release_manager"),
        (lambda: Api.objects.filter(slug="price-api").update(domain=Domain.objects.get(key="loyalty")), "team:loyalty"),
        (lambda: ApiEntity.objects.filter(api__slug="price-api").update(access="event"), "architect"),
    ],
)
def test_no_fact_that_asks_for_approvals_is_loosened_in_passing(loosen: Callable[[], object], slot: str):
    loosen()
    assert slot in slots_of(later())


def test_what_was_loosened_stands_in_the_difference():
    patched({"data_class": "internal"})
    change = later()
    (told,) = [f for f in change.difference["parts"][0]["findings"] if f["rule"] == "api.loosened.data_class"]
    assert "personal until" in told["message"]
    assert "now internal" in told["message"]


def test_a_fact_that_is_loosened_during_the_review_voids_what_was_decided():
    change = later()
    settle(change)
    decided(change, "paula")
    patched({"data_class": "internal"})
    changes.refresh(change.pk)
    assert Decision.objects.get().voided_at is not None
    change.refresh_from_db()
    assert "security" in slots_of(change)


def test_once_a_change_that_named_it_has_taken_effect_the_present_fact_counts():
    patched({"data_class": "internal"})
    agreed(later())
    assert LoosenedFact.objects.exclude(answered_by_id=None).filter(fact="data_class").exists()
    assert "security" not in slots_of(asked("version.retire", version("price-api@v2")))


def test_what_is_made_stricter_again_asks_for_nothing_more():
    patched({"data_class": "internal"})
    patched({"data_class": "personal"})
    change = later()
    assert not [f for f in change.difference["parts"][0]["findings"] if f["rule"] == "api.loosened.data_class"]


def test_a_tier_that_an_approved_change_has_lowered_counts_from_then_on():
    digest = subject_facts.api_digest("price-api")
    assert digest
    agreed(asked("tier.change", Subject("api", "price-api", digest), tier=3))
    assert Api.objects.get(slug="price-api").tier.level == 3
    assert "release_manager" not in slots_of(later())


def test_an_api_that_nobody_has_judged_is_completed_as_ever():
    gate_estate.beneath("update catalog_apiversion set origin = 'imported', approval_id = null")
    patched({"data_class": "internal"})
    assert not LoosenedFact.objects.filter(fact="data_class").exists()


def test_the_database_seals_no_change_that_was_judged_by_less():
    change = later()
    settle(change)
    people(change)
    patched({"data_class": "internal"})
    refused("approval_counts_loosened_facts", SEAL, *seal(change))


def test_the_serving_role_neither_writes_nor_answers_for_a_loosened_fact():
    rights = database_roles.RIGHTS["governance_loosenedfact"]
    assert rights == "select"


def people(change: ChangeRequest) -> None:
    """Everybody who is asked has approved, and nobody has sealed."""
    make.person("sec", "security")
    make.person("rel", "release-managers")
    make.person("arc", "architects")
    make.person("loy", "loyalty")
    for name in ("paula", "sec", "rel", "arc", "loy"):
        decide(catalog.person(name).pk, change)


def agreed(change: ChangeRequest) -> None:
    settle(change)
    people(change)
    assert sealing.try_seal(change.pk)
    applying.apply_due()
    change.refresh_from_db()
    assert change.state == "applied", change.apply_error
