"""The two integrations of the demo against the sandbox: from registration to the vendors' own journals."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import reverse

from catalog.services import blueprint
from governance.domain.subject import Subject
from governance.services import approvals
from kernel.errors import NotApproved
from runtime.ledger import connections
from runtime.models import Deployment, Message, QuarantinedMessage, RejectedMessage, Release, Run
from runtime.services import deployments, integrations, runs
from runtime.worker.loop import WorkerLoop
from sandbox.client import Sandbox
from sandbox.journal import business_key, doubles, order_violations
from sandbox.poslog import Line, Transaction, document
from tests.portal.make import person
from tests.runtime import make

DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(state=tmp_path_factory.mktemp("sandbox"), seed=11) as running:
        yield running


@pytest.fixture
def retailer(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The demo's catalog with the sandbox's addresses; answers the drop folder."""
    drop = tmp_path / "poslog"
    drop.mkdir()
    given = {
        "SANDBOX_ERP_URL": sandbox.erp.url,
        "SANDBOX_STORES_URL": sandbox.stores.url,
        "SANDBOX_LOYALTY_URL": sandbox.loyalty.url,
        "SANDBOX_ERP_CREDENTIALS": "TILLGATE:sandbox",
        "SANDBOX_LOYALTY_CREDENTIALS": "sandbox",
        "TILLGATE_PLACE_POSLOG": str(drop),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    text = (DEMO / "retailer.yaml").read_text()
    for name, value in given.items():
        text = text.replace("${" + name + "}", value)
    blueprint.apply(yaml.safe_load(text), actor=None, base_dir=DEMO)
    return drop


def manifest(name: str) -> Any:
    return integrations.pinned(yaml.safe_load((DEMO / "integrations" / f"{name}.yaml").read_text()))


def deploy(name: str, environment: str = "production", **changes: Any) -> Deployment:
    release = integrations.register({**manifest(name), **changes}, actor=None)
    with connections.connected() as conn:
        make.approval(conn, subject_id=name, digest=release.digest, environment=environment)
    approval = approvals.require(Subject("integration", name, release.digest), release.digest, environment)
    return deployments.deploy(name, approval=approval, actor=None)


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """The sandbox's tills work on their own clock; only their journal tells when they are done."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.05)


def handed_over(sandbox: Sandbox) -> int:
    return sum(entry.effect == "sale.handed" for entry in sandbox.stores.journal())


def left(lines: list[dict[str, Any]]) -> int:
    """How many lines of a receipt are left once those are gone that a second line voids."""
    return len(lines) - 2 * sum(bool(line.get("void")) for line in lines)


def work() -> None:
    WorkerLoop(poll=0.05).run(until_idle=True, seconds=60)


@pytest.mark.thorough
def test_products_and_prices_reach_every_store_once_and_in_order(retailer: Path, sandbox: Sandbox) -> None:
    deploy("products-and-prices")
    run = runs.start("products-and-prices", "production", trigger="manual")
    work()
    run.refresh_from_db()
    assert (run.state, run.error) == ("succeeded", "")
    assert run.rejected_count == 0, list(RejectedMessage.objects.values_list("reason", flat=True)[:3])
    assert not QuarantinedMessage.objects.exists(), list(
        QuarantinedMessage.objects.values_list("reason", flat=True)[:3]
    )
    entries = sandbox.stores.journal()
    assert not doubles(entries)
    assert not order_violations(entries)
    per_store = Counter((e.effect, (e.entity or "").split("/")[0]) for e in entries if e.effect.endswith(".applied"))
    assert {per_store["product.applied", str(n)] for n in range(1, 7)} == {60}
    assert {per_store["price.applied", str(n)] for n in range(1, 7)} == {60}

    before = len(entries)
    runs.start("products-and-prices", "production", trigger="manual")
    work()
    assert len(sandbox.stores.journal()) == before, "nothing changed in the ERP, so nothing is written in a store"
    sandbox.erp.control(reprice={"count": 5})
    runs.start("products-and-prices", "production", trigger="manual")
    work()
    changed = sandbox.stores.journal(since=before)
    assert len({business_key(e) for e in changed}) == len(changed)
    assert 0 < len(changed) <= 5 * 6


def test_sales_are_posted_and_earn_points_once_through_cut_answers_and_a_repeated_file(
    retailer: Path, sandbox: Sandbox
) -> None:
    sources = manifest("sales")["sources"]
    sources[0]["connection"]["settings"]["quiet"] = 0.0  # files are complete when the test goes on
    deploy("sales", sources=sources)
    incoming = retailer / "incoming"
    incoming.mkdir()
    sandbox.erp.fault("cut_after", ops="sales.batch", next=2)
    sandbox.loyalty.fault("cut_prefix", ops="loyalty.batch", next=2)
    sandbox.stores.control(sell={"count": 120, "drop": str(incoming)})
    wait_for(lambda: handed_over(sandbox) == 720)
    files = {path.name: path.read_bytes() for path in incoming.rglob("*.xml")}
    assert files
    run = runs.start("sales", "production", trigger="manual")
    for _ in range(20):
        work()
        with connections.connected() as conn:
            conn.execute("update runtime_vendorstate set open_until = 'epoch', not_before = 'epoch'")
            conn.execute("update runtime_progress set not_before = 'epoch' where owner is null")
            conn.execute("update runtime_quarantine set sent_at = sent_at - interval '1 minute', not_before = 'epoch'")
        run.refresh_from_db()
    assert (run.state, run.error) == ("succeeded", "")
    rung = [e for e in sandbox.stores.journal() if e.effect == "sale.rung" and e.data]
    sales = {e.ref for e in rung if e.data and left(e.data.get("lines", [])) and not e.data.get("training")}
    posted = sandbox.erp.journal()
    assert run.read == run.accepted == len(rung) == 720
    assert 600 < len(sales) < 720, "training receipts and sign-ons are no sales"
    assert {e.ref for e in posted if e.effect == "sale.posted"} == sales
    assert not QuarantinedMessage.objects.exists(), list(
        QuarantinedMessage.objects.values_list("reason", flat=True)[:3]
    )
    assert not doubles(posted)
    points = sandbox.loyalty.journal()
    assert points
    assert not doubles(points)

    for name, content in files.items():
        (incoming / f"again-{name}").write_bytes(content + b"\n<!-- sent again -->\n")
    again = runs.start("sales", "production", trigger="manual")
    work()
    again.refresh_from_db()
    assert (again.state, again.error) == ("succeeded", "")
    assert (again.accepted, again.unchanged) == (0, run.accepted)
    assert len(sandbox.erp.journal()) == len(posted)


def test_an_unapproved_or_changed_manifest_is_not_deployed(retailer: Path) -> None:
    made = deploy("sales")
    other = integrations.register({**manifest("sales"), "note": "one word changed"}, actor=None)
    assert other.digest != made.release.digest
    with pytest.raises(NotApproved) as refused:
        approvals.require(Subject("integration", "sales", other.digest), other.digest, "production")
    assert [u["code"] for u in refused.value.unmet] == ["approval.stale_digest"]
    assert Release.objects.filter(integration__key="sales").count() == 2
    assert Run.objects.count() == 0


@pytest.mark.parametrize("by", ["page", "api"])
def test_a_transaction_without_its_till_is_corrected_as_the_xml_that_came(
    retailer: Path, client: Client, by: str
) -> None:
    sources = manifest("sales")["sources"]
    sources[0]["connection"]["settings"]["quiet"] = 0.0
    deploy("sales", sources=sources)
    line = Line(item="TG11", description="Espresso", quantity="2", unit_price="1.50", amount="3.00")
    place = {"store": "3", "till": "7", "date": "2026-03-28", "sequence": 12}
    text = document([Transaction(**place, end="2026-03-28T10:00:00", currency="EUR", lines=[line])]).decode()
    assert "<WorkstationID>7</WorkstationID>" in text
    (retailer / "incoming").mkdir()
    (retailer / "incoming" / "wrong.xml").write_text(
        text.replace("<WorkstationID>7</WorkstationID>", "<WorkstationID/>")
    )
    runs.start("sales", "production", trigger="manual")
    work()
    rejected = RejectedMessage.objects.get(state="open")
    assert "missing: workstation" in rejected.reason
    corrected = rejected.raw.replace("<WorkstationID/>", "<WorkstationID>7</WorkstationID>")
    assert corrected != rejected.raw
    client.force_login(person("clerk", is_superuser=True))
    if by == "page":
        page = client.get(reverse("runtime:rejected", args=[rejected.pk]))
        assert "WorkstationID" in page.text
        settle = reverse("runtime:dead-letter-settle", args=["rejected", rejected.pk])
        half = client.post(settle, {"act": "resubmit", "payload": corrected[:-9]})
        assert half.status_code == 422
        assert "XML" in half.text
        answer = client.post(settle, {"act": "resubmit", "payload": corrected})
        assert answer.status_code == 302, answer.text
    else:
        address = reverse("runtime-api:rejected", args=[rejected.pk])
        answer = client.post(address, {"payload": corrected}, content_type="application/json")
        assert answer.status_code == 200, answer.text
    rejected.refresh_from_db()
    assert rejected.state == "fixed"
    assert Message.objects.get(key__contains="/7/").payload["till"] == "7"
