"""The profiles of jobs are replayed on what their vendors document: calls in order, the rows that a person would
expect, what a job's answers mean."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest

from runtime.connectors.protocols import OutboundMessage, Refused, Retriable
from runtime.connectors.registry import open_sink, open_source
from runtime.profiles import profile, profiles
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server
from tests.runtime.connectors.test_profile_pages import SECRETS

CSV = {"Content-Type": "text/csv; charset=utf-8"}
STARTED = {
    "salesforce-bulk": (200, {}, {"id": "750R0000000zlh9IAA", "operation": "queryAll", "state": "UploadComplete"}),
    "shopify-bulk": (
        200,
        {},
        {
            "data": {
                "bulkOperationRunQuery": {
                    "bulkOperation": {"id": "gid://shopify/BulkOperation/720918", "status": "CREATED"},
                    "userErrors": [],
                }
            }
        },
    ),
}


def node(status: str, **more: Any) -> Any:
    held = {"id": "gid://shopify/BulkOperation/720918", "status": status, "errorCode": None, "objectCount": "0"}
    return 200, {}, {"data": {"node": {**held, "url": None, **more}}}


AT_WORK = {
    "salesforce-bulk": (200, {}, {"id": "750R0000000zlh9IAA", "state": "InProgress", "numberRecordsProcessed": 0}),
    "shopify-bulk": node("RUNNING", objectCount="7"),
}
DONE = {
    "salesforce-bulk": [
        (200, {}, {"id": "750R0000000zlh9IAA", "state": "JobComplete", "numberRecordsProcessed": 3}),
        (
            200,
            {**CSV, "Sforce-Locator": "MTAwMDA", "Sforce-NumberOfRecords": "2"},
            b'"Id","Name","IsDeleted","SystemModstamp"\n"0011x1","Acme, Inc","false","2026-03-01T10:00:00.000Z"\n'
            b'"0011x2","","true","2026-03-01T10:00:04.000Z"\n',
        ),
        (200, {}, {"id": "750R0000000zlh9IAA", "state": "JobComplete", "numberRecordsProcessed": 3}),
        (
            200,
            {**CSV, "Sforce-Locator": "null", "Sforce-NumberOfRecords": "1"},
            b'"Id","Name","IsDeleted","SystemModstamp"\n"0011x3","B","false","2026-03-01T10:00:02.000Z"\n',
        ),
    ],
    "shopify-bulk": [
        node("COMPLETED", objectCount="3", url="{host}/bulk-1921?signature=x"),
        (
            200,
            {"Content-Type": "application/octet-stream"},
            b'{"id":"gid://shopify/Product/1","title":"Shirt","updatedAt":"2026-03-01T10:00:00Z"}\n'
            b'{"id":"gid://shopify/ProductVariant/19","sku":"S","__parentId":"gid://shopify/Product/1"}\n'
            b'{"id":"gid://shopify/Product/2","title":"Hat","updatedAt":"2026-03-01T10:00:04Z"}\n',
        ),
    ],
}
KEYS = {
    "salesforce-bulk": (["0011x1", "0011x2", "0011x3"], "2026-03-01T10:00:04.000Z"),
    "shopify-bulk": (["gid://shopify/Product/1", "gid://shopify/Product/2"], "2026-03-01T10:00:04Z"),
}
FAILED = {
    "salesforce-bulk": (
        (200, {}, {"id": "750R", "state": "Failed", "errorMessage": "INVALID_FIELD: No such column"}),
        "No such column",
    ),
    "shopify-bulk": (node("FAILED", errorCode="TIMEOUT"), "TIMEOUT"),
}


def answering(*answers: Any) -> Any:
    given = list(answers)

    def says(seen: Any) -> Any:
        if seen.path.endswith("/token"):
            return 200, {}, {"access_token": "t", "expires_in": 3600}
        status, headers, body = given.pop(0) if len(given) > 1 else given[0]
        if not isinstance(body, bytes):
            body = json.dumps(body).replace("{host}", f"http://{seen.headers['host']}").encode()
        return status, headers, body

    return says


def opened(name: str, server: Server) -> Any:
    one = profile(name)
    return (open_source if one.settings.get("key_fields") else open_sink)(
        "job", one.connection({"base_url": server.url})
    )


@pytest.mark.parametrize("name", KEYS)
def test_a_job_gives_the_rows_that_a_person_would_expect(name: str) -> None:
    with Server(answering(STARTED[name], *DONE[name])) as server, closing(opened(name, server)) as source:
        pages = read_all(source, circumstances=call(SECRETS), limit=10)
        asked = [seen for seen in server.seen if not seen.path.endswith("/token")]
    keys, since = KEYS[name]
    assert [record.key for page in pages for record in page.records] == keys
    assert not [one for page in pages for one in (*page.rejected, *page.warnings)]
    assert pages[-1].cursor == {"since": since}
    assert "1970-01-01T00:00:00" in asked[0].body.decode()
    assert "{since}" not in asked[0].body.decode()
    assert not any("<" in seen.target or "{" in seen.target for seen in asked)


@pytest.mark.parametrize("name", KEYS)
def test_a_job_at_work_is_waited_for_and_one_that_failed_is_told_in_its_words(name: str) -> None:
    with Server(answering(STARTED[name], AT_WORK[name])) as server, closing(opened(name, server)) as source:
        page = source.read(None, call=call(SECRETS))
        with pytest.raises(Retriable, match="is at work"):
            source.read(page.cursor, call=call(SECRETS))
    answer, words = FAILED[name]
    with Server(answering(STARTED[name], answer)) as server:
        source = opened(name, server)
        with pytest.raises(Refused, match=words):
            read_all(source, circumstances=call(SECRETS), limit=10)
        source.close()


DETAIL = {"detail": "Please enter a value for: Customer", "o:errorCode": "USER_ERROR"}
PROBLEM = {"type": "https://www.rfc-editor.org/rfc/rfc9110", "title": "Bad Request", "status": 400}
TOLD = [
    ((200, {}, {"id": "5", "completed": False, "progress": "processing"}), None, "accepted"),
    (
        (200, {}, {"id": "5", "completed": True, "progress": "succeeded"}),
        (204, {"Location": "/services/rest/record/v1/salesOrder/1042"}, b""),
        "confirmed",
    ),
    (
        (200, {}, {"id": "5", "completed": True, "progress": "failed"}),
        (400, {"Content-Type": "application/vnd.oracle.resource+json"}, {**PROBLEM, "o:errorDetails": [DETAIL]}),
        "refused",
    ),
    ((200, {}, {"id": "5", "completed": True, "progress": "succeeded"}), (500, {}, {}), "unknown"),
]


@pytest.mark.parametrize("first", [202, 400])
@pytest.mark.parametrize(("job", "result", "expected"), TOLD)
def test_an_order_of_netsuite_is_what_its_job_says_also_where_the_key_was_sent_before(
    first: int, job: Any, result: Any, expected: str
) -> None:
    place = {"Location": "{host}/services/rest/async/v1/job/5"}
    twice = {**PROBLEM, "title": "Conflict", "o:errorDetails": [{"detail": "x", "o:errorCode": "IDEMPOTENCY_ERROR"}]}

    def says(seen: Any) -> Any:
        if seen.path.endswith("/token"):
            return 200, {}, {"access_token": "t", "expires_in": 3600}
        if seen.method == "POST":
            headers = {name: value.replace("{host}", server.url) for name, value in place.items()}
            return first, headers, b"" if first == 202 else twice
        return result if seen.path.endswith("/task/5/result") else job

    with Server(says) as server, closing(opened("netsuite-order", server)) as sink:
        (sent,) = sink.write([OutboundMessage("k", "key-1", b'{"entity": {"id": "7"}}')], call=call(SECRETS))
        assert (sent.status, sent.reference) == ("accepted", f"{server.url}/services/rest/async/v1/job/5")
        found = sink.follow([sent.reference], call=call(SECRETS))[sent.reference]
    asked = [seen for seen in server.seen if not seen.path.endswith("/token")]
    assert asked[0].headers["x-netsuite-idempotency-key"] == "key-1"
    assert asked[0].headers["prefer"] == "respond-async"
    assert found.status == expected
    assert expected != "confirmed" or found.reference.endswith("/salesOrder/1042")
    assert expected != "refused" or "enter a value" in found.message


def test_every_profile_of_jobs_stands_here() -> None:
    assert {name for name, one in profiles().items() if one.protocol == "job"} == {*KEYS, "netsuite-order"}
