"""Reading a REST collection page by page, whatever the vendor's way of paging."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from kernel import clock
from runtime.connectors.answers import first
from runtime.connectors.failure_marks import is_empty
from runtime.connectors.http import Response
from runtime.connectors.json_rows import JsonRows
from runtime.connectors.protocols import (
    CallContext,
    CallError,
    ConnectionFault,
    Cursor,
    Health,
    Page,
    Record,
    Refused,
    RejectedRecord,
    Resource,
    Retriable,
)
from runtime.connectors.rawjson import KeyReader, Shape
from runtime.connectors.rest import paging
from runtime.connectors.rest.completeness import RowCount, began_at, whole_is_due
from runtime.connectors.rest.keyset import after_key
from runtime.connectors.rest.page_calls import PageCall, PageCalls
from runtime.connectors.rest.page_rules import is_nothing
from runtime.connectors.rest.page_settings import Paging
from runtime.connectors.rest.row_order import said_of_order
from runtime.connectors.rest.selected import Selected
from runtime.connectors.rest.session import RestSession
from runtime.connectors.rest.settings import RestSettings
from runtime.connectors.settings import wrong_setting
from runtime.connectors.stamps import highest, said_of_wrong
from runtime.connectors.void_places import VoidPlaces, refused_here


@dataclass(frozen=True, slots=True)
class _Fetched:
    """One page as it came."""

    page: JsonRows
    response: Response


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a page has: its rows in order, where they are compared, and what is made of them."""

    rows: paging.Rows
    records: list[Record]
    rejected: list[RejectedRecord]
    warnings: list[str]
    high: str | None


