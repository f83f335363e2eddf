"""Reading a REST collection page by page, whatever the vendor's way of paging."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from kernel.errors import Invalid
from runtime.connectors.answer_rules import is_empty
from runtime.connectors.http import Response
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
from runtime.connectors.rawjson import KeyReader, Shape, page_of
from runtime.connectors.rest.session import RestSession
from runtime.connectors.rest.settings import RestSettings

_LINK = re.compile(r"<([^>]*)>((?:\s*;\s*[^,;]+)*)")


class RestSource:
    """Cursor: `{"since": …}` between runs; inside a run also `at` (the strategy's position) and `high` (highest change
    seen).

    The run keeps asking with the `since` it started with, so pages stay pages of one question; only its end moves
    `since` on.
    """

    def __init__(self, settings: RestSettings) -> None:
        if not settings.key_fields:
            raise Invalid("connection.settings", "Reading needs 'key_fields': what identifies a record.")
        self.settings = settings
        self.session = RestSession(settings)
        self.version_field = settings.changes.field if settings.changes else settings.version_field
        self.keys = KeyReader(settings.key_fields, self.version_field)
        members: dict[str, tuple[str, Any]] = {"items": (settings.items, list[msgspec.Raw])}
        if settings.items and settings.paging.strategy in ("next", "cursor"):
            members["next"] = (settings.paging.next, Any)
        if settings.items and settings.paging.strategy == "offset" and settings.paging.more:
            members["more"] = (settings.paging.more, bool)
        self.errors = {f"error {n}": path for n, path in enumerate(settings.page_errors) if _beside(path, members)}
        if settings.items:
            members |= {name: (path, Any) for name, path in self.errors.items()}
        self.shape = Shape(members)

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
        target, params = self._question(cursor)
        response = self.session.send("GET", target, call=call, effect=False, params=params)
        if response.status == 204:
            return Page([], self._end(cursor), True)
        self.session.refuse(response, call=call, effect=False)
        found = page_of(self.shape, response.body)
        for name, path in self.errors.items():
            if not is_empty(found.get(name)):
                words = call.secrets.redact(str(found[name]))[:300]
                raise Retriable(f"the page says {path!r}, so it may hold less than there is: {words}")
        if found["items"] is None:
            raise Refused("rest.shape", f"The answer has no list at {self.settings.items!r}.")
        records, rejected = self._records(found["items"], response.url)
        high = self._high(cursor, records)
        position = self._next(cursor, found, response, len(found["items"]))
        if position is None:
            return Page(records, self._end({**cursor, "high": high}), True, rejected)
        if position == cursor.get("at"):
            raise Refused("rest.loop", "The service pointed to the page that was just read; paging would never end.")
        since = {"since": cursor["since"]} if "since" in cursor else {}
        return Page(records, {**since, "at": position, **({"high": high} if high is not None else {})}, False, rejected)

    def _question(self, cursor: Cursor) -> tuple[str, dict[str, Any]]:
        settings, paging, at = self.settings, self.settings.paging, cursor.get("at")
        if paging.strategy in ("link", "next") and at is not None:
            return str(at), {}
        params: dict[str, Any] = dict(settings.parameters)
        if paging.size:
            params[paging.size_param] = paging.size
        if settings.changes and (since := cursor.get("since") or settings.changes.initial):
            params[settings.changes.param] = settings.changes.value.format(since=since)
        if paging.strategy == "offset":
            params[paging.offset_param] = at or 0
        elif paging.strategy == "page":
            params[paging.page_param] = at or paging.first_page
        elif paging.strategy == "cursor" and at is not None:
            params[paging.cursor_param] = at
        return settings.path, params

    def _next(self, cursor: Cursor, found: dict[str, Any], response: Response, count: int) -> Any:
        """The position after this page, None at the end."""
        paging, at = self.settings.paging, cursor.get("at")
        if paging.strategy == "link":
            return self._inside(link_next(response.headers.get("link", "")), response)
        if paging.strategy == "next":
            return self._inside(found.get("next"), response)
        if paging.strategy == "cursor":
            return found.get("next") or None
        if paging.strategy == "offset":
            # Servers give fewer than asked for (a cap of 499 for 500 is known), so only what was received counts.
            more = found.get("more") if paging.more else (count >= paging.size if paging.size else count > 0)
            return int(at or 0) + count if more and count else None
        if paging.strategy == "page":
            return int(at or paging.first_page) + 1 if count else None
        return None

    def _inside(self, target: Any, response: Response) -> str | None:
        """An absolute URL of the next page; `HttpClient` refuses it when it leads to another host."""
        if not isinstance(target, str) or not target:
            return None
        return target if target.startswith("http") else str(self.session.http.base.join(response.url).join(target))

    def _records(self, items: list[Any], url: str) -> tuple[list[Record], list[RejectedRecord]]:
        now, records = datetime.now(UTC), list[Record]()
        rejected: list[RejectedRecord] = []
        payloads, origin = [bytes(raw) for raw in items], self.settings.path
        with suppress(ValueError):  # what is wrong with which record is found out one by one
            keys, versions = self.keys.read_all(payloads)
            return [
                Record(key, payload, now, version, False, origin)
                for key, payload, version in zip(keys, payloads, versions, strict=True)
            ], rejected
        for number, payload in enumerate(payloads):
            try:
                key, version, _ = self.keys.read(payload)
            except ValueError as error:
                rejected.append(
                    RejectedRecord(f"{url} #{number}", f"not an object with the key fields ({error})", payload)
                )
                continue
            if key is None:
                rejected.append(
                    RejectedRecord(
                        f"{url} #{number}", f"a key field is missing ({', '.join(self.settings.key_fields)})", payload
                    )
                )
                continue
            records.append(Record(key, payload, now, version, False, origin))
        return records, rejected

    def _high(self, cursor: Cursor, records: list[Record]) -> str | None:
        if not self.settings.changes:
            return None
        seen = [r.version for r in records if r.version is not None]
        return max([*seen, *([cursor["high"]] if cursor.get("high") else [])], key=_rank, default=None)

    def _end(self, cursor: Cursor) -> Cursor:
        known = [value for value in (cursor.get("since"), cursor.get("high")) if value is not None]
        return {"since": max(known, key=_rank)} if known and self.settings.changes else {}


def _beside(path: str, members: dict[str, tuple[str, Any]]) -> bool:
    """Whether a path lies neither inside nor around one that is read."""
    return "*" not in path and not any(
        f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.") for other, _ in members.values()
    )


def _rank(value: str) -> tuple[int, int | str]:
    """Version numbers compare as numbers, ISO times as text."""
    return (0, int(value)) if value.isdigit() else (1, value)


def link_next(header: str) -> str | None:
    """The URL with rel="next" of a Link header (RFC 8288 §3)."""
    for found in _LINK.finditer(header):
        for part in found.group(2).split(";"):
            name, _, value = part.strip().partition("=")
            if name.lower() == "rel" and "next" in value.strip('"').lower().split():
                return found.group(1)
    return None
