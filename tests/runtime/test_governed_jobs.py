"""Jobs the governed way, against the emulator of a CRM: a worker waits for a bulk query, and asks what became of rows
that one upload took."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from catalog.services import blueprint
from governance.domain.subject import Subject
from governance.services import approvals
from runtime.ledger import connections
from runtime.models import QuarantinedMessage, RejectedMessage
from runtime.services import deployments, intake, integrations, runs
from runtime.worker.loop import WorkerLoop
from sandbox.client import Sandbox
from tests.runtime import make
from tests.runtime.connectors.test_job import queried
from tests.runtime.connectors.test_job_writes import uploading

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_CRM_CREDENTIALS", "sandbox")


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Any]:
    with Sandbox(state=tmp_path / "sandbox", ports={"crm": 0}, seed=7) as running:
        yield running.crm


CONTRACT = """
openapi: 3.1.0
info: {title: CRM, version: "1"}
paths: {}
components:
  schemas:
    Account:
      type: object
      properties: {Id: {type: string}, External__c: {type: string}, Name: {type: string}, Amount__c: {type: string}}
"""


def catalog(url: str, folder: Path) -> None:
    (folder / "crm.yaml").write_text(CONTRACT)
    endpoint = {"base_url": url, "auth_kind": "bearer", "secret_ref": "env:SANDBOX_CRM_CREDENTIALS"}
    api = {
        "slug": "crm",
        "name": "CRM",
        "purpose": "CRM",
        "domain": "sales",
        "owner_team": "crm-team",
        "layer": "system",
        "style": "rest",
        "tier": 2,
        "data_class": "internal",
        "system": "crm",
        "versions": [
            {"label": "v1", "contract": "crm.yaml", "state": "published", "published_at": "2025-01-01T00:00:00Z"}
        ],
        "entities": [{"entity": "account", "access": "authoritative_read"}, {"entity": "lead", "access": "command"}],
    }
    systems = [
        {"key": "crm", "name": "CRM", "owner_team": "crm-team", "endpoints": {"production": endpoint}},
        {"key": "till", "name": "Till", "owner_team": "crm-team"},
        {"key": "read-model", "name": "Read model", "owner_team": "crm-team"},
    ]
    given = {
        "blueprint": 1,
        "teams": [{"key": "crm-team", "name": "CRM", "kind": "domain"}],
        "environments": [{"key": "production", "name": "Production"}],
        "domains": [{"key": "sales", "name": "Sales", "owner_team": "crm-team"}],
        "systems": systems,
        "tiers": [{"level": level, "name": f"Tier {level}", "rules": {}} for level in range(4)],
        "entities": [{"key": key, "name": key, "domain": "sales"} for key in ("account", "lead")],
        "boundaries": [{"entity": key, "system": "crm", "from": "2024-01-01T00:00:00Z"} for key in ("account", "lead")],
        "apis": [api],
    }
    blueprint.apply(given, actor=None, base_dir=folder)


def settings(made: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in made.items() if name != "base_url"}


def manifest(name: str, source: dict[str, Any], target: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    return {
        "integration": name,
        "title": name,
        "domain": "sales",
        "owner": "crm-team",
        "tier": 2,
        "lanes": 1,
        "sources": [source],
        "event": event,
        "targets": [target],
    }


def deploy(given: dict[str, Any]) -> None:
    release = integrations.register(integrations.pinned(given), actor=None)
    name = given["integration"]
    with connections.connected() as conn:
        make.approval(conn, subject_id=name, digest=release.digest)
    approval = approvals.require(Subject("integration", name, release.digest), release.digest, "production")
    deployments.deploy(name, approval=approval, actor=None)


def work() -> None:
    WorkerLoop(poll=0.05).run(until_idle=True, seconds=60)


@pytest.mark.parametrize("poll", [1, 60], ids=["within the lease", "longer than a lease"])
def test_a_worker_waits_for_a_bulk_query_and_makes_one_job(tmp_path: Path, crm: Any, poll: int) -> None:
    crm.control(set={"work": 2})
    source: dict[str, Any] = {"name": "account", "system": "crm", "api": "crm@v1", "contract": "current"}
    source["schema"] = "/components/schemas/Account"
    source["connection"] = {"protocol": "job", "settings": settings(queried("", poll=poll))}
    fields = [{"to": "account", "from": "Id", "type": "string", "required": True}]
    target = {
        "name": "read-model",
        "system": "read-model",
        "idempotency": "N",
        "table": {"name": "crm_target", "key": ["account"]},
        "writes": [{"entity": "account", "kind": "replica"}],
        "mapping": {"mapping": "account", "version": 1, "fields": fields},
    }
    with connections.connected() as conn:
        conn.execute("create table crm_target (account text primary key, _position bigint not null)")
        catalog(crm.url, tmp_path)
        deploy(manifest("accounts", source, target, {"name": "account.changed", "meaning": "state"}))
        run = runs.start("accounts", "production", trigger="manual")
        work()
        for _ in range(2 if poll > 1 else 0):  # the run rests with its job in the cursor, and nothing holds the source
            run.refresh_from_db()
            assert (run.state, run.read) == ("running", 0)
            conn.execute("update runtime_source set not_before = 'epoch'")
            work()
        run.refresh_from_db()
        reasons = list(RejectedMessage.objects.values_list("reason", flat=True)[:3])
        assert (run.state, run.error, run.read, run.rejected_count) == ("succeeded", "", 36, 0), reasons
        assert conn.execute("select count(*) from crm_target").fetchone() == (36,)
        conn.execute("drop table crm_target")
    assert crm.state()["calls"]["crm.job"] == 1


def test_rows_of_one_upload_are_settled_each_by_its_own_result(tmp_path: Path, crm: Any) -> None:
    catalog(crm.url, tmp_path)
    fields = [
        {"to": "External__c", "from": "id", "type": "string", "required": True},
        {"to": "Name", "from": "name", "type": "string"},
        {"to": "Amount__c", "from": "amount", "type": "string"},
    ]
    target = {
        "name": "crm",
        "system": "crm",
        "api": "crm@v1",
        "contract": "current",
        "idempotency": "N",
        "ask_by": "{External__c}",
        "schema": "/components/schemas/Account",
        "deadline": 5,
        "batch": 10,
        "settle": 0,
        "connection": {"protocol": "job", "settings": settings(uploading(""))},
        "writes": [{"entity": "lead", "kind": "command"}],
        "mapping": {"mapping": "lead", "version": 1, "fields": fields},
    }
    event = {"name": "lead.made", "meaning": "fact", "key": "/id"}
    deploy(manifest("leads", {"name": "till", "system": "till"}, target, event))
    leads = [{"id": f"L-{n}", "name": "Lead", "amount": "dear" if n == 2 else "1.50"} for n in range(1, 4)]
    intake.accept("leads", "production", leads)
    work()
    assert set(QuarantinedMessage.objects.values_list("reason_class", flat=True)) == {"accepted"}
    QuarantinedMessage.objects.update(not_before=timezone.now())  # two seconds later
    work()
    (reason,) = QuarantinedMessage.objects.values_list("reason", flat=True)
    assert "INVALID_TYPE_ON_FIELD" in reason
    assert sorted(entry.ref for entry in crm.journal()) == ["L-1", "L-3"]
    assert crm.state()["calls"]["crm.job"] == 1
