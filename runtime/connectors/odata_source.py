"""Reading an OData entity set in a stable order, page by page, and listing its keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from runtime.connectors.http import Response
from runtime.connectors.json_rows import rows_of
from runtime.connectors.odata_dialect import ODataDialect
from runtime.connectors.odata_metadata import resources
from runtime.connectors.odata_position import Position, Row, cursor_of, position_of, skipped
from runtime.connectors.odata_session import WHOLE, ODataSession, deadline, error_of, warnings_of
from runtime.connectors.odata_settings import ODataSettings
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
from runtime.connectors.rawjson import KeyReader, Shape, unreadable
from runtime.connectors.stamps import LATER, said_of_wrong
from runtime.connectors.void_places import VoidPlaces, refused_here


class ODataSource:
    """Order is (changed field, key), and each page asks for what lies *at or behind the last row seen*.

    `__next` only says that there is more. Following its offset would skip a row whenever an earlier row changes during
    the run and moves to the end; asking by position cannot. It is followed behind a page on which no row has a place,
    and at the end, where the last one that was promised brought nothing new.

    Cursor: a `Position` inside a run, `{"changed": ms}` at its end; from there a new run goes back by `overlap`, for
    rows that were committed late with an earlier stamp.
    """

    def __init__(self, settings: ODataSettings, dialect: ODataDialect) -> None:
        self.settings, self.dialect = settings, dialect
        self.session = ODataSession(settings, dialect)
        self.shape = Shape({"items": (dialect.rows, list[msgspec.Raw]), "next": (dialect.link, str)})
        self.keys = KeyReader(settings.key_fields, settings.changed)
        self.text_only = not settings.key_types
        self.places = VoidPlaces()

    def close(self) -> None:
        self.session.close()

    def check(self, *, call: CallContext) -> Health:
        """Signs in and asks for one row."""
        try:
            params = {
                **self.settings.parameters,
                "$top": "1",
                "$select": ",".join(self.settings.key_fields),
                **self.dialect.parameters,
            }
            self.session.get(self.settings.entity_set, call=call, params=params)
        except CallError as error:
            return Health(False, str(error))
        return Health(True, f"{self.settings.entity_set} can be read")

    def discover(self, *, call: CallContext) -> list[Resource]:
        """Entity sets with keys and field types, from `$metadata`."""
        response = self.session.get("$metadata", call=call, accept="application/xml")
        return resources(response.body)

    def read(self, cursor: Cursor | None, *, call: CallContext) -> Page:
        """The next page of changes (or of everything, where there is no changed field)."""
        return self._page_or_anew(cursor, call, keys_only=False)

    def sweep(self, cursor: Cursor | None, *, call: CallContext) -> Page:
        """All keys, in key order, with empty payloads: what the ledger knows and this does not list has been
        deleted."""
        return self._page_or_anew(cursor, call, keys_only=True)

    def _page_or_anew(self, cursor: Cursor | None, call: CallContext, *, keys_only: bool) -> Page:
        """A page; where the run cannot go on from its place, the next one begins where this one did."""
        changed = None if keys_only else self.settings.changed
        position = position_of(self.places.taken_up(cursor), self.settings, changed, self.settings.latest_stamp())
        try:
            return self._page(position, call, changed, keys_only=keys_only)
        except (Refused, ConnectionFault) as error:
            reason = refused_here(error) if position.link else error
            if isinstance(reason, Refused) and (position.link or reason.code in ("odata.order", "odata.loop")):
                return self.places.left(position.began, reason)
            raise

    def _page(self, position: Position, call: CallContext, changed: str | None, *, keys_only: bool) -> Page:
        latest, until = self.settings.latest_stamp(), deadline(call)
        query = self._query(position, changed, keys_only=keys_only)
        target, params = (position.link, None) if position.link else (self.settings.entity_set, query)
        try:
            response = self.session.get(target, call=call, params=params, until=until)
        except Refused as error:
            if position.mode == "null" and position.whole and error.status in (400, 501):
                said = f"rows without {changed} were not read: the service does not take {changed} eq null ({error})"
                return Page([], position.end([], latest), True, (), [said])
            raise
        found = rows_of(self.shape, response, self.settings.charset)
        if problem := WHOLE.failure_in(found.around):
            words = call.secrets.redact(error_of(response.body)[1])
            raise Retriable(f"the page proves nothing: {problem}{f': {words}' if words else ''}")
        if not found.listed:
            raise Refused("odata.shape", self.dialect.other)
        warnings = warnings_of(response.headers) + ([found.warning] if found.warning else [])
        records: list[Record] = []
        rejected: list[RejectedRecord] = []
        rows: list[Row] = []
        now = datetime.now(UTC)
        for payload, legible in zip(found.payloads, found.legible, strict=True):
            key, row, problem = self._row(payload, legible, changed)
            problem = found.problem(payload) or problem
            if row is not None:
                rows.append(row)
            if row is not None and position.known(row):
                continue
            if problem or key is None or row is None:
                rejected.append(RejectedRecord(response.url, problem or "a key field is missing", payload, key))
            else:
                made = b"" if keys_only else payload
                records.append(Record(key, made, now, row.version, origin=self.settings.entity_set))
        stamps = {row.stamp: row.version for row in rows if row.stamp is not None and row.version}
        if wrong := {shown: "lies in the future" for stamp, shown in stamps.items() if stamp > latest}:
            high = position.highest(rows, latest)
            shown = None if high is None else self._shown(min(high, self.settings.stamps.now_in(1000)))
            records = self.settings.stamps.believed(records, wrong, shown)
            warnings.append(said_of_wrong(str(changed), wrong))
        more = target_of(found.found["next"], response)
        new = bool(records or rejected or (position.keys and found.payloads))
        following = position.following(rows, more=more, latest=latest, new=new)
        if following is None:
            if position.owed and not new:
                self._nothing_owed(position, call, until)
            return Page(records, position.end(rows, latest), True, rejected, warnings)
        return Page(records, cursor_of(following), False, rejected, warnings)

    def _nothing_owed(self, position: Position, call: CallContext, until: float) -> None:
        """Raises Refused where rows lie behind a `__next` although nothing was found behind the last row: then that was
        not the last one. A `__next` that cannot be followed says nothing."""
        try:
            response = self.session.get(position.owed, call=call, until=until)
        except (Refused, ConnectionFault):
            return
        rows = len(rows_of(self.shape, response, self.settings.charset).payloads)
        if rows:
            raise skipped(rows)

    def cursor_at(self, moment: datetime) -> Cursor | None:
        """The cursor from which a run reads everything that changed since a moment."""
        if not self.settings.changed or self.settings.changed_type == "counter":
            return None
        return {"changed": int(moment.timestamp() * 1000)}

    def judged_again(self, payload: bytes) -> Record | RejectedRecord:
        """A stored row as a record, as if it had just been read."""
        key, row, problem = self._row(payload, payload, self.settings.changed)
        if problem := unreadable(payload) or problem:
            return RejectedRecord(self.settings.entity_set, problem, payload, key)
        if key is None or row is None:
            return RejectedRecord(self.settings.entity_set, "a key field is missing", payload)
        if row.stamp is not None and row.stamp > self.settings.latest_stamp():
            return RejectedRecord(self.settings.entity_set, LATER.format(stamp=row.stamp), payload, key)
        return Record(key, payload, datetime.now(UTC), row.version, origin=self.settings.entity_set)

    def _shown(self, stamp: int) -> str:
        """A stamp as rows would show it."""
        return self.dialect.version(self.dialect.instant(stamp, self.settings.changed_type), stamp)

    def _row(self, payload: bytes, legible: bytes, changed: str | None) -> tuple[str | None, Row | None, str]:
        """Key, place and what is wrong with a row. A row without a change stamp has a place of its own."""
        try:
            key, version, parts = self.keys.read(legible)
        except (ValueError, RecursionError) as error:
            return None, None, f"not an entity ({error})"
        problem = ""
        if key is None or (wrong := self._wrong(parts)):
            shown = f"the key ({', '.join(self.settings.key_fields)}) is not complete"
            problem, parts = shown if key is None else f"{shown}: {wrong}", ()
        if not changed or version is None:
            return key, Row(None, parts, payload) if parts else None, problem
        try:
            stamp = self.dialect.stamp(version, self.settings.changed_type)
        except ValueError as error:
            return key, None, problem or f"{changed}: {error}"
        return key, Row(stamp, parts, payload, self.dialect.version(version, stamp)), problem

    def _wrong(self, parts: Sequence[Any]) -> str:
        """Why parts of a key cannot be asked for; empty where they can."""
        for name, part in zip(self.settings.key_fields, parts, strict=True):
            kind = self.settings.key_types.get(name)
            if not isinstance(part, str) and (self.dialect.old and kind is None):
                return f"{name} is no text; say its type in 'key_types'"
            if self.text_only and isinstance(part, str):
                continue
            if isinstance(part, Decimal) and kind is None:
                return f"{name} is a number with a fraction; say its type in 'key_types'"
            try:
                self.dialect.key(self.settings, name, part)
            except ValueError as error:
                return str(error)
        return ""

    def _query(self, position: Position, changed: str | None, *, keys_only: bool) -> dict[str, str]:
        settings = self.settings
        conditions = position.conditions(settings, changed, self.dialect)
        order = position.order(settings, changed)
        # V2 gives what is expanded only where it is selected as well.
        expanded = [one for one in settings.expand if not any(s.split("/")[0] == one for s in settings.select)]
        expanded = expanded if self.dialect.old else []
        read = [*settings.select, *settings.key_fields, *([changed] if changed else []), *expanded]
        select = settings.key_fields if keys_only else list(dict.fromkeys(read)) if settings.select else []
        return {
            **settings.parameters,
            **({"$filter": " and ".join(conditions)} if conditions else {}),
            "$orderby": ",".join(order),
            **({"$select": ",".join(select)} if select else {}),
            **({"$expand": ",".join(settings.expand)} if settings.expand and not keys_only else {}),
            **self.dialect.parameters,
        }


def target_of(link: str | None, response: Response) -> str:
    """A `__next` as path and query on the host that is spoken to, whatever the service calls itself; empty without."""
    return httpx.URL(response.url).join(link).raw_path.decode("ascii") if link else ""
