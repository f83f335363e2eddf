"""Tills that get no answer: everything is handed in until it is acknowledged, however the batches are cut."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults import tills
from tests.faults.load import Plan
from tests.faults.tills import NoAnswer, OverHttp, hand_in

Answers = Callable[[httpx.Request], httpx.Response]


class Server:
    """Stores before it answers, and loses some requests and some answers."""

    def __init__(self, seed: int) -> None:
        self.random, self.stored, self.acknowledged = random.Random(seed), [], set()

    def answer(self, request: httpx.Request) -> httpx.Response:
        items = [(item["id"], item.get("version", 0)) for item in json.loads(request.content)["items"]]
        fate = self.random.random()
        if fate < 0.2:
            raise httpx.ConnectError("refused")
        self.stored += items
        if fate < 0.4:
            raise httpx.ReadTimeout("late")
        if fate < 0.5:
            return httpx.Response(503)
        self.acknowledged |= set(items)
        return httpx.Response(202, json={"receipts": [{}] * len(items), "refused": 0, "conflict": 0})


@pytest.fixture
def over_http(tmp_path: Path) -> Iterator[Callable[[Answers], OverHttp]]:
    way = OverHttp("http://till.example", "token", tmp_path / "answers")

    def at(answer: Answers) -> OverHttp:
        way.client.close()
        way.client = httpx.Client(base_url="http://till.example", transport=httpx.MockTransport(answer))
        return way

    yield at
    way.close()


@pytest.mark.parametrize("seed", range(20))
def test_every_message_is_acknowledged_and_versions_of_a_price_keep_their_order(
    seed: int, over_http, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tills.time, "sleep", lambda seconds: None)
    server, plan = Server(seed), Plan(seed, 0, batches=12, items=3, again=0)
    way = over_http(server.answer)
    for number in range(plan.batches):
        hand_in(way, list(plan.batch(number)), random.Random(f"{seed} {number}"))
    sales = {(sale, 0) for sale in plan.expected_sales()}
    assert sales <= server.acknowledged
    first_seen: dict[str, list[int]] = {}
    for item, version in server.stored:
        if version and version not in first_seen.setdefault(item, []):
            first_seen[item].append(version)
    assert {item: versions[-1] for item, versions in first_seen.items()} == plan.expected_prices()
    assert all(versions == sorted(versions) for versions in first_seen.values())
    words = (tmp_path / "answers").read_text().split()
    assert {"202", "503", "none"} <= set(words)


def test_a_refusal_is_no_silence(over_http):
    way = over_http(lambda request: httpx.Response(422, json={"findings": ["why"]}))
    with pytest.raises(AssertionError, match="422"):
        hand_in(way, [("campaign-sales", [{"id": "a"}])], random.Random(1))


def test_a_till_that_answers_too_early_gives_up_at_the_first_silence():
    pushed: list[Any] = []

    class Silent:
        def push(self, integration: str, items: Sequence[dict[str, Any]]) -> None:
            pushed.append(items)
            raise NoAnswer

    hand_in(Silent(), [("a", [{"id": "1"}]), ("b", [{"id": "2"}])], random.Random(1), again=False)
    assert len(pushed) == 1
