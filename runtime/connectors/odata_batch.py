"""`$batch` of an OData service: several changes in one call (multipart/mixed), each with an answer of its own.

The envelope (200 or 202) proves nothing of its parts. `each`: every change stands by itself (a change set of its own in
V2), and the service is asked to go on behind one that it refuses; what it did not come to is sent again. `whole`: one
change set, of which all changes are done or none. OData V2 batch processing; OData 4.01 protocol §11.7.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import quote

import httpx
import msgspec

from runtime.connectors.answer_rules import AnswerMeaning, settled
from runtime.connectors.answers import Answer
from runtime.connectors.odata_calls import ChangeCall, NothingThere
from runtime.connectors.odata_session import ODataSession
from runtime.connectors.odata_settings import ODataSettings
from runtime.connectors.protocols import (
    CallContext,
    ConnectionFault,
    OutboundMessage,
    Refused,
    Retriable,
    Unknown,
    WriteResult,
)

_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;,"]{1,200}))', re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? +(\d{3})")
_VALUE = "~()',:"
_DEPTH = 2  # a change set inside of a batch


class BatchSink(Protocol):
    settings: ODataSettings
    session: ODataSession
    rules: Any

    def change(self, item: OutboundMessage, call: CallContext, until: float) -> ChangeCall: ...

    def meaning(self, answer: Answer, item: OutboundMessage) -> AnswerMeaning: ...


class BatchParts(msgspec.Struct):
    """`answers` of the parts, a change set being a list; `whole`: the answer has its end."""

    answers: list[Answer | list[Answer]]
    whole: bool


def write_in_batch(
    sink: BatchSink, batch: Sequence[OutboundMessage], call: CallContext, until: float
) -> list[WriteResult]:
    """One result per message, in order. Raises Retriable, ConnectionFault or Refused: nothing was applied."""
    together = sink.settings.batch == "whole"
    results: dict[int, WriteResult] = {}
    changes: list[tuple[int, ChangeCall]] = []
    for number, item in enumerate(batch):
        try:
            changes.append((number, sink.change(item, call.about(item), until)))
        except NothingThere:
            results[number] = WriteResult(item.key, "confirmed", message="it was not there")
        except Refused as error:
            if together:
                raise
            results[number] = WriteResult(item.key, "refused", code=error.code, message=error.message)
    if changes:
        sent = [batch[number] for number, _ in changes]
        found = _sent(sink, [change for _, change in changes], sent, call, until)
        results |= {number: one for (number, _), one in zip(changes, found, strict=True)}
    return [results[number] for number in range(len(batch))]


def _sent(
    sink: BatchSink, changes: Sequence[ChangeCall], items: Sequence[OutboundMessage], call: CallContext, until: float
) -> list[WriteResult]:
    together, old = sink.settings.batch == "whole", sink.session.dialect.old
    boundary = f"batch_{secrets.token_hex(12)}"
    body = written(changes, boundary, sets=1 if together else len(changes) if old else 0)
    headers = {"Content-Type": f"multipart/mixed; boundary={boundary}", "Accept": "multipart/mixed"}
    if not together:
        headers["Prefer"] = "odata.continue-on-error"
    try:
        response = sink.session.write("POST", "$batch", body, call=call.about(*items), headers=headers, until=until)
    except Unknown as error:
        return [WriteResult(item.key, "unknown", code="no_answer", message=error.reason) for item in items]
    answer = Answer(response.status, response.headers, response.body)
    if not response.ok:
        return _of_envelope(sink, answer, items, call)
    parts = read_parts(response.headers.get("content-type", ""), response.body)
    if parts is None:
        words = f"the answer to the batch is {answer.media or 'of no media type'}, and no multipart/mixed"
        return [WriteResult(item.key, "unknown", code="no_proof", message=words) for item in items]
    if together:
        return _of_set(sink, parts, items, call)
    answers = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in parts.answers]
    return [_of_part(sink, number, answers, parts, item, call) for number, item in enumerate(items)]


def _of_envelope(
    sink: BatchSink, answer: Answer, items: Sequence[OutboundMessage], call: CallContext
) -> list[WriteResult]:
    """What a batch that was not taken as a whole says. Raises Refused, Retriable, ConnectionFault: nothing was done."""
    first = settled(items[0].key, sink.meaning(answer, OutboundMessage("", "")), answer, call=call, where="POST $batch")
    if first.status == "refused" and first.retry_after is None:
        raise Refused(first.code, first.message, status=answer.status)
    if first.status == "refused":
        raise Retriable(first.message, after=first.retry_after)
    return [WriteResult(item.key, "unknown", code="no_proof", message=first.message) for item in items]


def _of_set(
    sink: BatchSink, parts: BatchParts, items: Sequence[OutboundMessage], call: CallContext
) -> list[WriteResult]:
    """All or none. Raises Refused (or Retriable, ConnectionFault) where none was done: which message is at fault, the
    caller finds out with fewer."""
    one = parts.answers[0] if len(parts.answers) == 1 else None
    answers = one if isinstance(one, list) else [one] if one is not None else []
    failed = next((a for a in answers if a.status >= 400), None)
    if failed is not None and len(answers) == 1 and parts.whole:
        result = settled(items[0].key, sink.meaning(failed, items[0]), failed, call=call, where="POST $batch")
        if result.status == "refused" and result.retry_after is None:
            if len(items) == 1:
                return [result]
            raise Refused(result.code, result.message, status=failed.status)
        if result.status == "refused":
            raise Retriable(result.message, after=result.retry_after)
        return [WriteResult(item.key, "unknown", code=result.code, message=result.message) for item in items]
    if failed is not None or len(answers) != len(items) or not parts.whole:
        words = f"the change set has {len(answers)} answers to {len(items)} changes"
        return [WriteResult(item.key, "unknown", code="no_proof", message=words) for item in items]
    return [_result(sink, answer, item, call) for answer, item in zip(answers, items, strict=True)]


def _of_part(
    sink: BatchSink,
    number: int,
    answers: Sequence[Answer | list[Answer]],
    parts: BatchParts,
    item: OutboundMessage,
    call: CallContext,
) -> WriteResult:
    if number < len(answers):
        answer = answers[number]
        if isinstance(answer, Answer):
            return _result(sink, answer, item, call)
        return WriteResult(item.key, "unknown", code="no_proof", message="several answers stand in the place of one")
    last = answers[-1] if answers else None
    if parts.whole and isinstance(last, Answer) and last.status >= 400:
        words = "the service stopped at a change before this one"
        return WriteResult(item.key, "refused", code="not_sent", message=words, retry_after=0.0)
    return WriteResult(item.key, "unknown", code="no_proof", message="the batch has no answer to this change")


def _result(sink: BatchSink, answer: Answer, item: OutboundMessage, call: CallContext) -> WriteResult:
    """What a part says. What would be said of every message keeps this one alone from being sent."""
    try:
        return settled(item.key, sink.meaning(answer, item), answer, call=call, where="a change of POST $batch")
    except Retriable as error:
        wait = error.after if error.after is not None else 1.0
        return WriteResult(item.key, "refused", code="not_now", message=error.reason, retry_after=wait)
    except ConnectionFault as error:
        return WriteResult(
            item.key, "refused", code="not_sent", message=error.message, retry_after=0.0, fault=error.kind
        )


# --- multipart ------------------------------------------------------------------------------------------------------


def written(changes: Sequence[ChangeCall], boundary: str, *, sets: int) -> bytes:
    """The body of a batch: its changes in so many change sets (0: in none, 1: in one, else each in its own)."""
    lines: list[bytes] = []
    groups = [list(changes)] if sets == 1 and len(changes) != 1 else [[one] for one in changes]
    number = 0
    for group in groups:
        lines.append(f"--{boundary}".encode())
        inner = f"{boundary}_{number}"
        if sets:
            lines += [f"Content-Type: multipart/mixed; boundary={inner}".encode(), b""]
        for change in group:
            number += 1
            lines += [f"--{inner}".encode()] if sets else []
            lines += _part(change, number)
        lines += [f"--{inner}--".encode(), b""] if sets else []
    return b"\r\n".join([*lines, f"--{boundary}--".encode(), b""])


def _part(change: ChangeCall, number: int) -> list[bytes]:
    target = quote(change.target, safe="/:()',;=@$%&?~!*+-._")
    if change.params:
        pairs = (f"{quote(n, safe='$')}={quote(v, safe=_VALUE)}" for n, v in change.params.items())
        target += "?" + "&".join(pairs)
    body = change.body or b""
    headers = {"Accept": "application/json", **change.headers, "Content-Length": str(len(body))}
    if body:
        headers = {"Content-Type": "application/json", **headers}
    return [
        b"Content-Type: application/http",
        b"Content-Transfer-Encoding: binary",
        f"Content-ID: {number}".encode(),
        b"",
        f"{change.method} {target} HTTP/1.1".encode(),
        *(f"{name}: {value}".encode() for name, value in headers.items()),
        b"",
        body,
    ]


def read_parts(content_type: str, body: bytes, depth: int = 0) -> BatchParts | None:
    """The answers in a multipart body; None where it is none."""
    found = _BOUNDARY.search(content_type)
    if not content_type.strip().lower().startswith("multipart/mixed") or found is None:
        return None
    mark = b"--" + (found[1] or found[2]).encode()
    pieces = re.split(rb"(?:\A|\r?\n)" + re.escape(mark) + rb"(?=--|\r?\n|[ \t])", body)
    answers: list[Answer | list[Answer]] = []
    whole = False
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            whole = True
            break
        head, content = _split(piece.lstrip(b" \t").removeprefix(b"\r").removeprefix(b"\n"))
        kind = head.get("content-type", "")
        if kind.lower().startswith("multipart/mixed"):
            inner = read_parts(kind, content, depth + 1) if depth < _DEPTH else None
            if inner is None or not inner.whole or any(isinstance(one, list) for one in inner.answers):
                return BatchParts(answers, False)
            answers.append([one for one in inner.answers if isinstance(one, Answer)])
        elif (answer := _answer(content)) is not None:
            number = head.get("content-id") or answer.headers.get("content-id", "")
            headers = httpx.Headers({**answer.headers, "content-id": number})
            answers.append(Answer(answer.status, headers, answer.body))
        else:
            return BatchParts(answers, False)
    return BatchParts([_in_order(one) for one in answers], whole)


def _in_order(answers: Answer | list[Answer]) -> Answer | list[Answer]:
    """The answers of a change set may come in any order; their numbers say which is which."""
    if isinstance(answers, Answer):
        return answers
    numbers = [answer.headers.get("content-id", "") for answer in answers]
    if len(set(numbers)) == len(numbers) and all(one.isascii() and one.isdecimal() for one in numbers):
        return sorted(answers, key=lambda answer: int(answer.headers["content-id"]))
    return answers


def _answer(content: bytes) -> Answer | None:
    line, _, rest = content.lstrip(b"\r\n").partition(b"\n")
    status = _STATUS.match(line)
    if status is None:
        return None
    head, body = _split(rest)
    length = head.get("content-length", "")
    if length.isascii() and length.isdecimal() and len(length) < 12:
        if len(body) < int(length):
            return None
        body = body[: int(length)]
    return Answer(int(status[1]), head, body.rstrip(b"\r\n"))


def _split(piece: bytes) -> tuple[httpx.Headers, bytes]:
    """Headers and what stands behind the first empty line."""
    if piece.startswith((b"\r\n", b"\n")):
        return httpx.Headers(), piece.lstrip(b"\r").removeprefix(b"\n")
    head, _, rest = piece.partition(b"\r\n\r\n") if b"\r\n\r\n" in piece else piece.partition(b"\n\n")
    pairs = (line.decode("latin-1").partition(":") for line in head.splitlines())
    return httpx.Headers([(name.strip(), value.strip()) for name, sign, value in pairs if sign and name.strip()]), rest


__all__ = ["BatchParts", "read_parts", "write_in_batch", "written"]
