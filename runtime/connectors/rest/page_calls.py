"""The request for one page: where its position, its size and the values of a change feed go."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kernel import clock
from runtime.connectors.protocols import Cursor, Refused
from runtime.connectors.rest import keyset, paging
from runtime.connectors.rest.page_settings import ChangeFeed, Keyset
from runtime.connectors.rest.settings import RestSettings
from runtime.connectors.settings import wrong_setting
from runtime.domain.json_paths import steps
from runtime.domain.schedule import distance
from runtime.domain.templates import names_in, problem_of


@dataclass(slots=True)
class PageCall:
    """One request. `body` is None for a GET."""

    method: str
    target: str
    params: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None

    def put(self, place: str, name: str, value: Any) -> None:
        """Sets a value where the settings say; in a body `name` is a path."""
        if place == "header":
            self.headers[name] = str(value)
        elif place == "body" and self.body is not None:
            *way, last = steps(name)
            at = self.body
            for step in way:
                inner = at.get(step)
                at[step] = at = inner if isinstance(inner, dict) else {}
            at[last] = value
        else:
            self.params[name] = value


class PageCalls:
    """Makes the request for the page that a cursor stands before."""

    def __init__(self, settings: RestSettings) -> None:
        self.settings = settings
        posts = settings.request.method == "POST"
        self.place = settings.paging.place or ("body" if posts else "query")
        self.of_changes = (settings.changes.place if settings.changes else "") or ("body" if posts else "query")
        _checked(settings, posts)

    def of(self, cursor: Cursor) -> PageCall:
        settings, pages, at = self.settings, self.settings.paging, cursor.get("at")
        posts = settings.request.method == "POST"
        call = PageCall(settings.request.method, settings.path)
        call.body = copy.deepcopy(settings.request.body) if posts else None
        if pages.strategy in ("link", "next") and at is not None:
            call.target = str(at)
            return call
        call.params = dict(settings.parameters)
        if pages.size and pages.strategy != "range":
            call.put("query" if self.place == "header" else self.place, pages.size_param, pages.size)
        since = self._changed(call, cursor, settings.changes) if settings.changes else ""
        if pages.strategy == "offset":
            call.put(self.place, pages.offset_param, paging.asked(pages, cursor))
        elif pages.strategy == "page":
            call.put(self.place, pages.page_param, paging.asked(pages, cursor))
        elif pages.strategy == "cursor" and at is not None:
            call.put(self.place, pages.cursor_param, at)
        elif pages.strategy == "range":
            start = paging.asked(pages, cursor)
            call.headers[pages.range_header] = f"{pages.range_unit}={start}-{start + (pages.size or 100) - 1}"
        elif pages.strategy == "keyset" and pages.keyset is not None and at is not None:
            self._behind(call, pages.keyset, at, since)
        return call

    def _behind(self, call: PageCall, given: Keyset, at: Sequence[str], since: str) -> None:
        """The condition of the key: behind that of `changes` where both go into one parameter, else in its place."""
        condition, changes = keyset.condition(given, at), self.settings.changes
        together = changes is not None and changes.param == given.param
        said = f"{since}{given.joined}{condition}" if since and given.joined and together else condition
        call.put(self.of_changes if together else self.place, given.param, said)

    def _changed(self, call: PageCall, cursor: Cursor, changes: ChangeFeed) -> str:
        """Puts what has changed into a call, and says with what; empty where everything is asked for."""
        since, until = self.since(cursor, changes), cursor.get("to") or cursor.get("until")
        value = ""
        if since:
            value = changes.value.replace("{since}", since).replace("{until}", self._written(until, changes))
            call.put(self.of_changes, changes.param, value)
        if changes.until_param and until:
            end = changes.until_value.replace("{until}", self._written(until, changes))
            call.put(self.of_changes, changes.until_param, end)
        return value

    def since(self, cursor: Cursor, changes: ChangeFeed) -> str | None:
        """From where a run asks, as the parameter wants it."""
        if cursor.get("from"):
            return self._written(str(cursor["from"]), changes)
        since, stamps = cursor.get("since"), self.settings.stamps
        if not since or cursor.get("whole") or stamps.in_future(str(since)):
            return changes.initial
        back = max(changes.overlap, 1.0) if changes.operator == "gt" else changes.overlap
        earlier = stamps.went_back(str(since), back)
        return self._written(earlier, changes) if changes.literal else earlier

    def _written(self, value: Any, changes: ChangeFeed) -> str:
        """A moment in the form of the parameter; what is none stays as it is."""
        moment = None if value is None else self.settings.stamps.moment(str(value))
        if moment is None:
            return "" if value is None else str(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        form = changes.literal or self._usual_form(changes)
        if form in ("seconds", "milliseconds"):
            return str(int(moment.timestamp() * (1_000 if form == "milliseconds" else 1)))
        if form == "date":
            return moment.astimezone(UTC).date().isoformat()
        shown = moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000Z", "Z")
        return f"datetimeoffset'{shown}'" if form == "odata_v2" else shown

    def _usual_form(self, changes: ChangeFeed) -> str:
        """That of the field, where nothing else is said: numbers as they count, times in ISO 8601."""
        numbers = self.settings.stamps.numbers
        return "iso" if numbers is None else "milliseconds" if numbers == "milliseconds" else "seconds"

    def begun(self, cursor: Cursor) -> Cursor:
        """A run that begins: its end, and its first slice. What stands in a cursor of a run stays."""
        changes = self.settings.changes
        if changes is None or not changes.ends or "until" in cursor:
            return cursor
        now = clock.now()
        made = {**cursor, "until": now.isoformat()}
        if changes.window and not made.get("from"):
            since = self.settings.stamps.moment(str(self.since({**cursor, "from": None}, changes) or ""))
            if since is None:
                raise Refused(
                    "rest.window", f"{changes.initial!r} is no time, so no slices of {changes.window} follow."
                )
            made |= _slice(since if since.tzinfo else since.replace(tzinfo=UTC), now, changes.window)
        return made

    def next_slice(self, cursor: Cursor) -> Cursor | None:
        """Where the next slice of a run begins; None behind the last one."""
        changes, to, until = self.settings.changes, cursor.get("to"), cursor.get("until")
        if changes is None or not changes.window or not to or not until or to >= until:
            return None
        kept = {name: cursor[name] for name in (*paging.OF_A_RUN, "begun", "high") if cursor.get(name) is not None}
        return kept | _slice(datetime.fromisoformat(to), datetime.fromisoformat(until), changes.window)

    def reached(self, cursor: Cursor) -> str | None:
        """Up to where a run in slices has read, however few rows it got: its end, and no later than it began by the
        clock of the service."""
        changes, until = self.settings.changes, cursor.get("until")
        if changes is None or not changes.window or not until:
            return None
        end = min(datetime.fromisoformat(str(cursor.get("begun") or until)), datetime.fromisoformat(until))
        return self.settings.stamps.written_like(end, changes.initial)


def _slice(since: datetime, until: datetime, window: str) -> Cursor:
    since = since.astimezone(UTC)
    return {"from": since.isoformat(), "to": min(since + distance(window), until).isoformat()}


def _checked(settings: RestSettings, posts: bool) -> None:
    """Raises Invalid, with a pointer, for what does not go together."""
    pages, changes = settings.paging, settings.changes
    if settings.request.body and not posts:
        raise wrong_setting("/request/body", "A body is sent by POST: say 'method' in 'request'.")
    for pointer, place in (("/paging/place", pages.place), ("/changes/place", changes.place if changes else "")):
        if place == "body" and not posts:
            raise wrong_setting(pointer, "A GET has no body: say 'method: POST' in 'request', or another place.")
    if pages.strategy == "keyset":
        keyset.check(pages.keyset)
    if pages.strategy == "range" and not pages.size:
        raise wrong_setting("/paging/size", "Paging by range needs 'size': how many rows a range has.")
    if changes is not None:
        _changes(changes)


def _changes(changes: ChangeFeed) -> None:
    allowed: Mapping[str, tuple[str, ...]] = {"value": ("since", "until"), "until_value": ("until",)}
    for member, names in allowed.items():
        template = getattr(changes, member)
        if problem := problem_of(template):
            raise wrong_setting(f"/changes/{member}", problem)
        if odd := [name for name in names_in(template) if name not in names]:
            said = f"{template!r} names {odd[0]!r}; there is {' and '.join(f'{{{one}}}' for one in names)} alone"
            raise wrong_setting(f"/changes/{member}", said)
    if changes.window and not (changes.ends and changes.initial):
        raise wrong_setting(
            "/changes/window", "Slices need an end ('until_param', or '{until}' in 'value') and 'initial': a beginning."
        )


__all__ = ["PageCall", "PageCalls"]
