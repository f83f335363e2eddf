"""How the pages of a REST collection follow one another, and what keeps that from losing rows or never ending."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from kernel import clock
from runtime.connectors.protocols import Cursor, Record, Refused
from runtime.connectors.rest.settings import ChangeFeed, Paging

TAIL = 5  # rows at the end of a page by which the next page shows that nothing has moved in between
BACK = 20  # steps back in one run, after which the rows move faster than they can be read
AHEAD = timedelta(minutes=5)  # of another clock, at most
_LINK = re.compile(r"<([^>]*)>((?:\s*;\s*[^,;]+)*)")
_WHOLE = re.compile(r"[0-9]{1,40}\Z")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ]|\Z)")
_FRACTION = re.compile(r"\.(\d+)")
_SHIFTING = "rows move faster than they can be read by offset; page by a cursor, a link or a key instead"
_LOOP = "The service gave the page that was just read once more; paging would never end."


def asked(paging: Paging, cursor: Cursor) -> int:
    """The offset or page number to ask for. An offset begins with the last row of the page before: if that row is not
    there any more, rows have moved and one of them could be skipped."""
    at = cursor.get("at")
    if paging.strategy == "page":
        return int(at or paging.first_page)
    return max(int(at or 0) - (1 if cursor.get("tail") else 0), 0)


def known(cursor: Cursor, key: str | None, payload: bytes) -> bool:
    """Whether the page before gave the same row with the same content; a row that cannot be read has no key."""
    tail: Mapping[str, str] = cursor.get("tail") or {}
    return bool(tail) and tail.get(_nameless(payload) if key is None else key) == _mark(payload)


def fresh(cursor: Cursor) -> Cursor:
    """Where a reader begins that takes up a cursor. Rows moved during the run that left it: the place inside of it
    means nothing any more, only what a run began with."""
    if not cursor.get("back"):
        return cursor
    return {"since": cursor["since"]} if "since" in cursor else {}


def rows_in_order(payloads: Sequence[bytes], records: Sequence[Record]) -> list[tuple[str, bytes]]:
    """The rows of a page with their keys; one that cannot be read is known by its bytes."""
    if len(payloads) == len(records):
        return [(record.key, record.payload) for record in records]
    keys = {id(record.payload): record.key for record in records}
    return [(keys.get(id(payload)) or _nameless(payload), payload) for payload in payloads]


def after_offset(paging: Paging, cursor: Cursor, rows: Sequence[tuple[str, bytes]], *, more: Any) -> Cursor | None:
    """The place inside of a run behind a page; None at the end."""
    start, at, tail = asked(paging, cursor), int(cursor.get("at") or 0), cursor.get("tail") or {}
    keys, count = [key for key, _ in rows], len(rows)
    if tail and start and not any(key in tail for key in keys):
        steps = int(cursor.get("back", 0)) + 1
        if steps > BACK:
            raise Refused("rest.shifting", f"The {_SHIFTING}.")
        return {"at": max(at - max(count, 1), 0), "tail": tail, "back": steps}
    if not count or start + count <= at or (paging.more and not more):
        return None
    if keys and cursor.get("page") == _mark("\n".join(keys).encode()):
        raise Refused("rest.loop", _LOOP)
    return {"at": start + count, **_place(rows), **_back(cursor)}


def after_page(paging: Paging, cursor: Cursor, rows: Sequence[tuple[str, bytes]]) -> Cursor | None:
    """As above, by page number. Some services give their last page for every higher number."""
    number, count = asked(paging, cursor), len(rows)
    if not count:
        return None
    place = _place(rows)
    if cursor.get("page") == place["page"]:
        if number > paging.first_page + 1 or (paging.size and count < paging.size):
            return None
        raise Refused("rest.loop", f"{_LOOP} It seems to ignore {paging.page_param!r}.")
    return {"at": number + 1, "page": place["page"]}


def after_position(cursor: Cursor, position: Any) -> Cursor:
    """As above, by a position that the service has given. A position that returns is found after at most twice the
    length of its circle."""
    number, mark = int(cursor.get("pages", 0)) + 1, cursor.get("mark")
    if position == cursor.get("at") or (mark is not None and position == mark):
        raise Refused("rest.loop", "The service pointed to a page that was read already; paging would never end.")
    return {"at": position, "pages": number, "mark": position if number & (number - 1) == 0 else mark}


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
        for part in found.group(2).split(";"):
            name, _, value = part.strip().partition("=")
            if name.lower() == "rel" and "next" in value.strip('"').lower().split():
                return found.group(1)
    return None


# -- the value of the change parameter ---------------------------------------------------------------------------------
def highest(values: Iterable[str], like: Iterable[str | None]) -> str | None:
    """The highest value that may move a cursor. All of a feed are whole numbers or all are times: the first of `like`
    that is one of them says which, else most of the values. Whatever is neither, or lies in the future, does not count:
    rows that are true would never be asked for. Clocks differ by AHEAD; a time without zone by a day."""
    whole, times = dict[str, int](), dict[str, datetime]()
    for value in values:
        meant = _meaning(value)
        if isinstance(meant, int):
            whole[value] = meant
        elif meant is not None:
            times[value] = meant
    kind = next((type(meant) for one in like if one and (meant := _meaning(one)) is not None), None)
    if kind is int or (kind is None and len(whole) > len(times)):
        return max(whole, key=whole.__getitem__, default=None)
    return max((one for one in times if not in_future(one)), key=times.__getitem__, default=None)


def in_future(value: str) -> bool:
    """Whether a value is a time that has not come yet, as far as its zone is known."""
    meant = _meaning(value)
    if not isinstance(meant, datetime):
        return False
    moment = _moment(value)
    zoned = moment is not None and moment.tzinfo is not None
    return meant > clock.now() + (AHEAD if zoned else timedelta(days=1))


def went_back(value: str, changes: ChangeFeed) -> str:
    """A value of the change parameter, less the overlap, in the form in which the service wrote it. What is neither a
    time nor a whole number stays."""
    if not changes.overlap:
        return value
    if value.isascii() and value.isdigit():
        return str(max(int(value) - round(changes.overlap), 0))
    moment = _moment(value)
    if moment is None:
        return value
    if len(value) == 10:
        return (moment.date() - timedelta(days=max(round(changes.overlap / 86_400 + 0.5), 1))).isoformat()
    return written(moment - timedelta(seconds=changes.overlap), value)


def written(moment: datetime, like: str) -> str:
    """A time in the form of another one: separator, digits of the fraction, Z or offset."""
    fraction = _FRACTION.search(like)
    precision = "seconds" if fraction is None else "milliseconds" if len(fraction[1]) <= 3 else "microseconds"
    shown = moment.isoformat(sep=like[10], timespec=precision)
    return shown.removesuffix("+00:00") + "Z" if like.endswith(("Z", "z")) else shown


def _meaning(value: str) -> int | datetime | None:
    """The whole number or the time (UTC where it has no zone) that a value is; None where it is neither."""
    if _WHOLE.match(value):
        return int(value)
    moment = _moment(value) if _TIME.match(value) else None
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)


def _moment(value: str) -> datetime | None:
    try:
        if len(value) == 10:
            return datetime.combine(date.fromisoformat(value), datetime.min.time())
        return datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        return None