class RestSource:
    """Cursor: `{"since": …}` between runs; inside a run also the place (`rest.paging`) and `high`, the highest change.

    The run keeps asking with the `since` it started with, less the overlap, so pages stay pages of one question; only
    its end moves `since` on.
    """

    def __init__(self, settings: RestSettings, session: RestSession | None = None) -> None:
        if not settings.key_fields:
            raise wrong_setting("/key_fields", "Reading needs 'key_fields': what identifies a record.")
        self.settings = settings
        self.selected = Selected(settings)
        self.settings = settings = self.selected.settings
        self.calls = PageCalls(settings)
        for number, rule in enumerate(settings.reads):
            rule.checked(f"/reads/{number}")
        self.session = session or RestSession(settings)
        self.version_field = settings.changes.field if settings.changes else settings.version_field
        self.keys = KeyReader(settings.key_fields, self.version_field)
        self.resumed: bool | None = None  # this reader goes on inside of a run, whose place may mean nothing any more
        self.taken: Any = None  # the position that it took up
        self.places = VoidPlaces()
        members: dict[str, tuple[str, Any]] = {"items": (settings.items, list[msgspec.Raw])}
        if settings.items and settings.paging.strategy in ("next", "cursor"):
            members["next"] = (settings.paging.next, Any)
        if settings.items and settings.paging.strategy in ("offset", "cursor", "keyset") and settings.paging.more:
            members["more"] = (settings.paging.more, bool)
        if settings.items and settings.paging.total:
            members["total"] = (settings.paging.total, Any)
        self.errors = {f"error {n}": path for n, path in enumerate(settings.page_errors) if _beside(path, members)}
        if settings.items:
            members |= {name: (path, Any) for name, path in self.errors.items()}
        self.shape = Shape(members)
        self.whole = settings.whole_answers()
        self.count = RowCount(settings.paging, settings.select)

    def close(self) -> None:
        self.session.close()

    def check(self, *, call: CallContext) -> Health:
        try:
            path = self.settings.check_path
            asked = PageCall("GET", path) if path else self.calls.of(self.calls.begun({}))
            response = self._asked(asked, call, time.monotonic() + call.deadline)
            if response.status != 416 or self.settings.paging.strategy != "range":  # there is nothing to read
                self.session.refuse(response, call=call, effect=False)
        except CallError as error:
            return Health(False, str(error))
        return Health(True, "signed in, reading is possible")

    def discover(self, *, call: CallContext) -> list[Resource]:
        """REST has no catalog of its own: the one resource of these settings, with the members of its first record."""
        page = self.read(None, call=call)
        first = msgspec.json.decode(page.records[0].payload) if page.records else {}
        return [Resource(self.settings.path, self.settings.key_fields, {k: type(v).__name__ for k, v in first.items()})]

    def read(self, cursor: Cursor | None, *, call: CallContext) -> Page:
        cursor = self.places.taken_up(cursor)
        if self.resumed is None:
            cursor = paging.fresh(cursor)
            self.resumed, self.taken = "at" in cursor, cursor.get("at")
        try:
            return self._read(cursor, call)
        except (Refused, ConnectionFault) as error:
            if "at" not in cursor:
                raise
            return self._without_place(cursor, error)

    def _without_place(self, cursor: Cursor, error: Refused | ConnectionFault) -> Page:
        """Where a run cannot go on from its place: it begins anew where that is the one that it took up, or one in a
        circle that was taken up; else it fails, and the next one takes up its place, or begins anew behind a circle."""
        loops = isinstance(error, Refused) and error.code == "rest.loop"
        reason = error if isinstance(error, Refused) and loops else refused_here(error)
        if reason is None:
            raise error
        beginning = paging.beginning(cursor)
        if self.resumed and (loops or cursor["at"] == self.taken):
            self.resumed = False
            return Page([], beginning, False, (), [f"{reason.message.removesuffix('.')}; the run begins anew"])
        if not loops:
            raise reason from error
        return self.places.left(beginning, reason)

    def _read(self, cursor: Cursor, call: CallContext) -> Page:
        changes, until = self.settings.changes, time.monotonic() + call.deadline
        if "at" not in cursor and "whole" not in cursor and whole_is_due(changes, cursor):
            cursor["whole"] = clock.now().isoformat()
        if "at" not in cursor:
            cursor = self.calls.begun(cursor)
        fetched = self._fetch(cursor, call, until)
        if fetched is None:
            return self._no_content(cursor)
        if changes is not None and "at" not in cursor and "begun" not in cursor:
            cursor["begun"] = began_at(fetched.response.headers)
        seen = self._seen(cursor, fetched)
        number = paging.page_before(self.settings.paging, cursor)
        if number is not None and not paging.repeats(cursor, seen.rows):
            before = self._fetch({**cursor, "at": number, "tail": None}, call, until)
            slipped = None if before is None else self._slipped(cursor, self._seen(cursor, before), seen.rows)
            if slipped is not None:
                return slipped
        return self._page(cursor, fetched, seen)

    def _page(self, cursor: Cursor, fetched: _Fetched, seen: _Seen) -> Page:
        records, rejected, warnings = seen.records, seen.rejected, seen.warnings
        place = self._next(cursor, fetched, seen.rows)
        if cursor.get("tail"):
            records = [one for one in records if not paging.known(cursor, one.key, one.payload)]
            rejected = [one for one in rejected if not paging.known(cursor, None, one.payload)]
        counted = self.count.counted(cursor, len(records) + len(rejected), fetched.page.found, fetched.response.headers)
        warnings += self.count.silent(counted)
        if place is None and (missing := self.count.missing(counted)):
            again = {**paging.beginning(cursor), "again": 1}
            return Page(records, again, False, rejected, [*warnings, missing])
        if place is None:
            self.count.unread(counted, fetched.page.around, fetched.response.headers, self.settings.items)
            return self._ended({**cursor, "high": seen.high}, records, rejected, warnings)
        if place:
            place |= self.count.promise(fetched.page.around, fetched.response.headers, self.settings.items)
        return Page(records, self._inside_run(counted, place, seen.high), False, rejected, warnings)

    def _no_content(self, cursor: Cursor) -> Page:
        """204 in the place of a page: the end, where nothing says that there is more."""
        missing = self.count.missing(cursor) or self.count.promised(cursor)
        if "at" not in cursor or not missing:
            return self._ended(cursor, [], [], [])
        return Page([], {**paging.beginning(cursor), "again": 1}, False, (), [missing])

    def _ended(
        self, cursor: Cursor, records: list[Record], rejected: list[RejectedRecord], warnings: list[str]
    ) -> Page:
        """The last page of a question: the end of the run, or of one of its slices."""
        further = self.calls.next_slice(cursor)
        return Page(records, further or self._end(cursor), further is None, rejected, warnings)

    def _inside_run(self, cursor: Cursor, place: Cursor, high: str | None) -> Cursor:
        began = {"begun": cursor["begun"]} if place and "begun" in cursor else {}
        more = {"high": high} if high is not None else {}
        return {**paging.beginning(cursor), **began, **self.count.kept(cursor), **place, **more}

    def _slipped(self, cursor: Cursor, before: _Seen, rows: paging.Rows) -> Page | None:
        """The page before as it is now, where rows have slipped into it, and the place from which to go on; None where
        the page behind joins it."""
        if paging.joins(cursor, before.rows, rows):
            return None
        place = self._unless_moved(lambda: paging.back_to(self.settings.paging, cursor, before.rows))
        at = self._inside_run(cursor, place or {}, before.high)
        return Page(before.records, at, False, before.rejected, before.warnings)

    def _fetch(self, cursor: Cursor, call: CallContext, until: float) -> _Fetched | None:
        """One page; None where there is no content (204)."""
        response = self._asked(self.calls.of(cursor), call, until)
        ranges = self.settings.paging.strategy == "range"
        if response.status == 204 or (ranges and response.status == 416):
            return None
        if is_nothing(self.settings.reads, self.settings.errors, response, call):
            return None
        self.session.refuse(response, call=call, effect=False)
        if ranges and response.status == 206:
            response = replace(response, status=200)
        page = self.selected.rows_of(self.shape, response)
        if error := self.selected.error_in(page):
            words = call.secrets.redact(error)[:300]
            raise Retriable(f"the page says {self.settings.select.error!r}, so it may hold less than there is: {words}")
        for name, path in self.errors.items():
            if not is_empty(page.found.get(name)):
                words = call.secrets.redact(str(page.found[name]))[:300]
                raise Retriable(f"the page says {path!r}, so it may hold less than there is: {words}")
        if problem := self.whole.failure_in(page.around):
            words = call.secrets.redact(first(page.around, self.settings.errors.message))[:300]
            raise Retriable(f"the page proves nothing: {problem}{f': {words}' if words else ''}")
        if not page.listed:
            raise Refused("rest.shape", f"The answer has no list at {self.settings.items!r}.")
        return _Fetched(page, response)

    def _seen(self, cursor: Cursor, fetched: _Fetched) -> _Seen:
        page = fetched.page
        records, rejected = self._records(page, fetched.response.url)
        numbered = self.settings.paging.strategy in paging.BY_NUMBER
        rows = paging.rows_in_order(page.payloads, records) if numbered else []
        warnings = [page.warning] if page.warning else []
        if numbered and (order := self.settings.paging.order_by) and (said := said_of_order(order, page.payloads)):
            warnings.append(said)
        high, wrong = self._high(cursor, records)
        if wrong:
            shown = self._highest(self._true(high, cursor.get("since")), cursor)
            records = self.settings.stamps.believed(records, wrong, shown)
            warnings.append(said_of_wrong(str(self.version_field), wrong))
        return _Seen(rows, records, rejected, warnings, high)

    def cursor_at(self, moment: datetime) -> Cursor | None:
        """The cursor from which a run reads everything that changed since a moment; None where the service does not
        take a time."""
        changes = self.settings.changes
        since = None if changes is None else self.settings.stamps.written_like(moment, changes.initial)
        return None if since is None else {"since": since}

    def judged_again(self, payload: bytes) -> Record | RejectedRecord:
        """A stored row as a record, as if it had just been read."""
        found = JsonRows({}, [payload], [payload], doubtful=True)
        records, rejected = self._records(found, self.settings.path)
        return self.settings.stamps.judged(records[0]) if records else rejected[0]

    def _asked(self, asked: PageCall, call: CallContext, until: float) -> Response:
        content = None if asked.body is None else msgspec.json.encode(asked.body)
        return self.session.send(
            asked.method,
            asked.target,
            call=call,
            effect=False,
            params=asked.params,
            headers=asked.headers,
            content=content,
            until=until,
        )

    def _next(self, cursor: Cursor, fetched: _Fetched, rows: paging.Rows) -> Cursor | None:
        """The place inside of the run after this page, None at the end."""
        pages, found, response = self.settings.paging, fetched.page.found, fetched.response
        if pages.strategy == "page":
            return paging.after_page(pages, cursor, rows)
        if pages.strategy in ("offset", "range"):
            more = found.get("more")
            return self._unless_moved(lambda: paging.after_offset(pages, cursor, rows, more=more))
        if pages.strategy == "keyset" and pages.keyset is not None:
            return after_key(pages.keyset, cursor, fetched.page.payloads, found.get("more"))
        position: Any = None
        if pages.strategy == "link":
            position = self._inside(paging.link_next(response.headers.get("link", "")), response)
        elif pages.strategy == "next":
            position = self._inside(paging.position_of(found.get("next"), self.selected.next), response)
        elif pages.strategy == "cursor":
            given = response.headers.get(pages.next_header) if pages.next_header else found.get("next")
            position = None if _says_end(pages, found) else paging.position_of(given, pages.next_header or pages.next)
        return None if position is None else paging.after_position(cursor, position, fetched.page.payloads)

    def _unless_moved(self, find: Callable[[], Cursor | None]) -> Cursor | None:
        """A place, or the beginning where the one that was taken up cannot be found again."""
        try:
            return find()
        except Refused as error:
            if error.code != "rest.shifting" or not self.resumed:
                raise
            self.resumed = False
            return {}

    def _inside(self, target: Any, response: Response) -> str | None:
        """An absolute URL of the next page; `HttpClient` refuses it when it leads to another host."""
        if not isinstance(target, str) or not target:
            return None
        return target if target.startswith("http") else str(self.session.http.base.join(response.url).join(target))

    def _records(self, page: JsonRows, url: str) -> tuple[list[Record], list[RejectedRecord]]:
        now, records = datetime.now(UTC), list[Record]()
        rejected: list[RejectedRecord] = []
        origin = self.settings.path
        if not page.doubtful:
            with suppress(ValueError, RecursionError):  # what is wrong with which record is found out one by one
                keys, versions = self.keys.read_all(page.payloads)
                return [
                    Record(key, payload, now, version, False, origin)
                    for key, payload, version in zip(keys, page.payloads, versions, strict=True)
                ], rejected
        for number, (payload, legible) in enumerate(zip(page.payloads, page.legible, strict=True)):
            key: str | None = None
            problem = ""
            try:
                key, version, _ = self.keys.read(legible)
                if key is None:
                    problem = f"a key field is missing ({', '.join(self.settings.key_fields)})"
            except (ValueError, RecursionError) as error:
                problem = f"not an object with the key fields ({error})"
            if problem := page.problem(payload) or problem:
                rejected.append(RejectedRecord(f"{url} #{number}", problem, payload, key))
            elif key is not None:
                records.append(Record(key, payload, now, version, False, origin))
        return records, rejected

    def _high(self, cursor: Cursor, records: list[Record]) -> tuple[str | None, dict[str, str]]:
        """The highest stamp of the run so far that can be true, and the stamps of this page that cannot, with why."""
        if not self.version_field:
            return None, {}
        rules = self.settings.stamps
        seen = dict.fromkeys(record.version for record in records if record.version)
        before = self._true(cursor.get("high"), cursor.get("since"))
        if not self.settings.changes:  # versions of one row each, which say nothing of other rows
            return None, rules.wrong(seen)
        wrong = rules.wrong(seen, before, jumps=True)
        true = [*(one for one in seen if one not in wrong), *self._true(cursor.get("high"))]
        return self._highest(true, cursor), wrong

    def _end(self, cursor: Cursor) -> Cursor:
        if not self.settings.changes:
            return {}
        full = cursor.get("whole") or cursor.get("full")
        kept = {"full": full} if full and self.settings.changes.full_every else {}
        high = cursor.get("high")
        if high is not None and cursor.get("begun"):
            high = self.settings.stamps.not_after(str(high), datetime.fromisoformat(cursor["begun"]))
        known = self._true(cursor.get("since"), high, self.calls.reached(cursor))
        high = self._highest(known, cursor)
        if high is None and known and cursor.get("since") is not None:
            high = known[0]
        return kept if high is None else {"since": high, **kept}

    def _true(self, *values: Any) -> list[str]:
        given = [str(value) for value in values if value is not None]
        return [value for value in given if not self.settings.stamps.in_future(value)]

    def _highest(self, values: Sequence[str], cursor: Cursor) -> str | None:
        changes = self.settings.changes
        initial = changes.initial if changes and changes.initial != "0" else None  # a beginning of every kind
        like = [None if one is None else str(one) for one in (cursor.get("since"), cursor.get("high"), initial)]
        return highest(values, like)


def _says_end(pages: Paging, found: Mapping[str, Any]) -> bool:
    """Whether a page says by `more` that it is the last: some services give a position on every page."""
    return pages.strategy == "cursor" and bool(pages.more) and found.get("more") is False


def _beside(path: str, members: dict[str, tuple[str, Any]]) -> bool:
    """Whether a path lies neither inside nor around one that is read."""
    return "*" not in path and not any(
        f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.") for other, _ in members.values()
    )
