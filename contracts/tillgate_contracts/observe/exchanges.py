"""Recorded traffic as exchanges: HTTP archives (HAR 1.2) and JSON Lines, read within bounds."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from tillgate_contracts.errors import ContractError

MOST_BYTES_OF_ARCHIVE = 64 * 1024 * 1024
MOST_BYTES_OF_LINE = 2 * 1024 * 1024
MOST_BYTES_OF_BODY = 1024 * 1024
MOST_EXCHANGES = 1_000_000
#: The mark that UTF-8 may begin with.
_MARK = b"\xef\xbb\xbf"
_NOTHING, _UNREAD = object(), object()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call or message. Bodies are parsed JSON; `skipped` says why one cannot be compared. `unread_request` and
    `unread_response`: a body was there that is no JSON, or too large.

    A call has `method` and `path`; a message of an event has `message` (its name) and `request`. `accepted` is False
    for what its receiver refused.
    """

    method: str = ""
    path: str = ""
    query: tuple[str, ...] = ()
    status: int = 0
    request: Any = None
    response: Any = None
    has_request: bool = False
    has_response: bool = False
    message: str = ""
    at: dt.datetime | None = None
    accepted: bool = True
    skipped: str = ""
    unread_request: bool = False
    unread_response: bool = False


def read_exchanges(path: Path) -> tuple[str, Iterator[Exchange]]:
    """("har" or "jsonl", the exchanges of the file, one after the other).

    Raises ContractError `observe.unreadable`, `observe.not_traffic`, `observe.too_large`; of JSON Lines while they are
    read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096).removeprefix(_MARK).lstrip()
        size = path.stat().st_size
    except OSError as error:
        raise ContractError("observe.unreadable", f"{path} cannot be read: {error.strerror}.") from None
    if path.suffix.lower() == ".har" or (head.startswith(b"{") and b'"log"' in head.partition(b"\n")[0] + head[:200]):
        if size > MOST_BYTES_OF_ARCHIVE:
            raise ContractError(
                "observe.too_large",
                f"{path} has {size:,} bytes; an archive may have {MOST_BYTES_OF_ARCHIVE:,}. Give JSON Lines.",
            )
        return "har", _of_archive(path)
    return "jsonl", _of_lines(path)


def _of_archive(path: Path) -> Iterator[Exchange]:
    try:
        tree = orjson.loads(path.read_bytes().removeprefix(_MARK))
    except orjson.JSONDecodeError as error:
        raise ContractError("observe.not_traffic", f"{path} is no HTTP archive: {error}.") from None
    log = tree.get("log") if isinstance(tree, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise ContractError("observe.not_traffic", f"{path} is no HTTP archive: it has no /log/entries.")
    for entry in entries[:MOST_EXCHANGES]:
        yield _of_entry(entry)


def _of_entry(entry: Any) -> Exchange:
    request, response = _map(_map(entry).get("request")), _map(_map(entry).get("response"))
    method, url = request.get("method"), request.get("url")
    if not isinstance(method, str) or not isinstance(url, str):
        return Exchange(skipped="no request")
    sent = _map(request.get("postData")).get("text", _NOTHING)
    content = _map(response.get("content"))
    # An archive may leave out a body that was there.
    given = content.get("text", _NOTHING if content.get("size", -1) == 0 else _UNREAD)
    if content.get("encoding") == "base64" and isinstance(given, str):
        try:
            given = base64.b64decode(given, validate=True)
        except (binascii.Error, ValueError):
            given = _UNREAD
    status = response.get("status")
    return _call(method, url, status, sent, given, _map(entry).get("startedDateTime"), accepted=True)


def _of_lines(path: Path) -> Iterator[Exchange]:
    with path.open("rb") as file:
        for number in range(1, MOST_EXCHANGES + 1):
            line = file.readline(MOST_BYTES_OF_LINE + 1)
            if not line:
                return
            if len(line) > MOST_BYTES_OF_LINE:
                while line and not line.endswith(b"\n"):
                    line = file.readline(MOST_BYTES_OF_LINE)
                yield Exchange(skipped="too long")
                continue
            if number == 1:
                line = line.removeprefix(_MARK)
            if not line.strip():
                continue
            try:
                made = orjson.loads(line)
            except orjson.JSONDecodeError:
                raise ContractError("observe.not_traffic", f"{path}, line {number} is no JSON.") from None
            yield of_line(made, f"{path}, line {number}")


def of_line(made: Any, where: str) -> Exchange:
    """One line: `{"method", "url" or "path", "status", "request", "response", "at", "accepted"}` of a call,
    `{"message", "payload", "at", "accepted"}` of an event. Raises ContractError `observe.not_traffic`."""
    if not isinstance(made, dict):
        raise ContractError("observe.not_traffic", f"{where} is no object.")
    accepted = made.get("accepted") is not False
    if "payload" in made:
        name = made.get("message", "")
        if not isinstance(name, str):
            raise ContractError("observe.not_traffic", f"{where}: `message` is the name of a message.")
        return Exchange(
            message=name, request=made["payload"], has_request=True, at=_moment(made.get("at")), accepted=accepted
        )
    method, url = made.get("method"), made.get("url", made.get("path"))
    if not isinstance(method, str) or not isinstance(url, str):
        raise ContractError(
            "observe.not_traffic", f"{where} has neither `method` and `url`, nor `message` and `payload`."
        )
    sent, given = made.get("request", _NOTHING), made.get("response", _NOTHING)
    return _call(method, url, made.get("status"), sent, given, made.get("at"), accepted=accepted)


def _call(method: str, url: str, status: Any, sent: Any, given: Any, at: Any, *, accepted: bool) -> Exchange:
    try:
        parts = urlsplit(url)
        query = tuple(name for name, _ in parse_qsl(parts.query, keep_blank_values=True, max_num_fields=500))
    except ValueError:
        return Exchange(skipped="no address")
    request, response = _body(sent), _body(given)
    code = status if isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599 else 0
    return Exchange(
        method=method.upper(),
        path=parts.path,
        query=query,
        status=code,
        request=None if _is_absent(request) else request,
        response=None if _is_absent(response) else response,
        has_request=not _is_absent(request),
        has_response=not _is_absent(response),
        unread_request=request is _UNREAD,
        unread_response=response is _UNREAD,
        at=_moment(at),
        accepted=accepted and code not in (400, 422),
    )


def _is_absent(body: Any) -> bool:
    return body is _NOTHING or body is _UNREAD


def _body(given: Any) -> Any:
    """The parsed body; _NOTHING where there is none, _UNREAD for text that is no JSON and for what is too large."""
    if not isinstance(given, str | bytes):
        return given
    data = given.encode("utf-8", "surrogatepass") if isinstance(given, str) else given
    data = data.removeprefix(_MARK)
    if not data.strip():
        return _NOTHING
    if len(data) > MOST_BYTES_OF_BODY:
        return _UNREAD
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _UNREAD


def _moment(value: Any) -> dt.datetime | None:
    try:
        at = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if at is None else at.replace(tzinfo=at.tzinfo or dt.UTC).astimezone(dt.UTC)


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
