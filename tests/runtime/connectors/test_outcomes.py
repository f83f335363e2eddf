"""The table of outcomes, the page that shows it, and what holds for every answer that there can be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from runtime.connectors.answer_rules import AnswerReader, AnswerRule, SuccessRule, settled
from runtime.connectors.answers import Answer
from runtime.connectors.outcomes import FAULTS, OTHER, OTHER_4XX, TABLE, CallKind, StatusRow, meaning
from runtime.connectors.protocols import CallContext, ConnectionFault, Retriable, WriteResult

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "outcomes.md"
KINDS: tuple[CallKind, ...] = ("read", "write", "addressed")


def ranges(statuses: tuple[int, ...]) -> str:
    """`500, 502 to 504`"""
    runs: list[list[int]] = []
    for status in sorted(statuses):
        if runs and status == runs[-1][-1] + 1:
            runs[-1].append(status)
        else:
            runs.append([status])
    shown = [
        str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" if len(run) > 2 else f"{run[0]}, {run[1]}"
        for run in runs
    ]
    return ", ".join(shown)


def table() -> str:
    def line(name: str, row: StatusRow) -> str:
        words = [
            word.replace("_", " ").replace("message", "refused").replace("answer", "the answer says")
            for word in (row.read, row.write, row.addressed)
        ]
        return f"| {name} | {' | '.join(words)} | {row.why} |"

    rows = [line(ranges(row.statuses), row) for row in TABLE]
    rows += [line("other 4xx", OTHER_4XX), line("other numbers", OTHER)]
    return "\n".join(["| status | read | write | addressed write | why |", "|---|---|---|---|---|", *rows])


def test_the_page_shows_the_table() -> None:
    found = re.search(r"<!-- statuses:[^>]*-->\n(.*?)\n<!-- /statuses -->", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert found[1] == table()


def test_each_status_stands_in_one_row() -> None:
    statuses = [status for row in TABLE for status in row.statuses]
    assert len(statuses) == len(set(statuses))


def test_no_status_refuses_a_message_for_what_every_message_would_meet() -> None:
    refusing = {status for status in range(100, 1_000) if meaning(status, "write") in ("message", "again")}
    assert refusing == {400, 409, 412, 413, 415, 422, 423, 424, 428, 451}
    addressed = {status for status in range(100, 1_000) if meaning(status, "addressed") in ("message", "again")}
    assert addressed - refusing == {404, 410, 414}


def test_no_server_error_and_no_time_out_claims_that_nothing_was_done() -> None:
    for status in (408, 499, 500, *range(502, 505), *range(506, 511), *range(512, 600)):
        assert {meaning(status, "write"), meaning(status, "addressed")} == {"unknown"}, status


MEDIA = [
    "application/json",
    "application/json; charset=utf-8",
    "application/problem+json",
    "text/html",
    "text/plain",
    "",
]
BODIES: list[Any] = [
    b"",
    b"OK",
    b"<html>maintenance</html>",
    b"<!doctype html><form><input type=password></form>",
    b'{"id": 1',
    b"[]",
    b"null",
    b"[" * 2_000,
    {},
    {"id": 7},
    {"id": 7, "error": None, "errors": []},
    {"success": False, "id": 7},
    {"error": {"code": 1}, "id": 7},
    {"data": None, "errors": [{"message": "m"}]},
    {"data": {"create": {"userErrors": [{"message": "m"}]}}, "id": 7},
    {"status": "failed", "id": 7},
    {"status": "done", "id": "x"},
]
READERS = [
    AnswerReader(success=success, answers=rules, nothing_done=done, codes=["code"], messages=["message"], reference=ref)
    for success in (SuccessRule(), SuccessRule(required=["id"]), SuccessRule(media=["text/plain"], holds=["OK"]))
    for rules in ([], [AnswerRule(says="confirmed", status=[409]), AnswerRule(says="declined", codes=["no"])])
    for done in ([], [503])
    for ref in (None, "id")
]


@given(
    status=some.integers(200, 599),
    media=some.sampled_from(MEDIA),
    body=some.sampled_from(BODIES),
    kind=some.sampled_from(("write", "addressed")),
    place=some.sampled_from([None, "/orders/1", "/login"]),
    reader=some.sampled_from(READERS),
)
@example(status=201, media="text/html", body=b"", kind="write", place="/orders/1", reader=READERS[0])
@example(status=204, media="text/html", body=b"", kind="write", place=None, reader=READERS[0])
@example(status=200, media="application/problem+json", body={"id": 7}, kind="write", place=None, reader=READERS[0])
@example(status=200, media="application/json", body={}, kind="write", place=None, reader=READERS[0])
@settings(max_examples=600, deadline=None)
def test_nothing_is_confirmed_without_proof_and_no_fault_of_the_connection_refuses_a_message(
    status: int, media: str, body: Any, kind: CallKind, place: str | None, reader: AnswerReader
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": media} | ({"location": place} if place else {})
    answer = Answer(status, headers, content)
    ruled = any(rule.fits(status, "", answer.document, answer) for rule in reader.rules)
    result: WriteResult | None = None
    try:
        result = settled("k", reader.read(answer, kind), answer, call=CallContext(), where="POST https://vendor/x")
    except ConnectionFault:
        assert meaning(status, "write") in FAULTS
        assert status >= 500 or not answer.is_sign_in
    except Retriable:
        assert meaning(status, kind) == "not_now" or status in reader.nothing_done
    if result is None:
        return
    if result.fault is not None:
        assert result.status == "unknown"
        assert answer.is_sign_in or status in (302, 303)
    if result.status == "confirmed":
        assert ruled or _is_proof(status, media, content, place, reader)
    if result.status == "refused":
        assert meaning(status, kind) in ("message", "again")
        assert not (meaning(status, "write") in FAULTS and answer.is_html)
    if status >= 500 and status not in reader.nothing_done:
        assert result.status == "unknown"


def _is_proof(status: int, media: str, content: bytes, place: str | None, reader: AnswerReader) -> bool:
    """Said once more, in the words of the glossary, and independently."""
    if status not in (200, 201, 203, 204, 205) or b"<html" in content or b"<!doctype" in content:
        return False
    if not content:  # there is nothing that its media type could speak of
        return (status in (204, 205) and (reader.reference is None or place is not None)) or (
            status == 201 and place is not None
        )
    if "text/plain" in reader.success.media:
        return media == "text/plain" and content == b"OK" and reader.reference is None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    if media not in ("", *MEDIA[:2]):
        return False
    if document == {}:  # as an empty answer, but that it names nothing
        named = status == 201 and place is not None
        return (status in (204, 205) or named) and reader.reference is None and not reader.success.required
    if reader.success.required and not (isinstance(document, dict) and document.get("id")):
        return False
    failed = not isinstance(document, dict) or document.get("success") is False or document.get("status") == "failed"
    failed = failed or bool(document.get("error") or document.get("errors"))
    failed = failed or bool(((document.get("data") or {}).get("create") or {}).get("userErrors"))
    return not failed and (reader.reference is None or document.get("id") not in (None, ""))


def test_a_rule_that_fits_everything_and_a_success_that_is_html_are_refused_when_settings_are_read() -> None:
    for wrong in (
        {"answers": [AnswerRule(says="refused")], "success": SuccessRule()},
        {"answers": [], "success": SuccessRule(media=["text/html"], holds=["x"])},
        {"answers": [], "success": SuccessRule(media=["text/plain"])},
    ):
        with pytest.raises(Exception, match=r"needs|proves nothing"):
            AnswerReader(nothing_done=[], codes=[], messages=[], reference=None, **wrong)
