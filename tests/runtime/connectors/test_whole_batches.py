"""What an answer to a batch says as a whole counts beside what its results say, and results count whatever the status
they came with. The vendor's own journal is the witness."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.runtime.connectors.server import Seen
from tests.runtime.connectors.test_lying_vendors import BATCH, Vendor, sent, statuses

KEYED = {**BATCH, "results": "results", "key": "key"}


def posted(number: int) -> dict[str, Any]:
    return {"key": f"tg-{number}", "status": "posted", "document": f"D{number}"}


RESULTS = [posted(0), posted(1)]
FAILED = {
    "rolled back": (200, {}, {"success": False, "error": "transaction rolled back", "results": RESULTS}),
    "a failed status": (200, {}, {"status": "failed", "results": RESULTS}),
    "a failure in an envelope": (200, {}, {"result": {"success": False}, "results": RESULTS}),
    "user errors": (200, {}, {"userErrors": [{"message": "no"}], "results": RESULTS}),
    "an error that is there twice": (
        200,
        {},
        b'{"error": "x", "error": null, "results": ' + json.dumps(RESULTS).encode() + b"}",
    ),
    "part of the answer": (206, {}, {"results": RESULTS}),
    "a status that nobody declared": (226, {}, {"results": RESULTS}),
    "problem details": (200, {"Content-Type": "application/problem+json"}, {"title": "no", "results": RESULTS}),
    "text": (200, {"Content-Type": "text/plain"}, {"results": RESULTS}),
}


@pytest.mark.parametrize("name", FAILED)
def test_a_batch_that_is_answered_by_a_failure_as_a_whole_confirms_no_item(name: str) -> None:
    results, _ = sent(Vendor(FAILED[name], acts=False), 2, batch=KEYED)
    assert statuses(results) == ["unknown", "unknown"]
    assert all(one.detail for one in results)


def test_failures_inside_of_a_batch_s_results_are_those_of_their_items() -> None:
    body = {"data": {"items": [posted(0), {**posted(1), "userErrors": [1]}], "success": True, "errors": []}}
    results, _ = sent(Vendor((200, {}, body)), 2, batch={**KEYED, "results": "data.items"})
    assert statuses(results) == ["confirmed", "unknown"]
    body["data"]["success"] = False
    assert statuses(sent(Vendor((200, {}, body)), 2, batch={**KEYED, "results": "data.items"})[0]) == ["unknown"] * 2


def test_what_success_asks_for_is_asked_of_a_batch_too() -> None:
    success = {"required": ["receipt"], "where": {"state": ["stored"]}}
    for body, status in (
        ({"results": RESULTS, "receipt": "R1", "state": "stored"}, "confirmed"),
        ({"results": RESULTS, "receipt": " ", "state": "stored"}, "unknown"),
        ({"results": RESULTS, "receipt": "R1", "state": "checked"}, "unknown"),
    ):
        assert statuses(sent(Vendor((200, {}, body)), 2, batch=KEYED, success=success)[0]) == [status] * 2


def test_a_batch_that_is_answered_202_with_results_is_accepted() -> None:
    results, _ = sent(Vendor((202, {}, {"results": RESULTS})), 2, batch=KEYED)
    assert [(one.status, one.reference) for one in results] == [("accepted", "D0"), ("accepted", "D1")]


def test_an_item_that_is_refused_in_an_answer_that_failed_is_refused() -> None:
    body = {"success": False, "results": [posted(0), {"key": "tg-1", "status": "refused", "message": "no"}]}
    assert statuses(sent(Vendor((200, {}, body), acts=False), 2, batch=KEYED)[0]) == ["unknown", "refused"]


def booking(status: int, *, says: str = "all") -> tuple[Vendor, list[str]]:
    """A vendor that books all items but `k2` and answers with a status and with a result for each."""
    booked: list[str] = []

    def answer(seen: Seen) -> tuple[int, dict[str, str], Any]:
        results = []
        for one in seen.json()["items"]:
            bad = one["id"] == "k2"
            if not bad:
                booked.append(one["id"])
            if bad or says == "all":
                word = "refused" if bad else "posted"
                results.append({"key": f"tg-{one['id'][1:]}", "status": word, "document": one["id"], "message": "m"})
        return status, {}, {"results": results, "code": "partial"}

    return Vendor(answer, acts=False), booked


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 429, 500])
@pytest.mark.parametrize("idempotency", ["L", "U"])
def test_results_count_whatever_the_status_and_nothing_is_sent_again_unasked(status: int, idempotency: str) -> None:
    vendor, booked = booking(status)
    results, seen = sent(vendor, 5, batch=KEYED, idempotency=idempotency)
    assert booked == ["k0", "k1", "k3", "k4"], "each once"
    assert len(seen) == 1
    assert statuses(results) == ["unknown", "unknown", "refused", "unknown", "unknown"]


def test_what_a_refusal_with_results_does_not_speak_of_is_unknown() -> None:
    vendor, booked = booking(422, says="the bad one")
    assert statuses(sent(vendor, 5, batch=KEYED)[0]) == ["unknown", "unknown", "refused", "unknown", "unknown"]
    assert len(booked) == 4
    unkeyed = {name: value for name, value in KEYED.items() if name != "key"}
    vendor, booked = booking(422, says="the bad one")
    assert statuses(sent(vendor, 5, batch=unkeyed)[0]) == ["unknown"] * 5
    assert len(booked) == 4


def test_a_status_that_says_that_nothing_was_done_holds_where_no_result_contradicts_it() -> None:
    waits = [{"key": "tg-0", "status": "rate_limited"}, {"key": "tg-1", "status": "rate_limited"}]
    results, _ = sent(Vendor((429, {"Retry-After": "3"}, {"results": waits}), acts=False), 2, batch=KEYED)
    assert [(one.status, one.retry_after) for one in results] == [("unsent", 3.0)] * 2
    results, _ = sent(Vendor((503, {}, {"results": RESULTS}), acts=False), 2, batch=KEYED, nothing_done=[503])
    assert statuses(results) == ["unsent"] * 2


def test_a_refusal_without_a_result_of_any_item_is_one_of_the_whole_batch() -> None:
    def says(seen: Seen) -> tuple[int, dict[str, str], Any]:
        ids = [one["id"] for one in seen.json()["items"]]
        if "k1" in ids:
            return 422, {}, {"results": [], "message": "not this one"}
        return 200, {}, {"results": [posted(int(one[1:])) for one in ids]}

    results, _ = sent(Vendor(says, acts=False), 4, batch=KEYED)
    assert statuses(results) == ["confirmed", "refused", "confirmed", "confirmed"]
