"""A journal entry goes the governed way by SOAP: its WSDL is the pinned contract, never fetched; a lost answer is asked
about, and what the target refuses is a dead letter with its words. Against the emulator of journal entries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.services import blueprint
from governance.domain.subject import Subject
from governance.services import approvals
from kernel.errors import Invalid
from runtime.ledger import connections
from runtime.models import QuarantinedMessage
from runtime.services import deployments, intake, integrations
from runtime.worker.loop import WorkerLoop
from sandbox.client import Sandbox
from sandbox.finance import WSDL
from tests.runtime import make
from tests.runtime.connectors.test_soap import connection

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_FINANCE_CREDENTIALS", "TILLGATE:sandbox")


@pytest.fixture
def finance(tmp_path: Path) -> Iterator[Any]:
    with Sandbox(state=tmp_path / "sandbox", ports={"finance": 0}, seed=7) as running:
        yield running.finance


def catalog(url: str, folder: Path) -> None:
    (folder / "journal.wsdl").write_text(WSDL.read_text())
    endpoint = {"base_url": url, "auth_kind": "basic", "secret_ref": "env:SANDBOX_FINANCE_CREDENTIALS"}
    version = {"label": "v1", "contract": "journal.wsdl", "state": "published", "published_at": "2025-01-01T00:00:00Z"}
    api = {
        "slug": "journal",
        "name": "Journal",
        "purpose": "Journal",
        "domain": "finance",
        "owner_team": "fin-team",
        "layer": "system",
        "style": "soap",
        "tier": 2,
        "data_class": "internal",
        "system": "erp",
        "versions": [version],
        "entities": [{"entity": "journal-entry", "access": "command"}],
    }
    systems = [
        {"key": "erp", "name": "ERP", "owner_team": "fin-team", "endpoints": {"production": endpoint}},
        {"key": "till", "name": "Till", "owner_team": "fin-team"},
    ]
    given = {
        "blueprint": 1,
        "teams": [{"key": "fin-team", "name": "Finance", "kind": "domain"}],
        "environments": [{"key": "production", "name": "Production"}],
        "domains": [{"key": "finance", "name": "Finance", "owner_team": "fin-team"}],
        "systems": systems,
        "tiers": [{"level": level, "name": f"Tier {level}", "rules": {}} for level in range(4)],
        "entities": [{"key": "journal-entry", "name": "Journal entry", "domain": "finance"}],
        "boundaries": [{"entity": "journal-entry", "system": "erp", "from": "2024-01-01T00:00:00Z"}],
        "apis": [api],
    }
    blueprint.apply(given, actor=None, base_dir=folder)


def manifest(**settings: Any) -> dict[str, Any]:
    own = {name: value for name, value in connection("").items() if name != "base_url"}
    line = [
        {"to": "GLAccount", "from": "account", "type": "string", "required": True},
        {"to": "Amount", "from": "amount", "type": "string", "required": True},
    ]
    fields = [
        {"to": "MessageHeader.ID", "from": "id", "type": "string"},
        {"to": "JournalEntry.DocumentReferenceID", "from": "id", "type": "string", "required": True},
        {"to": "JournalEntry.PostingDate", "from": "day", "type": "date"},
        {"to": "JournalEntry.Item", "from": "lines", "required": True, "each": line},
    ]
    return {
        "integration": "journal",
        "title": "Journal",
        "domain": "finance",
        "owner": "fin-team",
        "tier": 2,
        "lanes": 2,
        "sources": [{"name": "till", "system": "till"}],
        "event": {"name": "day.closed", "meaning": "fact", "key": "/id"},
        "targets": [
            {
                "name": "erp",
                "system": "erp",
                "api": "journal@v1",
                "contract": "current",
                "idempotency": "L",
                "ask_by": "{JournalEntry.DocumentReferenceID}",
                "deadline": 5,
                "connection": {"protocol": "soap", "settings": {**own, "wsdl": "current", **settings}},
                "writes": [{"entity": "journal-entry", "kind": "command"}],
                "mapping": {"mapping": "journal", "version": 1, "fields": fields},
            }
        ],
    }


def deploy(given: dict[str, Any]) -> None:
    release = integrations.register(integrations.pinned(given), actor=None)
    with connections.connected() as conn:
        make.approval(conn, subject_id="journal", digest=release.digest)
    approval = approvals.require(Subject("integration", "journal", release.digest), release.digest, "production")
    deployments.deploy("journal", approval=approval, actor=None)


def work() -> None:
    WorkerLoop(poll=0.05).run(until_idle=True, seconds=60)


def closed(name: str, *amounts: str) -> dict[str, Any]:
    return {"id": name, "day": "2026-03-01", "lines": [{"account": "400000", "amount": one} for one in amounts]}


def test_a_journal_entry_is_posted_once_although_its_answer_was_lost(tmp_path: Path, finance: Any) -> None:
    catalog(finance.url, tmp_path)
    deploy(manifest())
    finance.fault("cut_after", next=1)
    intake.accept("journal", "production", [closed("D-1", "12.50", "-12.50")])
    work()
    assert not QuarantinedMessage.objects.exists(), list(QuarantinedMessage.objects.values_list("reason", flat=True))
    assert [entry.ref for entry in finance.journal()] == ["D-1"]


def test_what_the_log_of_the_answer_refuses_is_a_dead_letter_in_its_words(tmp_path: Path, finance: Any) -> None:
    catalog(finance.url, tmp_path)
    deploy(manifest())
    intake.accept("journal", "production", [closed("D-1", "12.50", "-12.00"), closed("D-2", "1", "-1")])
    work()
    (reason,) = QuarantinedMessage.objects.values_list("reason", flat=True)
    assert "Balance in transaction currency" in reason
    assert [entry.ref for entry in finance.journal()] == ["D-2"]


UNFIT = [
    ({"operation": "JournalEntryDelete"}, "/targets/0/connection/settings/operation"),
    ({"lookup": None}, "/targets/0/connection/settings/lookup"),
    ({"wsdl": WSDL.read_text()}, "/targets/0/connection/settings/wsdl"),
    ({"wsdl": "sha256:" + "a" * 64}, "/targets/0/connection/settings/wsdl"),
]


@pytest.mark.parametrize(("settings", "pointer"), UNFIT)
def test_what_the_pinned_wsdl_does_not_have_is_refused_at_registration(
    tmp_path: Path, settings: dict[str, Any], pointer: str
) -> None:
    catalog("http://127.0.0.1:9", tmp_path)
    with pytest.raises(Invalid) as told:
        integrations.register(integrations.pinned(manifest(**settings)), actor=None)
    assert pointer in [one["pointer"] for one in told.value.findings]
