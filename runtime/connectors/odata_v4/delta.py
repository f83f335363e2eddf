"""Reading an OData V4 set by the changes that the service itself tracks: all rows first, then what has changed since,
by the delta link of the run before (OData 4.01 protocol §11.3).

The service answers for what a link leaves out; nothing is asked by position. What it says was removed becomes no
record: the run warns, with the keys.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from runtime.connectors.json_rows import rows_of
from runtime.connectors.odata_dialect import ODataDialect
from runtime.connectors.odata_session import WHOLE, deadline, error_of, warnings_of
from runtime.connectors.odata_settings import ODataSettings
from runtime.connectors.odata_source import ODataSource, target_of
from runtime.connectors.protocols import (
    CallContext,
    ConnectionFault,
    Cursor,
    Page,
    Record,
    Refused,
    RejectedRecord,
    Retriable,
)
from runtime.connectors.rawjson import Shape
from runtime.connectors.void_places import refused_here

TRACK = "odata.track-changes"
_SHOWN = 10  # keys of removed rows that a warning names


class ODataDeltaSource(ODataSource):
    """Cursor: `{"delta": link}` at the end of a run, `{"link": …, "began": {…}}` inside of one."""

    def __init__(self, settings: ODataSettings, dialect: ODataDialect) -> None:
        super().__init__(settings, dialect)
        links = {"next": (dialect.link, str), "delta": ("@odata.deltaLink", str)}
        self.shape = Shape({"items": (dialect.rows, list[msgspec.Raw]), **links})

    def read(self, cursor: Cursor | None, *, call: CallContext) -> Page:
        taken = self.places.taken_up(cursor)
        link = str(taken.get("link") or taken.get("delta") or "")
        began = dict(taken.get("began") or ({"delta": taken["delta"]} if taken.get("delta") else {}))
        try:
            return self._changes(link, began, call)
        except (Refused, ConnectionFault) as error:
            reason = refused_here(error) if link else None
            if reason is None:
                raise
            # A link that the service does not know any more: everything is read again, by the run after this one.
            return self.places.left({}, reason)

    def cursor_at(self, moment: datetime) -> Cursor | None:
        return None

    def _changes(self, link: str, began: dict[str, Any], call: CallContext) -> Page:
        params = None if link else self._asked()
        target = link or self.settings.entity_set
        response = self.session.get(target, call=call, params=params, until=deadline(call), prefer=TRACK)
        found = rows_of(self.shape, response, self.settings.charset)
        if problem := WHOLE.failure_in(found.around):
            words = call.secrets.redact(error_of(response.body)[1])
            raise Retriable(f"the page proves nothing: {problem}{f': {words}' if words else ''}")
        if not found.listed:
            raise Refused("odata.shape", self.dialect.other)
        records: list[Record] = []
        rejected: list[RejectedRecord] = []
        removed: list[str] = []
        now = datetime.now(UTC)
        for payload, legible in zip(found.payloads, found.legible, strict=True):
            if (name := _removed(legible)) is not None:
                removed.append(name)
                continue
            key, row, problem = self._row(payload, legible, self.settings.changed)
            if (problem := found.problem(payload) or problem) or key is None or row is None:
                rejected.append(RejectedRecord(response.url, problem or "a key field is missing", payload, key))
            else:
                records.append(Record(key, payload, now, row.version, origin=self.settings.entity_set))
        warnings = warnings_of(response.headers) + ([found.warning] if found.warning else [])
        if removed:
            shown = ", ".join(removed[:_SHOWN]) + (" …" if len(removed) > _SHOWN else "")
            warnings.append(f"the service says that rows were removed, which makes no record ({len(removed)}: {shown})")
        if following := target_of(found.found["next"], response):
            if following == link:
                raise Refused("odata.loop", "A next link leads to its own page: reading would never end.")
            return Page(records, {"link": following, "began": began}, False, rejected, warnings)
        if delta := target_of(found.found["delta"], response):
            return Page(records, {"delta": delta}, True, rejected, warnings)
        raise Refused(
            "odata.no_delta",
            "The last page has no delta link: the service does not track the changes of this set. Leave "
            "'track_changes' out; a field in 'changed' finds changes by position.",
        )

    def _asked(self) -> dict[str, str]:
        settings = self.settings
        changed = [settings.changed] if settings.changed else []
        select = dict.fromkeys([*settings.select, *settings.key_fields, *changed]) if settings.select else {}
        return {
            **settings.parameters,
            **({"$filter": settings.filter} if settings.filter else {}),
            **({"$select": ",".join(select)} if select else {}),
            **({"$expand": ",".join(settings.expand)} if settings.expand else {}),
            **self.dialect.parameters,
        }


def _removed(row: bytes) -> str | None:
    """The name of a row that is gone, as V4.01 (`@removed`) and V4.0 (`…/$deletedEntity`) say it; None for others."""
    if b"removed" not in row and b"$deletedEntity" not in row:
        return None
    try:
        found = msgspec.json.decode(row)
    except (ValueError, RecursionError):
        return None
    context = str(found.get("@odata.context", found.get("@context", ""))) if isinstance(found, dict) else ""
    if not isinstance(found, dict) or not (
        "@removed" in found or "@odata.removed" in found or context.endswith("/$deletedEntity")
    ):
        return None
    name = found.get("@odata.id") or found.get("@id") or found.get("id")
    return str(name or msgspec.json.encode(found).decode())[:200]
