"""A freeze applies to a question when, for each dimension that it names, some item has that value: no more, no less."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from catalog.models import Api, Environment, RetailStore, ScopeValue, System
from governance.models import FreezeWindow
from governance.services import freezes, policies, verdicts
from kernel import clock
from kernel.errors import Invalid
from kernel.viewer import SYSTEM
from tests.catalog import make as catalog
from tests.governance import make
from tests.governance.raw_sql import beneath_guards

pytestmark = pytest.mark.django_db
EVERYDAY = 3
NIGHTS = {"kind": "weekly", "zone": "UTC", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]} | {
    "from": "00:00",
    "until": "00:00",
}


@pytest.fixture(autouse=True)
def estate() -> None:
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    for key in ("north", "south"):
        banner = ScopeValue.objects.create(dimension="banner", key=key, name=key)
        RetailStore.objects.create(key=f"{key}-0001", name=key, banner=banner)
    Environment.objects.filter(key="production").update(is_fleet=True)


def frozen(**more: Any) -> dict[str, str]:
    """By the code that begins with `freeze.`, the word that the gate says."""
    at = more.pop("as_of", None)
    question = {"application": "till", "version": "1", "environment": "production", "consumes": ["price-api@v2"]} | more
    answer = verdicts.ask(question, viewer=SYSTEM, as_of=at).document
    return {r["code"]: r["word"] for r in answer["reasons"] if r["code"].startswith("freeze.")}


def plan(**scope: Any) -> FreezeWindow:
    return freezes.plan(actor=None, name="Peak", calendar=NIGHTS, **scope)


def without_occurrences(*more: str) -> None:
    """As an owner of the database could leave it."""
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        for table in ("governance_freezeinterval", *more):
            cursor.execute(f"delete from {table}")
        cursor.execute("set local session_replication_role = origin")


ACTIVE = {"freeze.active": "deny"}
UNKNOWN = {"freeze.scope_unknown": "unknown"}


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ({}, ACTIVE),
        ({"environment": "test"}, {}),
        ({"domain": "price"}, ACTIVE),
        ({"domain": "loyalty"}, {}),
        ({"system": "price-engine"}, ACTIVE),
        ({"system": "pos"}, {}),
        ({"tier": 0}, ACTIVE),
        ({"domain": "price", "system": "pos"}, {}),
        ({"environment": "production", "domain": "price", "tier": 1}, ACTIVE),
    ],
)
def test_each_dimension_counts_and_nothing_else(scope: dict[str, Any], said: dict[str, str]):
    plan(**scope)
    assert frozen() == said


def test_a_question_about_two_domains_is_frozen_by_each_of_them_and_by_no_third():
    both = ["price-api@v2", "loyalty-api@v1"]
    window = plan(domain="loyalty")
    assert frozen(consumes=both) == ACTIVE
    with beneath_guards():
        FreezeWindow.objects.filter(pk=window.pk).update(ended_at=clock.now())
    catalog_domains = [d for d in ("order", "finance") if d]
    assert catalog_domains
    with pytest.raises(Invalid) as refused:
        plan(domain="no-such")
    assert refused.value.findings[0]["pointer"] == "/domain"


def test_a_banner_freezes_its_stores_and_no_other():
    plan(banner="south")
    assert frozen(instance="south-0001") == ACTIVE
    assert frozen(instance="north-0001") == {}
    assert frozen(instance="nowhere-9") == UNKNOWN
    assert frozen() == ACTIVE, "a release to the whole fleet goes to the stores of the banner too"
    assert frozen(environment="test") == {}, "where there are no stores, there is no banner"


@pytest.mark.parametrize(
    ("dimension", "value"),
    [("banner", "south"), ("region", "alps"), ("channel", "kiosk"), ("store_zone", "Asia/Tokyo")],
)
def test_each_dimension_of_stores_goes_by_the_store_of_the_instance(dimension: str, value: str):
    row: Any = value
    if dimension != "store_zone":
        row = ScopeValue.objects.get_or_create(dimension=dimension, key=value, defaults={"name": value})[0]
    column = "zone" if dimension == "store_zone" else dimension
    other: Any = "Europe/Berlin"
    if dimension != "store_zone":
        other = ScopeValue.objects.create(dimension=dimension, key="other", name="Other")
    RetailStore.objects.filter(key="south-0001").update(**{column: row})
    RetailStore.objects.filter(key="north-0001").update(**{column: other})
    RetailStore.objects.create(key="bare-0001", name="States nothing")
    plan(**{dimension: value})
    assert frozen(instance="south-0001") == ACTIVE
    assert frozen(instance="north-0001") == {}
    assert frozen(instance="bare-0001") == UNKNOWN
    assert frozen() == ACTIVE
    assert frozen(environment="test") == {}


def test_a_name_that_no_catalog_has_makes_it_unknown_within_the_other_dimensions():
    window = plan(tier=1)
    with beneath_guards():
        FreezeWindow.objects.filter(pk=window.pk).update(unresolved={"domain": "no-such"})
    assert frozen() == {"freeze.scope_unresolved": "unknown"}
    with beneath_guards():
        FreezeWindow.objects.filter(pk=window.pk).update(environment="test")
    assert frozen() == {}, "another dimension says that it is about something else"


@pytest.mark.parametrize(
    "damage",
    ["domain = 'gone'", "system = ''", "environment = 'moon'", "store_zone = 'Europe/Nowhere'"]
    + [f"unresolved = '{document}'" for document in ("[]", "7", '"zzz"', "null")],
)
def test_a_damaged_scope_makes_no_window_narrower(damage: str):
    plan()
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(f"update governance_freezewindow set {damage}")
        cursor.execute("set local session_replication_role = origin")
    assert frozen() == {"freeze.scope_unresolved": "unknown"}


def test_an_item_that_does_not_state_its_dimension_makes_it_unknown():
    plan(system="pos")
    Api.objects.filter(slug="price-api").update(system=None)
    assert frozen() == UNKNOWN
    Api.objects.filter(slug="price-api").update(system=System.objects.get(key="pos"))
    assert frozen() == ACTIVE


@pytest.mark.parametrize("days", [-900, -60, 0, 499, 502, 3000])
def test_a_window_is_open_at_every_time_of_its_calendar_however_far_it_was_compiled(days: int):
    plan()
    assert frozen(as_of=clock.now() + timedelta(days=days)) == ACTIVE


def test_deleted_occurrences_change_no_answer():
    plan()
    without_occurrences()
    assert frozen() == ACTIVE


def test_a_window_whose_row_is_gone_is_missed():
    plan()
    without_occurrences("governance_freezewindow")
    assert frozen() == {"freeze.rows_missing": "unknown"}


OF_A_FREEZE = (
    "governance_freezewindow",
    "governance_freezeinterval",
    "governance_releasetally",
    "kernel_auditentry",
    "kernel_auditlink",
    "catalog_scopevalue",
    "catalog_domain",
    "catalog_system",
)


@pytest.mark.parametrize("tables", [*((one,) for one in OF_A_FREEZE), ("governance_freezewindow", "kernel_auditentry")])
@pytest.mark.parametrize("scope", [{}, {"domain": "price"}, {"system": "price-engine"}, {"banner": "north"}])
def test_no_table_of_freezes_can_be_emptied_and_leave_a_yes(tables: tuple[str, ...], scope: dict[str, Any]):
    plan(**scope)
    assert frozen() == ACTIVE
    with transaction.atomic():
        without_occurrences(*tables)
        assert set(frozen().values()) & {"deny", "unknown"}
        transaction.set_rollback(True)


def test_freezes_are_counted_as_they_are_planned():
    plan(domain="loyalty")
    plan(domain="loyalty")
    assert frozen() == {}
    with connection.cursor() as cursor:
        cursor.execute("select live from governance_releasetally where kind = 'freeze'")
        assert cursor.fetchall() == [(2,)]


def test_a_calendar_that_cannot_be_read_is_unknown_never_open():
    window = plan()
    without_occurrences()
    with beneath_guards():
        FreezeWindow.objects.filter(pk=window.pk).update(calendar={"kind": "weekly", "zone": "Nowhere/Else"})
    assert frozen() == {"freeze.not_compiled": "unknown"}


def test_occurrences_are_made_anew_when_the_rules_of_a_zone_change(monkeypatch: pytest.MonkeyPatch):
    day = {"kind": "weekly", "zone": "Europe/Berlin", "days": ["mon"], "from": "10:00", "until": "12:00"}
    window = freezes.plan(actor=None, name="Close", calendar=day)
    before = sorted(window.intervals.values_list("period", flat=True), key=lambda period: period.lower)
    with beneath_guards():  # as if it had moved
        FreezeWindow.objects.filter(pk=window.pk).update(calendar={**day, "zone": "Asia/Kolkata"})
    freezes.compile_all()
    after = sorted(window.intervals.filter(period__startswith__gt=clock.now()).values_list("period", flat=True))
    assert len(after) >= 70
    assert {period.lower.hour for period in after} == {4}
    assert {period.lower.hour for period in before} != {4}
    window.refresh_from_db()
    assert window.compiled_until is not None
