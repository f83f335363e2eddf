"""How the pages of a REST collection follow one another, and what keeps that from losing rows or never ending."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.connectors.protocols import Cursor, Record, Refused
from runtime.connectors.rest.page_settings import Paging

TAIL = 5  # rows at the end of a page by which the next page shows that nothing has moved in between
BACK = 20  # steps back in one run, and one more for two pages, after which rows move faster than they can be read
BY_NUMBER = ("offset", "page", "range")  # ways by which rows that move change places
OF_A_RUN = ("since", "full", "whole", "until", "from", "to")  # what a run, or its slice, began with
Rows = Sequence[tuple[str, bytes]]
AROUND = 2  # times that a page comes again, others in between, after which they go round in a circle
SAME = 5  # pages with the same rows in a row, after which new positions lead nowhere
_VALUE = r'(?:"(?:[^"\\]|\\.)*"|[^",;])'
_LINK = re.compile(rf"<([^>]*)>((?:\s*;\s*{_VALUE}+)*)")
_PARAMETER = re.compile(rf";\s*([^=;,\s]+)\s*=\s*({_VALUE}*)")
_SHIFTING = "The rows move faster than they can be read by {}; page by a cursor, a link or a key instead."
_CIRCLE = "The service gives pages that were read already under positions that are new; paging would never end."
_LOOP = "The service gave the page that was just read again and again; paging would never end."


def asked(paging: Paging, cursor: Cursor) -> int:
    """The offset or page number to ask for. An offset begins with the last row of the page before: if that row is not
    there any more, rows have moved and one of them could be skipped."""
    at = cursor.get("at")
    if paging.strategy == "page":
        return int(at or paging.first_page)
    return max(int(at or 0) - (1 if cursor.get("tail") and not cursor.get("bare") else 0), 0)


def known(cursor: Cursor, key: str | None, payload: bytes) -> bool:
    """Whether the page before gave the same row with the same content; a row that cannot be read has no key."""
    tail: Mapping[str, str] = cursor.get("tail") or {}
    return bool(tail) and tail.get(_nameless(payload) if key is None else key) == _mark(payload)


def fresh(cursor: Cursor) -> Cursor:
    """Where a reader begins that takes up a cursor. Rows moved during the run that left it: the place inside of it
    means nothing any more, only what a run began with."""
    if not cursor.get("back") and not cursor.get("again"):
        return cursor
    return beginning(cursor)


def beginning(cursor: Cursor) -> Cursor:
    """What a run began with."""
    return {name: cursor[name] for name in OF_A_RUN if name in cursor}


def rows_in_order(payloads: Sequence[bytes], records: Sequence[Record]) -> list[tuple[str, bytes]]:
    """The rows of a page with their keys; one that cannot be read is known by its bytes."""
    if len(payloads) == len(records):
        return [(record.key, record.payload) for record in records]
    keys = {id(record.payload): record.key for record in records}
    return [(keys.get(id(payload)) or _nameless(payload), payload) for payload in payloads]


def after_offset(paging: Paging, cursor: Cursor, rows: Sequence[tuple[str, bytes]], *, more: Any) -> Cursor | None:
    """The place inside of a run behind a page; None at the end."""
    start, at, tail = asked(paging, cursor), int(cursor.get("at") or 0), cursor.get("tail") or {}
    keys, count, bare = [key for key, _ in rows], len(rows), bool(cursor.get("bare"))
    if tail and start and not bare and not any(key in tail for key in keys):
        steps = _step_back(cursor, at // max(count, 1), "offset")
        return {"at": max(at - max(count, 1), 0), "tail": tail, "back": steps}
    if not count or (paging.more and not more):
        return None
    if start + count <= at:  # nothing but the row that was read already: a service may fill its pages by bytes
        return {"at": at, "tail": tail, "page": cursor.get("page"), "bare": 1, **_back(cursor)}
    again = _once_more(cursor, rows, _LOOP) | _ring(
        cursor, [payload for _, payload in rows], again=repeats(cursor, rows)
    )
    return {"at": start + count, **_place(rows), **_back(cursor), **again}


def page_before(paging: Paging, cursor: Cursor) -> int | None:
    """The number of the page that is read again behind this one, where a row that is gone may have let another one slip
    into it; for an offset, the last row that was read, where a page did not begin with it."""
    if paging.strategy in ("offset", "range") and cursor.get("bare"):
        return asked(paging, cursor) - 1
    if paging.strategy != "page" or paging.append_only or not cursor.get("tail"):
        return None
    number = asked(paging, cursor)
    return number - 1 if number > paging.first_page else None


def joins(cursor: Cursor, before: Rows, rows: Rows) -> bool:
    """Whether a page goes on where the one before ended: that one, read again, still ends with a row that it ended
    with, or those rows came again because others came in front of them."""
    tail: Mapping[str, str] = cursor.get("tail") or {}
    return (bool(before) and before[-1][0] in tail) or any(key in tail for key, _ in rows)


def back_to(paging: Paging, cursor: Cursor, before: Rows) -> Cursor:
    """The place from which a page that does not join is asked for again: behind the page before, if some of what was
    read last is still in it, else one page earlier."""
    number = asked(paging, cursor)
    steps = _step_back(cursor, number, "page number")
    if any(key in (cursor.get("tail") or {}) for key, _ in before):
        return {"at": number, **_place(before), "back": steps}
    return {"at": number - 1, "tail": cursor["tail"], "back": steps}


def _step_back(cursor: Cursor, pages: int, by: str) -> int:
    """The steps back of this run, one more. A long run may take more of them than a short one."""
    steps = int(cursor.get("back", 0)) + 1
    if steps > BACK + pages // 2:
        raise Refused("rest.shifting", _SHIFTING.format(by))
    return steps


def repeats(cursor: Cursor, rows: Rows) -> bool:
    """Whether a page is the one before once more."""
    return bool(rows) and cursor.get("page") == _place(rows)["page"]


def after_page(paging: Paging, cursor: Cursor, rows: Rows) -> Cursor | None:
    """As above, by page number. Some services give their last page for every higher number."""
    number, count = asked(paging, cursor), len(rows)
    if not count:
        return None
    if repeats(cursor, rows):
        first = number - int(cursor.get("same", 0)) <= paging.first_page + 1
        if (paging.size and count < paging.size) or (not first and int(cursor.get("same", 0))):
            return None  # the last page twice behind itself: rows that moved would have shown others
    again = _once_more(cursor, rows, f"{_LOOP} It seems to ignore {paging.page_param!r}.")
    again |= _ring(cursor, [payload for _, payload in rows], again=repeats(cursor, rows))
    return {"at": number + 1, **_place(rows), **_back(cursor), **again}


def _once_more(cursor: Cursor, rows: Rows, said: str) -> dict[str, int]:
    """How often in a row a page was the one before once more. Rows that came in front do that once or twice; a service
    that ignores where it is asked does it always."""
    same = int(cursor.get("same", 0)) + 1 if repeats(cursor, rows) else 0
    if same >= SAME:
        raise Refused("rest.loop", said)
    return {"same": same} if same else {}


def position_of(found: Any, where: str) -> Any:
    """A position as the service gives it; None at the end. Raises Refused for what is none: to end there would pass for
    having read everything."""
    if found is None or found is False or found in ("", 0):
        return None
    if isinstance(found, bool) or not isinstance(found, str | int):
        said = (
            f"The next page stands at {where!r} as {str(found)[:80]!r}, which is no position; name a member inside it"
        )
        raise Refused("rest.shape", f"{said}, such as '{where}.href'." if isinstance(found, dict) else f"{said}.")
    return found


def after_position(cursor: Cursor, position: Any, payloads: Sequence[bytes]) -> Cursor:
    """As above, by a position that the service has given. A position that returns is found after at most twice the
    length of its circle, positions that are always new by the pages that are not."""
    number, mark = int(cursor.get("pages", 0)) + 1, cursor.get("mark")
    page = f"{len(payloads)} {_mark(payloads[0] + payloads[-1])}" if payloads else ""
    same = int(cursor.get("same", 0)) + 1 if page and page == cursor.get("page") else 0
    if same >= SAME:
        raise Refused("rest.loop", f"The service gave the same rows {SAME + 1} times in a row; paging would never end.")
    if position == cursor.get("at") or (mark is not None and position == mark):
        raise Refused("rest.loop", "The service pointed to a page that was read already; paging would never end.")
    place = {"at": position, "pages": number, "mark": position if number & (number - 1) == 0 else mark}
    place |= _ring(cursor, payloads, again=same > 0)
    return place | ({"page": page} if page else {}) | ({"same": same} if same else {})


def _ring(cursor: Cursor, payloads: Sequence[bytes], *, again: bool) -> dict[str, Any]:
    """What is kept to find pages that go round in a circle under positions that are always new: the content of one page
    (the last whose number is a power of two), how often it came again, how many pages there were, the next to keep. A
    circle is found after some eight times its length. `again`: the page is the one before once more, which is counted
    elsewhere."""
    mark, came, pages, until = cursor.get("ring") or ("", 0, 0, 1)
    if not payloads or again:
        return {"ring": [mark, came, pages, until]} if pages else {}
    made = hashlib.blake2b(digest_size=8)
    for payload in payloads:
        made.update(payload)
    page, pages = made.hexdigest(), pages + 1
    came += page == mark
    if came >= AROUND:
        raise Refused("rest.loop", _CIRCLE)
    return {"ring": [page, 0, pages, 2 * until] if pages >= until else [mark, came, pages, until]}


def _place(rows: Sequence[tuple[str, bytes]]) -> dict[str, Any]:
    return {
        "tail": {key: _mark(payload) for key, payload in rows[-TAIL:]},
        "page": _mark("\n".join(key for key, _ in rows).encode()),
    }


def _nameless(payload: bytes) -> str:
    return f"unreadable {_mark(payload)}"


def _back(cursor: Cursor) -> Cursor:
    return {"back": cursor["back"]} if cursor.get("back") else {}


def _mark(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=6).hexdigest()


def link_next(header: str) -> str | None:
    """The URL with rel="next" of a Link header (RFC 8288 §3)."""
    for found in _LINK.finditer(header):
        for name, value in _PARAMETER.findall(found.group(2)):
            if name.lower() == "rel" and "next" in value.strip().strip('"').lower().split():
                return found.group(1)
    return None
