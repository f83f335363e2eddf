"""Faults on demand, and the journal that survives a SIGKILL of the sandbox itself."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import httpx
import pytest

from sandbox.client import ROOT, Sandbox, SandboxError
from sandbox.faults import FaultPlan
from sandbox.journal import Journal, counts, doubles, missing, read, unexpected

pytestmark = pytest.mark.thorough

BATCH = "/api/retail/v1/sales:batch"


def post(client: httpx.Client, *keys: str) -> httpx.Response:
    return client.post(BATCH, json={"items": [{"key": key, "total": "1.00"} for key in keys]})


def test_a_cut_before_acting_leaves_nothing_and_a_cut_after_leaves_the_effect(erp, sandbox: Sandbox):
    start = sandbox.erp.state()["journal"]
    for kind in ("cut_before", "cut_after"):
        sandbox.erp.fault(kind, ops="sales.batch", next=1)
        with pytest.raises(httpx.TransportError):
            post(erp, kind)
    assert counts(sandbox.erp.journal(since=start)) == {"cut_after": 1}


def test_a_hung_call_acts_when_it_is_released_though_its_caller_has_gone(erp, sandbox: Sandbox):
    start = sandbox.erp.state()["journal"]
    sandbox.erp.fault("hang", ops="sales.batch", next=1)
    with pytest.raises(httpx.ReadTimeout):
        erp.post(BATCH, json={"items": [{"key": "hung"}]}, timeout=0.1)
    assert sandbox.erp.journal(since=start) == []
    sandbox.erp.control(release=True)
    post(erp, "next")
    assert counts(sandbox.erp.journal(since=start)) == {"hung": 1, "next": 1}


def test_latency_delays_the_answer(erp, sandbox: Sandbox):
    sandbox.erp.fault("latency", ms=[60, 80], next=1)
    assert post(erp, "slow").elapsed.total_seconds() >= 0.06


def test_a_fault_of_a_named_operation_leaves_the_others_alone(erp, sandbox: Sandbox):
    sandbox.erp.fault("status", status=503, ops="sales.lookup")
    assert post(erp, "fine").status_code == 200
    assert erp.post("/api/retail/v1/sales:lookup", json={"keys": []}).status_code == 503


def test_the_same_seed_meets_the_same_calls():
    def hits(seed: int) -> list[bool]:
        plan = FaultPlan(seed)
        plan.add({"kind": "cut_after", "rate": 0.3})
        plan.add({"kind": "latency", "ms": [1, 5], "rate": 0.5})
        return [plan.decide("sales.batch", write=True).cut is not None for _ in range(200)]

    assert hits(7) == hits(7) != hits(8)
    assert 30 < sum(hits(7)) < 90


def test_a_rotated_sign_in_is_the_only_one_that_is_accepted_until_it_is_restored(
    erp, loyalty, stores, sandbox: Sandbox
):
    def answers() -> list[int]:
        return [
            post(erp, "signed").status_code,
            loyalty.get("/profile/nobody/balances").status_code,
            stores.get("/1/v1/status").status_code,
        ]

    assert answers() == [200, 404, 200]
    sandbox.erp.control(auth={"password": "rotated"})
    sandbox.loyalty.control(auth={"key": "rotated"})
    sandbox.stores.control(auth={"key": "now needed"})
    assert answers() == [401, 401, 401]
    erp.auth = httpx.BasicAuth("TILLGATE", "rotated")
    loyalty.headers["Authorization"] = "ApiKey-v1 rotated"
    stores.headers["X-Store-Key"] = "now needed"
    assert answers() == [200, 404, 200]
    for emulator in (sandbox.erp, sandbox.loyalty, sandbox.stores):
        assert emulator.state()["auth"] == "rotated"
        emulator.control(auth="restore")
    assert [answers()[0], answers()[1]] == [401, 401]


@pytest.mark.parametrize(
    "orders",
    [
        {"auth": {"nope": "x"}},
        {"auth": "nope"},
        {"faults": [{"kind": "nope"}]},
        {"faults": [{"kind": "status", "colour": 1}]},
        {"set": {"nope": 1}},
        {"nope": 1},
    ],
)
def test_an_order_that_cannot_be_understood_is_refused_with_its_reason(sandbox: Sandbox, orders):
    with pytest.raises(SandboxError, match=r"nope|colour"):
        sandbox.erp.control(**orders)


def test_effects_keys_and_changes_survive_a_kill_of_the_sandbox(state: Path):
    sandbox = Sandbox(state=state).start()
    key = {"Idempotency-Key": "kept"}
    auth = {"Authorization": "ApiKey-v1 sandbox"}
    points = f"{sandbox.loyalty.url}/v1/loyalty_programs/1/profile/m/add_points"
    price = {"items": [{"id": "p", "version": 3, "price": "1.00"}]}
    try:
        with httpx.Client(auth=("TILLGATE", "sandbox")) as client:
            first = client.post(sandbox.erp.url + BATCH, json={"items": [{"key": "s1"}]}).json()["items"][0]
        earned = httpx.post(points, json={"points": 5}, headers=key | auth).content
        httpx.put(f"{sandbox.stores.url}/stores/1/v1/prices", json=price)
        changed = sandbox.erp.control(reprice={"count": 1})["reprice"][0]
        sandbox.stores.control(offline=["2"])
        rung = sandbox.stores.control(sell={"store": "2", "count": 3, "drop": str(state / "drop")})["sell"]["keys"]
        sandbox.kill()
        with sandbox.journal_path("erp").open("ab") as torn:
            torn.write(b'{"seq":3,"at":"2026')
        sandbox.start()
        with httpx.Client(auth=("TILLGATE", "sandbox"), headers={"Accept": "application/json"}) as client:
            again = client.post(sandbox.erp.url + BATCH, json={"items": [{"key": "s1"}, {"key": "s2"}]}).json()["items"]
            service = f"{sandbox.erp.url}/sap/opu/odata/sap/API_SLSPRICINGCONDITIONRECORD_SRV"
            url = f"{service}/A_SlsPrcgConditionRecord('{changed}')"
            assert (
                client.get(url).json()["d"]["ConditionRateValue"]
                == sandbox.erp.journal()[1].data["row"]["ConditionRateValue"]
            )
        replayed = httpx.post(points, json={"points": 5}, headers=key | auth)
        assert sandbox.stores.state()["tills"]["waiting"] == {"2": 3}
        sold = sandbox.stores.control(sell={"store": "2", "count": 1, "drop": str(state / "drop")})["sell"]["keys"]
        stale = httpx.put(
            f"{sandbox.stores.url}/stores/1/v1/prices", json={"items": [{"id": "p", "version": 2, "price": "9"}]}
        )
    finally:
        sandbox.stop()
    assert [item["status"] for item in again] == ["duplicate", "posted"]
    assert again[0]["document"] == first["document"]
    assert replayed.content == earned
    assert stale.json()["results"][0]["status"] == "stale"
    assert len(set(rung + sold)) == 4
    assert set(counts(read(sandbox.journal_path("stores")), effect="sale.handed")) == set(rung + sold)
    entries = list(read(sandbox.journal_path("erp")))
    assert [entry.seq for entry in entries] == [1, 2, 3]
    assert doubles(entries) == {}


def test_a_second_sandbox_on_the_same_state_says_so_and_ends(sandbox: Sandbox):
    with pytest.raises(SandboxError, match="already uses the state directory"):
        Sandbox(state=sandbox.state).start()


def test_a_taken_port_is_named(sandbox: Sandbox, state: Path):
    with pytest.raises(SandboxError, match=f"port {sandbox.ports['erp']} for erp"):
        Sandbox(state=state, ports={"erp": sandbox.ports["erp"]}).start()


def test_the_journal_pages_and_judges(tmp_path: Path):
    journal = Journal(tmp_path / "j.jsonl", "erp")
    journal.record({"effect": "sale.posted", "ref": key} for key in ("a", "b", "a"))
    assert journal.raw(since=1, limit=1)[1] == 2
    assert journal.raw(since=3) == (b"", 3)
    journal.close()
    entries = list(read(tmp_path / "j.jsonl"))
    assert missing(entries, ["a", "c"]) == {"c"}
    assert unexpected(entries, ["a"]) == {"b"}
    assert list(doubles(entries)) == ["sale.posted a"]


def test_the_sandbox_imports_nothing_of_the_product():
    def roots(path: Path) -> set[str]:
        found = set()
        for node in ast.walk(ast.parse(path.read_text())):
            names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found |= {name.split(".")[0] for name in names}
        return found

    used = set().union(*(roots(path) for path in (ROOT / "sandbox").glob("*.py")))
    assert used - set(sys.stdlib_module_names) == {"sandbox", "aiohttp", "graphql", "jwt", "lxml", "msgspec", "orjson"}
