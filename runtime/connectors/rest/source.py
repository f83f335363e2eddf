"""Reading a REST collection page by page, whatever the vendor's way of paging."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from kernel.errors import Invalid
from runtime.connectors.answers import first
from runtime.connectors.failure_marks import is_empty
from runtime.connectors.http import Response
from runtime.connectors.json_rows import JsonRows, rows_of
from runtime.connectors.protocols import (
    CallContext,
    CallError,
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
from runtime.connectors.rest.session import RestSession
from runtime.connectors.rest.settings import ChangeFeed, RestSettings
from runtime.connectors.stamps import highest, said_of_wrong


class RestSource:
    """Cursor: `{"since": …}` between runs; inside a run also the place (`rest.paging`) and `high`, the highest change.

    The run keeps asking with the `since` it started with, less the overlap, so pages stay pages of one question; only
    its end moves `since` on.
    """

    def __init__(self, settings: RestSettings) -> None:
        if not settings.key_fields:
            raise Invalid("connection.settings", "Reading needs 'key_fields': what identifies a record.")
        self.settings = settings
        self.session = RestSession(settings)
        self.version_field = settings.changes.field if settings.changes else settings.version_field
        self.keys = KeyReader(settings.key_fields, self.version_field)
        self.resumed: bool | None = None  # this reader goes on inside of a run, whose place may mean nothing any more
        members: dict[str, tuple[str, Any]] = {"items": (settings.items, list[msgspec.Raw])}
        if settings.items and settings.paging.strategy in ("next", "cursor"):
            members["next"] = (settings.paging.next, Any)
        if settings.items and settings.paging.strategy == "offset" and settings.paging.more:
            members["more"] = (settings.paging.more, bool)
        self.errors = {f"error {n}": path for n, path in enumerate(settings.page_errors) if _beside(path, members)}
        if settings.items:
            members |= {name: (path, Any) for name, path in self.errors.items()}
        self.shape = Shape(members)
        self.whole = settings.whole_answers()

    def close(self) -> None:
        self.session.close()

    def check(self, *, call: CallContext) -> Health:
        try:
            target, params = (self.settings.check_path, {}) if self.settings.check_path else self._question({})
            self.session.refuse(
                self.session.send("GET", target, call=call, effect=False, params=params), call=call, effect=False
            )
        except CallError as error:
            return Health(False, str(error))
        return Health(True, "signed in, reading is possible")

    def discover(self, *, call: CallContext) -> list[Resource]:
        """REST has no catalog of its own: the one resource of these settings, with the members of its first record."""
        page = self.read(None, call=call)
        first = msgspec.json.decode(page.records[0].payload) if page.records else {}
        return [Resource(self.settings.path, self.settings.key_fields, {k: type(v).__name__ for k, v in first.items()})]

    def read(self, cursor: Cursor | None, *, call: CallContext) -> Page:
        cursor = dict(cursor or {})
        if self.resumed is None:
            cursor = paging.fresh(cursor)
            self.resumed = "at" in cursor
        target, params = self._question(cursor)
        response = self.session.send("GET", target, call=call, effect=False, params=params)
        if response.status == 204:
            return Page([], self._end(cursor), True)
        self.session.refuse(response, call=call, effect=False)
        page = rows_of(self.shape, response, self.settings.charset)
        for name, path in self.errors.items():
            if not is_empty(page.found.get(name)):
                words = call.secrets.redact(str(page.found[name]))[:300]
                raise Retriable(f"the page says {path!r}, so it may hold less than there is: {words}")
        if problem := self.whole.failure_in(page.around):
            words = call.secrets.redact(first(page.around, self.settings.errors.message))[:300]
            raise Retriable(f"the page proves nothing: {problem}{f': {words}' if words else ''}")
        if not page.listed:
            raise Refused("rest.shape", f"The answer has no list at {self.settings.items!r}.")
        records, rejected = self._records(page, response.url)
        warnings = [page.warning] if page.warning else []
        high, wrong = self._high(cursor, records)
        if wrong:
            records = self.settings.stamps.believed(records, wrong, high)
            warnings.append(said_of_wrong(str(self.version_field), wrong))
        place = self._next(cursor, page, response, records)
        if cursor.get("tail"):
            records = [one for one in records if not paging.known(cursor, one.key, one.payload)]
            rejected = [one for one in rejected if not paging.known(cursor, None, one.payload)]
        if place is None:
            return Page(records, self._end({**cursor, "high": high}), True, rejected, warnings)
        since = {"since": cursor["since"]} if "since" in cursor else {}
        at = {**since, **place, **({"high": high} if high is not None else {})}
        return Page(records, at, False, rejected, warnings)

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

    def _question(self, cursor: Cursor) -> tuple[str, dict[str, Any]]:
        settings, pages, at = self.settings, self.settings.paging, cursor.get("at")
        if pages.strategy in ("link", "next") and at is not None:
            return str(at), {}
        params: dict[str, Any] = dict(settings.parameters)
        if pages.size:
            params[pages.size_param] = pages.size
        if settings.changes and (since := self._since(cursor, settings.changes)):
            params[settings.changes.param] = settings.changes.value.format(since=since)
        if pages.strategy == "offset":
            params[pages.offset_param] = paging.asked(pages, cursor)
        elif pages.strategy == "page":
            params[pages.page_param] = paging.asked(pages, cursor)
        elif pages.strategy == "cursor" and at is not None:
            params[pages.cursor_param] = at
        return settings.path, params

    def _since(self, cursor: Cursor, changes: ChangeFeed) -> str | None:
        since = cursor.get("since")
        if not since or self.settings.stamps.in_future(str(since)):
            return changes.initial
        return self.settings.stamps.went_back(str(since), changes.overlap)

    def _next(self, cursor: Cursor, page: JsonRows, response: Response, records: list[Record]) -> Cursor | None:
        """The place inside of the run after this page, None at the end."""
        pages, found = self.settings.paging, page.found
        if pages.strategy in ("offset", "page"):
            rows = paging.rows_in_order(page.payloads, records)
            if pages.strategy == "page":
                return paging.after_page(pages, cursor, rows)
            try:
                return paging.after_offset(pages, cursor, rows, more=found.get("more"))
            except Refused as error:
                if error.code != "rest.shifting" or not self.resumed:
                    raise
                self.resumed = False
                return {}
        position: Any = None
        if pages.strategy == "link":
            position = self._inside(paging.link_next(response.headers.get("link", "")), response)
        elif pages.strategy == "next":
            position = self._inside(found.get("next"), response)
        elif pages.strategy == "cursor":
            position = found.get("next") or None
        return None if position is None else paging.after_position(cursor, position)

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
        known = self._true(cursor.get("since"), cursor.get("high"))
        high = self._highest(known, cursor)
        if high is None and known and cursor.get("since") is not None:
            high = known[0]
        return {} if high is None else {"since": high}

    def _true(self, *values: Any) -> list[str]:
        given = [str(value) for value in values if value is not None]
        return [value for value in given if not self.settings.stamps.in_future(value)]

    def _highest(self, values: Sequence[str], cursor: Cursor) -> str | None:
        changes = self.settings.changes
        initial = changes.initial if changes and changes.initial != "0" else None  # a beginning of every kind
        like = [None if one is None else str(one) for one in (cursor.get("since"), cursor.get("high"), initial)]
        return highest(values, like)


def _beside(path: str, members: dict[str, tuple[str, Any]]) -> bool:
    """Whether a path lies neither inside nor around one that is read."""
    return "*" not in path and not any(
        f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.") for other, _ in members.values()
    )
