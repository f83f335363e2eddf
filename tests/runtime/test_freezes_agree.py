"""The gate of releases and the runtime's own gate say the same of a freeze, and both read the approved release."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from bench.installation import manifest as order_feed
from catalog.models import Domain, Environment, RetailStore, ScopeValue, SlaTier
from governance.models import FreezeInterval, FreezeWindow
from governance.services import freezes
from kernel import clock
from runtime.ledger import connections
from runtime.ledger.append import append
from runtime.ledger.claims import claim
from runtime.ledger.connections import Connection
from runtime.ledger.partitions import ensure
from runtime.models import Integration, Release, TargetSubscription
from runtime.selectors import gates
from runtime.services import integrations
from tests.governance.raw_sql import beneath_guards
from tests.runtime.make import Flow
from tests.runtime.test_gate_question import FEED, ask, release

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["release"]
ALWAYS = {"kind": "weekly", "zone": "UTC", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]} | {
    "from": "00:00",
    "until": "00:00",
}


def permitted() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from runtime_permitted")
        return int(cursor.fetchone()[0])


def plan(**scope: Any) -> FreezeWindow:
    return freezes.plan(actor=None, name="Peak", calendar=ALWAYS, strictness="work", **scope)


def end(window: FreezeWindow) -> None:
    with beneath_guards():
        FreezeWindow.objects.filter(pk=window.pk).update(ended_at=clock.now())


def test_both_gates_agree_on_every_scope(release: Release):
    Domain.objects.create(key="loyalty", name="Loyalty")
    manifest = release.manifest
    target = manifest["targets"][0]["system"]
    assert permitted() > 0
    scopes: list[tuple[dict[str, Any], bool]] = [
        ({}, True),
        ({"environment": "production"}, True),
        ({"domain": manifest["domain"]}, True),
        ({"domain": "loyalty"}, False),
        ({"system": target}, True),
        ({"tier": manifest["tier"]}, True),
        ({"tier": manifest["tier"], "domain": "loyalty"}, False),
    ]
    for scope, stops in scopes:
        window = plan(**scope)
        said = {reason["code"] for reason in ask(release.digest)["reasons"]}
        assert ("freeze.active" in said, permitted() == 0) == (stops, stops), scope
        end(window)


@pytest.mark.parametrize("fleet", [False, True])
def test_a_freeze_of_stores_holds_an_integration_where_there_are_stores(release: Release, fleet: bool):
    value = ScopeValue.objects.create(dimension="banner", key="north", name="North")
    RetailStore.objects.create(key="s1", name="One", banner=value, zone="Europe/Berlin")
    Environment.objects.filter(key="production").update(is_fleet=fleet)
    for scope in ({"banner": "north"}, {"store_zone": "Europe/Berlin"}):
        window = plan(**scope)
        said = {reason["code"] for reason in ask(release.digest)["reasons"]}
        assert ("freeze.active" in said, permitted() == 0) == (fleet, fleet), scope
        shown = gates.states(list(TargetSubscription.objects.values_list("pk", flat=True)))
        assert {state.permitted for state in shown.values()} == {not fleet}
        end(window)


STORES = [
    ({}, {}, True),
    ({"banner": "north"}, {"banner": "north"}, True),
    ({"banner": "north"}, {"banner": "south"}, False),
    ({"banner": "north"}, {}, True),
    ({"region": "north"}, {"region": "south"}, False),
    ({"channel": "north"}, {"channel": "south", "banner": "north"}, False),
    ({"store_zone": "Europe/Berlin"}, {"zone": "Europe/Berlin"}, True),
    ({"store_zone": "Europe/Berlin"}, {"zone": "Europe/Paris"}, False),
    ({"store_zone": "Europe/Berlin"}, {"zone": ""}, True),
]


@pytest.mark.django_db(transaction=False)
@pytest.mark.parametrize(("window", "store", "holds"), STORES)
def test_an_instance_is_held_by_what_its_store_is(window: dict[str, str], store: dict[str, str], holds: bool):
    """What the store does not state counts as held; so does an instance that is no store."""
    values = {
        (d, k): ScopeValue.objects.create(dimension=d, key=k, name=k).pk
        for d in ("banner", "region", "channel")
        for k in ("north", "south")
    }
    rows = {f"{d}_id": values[d, k] for d, k in store.items() if d != "zone"}
    RetailStore.objects.create(key="s1", name="One", zone=store.get("zone", ""), **rows)
    named = [values.get((d, window.get(d, ""))) for d in ("banner", "channel", "region")]
    with connection.cursor() as cursor:
        for instance, expected in (("s1", holds), ("nowhere", True)):
            cursor.execute(
                "select runtime_freezes_store(%s, %s, %s, %s, %s, 'production')",
                [*named, window.get("store_zone"), instance],
            )
            assert cursor.fetchone() == (expected,)


def test_another_manifest_that_nobody_approved_lifts_no_freeze(release: Release):
    Domain.objects.create(key="loyalty", name="Loyalty")
    plan(domain=release.manifest["domain"])
    assert permitted() == 0
    moved = integrations.pinned(order_feed(source=False, lanes=2, batch=50)) | {"domain": "loyalty"}
    integrations.register(moved, actor=None)
    assert Integration.objects.get(key=FEED).domain_key == "loyalty", "the row follows what is registered"
    assert permitted() == 0
    assert "freeze.active" in {reason["code"] for reason in ask(release.digest)["reasons"]}


def test_occurrences_of_a_live_freeze_are_not_deleted_and_a_window_without_them_counts_as_open(release: Release):
    window = plan()
    for rows in (FreezeInterval.objects.all(), FreezeWindow.objects.all()):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows._raw_delete("default")
    FreezeWindow.objects.filter(pk=window.pk).update(compiled_until=None)
    with beneath_guards():
        FreezeInterval.objects.all()._raw_delete("default")
    assert permitted() == 0
    end(window)
    assert permitted() > 0
    assert SlaTier.objects.exists()


def stores(conn: Connection, flow: Flow, **banners: str) -> dict[str, int]:
    """The flow's target in each of these stores, in this order; each has something to take."""
    made = {}
    for key, banner in banners.items():
        value = conn.execute(
            "insert into catalog_scopevalue (dimension, key, name) values ('banner', %(b)s, %(b)s) "
            "on conflict (dimension, key) do update set name = excluded.name returning id",
            {"b": banner},
        ).fetchone()
        assert value
        conn.execute(
            "insert into catalog_retailstore (key, name, banner_id, zone) values (%s, %s, %s, '')", (key, key, value[0])
        )
        made[key] = flow.subscribe(vendor=flow.vendor(instance=key), instance=key)
    append(conn, flow.ref, [flow.item(f"k{n}") for n in range(8)])
    return made


