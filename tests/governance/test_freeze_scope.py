"""What a freeze names are rows of the catalog; a name of an older release that is none is told, and never makes the
freeze narrower."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.test import Client

from catalog.models import Environment, RetailStore, ScopeValue
from governance.domain.freeze import FreezeScope, covers
from governance.models import CheckResult, FreezeWindow, Notice
from governance.selectors import freezes as selectors
from governance.services import freezes
from kernel.errors import Invalid
from kernel.models import OutboxEvent
from tests.governance import make
from tests.governance.raw_sql import beneath_guards
from tests.governance.test_freeze_changes import asked_for, in_session, once

pytestmark = pytest.mark.django_db
NIGHTS = {"kind": "weekly", "zone": "UTC", "days": ["mon"], "from": "00:00", "until": "06:00"}


def plan(**scope: Any) -> FreezeWindow:
    return freezes.plan(actor=None, name="Peak", calendar=NIGHTS, **scope)


def stores() -> None:
    for dimension, key in (("banner", "north"), ("region", "bavaria"), ("channel", "store")):
        ScopeValue.objects.create(dimension=dimension, key=key, name=key.title())
    RetailStore.objects.create(key="store-1", name="One", zone="Europe/Berlin")


def of_an_older_release(**names: str) -> FreezeWindow:
    """A window as it was stored when its scope was free text."""
    window = freezes.plan(actor=None, name="Peak", calendar=once(), strictness="changes", environment="production")
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        for name, value in names.items():
            cursor.execute(f"update governance_freezewindow set {name} = %s where id = %s", [value, window.pk])
        cursor.execute("set local session_replication_role = origin")
    with beneath_guards():  # the guards are younger
        import_module("governance.migrations.0013_freeze_names").move(apps, connection.schema_editor())
    window.refresh_from_db()
    return window


@pytest.mark.parametrize("column", ["environment", "domain", "system"])
def test_the_database_refuses_a_name_that_the_catalog_does_not_have(house: make.House, column: str):
    window = plan()
    with pytest.raises(IntegrityError, match=f"freeze_of_known_{column}"):
        _set_by_hand(window, column)


@transaction.atomic
def _set_by_hand(window: FreezeWindow, column: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"insert into governance_freezewindow (name, reason, strictness, calendar, {column}) "
            "select name, reason, strictness, calendar, 'no-such' from governance_freezewindow where id = %s",
            [window.pk],
        )
        cursor.execute("set constraints all immediate")


def test_the_database_refuses_a_region_as_a_banner(house: make.House):
    stores()
    window, region = plan(banner="north"), ScopeValue.objects.get(dimension="region")
    window.pk, window.banner = None, region
    with pytest.raises(IntegrityError, match="wrong dimension"), transaction.atomic():
        window.save()


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ({"region": "bavria"}, "Did you mean bavaria?"),
        ({"store_zone": "Europe/Berln"}, "Did you mean Europe/Berlin?"),
        ({"banner": "bavaria"}, "There is no banner"),
        ({"channel": ""}, "There is no channel"),
    ],
)
def test_a_dimension_of_stores_has_to_be_known(house: make.House, scope: dict[str, str], said: str):
    stores()
    with pytest.raises(Invalid) as refused:
        plan(**scope)
    (found,) = refused.value.findings
    assert (found["pointer"], said in found["message"]) == (f"/{next(iter(scope))}", True)


def test_rest_and_page_plan_every_dimension_and_show_it(house: make.House):
    stores()
    scope = {"banner": "north", "channel": "store", "region": "bavaria", "store_zone": "Europe/Berlin"}
    body = {"name": "Peak", "calendar": NIGHTS, "domain": None, "environment": "production", "tier": 1} | scope
    status, made = in_session(house.releaser, "POST", "freezes", body)
    assert (status, {key: made[key] for key in body}) == (201, body)
    client = Client()
    client.force_login(house.releaser)
    form = {"repeats": "weekly", "name": "By form", "strictness": "changes", "zone": "Europe/Berlin", "days": "mon"} | {
        "starts": "00:00",
        "ends": "06:00",
    }
    answer = client.post("/freezes/", form | scope)
    assert answer.status_code == 302, answer.content
    assert FreezeWindow.objects.get(name="By form").scope == {
        "environment": None,
        "tier": None,
        "domain": None,
        "system": None,
        **scope,
    }
    page = client.get("/freezes/").content.decode()
    assert "channel store, banner north, region bavaria, stores in Europe/Berlin" in page
    for label in ("Banner of the stores", "Region of the stores", "Time zone of the stores"):
        assert label in page
    refused = client.post("/freezes/", form | {"banner": "nowhere"})
    assert refused.status_code == 422


def test_a_change_in_a_place_without_stores_is_not_frozen_by_a_window_of_stores(house: make.House):
    stores()
    plan(banner="north")
    scope = selectors.scope_of("production", {"tier": 1, "domain": "price"})
    assert scope == FreezeScope("production", 1, "price", fleet=False)
    window = {"banner": "north", "domain": "price"}
    assert not covers(window, scope)
    Environment.objects.filter(key="production").update(is_fleet=True)
    assert covers(window, selectors.scope_of("production", {"tier": 1, "domain": "price"}))
    assert covers(window, FreezeScope("elsewhere", 1, "price")), "an unknown environment may have stores"


def test_what_older_releases_stored_finds_its_rows(house: make.House):
    stores()
    window = of_an_older_release(banner="north", channel="store")
    assert (window.scope["banner"], window.scope["channel"], window.unresolved) == ("north", "store", {})


def test_a_name_of_an_older_release_that_is_in_no_catalog_counts_for_all_and_is_told(house: make.House):
    """It was planned for something; nobody can say for what, so nothing is left out."""
    make.team("stores")
    window = of_an_older_release(domain="no-such", banner="gone")
    assert window.unresolved == {"domain": "no-such", "banner": "gone"}
    assert (window.scope["domain"], window.scope["banner"]) == (None, None)
    assert [o.id for o in selectors.active(FreezeScope("production", 3, "price", fleet=False), window.created_at)] == [
        window.pk
    ]
    client = Client()
    client.force_login(house.releaser)
    page = client.get("/freezes/").content.decode()
    assert "The domain &#x27;no-such&#x27; is not in the catalog." in page
    assert in_session(house.releaser, "GET", "freezes")[1]["results"][0]["unresolved"] == window.unresolved
    freezes.compile_all()
    freezes.compile_all()
    (event,) = OutboxEvent.objects.filter(topic="governance.freeze_unresolved")
    import_module("governance.services.notices").tell({"topic": event.topic, "id": event.pk, "payload": event.payload})
    assert Notice.objects.get(person=house.releaser).text == (
        "Say what the freeze Peak covers: The banner 'gone' is not in the catalog. "
        "The domain 'no-such' is not in the catalog."
    )


def test_a_change_of_such_a_freeze_has_to_say_what_it_covers(house: make.House):
    window = of_an_older_release(domain="no-such")
    change = asked_for(house, "freeze.change", window, name="Peak trading")
    (failed,) = CheckResult.objects.filter(change=change, status="failed")
    assert (failed.check_id, failed.findings[0]["pointer"]) == ("freeze.sound", "/parameters/domain")
    change = asked_for(house, "freeze.change", window, domain=None)
    assert not CheckResult.objects.filter(change=change, status="failed").exists()
