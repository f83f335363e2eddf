"""Where a flow's systems answer is part of what was approved: another address, another secret or other trust closes the
gate until somebody approves it, whichever way it was changed. The journal of the other side is the witness."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from bench.installation import manifest as order_feed
from catalog.models import Destination, Domain, Environment, System, SystemEndpoint
from catalog.services import blueprint
from governance.domain.subject import Subject
from governance.services import approvals, policies
from kernel.digest import digest_of
from kernel.errors import NotApproved
from kernel.models import AuditEntry
from runtime.ledger import connections
from runtime.models import ApprovedDestination, Deployment, Release, TargetSubscription
from runtime.selectors import gates
from runtime.services import deployments, integrations, system_connections
from tests.governance.make import POLICY
from tests.runtime import make

pytestmark = pytest.mark.django_db(transaction=True)
FEED = "order-feed"
ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = "http://127.0.0.1:9999"


def deployed(**changes: Any) -> Release:
    """The order feed, which reads from the shop by a connection, in production."""
    made = integrations.register(integrations.pinned(order_feed(lanes=2, batch=50) | changes), actor=None)
    with connections.connected() as conn:
        make.approval(conn, subject_id=FEED, digest=made.digest)
    approval = approvals.require(Subject("integration", FEED, made.digest), made.digest, "production")
    deployments.deploy(FEED, approval=approval, actor=None)
    return made


@pytest.fixture
def release() -> Release:
    make.catalog_of_orders()
    policies.install(level="organisation", document=POLICY, actor=None)
    return deployed()


def sql(statement: str, *given: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return cursor.fetchall() if cursor.description else []


def permitted() -> int:
    return int(sql("select count(*) from runtime_permitted")[0][0])


def shop() -> SystemEndpoint:
    return SystemEndpoint.objects.get(system__key="shop", environment__key="production")


def redirected_by_blueprint() -> None:
    endpoint = {"base_url": ELSEWHERE, "secret_ref": "env:DATABASE_URL"}
    blueprint.apply({"systems": [{"key": "shop", "name": "Shop", "endpoints": {"production": endpoint}}]}, actor=None)


def swapped_systems() -> None:
    """The name by which the manifest calls its system is given to another one."""
    other = System.objects.create(key="evil", name="Evil")
    production = Environment.objects.get(key="production")
    SystemEndpoint.objects.create(system=other, environment=production, base_url=ELSEWHERE)
    System.objects.filter(key="shop").update(key="shop-of-before")
    System.objects.filter(key="evil").update(key="shop")


def saved_row() -> None:
    row = shop()
    row.base_url = ELSEWHERE
    row.save()


MOVES: dict[str, Callable[[], Any]] = {
    "address": lambda: SystemEndpoint.objects.update(base_url=ELSEWHERE),
    "secret": lambda: SystemEndpoint.objects.update(secret_ref="env:DATABASE_URL"),
    "way to sign in": lambda: SystemEndpoint.objects.update(auth_kind="header"),
    "digest by SQL": lambda: sql("update catalog_systemendpoint set base_url = %s, destination = 'x'", ELSEWHERE),
    "deleted": lambda: SystemEndpoint.objects.all().delete(),
    "saved": saved_row,
    "given to another system": swapped_systems,
}


@pytest.mark.parametrize("way", MOVES)
def test_a_system_that_moves_closes_the_gate_of_what_was_approved_for_where_it_was(release: Release, way: str):
    assert permitted() == 1
    MOVES[way]()
    assert permitted() == 0
    state = next(iter(gates.states(list(TargetSubscription.objects.values_list("pk", flat=True))).values()))
    assert not state.permitted
    assert "destination" in [c.key for c in state.unmet]
    assert "Destination changed since approval: shop in production." in state.says


def test_it_opens_again_where_the_old_destination_is_put_back(release: Release):
    before = shop().base_url
    SystemEndpoint.objects.update(base_url=ELSEWHERE)
    SystemEndpoint.objects.update(base_url=before)
    assert permitted() == 1


def test_another_environment_and_a_system_that_it_does_not_call_are_no_matter(release: Release):
    test, _ = Environment.objects.get_or_create(key="test", defaults={"name": "Test"})
    SystemEndpoint.objects.create(system=shop().system, environment=test, base_url=ELSEWHERE)
    SystemEndpoint.objects.create(
        system=System.objects.get(key="tillgate"), environment=shop().environment, base_url=ELSEWHERE
    )
    System.objects.update(name="Another name", network_zone="dmz")
    assert permitted() == 1


def test_what_was_claimed_before_the_move_opens_no_connection_to_the_new_address(release: Release):
    source = order_feed()["sources"][0]["connection"]
    given = system_connections.Connection(source["protocol"], settings=source["settings"])
    where = {"system": "shop", "environment": "production", "release": release.pk}
    system_connections.open_source(given, **where)[0].close()
    SystemEndpoint.objects.update(base_url=ELSEWHERE)
    with pytest.raises(NotApproved, match="is not what was approved"):
        system_connections.open_source(given, **where)


@pytest.mark.parametrize(
    "statement",
    [
        "update runtime_approveddestination set digest = %(now)s",
        "update runtime_approveddestination set digest = %(now)s, moved_by_id = approval_id",
        "update runtime_approveddestination set system_key = 'tillgate'",
        "delete from runtime_approveddestination",
        "update catalog_destination set document = '{}'",
        "insert into catalog_destination (digest, document) values ('sha256:0', '{}')",
    ],
)
def test_nobody_writes_that_a_destination_was_approved(release: Release, statement: str):
    SystemEndpoint.objects.update(base_url=ELSEWHERE)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, {"now": shop().destination})
    assert permitted() == 0


def test_a_deployment_from_before_is_bound_to_where_its_systems_answer_at_the_upgrade(release: Release):
    with transaction.atomic():
        sql("set local session_replication_role = replica")
        ApprovedDestination.objects.all().delete()
        SystemEndpoint.objects.update(destination="")
    with connection.cursor() as cursor:
        for file in ("catalog/sql/40_destinations.sql", "runtime/sql/90_bound_before.sql"):
            cursor.execute((ROOT / file).read_text())
    assert permitted() == 1
    assert not AuditEntry.objects.filter(verb="catalog.endpoint_changed").exists()
    SystemEndpoint.objects.update(base_url=ELSEWHERE)
    assert permitted() == 0


def test_the_digest_of_a_destination_covers_every_column_of_an_endpoint_and_no_empty_one(release: Release):
    columns = {f.column for f in SystemEndpoint._meta.fields} - {"id", "destination", "system_id", "environment_id"}
    row = shop()
    document = Destination.objects.get(digest=row.destination).document
    filled = {name for name in columns if getattr(row, name)}
    assert {"base_url", "auth_kind"} <= filled
    assert set(document) == filled | {"system", "environment"}
    assert digest_of(document) == row.destination
    quoted = {"base_url": 'http://h/"ü\\', "further_hosts": ["b", "ä"], "secret_ref": "env:A"}
    found = sql("select catalog_destination_digest(%s::jsonb)", json.dumps(quoted))[0][0]
    assert found == digest_of(quoted)


def test_the_ledger_names_what_moved_from_where_to_where_and_who_did_it(release: Release):
    shop_before = shop().base_url
    sql("update catalog_systemendpoint set base_url = %s, secret_ref = 'env:DATABASE_URL'", ELSEWHERE)
    entry = AuditEntry.objects.filter(subject_kind="endpoint").latest("pk")
    assert (entry.verb, entry.subject_id) == ("catalog.endpoint_changed", "shop/production")
    assert entry.before["base_url"] == shop_before
    assert (entry.after["base_url"], entry.after["secret_ref"]) == (ELSEWHERE, "env:DATABASE_URL")
    assert Deployment.objects.count() == 1


def test_a_manifest_that_nobody_approved_changes_no_row_that_the_gate_or_a_run_reads(release: Release):
    """Domain, title, tier, instances, limits and schedule count as approved; only the integration's own row, which the
    gate reads its key of alone, follows what was registered last."""
    tables = ("subscription", "vendorstate", "deployment", "schedule", "approveddestination", "pin", "entitywrite")
    read = {name: f"select to_jsonb(t)::text from runtime_{name} t order by 1" for name in tables}
    before = {name: sql(statement) for name, statement in read.items()}
    Domain.objects.create(key="loyalty", name="Loyalty")
    target = release.manifest["targets"][0] | {"limits": {"rate": 1.0, "burst": 5.0}, "max_attempts": 1}
    other = release.manifest | {"domain": "loyalty", "tier": 3, "title": "Else", "targets": [target]}
    made = integrations.register(other | {"schedule": {"when": "*/5 * * * *", "zone": "UTC"}}, actor=None)
    after = {name: sql(statement) for name, statement in read.items()}
    mine = {"pin", "entitywrite"}  # of the new release, beside those of the approved one
    assert {name: rows for name, rows in after.items() if name not in mine} == {
        name: rows for name, rows in before.items() if name not in mine
    }
    assert all(set(before[name]) <= set(after[name]) for name in mine)
    assert made.pk != release.pk
    assert permitted() == 1