def freeze_of(conn: Connection, banner: str) -> None:
    made = conn.execute(
        """insert into governance_freezewindow (name, reason, strictness, calendar, compiled_until, banner_id)
           select 'f', '', 'work', '{}', clock_timestamp() + interval '1 d', id
             from catalog_scopevalue where dimension = 'banner' and key = %s
           returning id""",
        (banner,),
    ).fetchone()
    conn.execute(
        "insert into governance_freezeinterval (freeze_id, period) "
        "values (%s, tstzrange(clock_timestamp() - interval '1 h', clock_timestamp() + interval '1 h'))",
        made,
    )


def taken_from(conn: Connection) -> set[int]:
    """The targets of everything that can be claimed now; nothing is given back."""
    found = set()
    while taken := claim(conn, owner="w"):
        found.add(taken.subscription)
    return found


def test_a_freeze_of_one_banner_holds_its_stores_and_no_others():
    """Though its stores have waited longest, and all are targets of one deployment in one system."""
    with connections.connected() as ledger:
        ensure(ledger)
        flow = Flow(ledger, lanes=2)
        targets = stores(ledger, flow, s1="north", s2="north", s3="south", s4="south", s5="north")
        freeze_of(ledger, "north")
        assert taken_from(ledger) == {targets["s3"], targets["s4"]}
        freeze_of(ledger, "south")
        ledger.execute("update runtime_progress set lease_until = clock_timestamp(), owner = null")
        assert taken_from(ledger) == set()
