"""Of two results for one item that do not say the same, none counts."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.connectors.protocols import OutboundMessage
from tests.runtime.connectors import test_lying_vendors as lying_vendors
from tests.runtime.connectors.test_lying_vendors import BATCH, Vendor, sent, statuses

KEYED = {**BATCH, "key": "key"}


def results_of(*results: dict[str, Any], count: int = 2) -> list[str]:
    return statuses(sent(Vendor((200, {}, {"items": list(results)})), count, batch=KEYED)[0])


def posted(key: Any, document: str = "D", **more: Any) -> dict[str, Any]:
    return {"key": key, "status": "posted", "document": document, **more}


@pytest.mark.parametrize("turned", [False, True])
def test_two_results_for_one_item_that_contradict_each_other_leave_it_unknown(turned: bool) -> None:
    both = [{"key": "k0", "status": "refused", "code": "E"}, posted("k0")]
    assert results_of(*(both[::-1] if turned else both), posted("k1")) == ["unknown", "confirmed"]


def test_the_same_result_twice_is_that_result() -> None:
    assert results_of(posted("k0"), posted("k1"), posted("k0")) == ["confirmed", "confirmed"]


def test_two_documents_for_one_item_are_no_plain_success() -> None:
    assert results_of(posted("k0", "A"), posted("k0", "B"), posted("k1")) == ["unknown", "confirmed"]


def test_results_under_both_names_of_an_item_have_to_say_the_same() -> None:
    assert results_of(posted("tg-0"), {"key": "k0", "status": "refused"}, posted("k1")) == ["unknown", "confirmed"]
    assert results_of(posted("tg-0"), posted("k1")) == ["confirmed", "confirmed"]


@pytest.mark.parametrize(("key", "name"), [(None, "None"), (True, "true"), (["a"], "['a']"), ({"a": 1}, "{'a': 1}")])
def test_a_key_that_names_nobody_is_not_that_of_a_message_called_so(
    key: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [OutboundMessage(name, name, b"", {"id": name}, 0)]
    monkeypatch.setattr(lying_vendors, "messages", lambda count, **more: items)
    assert results_of(posted(key), count=1) == ["unknown"]


def test_a_key_that_is_a_truth_value_is_nobodys() -> None:
    assert results_of(posted(True), posted("k1")) == ["unknown", "confirmed"]


@pytest.mark.parametrize(
    "first",
    [
        b'{"key": "k1", "key": "k0", "status": "posted", "document": "D"}',
        b'{"key": "k0", "status": "posted", "document": "D", "code": "FAILED", "code": "OK"}',
        b'{"key": "k0", "status": "posted", "document": "D", "message": "no", "message": ""}',
    ],
    ids=["key", "code", "message"],
)
def test_a_member_of_a_result_that_is_named_twice_leaves_nothing_known(first: bytes) -> None:
    body = b'{"items": [' + first + b', {"key": "k1", "status": "posted", "document": "D"}]}'
    assert statuses(sent(Vendor((200, {}, body)), 2, batch=KEYED)[0]) == ["unknown", "unknown"]


@pytest.mark.parametrize("status", ["500 INTERNAL_SERVER_ERROR", "404 Not Found", "503 service-unavailable"])
def test_a_status_with_its_phrase_is_that_status(status: str) -> None:
    assert statuses(sent(Vendor((200, {}, {"id": "D", "status": status})))[0]) == ["unknown"]
