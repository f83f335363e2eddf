"""The loyalty engine: kept keys, concurrency, reserve → confirm → cancel."""

from __future__ import annotations

import threading

import httpx
import pytest

from sandbox.client import Sandbox
from sandbox.journal import counts, doubles

MEMBER = "7000037"


def earn(client: httpx.Client, profile: str, points: object, key: str | None = None, **more: object) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/profile/{profile}/add_points", json={"points": points, **more}, headers=headers)


def balance(client: httpx.Client, profile: str) -> dict:
    return client.get(f"/profile/{profile}/balances").json()


def test_the_same_key_and_body_give_the_same_answer_and_one_effect(loyalty, sandbox: Sandbox):
    start = sandbox.loyalty.state()["journal"]
    first, second = earn(loyalty, "a1", 10, "key-1"), earn(loyalty, "a1", 10, "key-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert second.headers["idempotent-replayed"] == "true"
    assert balance(loyalty, "a1")["balance"] == "10"
    assert counts(sandbox.loyalty.journal(since=start)) == {"key-1": 1}


def test_the_same_key_with_another_body_is_refused(loyalty, sandbox: Sandbox):
    earn(loyalty, "a2", 10, "key-2")
    assert earn(loyalty, "a2", 11, "key-2").status_code == 422
    sandbox.loyalty.control(set={"conflict_status": 409})
    assert earn(loyalty, "a2", 11, "key-2").status_code == 409
    assert balance(loyalty, "a2")["balance"] == "10"


def test_a_key_is_forgotten_after_a_day(loyalty, sandbox: Sandbox):
    earn(loyalty, "a3", 1, "key-3", reference="sale-3")
    start = sandbox.loyalty.state()["journal"]
    sandbox.loyalty.control(advance_seconds=86_401)
    assert "idempotent-replayed" not in earn(loyalty, "a3", 1, "key-3", reference="sale-3").headers
    sandbox.loyalty.control(advance_seconds=-86_401)
    assert balance(loyalty, "a3")["balance"] == "2"
    assert set(doubles(sandbox.loyalty.journal(since=start - 1))) == {"points.earned sale-3"}


def test_keys_of_some_references_last_whatever_the_engine_does_with_others(loyalty, sandbox: Sandbox):
    sandbox.loyalty.control(set={"honour_keys": False, "kept_seconds": 0.0, "lasting_keys": "bonus "})
    start, path = sandbox.loyalty.state()["journal"], "/profile/M-lasting/add_points"
    for reference in ("bonus 1", "other 1"):
        for _ in range(2):
            loyalty.post(path, json={"points": 1, "reference": reference}, headers={"Idempotency-Key": reference})
    assert set(doubles(sandbox.loyalty.journal(since=start))) == {"points.earned other 1"}


def test_an_answer_lost_after_acting_is_given_again_for_the_key(loyalty, sandbox: Sandbox):
    sandbox.loyalty.fault("cut_after", ops="loyalty.earn", next=1)
    with pytest.raises(httpx.TransportError):
        earn(loyalty, "a4", "2.50", "key-4")
    assert earn(loyalty, "a4", "2.50", "key-4").headers["idempotent-replayed"] == "true"
    assert balance(loyalty, "a4")["balance"] == "2.50"


def test_two_calls_at_once_on_one_account_give_one_conflict(loyalty, sandbox: Sandbox):
    sandbox.loyalty.control(set={"work_ms": 150})
    statuses: list[int] = []
    together = threading.Barrier(2)

    def call(number: int) -> None:
        together.wait()
        statuses.append(earn(loyalty, "a5", 5, f"key-5-{number}").status_code)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, 409]
    assert balance(loyalty, "a5")["balance"] == "5"


def test_points_are_reserved_then_confirmed_or_given_back_once(loyalty, sandbox: Sandbox):
    earn(loyalty, "a6", 100)
    start = sandbox.loyalty.state()["journal"]
    first, second = (
        loyalty.post("/reservations", json={"profileId": "a6", "points": 40, "reference": f"sale-6-{n}"}).json()["id"]
        for n in range(2)
    )
    assert balance(loyalty, "a6") == {"profileId": "a6", "balance": "100", "reserved": "80", "available": "20"}
    assert loyalty.post("/profile/a6/deduct_points", json={"points": 30}).status_code == 422
    assert [loyalty.post(f"/reservations/{first}/confirm").status_code for _ in range(2)] == [200, 200]
    assert [loyalty.post(f"/reservations/{second}/cancel").status_code for _ in range(2)] == [200, 200]
    assert loyalty.post(f"/reservations/{second}/confirm").status_code == 409
    assert balance(loyalty, "a6") == {"profileId": "a6", "balance": "60", "reserved": "0", "available": "60"}
    effects = [entry.effect for entry in sandbox.loyalty.journal(since=start)]
    assert effects == ["points.reserved", "points.reserved", "points.confirmed", "points.cancelled"]


def test_a_reservation_that_nobody_settles_expires(loyalty, sandbox: Sandbox):
    earn(loyalty, "a7", 10)
    number = loyalty.post("/reservations", json={"profileId": "a7", "points": 10}).json()["id"]
    sandbox.loyalty.control(advance_seconds=901)
    late = loyalty.post(f"/reservations/{number}/confirm")
    sandbox.loyalty.control(advance_seconds=-901)
    assert late.status_code == 409
    assert late.json()["errors"][0]["title"] == "reservation_expired"
    assert balance(loyalty, "a7")["available"] == "10"


def test_a_batch_earns_each_key_once_and_answers_each_item(loyalty):
    items = [{"key": f"b{n}", "profileId": MEMBER, "points": "1.25", "reference": f"sale-b{n}"} for n in range(3)]
    before = float(balance(loyalty, MEMBER)["balance"])
    first = loyalty.post("/transactions:batch", json={"items": items}).json()["items"]
    second = loyalty.post(
        "/transactions:batch", json={"items": [*items, {"key": "bad", "profileId": MEMBER, "points": 1.5}]}
    ).json()["items"]
    assert [item["status"] for item in first] == ["applied"] * 3
    assert [item["status"] for item in second] == ["duplicate"] * 3 + ["refused"]
    assert float(balance(loyalty, MEMBER)["balance"]) == before + 3.75
    asked = loyalty.post("/transactions:lookup", json={"keys": ["b0", "b9"], "references": ["sale-b1"]}).json()
    assert set(asked["found"]) == {"b0"}
    assert asked["missing"] == ["b9"]
    assert "sale-b1" in asked["references"]


def test_an_unknown_member_is_refused_when_the_engine_does_not_enrol(loyalty, sandbox: Sandbox):
    sandbox.loyalty.control(set={"auto_enrol": False})
    assert earn(loyalty, "stranger", 1).status_code == 404


@pytest.mark.parametrize("points", [0, -1, 1.5, "1.234", "NaN", None, True, "many"])
def test_points_that_are_no_amount_are_refused(loyalty, points):
    assert earn(loyalty, "a8", points).status_code == 422


def test_a_wrong_api_key_is_refused(loyalty):
    assert loyalty.get("/profile/a1/balances", headers={"Authorization": "ApiKey-v1 wrong"}).status_code == 401
