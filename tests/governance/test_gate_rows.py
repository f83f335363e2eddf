"""G1 by rows: whatever row of a table that the gate reads is deleted or corrupted, a no never becomes a yes.

An ordinary statement may be refused by the database, which is as good. Deletions are tried a second time beneath the
triggers, as in a restore of a part. A value that says something else (an end that was put off, a vendor that was named)
is a statement and no corruption: nothing here writes one. What no count guards beneath the triggers is a report of
usage, or a subscription, that was the only sign of a consumer: `UNCOUNTED` names where deletion is tried by ordinary
statements only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import Error, connection, transaction
from django.test import Client

from catalog.models import Api, ApiVersion, Application, Dependency, Environment, SlaTier, UsageDay
from governance.services import policies, release_records
from kernel import clock, tokens
from kernel.models import User
from kernel.viewer import SYSTEM
from tests.catalog import make as catalog
from tests.governance import make

pytestmark = pytest.mark.django_db
TABLES = (
    "catalog_api",
    "catalog_apiversion",
    "catalog_application",
    "catalog_contract",
    "catalog_dependency",
    "catalog_domain",
    "catalog_environment",
    "catalog_providerright",
    "catalog_slatier",
    "catalog_subscription",
    "catalog_system",
    "catalog_team",
    "catalog_usageday",
    "governance_applicationrelease",
    "governance_policy",
    "governance_releasetally",
    "governance_verdict",
    "governance_waiver",
)
# Null says something there: no end, no date, no approval, or nothing of the kind.
SAYS_BY_NULL = {
    "deprecated_at",
    "ended_at",
    "enforced_from",
    "records_enforced_from",
    "retired_at",
    "sunset_at",
    "valid_until",
}
GARBAGE = {"text": ("''", "'zzz'"), "varchar": ("''", "'zzz'"), "int4": ("-1", "99"), "int2": ("-1", "99")}
UNCOUNTED = {"catalog_usageday", "catalog_subscription"}
NOS: dict[str, dict[str, Any]] = {
    "version.retired": {"application": "till", "consumes": ["price-api@v1"]},
    "version.not_published": {"application": "till", "consumes": ["price-api@v4"]},
    "subscription.missing": {"application": "web-shop", "consumes": ["price-api@v2"]},
    "order.producer_first": {"application": "till", "instance": "s2", "consumes": ["price-api@v3"]},
    "contract.breaking_for_consumer": {"application": "price-service", "provides": ["price-api@v3"]},
    "provider.withdrawn": {"application": "price-service", "consumes": ["loyalty-api@v1"]},
    "provider.not_allowed": {"application": "web-shop", "provides": ["price-api@v2"]},
    "tier.dependency_weaker": {"application": "price-service", "provides": ["price-api@v2"]},
    "usage.undeclared": {"application": "web-shop", "consumes": ["loyalty-api@v1"]},
    "provider.unrecorded": {"application": "till", "environment": "test", "consumes": ["price-api@v2"]},
}


def run(statement: str, parameters: Any = (), *, beneath: bool = False) -> list[Any]:
    with connection.cursor() as cursor:
        if beneath:
            cursor.execute("set local session_replication_role = replica")
        cursor.execute(statement, parameters)
        found = cursor.fetchall() if cursor.description else []
        cursor.execute("set local session_replication_role = origin")
        return found


@pytest.fixture
def client() -> Client:
    """The estate of the questions, and a pipeline that may see everything."""
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    Environment.objects.update(records_complete_since=None, records_enforced_from=None)
    run("update catalog_apiversion set state = 'published', origin = 'declared' where label = 'v3'", beneath=True)
    price, loyalty = Api.objects.get(slug="price-api"), Api.objects.get(slug="loyalty-api")
    Api.objects.filter(pk=price.pk).update(third_party=False)
    Api.objects.filter(pk=loyalty.pk).update(third_party=True, tier=SlaTier.objects.get(level=2))
    ApiVersion.objects.create(api=price, label="v4", state="draft")
    Dependency.objects.create(api=price, target_api=loyalty)
    wanted = [("till", "price-api@v3"), ("web-shop", "loyalty-api@v1"), ("price-service", "loyalty-api@v1")]
    listed = [
        {"application": app, "version": version, "environment": "production", "from": "2025-01-01"}
        for app, version in wanted
    ]
    catalog.build({"blueprint": 1, "subscriptions": listed})
    UsageDay.objects.create(
        application=Application.objects.get(key="web-shop"),
        version=ApiVersion.objects.get(api=price, label="v1"),
        environment=Environment.objects.get(key="production"),
        day=clock.now().date(),
        calls=7,
        last_seen_at=clock.now(),
    )
    runs = [
        {"application": "price-service", "provides": ["price-api@v2"], "consumes": ["loyalty-api@v1"]},
        {"application": "price-service", "instance": "s2", "provides": ["price-api@v2"]},
        {"application": "price-service", "instance": "s1", "provides": ["price-api@v3"]},
        {"application": "till", "consumes": ["price-api@v2"]},
        {"application": "till", "instance": "s2", "consumes": ["price-api@v2"]},
        {"application": "till", "environment": "test"},
        {"application": "web-shop", "consumes": ["loyalty-api@v1"]},
    ]
    for one in runs:
        release_records.record_deployment({"version": "1", "environment": "production"} | one, viewer=SYSTEM)
    boss = User.objects.create(username="boss", is_superuser=True)
    _, secret = tokens.issue(actor=None, user=boss, name="ci", scopes=["gate:ask"])
    return Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)


def is_yes(client: Client, question: dict[str, Any], code: str = "") -> bool:
    """`allow`, or an `unknown` that is only reported. The question as it is must be refused for its reason."""
    body = {"version": "2", "environment": "production", "consumes": []} | question
    answer = client.post("/api/v1/gate/verdicts", json.dumps(body), content_type="application/json")
    if answer.status_code != 200:
        return False  # no answer is no yes
    found = answer.json()
    assert not code or code in [reason["code"] for reason in found["reasons"]], (code, found["reasons"])
    return found["verdict"] == "allow" or not found["enforcing"]


def damages() -> Iterator[tuple[str, bool]]:
    """Every statement, and whether it goes beneath the triggers."""
    for table in TABLES:
        columns = run(
            "select column_name, udt_name from information_schema.columns where table_name = %s"
            " and is_generated = 'NEVER' and column_name <> 'id' order by ordinal_position",
            [table],
        )
        for (row,) in run(f"select ctid::text from {table} order by 1"):
            where = f"where ctid = '{row}'"
            yield f"delete from {table} {where}", False
            if table not in UNCOUNTED:
                yield f"delete from {table} {where}", True
            for column, kind in columns:
                if column not in SAYS_BY_NULL:
                    yield f"update {table} set {column} = null {where}", False
                for value in GARBAGE.get(kind, ()):
                    yield f"update {table} set {column} = {value} {where}", False


def flips(client: Client, statement: str, questions: dict[str, dict[str, Any]], *, beneath: bool) -> list[str]:
    """The questions whose no this damage turns into a yes. Everything is put back."""
    found = []
    try:
        with transaction.atomic():
            try:
                with transaction.atomic():
                    run(statement, beneath=beneath)
            except Error:
                return []  # the database refuses it
            found = [code for code, question in questions.items() if is_yes(client, question)]
            raise _Undo
    except _Undo:
        return found


class _Undo(Exception):
    """Ends a try: the damage is rolled back."""


def all_flips(client: Client, *, every: int) -> tuple[int, dict[str, list[str]]]:
    for code, question in NOS.items():
        assert not is_yes(client, question, code)
    tried, found = 0, {}
    for number, (statement, beneath) in enumerate(list(damages())):
        if number % every == 0:
            tried += len(NOS)
            bad = flips(client, statement, NOS, beneath=beneath)
            if bad:
                found[statement + (" -- beneath" if beneath else "")] = bad
    return tried, found


def test_a_sample_of_damaged_rows_turns_no_into_yes_nowhere(client: Client):
    tried, found = all_flips(client, every=97)
    assert tried >= 50
    assert found == {}


@pytest.mark.thorough
def test_no_damaged_row_turns_no_into_yes(client: Client):
    tried, found = all_flips(client, every=1)
    assert tried >= 2000
    assert found == {}
