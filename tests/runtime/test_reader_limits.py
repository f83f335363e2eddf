"""What may be stored has one rule, handed in or read: a row over it is one reject, and its neighbours go in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bench.order_server import order
from kernel.strict_json import MAX_DEPTH
from runtime.domain.batches import read_item
from runtime.domain.row_limits import any_over_limits
from runtime.models import Message, RejectedMessage
from tests.runtime.scripted_source import Feed, Scripted, feed, record, script

__all__ = ["feed", "script"]
pytestmark = pytest.mark.django_db(transaction=True)
LOOSE = {"name": "order.changed", "meaning": "state", "key": "/number"}


def with_extra(number: int, extra: str) -> bytes:
    return json.dumps(order(number)).encode()[:-1] + b', "extra": ' + extra.encode() + b"}"


OVER = {
    "too large": ('"' + "x" * (1024 * 1024) + '"', "bytes"),
    "too deep": ("[" * 65 + "]" * 65, "nested deeper than 64"),
    "too many digits": ("1" * 65, "64 digits"),
    "too many digits behind the point": ("0.1" + "1" * 64, "64 digits"),
}
WITHIN = ['"' + "x" * 10_000 + '"', "[" * 62 + "]" * 62, "1" * 64, '"' + "1" * 200 + '"', "0." + "0" * 20 + "1" * 40]


@pytest.mark.parametrize("checked", [True, False], ids=["with a contract", "without one"])
def test_a_row_over_the_limits_of_intake_is_one_reject_of_a_reader(
    feed: Feed, script: Callable[..., Scripted], checked: bool
) -> None:
    over = [with_extra(number, extra) for number, (extra, _) in enumerate(OVER.values())]
    within = [with_extra(number, extra) for number, extra in enumerate(WITHIN, 10)]
    for row in over:
        assert read_item(row).flaw is not None
    for row in within:
        assert read_item(row).flaw is None
    script([record_of(row) for row in (*over, *within)])
    feed.deploy()
    if not checked:
        source = {"name": "orders", "system": "shop", "connection": feed.connection}
        feed.deploy_with(event=LOOSE, sources=[source])
    assert feed.run().state == "succeeded"
    reasons = list(RejectedMessage.objects.order_by("id").values_list("reason", flat=True))
    assert [words in reason for (_, words), reason in zip(OVER.values(), reasons, strict=True)] == [True] * len(OVER)
    assert Message.objects.count() == len(WITHIN)


def record_of(row: bytes) -> Any:
    return record(row, json.loads(row)["number"])


@pytest.mark.parametrize(
    "neighbours",
    [b"{}", b'{"a": [{"b": {}}]}', b"[" + b"[]," * 200 + b"1]", b"[" + b"{}," * 200 + b"1]"],
    ids=["plain", "lists", "many lists", "many objects"],
)
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_the_limit_of_depth_is_the_same_whatever_stands_beside_a_row(neighbours: bytes, opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    deepest, deeper = (opening * depth + b"1" + closing * depth for depth in (MAX_DEPTH, MAX_DEPTH + 1))
    rows = [neighbours] * 5
    assert not any_over_limits([*rows, deepest])
    assert any_over_limits([*rows, deeper])
    assert not any_over_limits([*rows, deeper], shallow=True)
