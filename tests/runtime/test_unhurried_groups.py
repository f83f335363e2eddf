"""What takes long about a group that is read is done while nobody waits for the lanes of its stream."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from bench.installation import manifest as order_feed
from bench.order_server import order
from runtime.domain import row_limits, same_value
from runtime.ledger import connections, known_content
from runtime.models import ConflictCase, Message, RejectedMessage
from runtime.services import record_checks
from runtime.worker import unhurried
from tests.runtime.scripted_source import Feed, Scripted, feed, record, script

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["feed", "script"]
COUNT = 12


class Watched(NamedTuple):
    done: list[str]
    under_a_lock: list[str]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Little counts as much. `under_a_lock`: what was done while the lanes were locked."""
    monkeypatch.setattr(known_content, "AT_ONCE", 3)
    monkeypatch.setattr(unhurried, "AT_ONCE_BYTES", 500)
    found: list[str] = []
    done: list[str] = []

    def watch(module: Any, name: str) -> None:
        plain = getattr(module, name)

        def free(*given: Any) -> Any:
            done.append(name)
            with connections.connected() as other:
                try:
                    other.execute("select from runtime_lane for update nowait")
                except Exception as error:
                    found.append(f"{name}: {error}")
            return plain(*given)

        monkeypatch.setattr(module, name, free)

    watch(same_value, "same")
    watch(same_value, "canonical")
    watch(record_checks, "any_named_twice")
    return Watched(done, found)


def orders(**more: Any) -> list[dict[str, Any]]:
    return [{**order(number), **more} for number in range(1, COUNT + 1)]


def test_thousands_of_conflicts_are_compared_while_the_lanes_are_free(
    feed: Feed, script: Callable[..., Scripted], watched: Watched
) -> None:
    feed.deploy_with(event=order_feed()["event"] | {"meaning": "fact"})
    source = script(orders())
    assert feed.run().accepted == COUNT
    source.pages = [orders(), orders(version=77, beside="the contract")]
    run = feed.run()
    assert (run.state, run.read, run.conflicts) == ("succeeded", COUNT, COUNT)
    assert ConflictCase.objects.count() == COUNT
    assert set(watched.done) == {"same", "canonical", "any_named_twice"}
    assert watched.under_a_lock == []


def test_known_values_in_other_bytes_are_compared_while_the_lanes_are_free(
    feed: Feed, script: Callable[..., Scripted], watched: Watched
) -> None:
    feed.deploy_with(event=order_feed()["event"] | {"meaning": "fact"})
    source = script(orders())
    feed.run()
    spelled = [json.dumps(one, indent=1).encode() for one in orders()]
    source.pages = [orders(), [_record(one) for one in spelled]]
    run = feed.run()
    assert (run.read, run.unchanged, run.conflicts) == (COUNT, COUNT, 0)
    assert watched.under_a_lock == []


def _record(payload: bytes) -> Any:
    return record(payload, json.loads(payload)["number"])


def test_a_row_that_cannot_be_stored_among_many_is_one_reject(
    feed: Feed, script: Callable[..., Scripted], watched: Watched
) -> None:
    feed.deploy_with(event=order_feed()["event"] | {"meaning": "fact"})
    bad = json.dumps(orders()[0]).encode().replace(b'{"', b'{"number": "x", "', 1)
    script([*orders()[1:], _record(bad)])
    run = feed.run()
    assert (run.read, run.accepted, run.rejected_count) == (COUNT, COUNT - 1, 1)
    assert "twice" in RejectedMessage.objects.get().reason
    assert Message.objects.count() == COUNT - 1


# -- how deep a row is -------------------------------------------------------------------------------------------------
WIDE = json.dumps([{"n": n, "more": [{"x": "]}]}" * 3}]} for n in range(40)]).encode()
HIDDEN = b"[" * 70 + b'"' + b"]" * 69 + b'"' + b"]" * 70


@pytest.mark.parametrize(
    ("row", "over"),
    [
        (WIDE, False),
        (b"[" * 64 + b"]" * 64, False),
        (b"[" * 65 + b"]" * 65, True),
        (b'{"a":' * 65 + b"1" + b"}" * 65, True),
        (b'[{"a":' * 32 + b"1" + b"}]" * 32, False),
        (b'[{"a":' * 33 + b"1" + b"}]" * 33, True),
        (b'["]",' * 70 + b"1" + b',"["]' * 70, True),
        (b'["\\"]",' * 70 + b"1" + b',"[\\\\"]' * 70, True),
        (HIDDEN, True),
    ],
)
def test_depth_is_told_from_brackets_without_reading_the_row(row: bytes, over: bool) -> None:
    assert row_limits.any_over_limits([b"{}", row]) is over
    assert bool(row_limits.over_limits(row)) is over


def test_a_wide_row_is_not_read_value_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_limits, "over_limits", lambda row: pytest.fail("it is read"))
    assert row_limits.any_over_limits([WIDE] * 3) is False
