"""Answers that do not say what happened: before and after the effect, late effects, jobs, an item that always fails."""

from __future__ import annotations

import time

import httpx
import pytest

from sandbox.client import Sandbox, SandboxError
from sandbox.journal import counts, doubles
from sandbox.lies import LIES

pytestmark = pytest.mark.thorough

BATCH, LOOKUP = "/api/retail/v1/sales:batch", "/api/retail/v1/sales:lookup"


def post(client: httpx.Client, *keys: str, **more: object) -> httpx.Response:
    return client.post(BATCH, json={"items": [{"key": key, "total": "1.00"} for key in keys]}, **more)


def found(client: httpx.Client, key: str) -> object:
    return client.post(LOOKUP, json={"keys": [key]}).json()["found"].get(key)


def until(true, what: str) -> None:
    limit = time.monotonic() + 5
    while not true():
        assert time.monotonic() < limit, what
        time.sleep(0.01)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_status_after_the_effect_is_a_proxys_and_the_journal_has_the_effect(erp, sandbox: Sandbox, status: int):
    start = sandbox.erp.state()["journal"]
    sandbox.erp.fault("status", ops="writes", status=status, when="after", next=1)
    answer = post(erp, f"behind-{status}")
    assert answer.status_code == status
    assert answer.text.startswith("upstream connect error or disconnect/reset before headers")
    assert "retry-after" not in answer.headers
    assert counts(sandbox.erp.journal(since=start)) == {f"behind-{status}": 1}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_told_without_the_effect_and_with_it(erp, sandbox: Sandbox, lie: str):
    start = sandbox.erp.state()["journal"]
    sandbox.erp.control(faults=[{"kind": "lie", "lie": lie, "next": 1}])
    first = post(erp, f"{lie}-nothing", follow_redirects=False)
    sandbox.erp.control(faults=[{"kind": "lie", "lie": lie, "next": 1, "when": "after"}])
    second = post(erp, f"{lie}-done", follow_redirects=False)
    assert first.status_code == second.status_code or lie == "truncated"
    assert {first.status_code, second.status_code} <= {200, 202, 302}
    assert counts(sandbox.erp.journal(since=start)) == {f"{lie}-done": 1}
    told = sandbox.erp.control(jobs="nothing")["jobs"]
    assert any(f'"{lie}-nothing"' in body for body in told) is (lie == "empty")


def test_a_truncated_answer_is_complete_for_http_and_no_json(erp, sandbox: Sandbox):
    sandbox.erp.fault("lie", lie="truncated", when="after", next=1)
    answer = post(erp, "truncated")
    assert len(answer.content) == int(answer.headers["content-length"])
    with pytest.raises(ValueError, match=r"."):
        answer.json()


def test_a_slow_effect_lands_after_its_caller_has_given_up_and_a_question_before_finds_nothing(erp, sandbox: Sandbox):
    start = sandbox.erp.state()["journal"]
    sandbox.erp.fault("slow", ms=2000, next=1)
    with pytest.raises(httpx.ReadTimeout):
        post(erp, "slow effect", timeout=0.1)
    assert found(erp, "slow effect") is None
    until(lambda: found(erp, "slow effect"), "the effect comes")
    assert counts(sandbox.erp.journal(since=start)) == {"slow effect": 1}


def test_a_job_is_answered_at_once_is_pending_and_then_done(erp, sandbox: Sandbox):
    start = sandbox.erp.state()["journal"]
    sandbox.erp.fault("async", ms=1000, next=1)
    answer = post(erp, "job/1")
    assert answer.status_code == 202
    assert erp.get(answer.headers["location"]).json() == {"job": answer.json()["job"], "status": "pending"}
    assert found(erp, "job/1") == {"status": "pending", "job": answer.json()["job"]}
    assert sandbox.erp.journal(since=start) == []
    until(lambda: erp.get(answer.headers["location"]).json()["status"] == "done", "the job ends")
    assert found(erp, "job/1")["status"] == "posted"
    assert counts(sandbox.erp.journal(since=start)) == {"job/1": 1}


def test_a_job_may_end_refused_and_then_nothing_is_found(loyalty, sandbox: Sandbox):
    start = sandbox.loyalty.state()["journal"]
    sandbox.loyalty.fault("async", ms=1000, refuse=1, next=1)
    answer = loyalty.post("/transactions:batch", json={"items": [{"key": "j-1", "profileId": "m", "points": 1}]})
    assert loyalty.post("/transactions:lookup", json={"keys": ["j-1"]}).json()["found"]["j-1"]["status"] == "pending"
    where = sandbox.loyalty.url + answer.headers["location"]
    until(lambda: loyalty.get(where).json()["status"] == "refused", "the job ends")
    assert [body for body in sandbox.loyalty.control(jobs="refused")["jobs"] if '"j-1"' in body]
    assert loyalty.post("/transactions:lookup", json={"keys": ["j-1"]}).json()["missing"] == ["j-1"]
    assert sandbox.loyalty.journal(since=start) == []


def test_one_item_fails_for_ever_and_takes_its_batch_along(erp, sandbox: Sandbox):
    start = sandbox.erp.state()["journal"]
    sandbox.erp.fault("status", status=500, ops="writes", holding=["poison"])
    assert [post(erp, *keys).status_code for keys in (["a", "poison"], ["poison"], ["a", "poisonous"])] == [
        500,
        500,
        200,
    ]
    assert counts(sandbox.erp.journal(since=start)) == {"a": 1, "poisonous": 1}


def test_keys_are_forgotten_within_seconds_and_references_are_not(loyalty, sandbox: Sandbox):
    start = sandbox.loyalty.state()["journal"]
    sandbox.loyalty.control(set={"kept_seconds": 0.05})
    item = {"key": "short", "profileId": "short", "points": 1, "reference": "sale-short"}
    loyalty.post("/transactions:batch", json={"items": [item]})

    def asked() -> dict:
        return loyalty.post("/transactions:lookup", json={"keys": ["short"], "references": ["sale-short"]}).json()

    until(lambda: "short" not in asked()["found"], "the key is forgotten")
    assert "sale-short" in asked()["references"]
    loyalty.post("/transactions:batch", json={"items": [item]})
    assert set(doubles(sandbox.loyalty.journal(since=start))) == {"points.earned sale-short"}


def test_an_unknown_lie_is_refused_with_those_that_exist(sandbox: Sandbox):
    with pytest.raises(SandboxError, match="sign_in, redirect"):
        sandbox.erp.fault("lie", lie="white")
