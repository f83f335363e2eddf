"""Reading an OData V2 entity set in a stable order, page by page, and listing its keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from lxml import etree

from runtime.connectors.odata_v2.literals import after, instant, milliseconds, text
from runtime.connectors.odata_v2.session import ODataSession, deadline, warnings_of
from runtime.connectors.odata_v2.settings import ODataSettings
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
)
from runtime.connectors.rawjson import KeyReader, Shape, page_of

_PAGE = Shape({"items": ("d.results", list[msgspec.Raw]), "next": ("d.__next", str)})


class ODataSource:
    """Order is (changed field, key), and each page asks for what lies *behind the last row seen*.

    `__next` only says that there is more. Following its offset would skip a row whenever an earlier row changes during
    the run and moves to the end; asking by position cannot. Ties of the changed field are broken by the key, so no row
    between two pages is lost. Cursor: `{"changed": ms, "keys": [...]}` inside a run, `{"changed": ms}` at its end.
    """

    def __init__(self, settings: ODataSettings) -> None:
        self.settings = settings
        self.session = ODataSession(settings)
        self.keys = KeyReader(settings.key_fields, settings.changed)

    def close(self) -> None:
        self.session.close()

    def check(self, *, call: CallContext) -> Health:
        """Signs in and asks for one row."""
        try:
            params = {
                **self.settings.parameters,
                "$top": "1",
                "$select": ",".join(self.settings.key_fields),
                "$format": "json",
            }
            self.session.get(self.settings.entity_set, call=call, params=params)
        except CallError as error:
            return Health(False, str(error))
        return Health(True, f"{self.settings.entity_set} can be read")

    def discover(self, *, call: CallContext) -> list[Resource]:
        """Entity sets with keys and field types, from `$metadata`."""
        response = self.session.get("$metadata", call=call)
        return resources(response.body)

    def read(self, cursor: Cursor | None, *, call: CallContext) -> Page:
        """The next page of changes (or of everything, where there is no changed field)."""
        return self._page(dict(cursor or {}), call, keys_only=False)

    def sweep(self, cursor: Cursor | None, *, call: CallContext) -> Page:
        """All keys, in key order, with empty payloads: what the ledger knows and this does not list has been
        deleted."""
        return self._page(dict(cursor or {}), call, keys_only=True)

    def _page(self, cursor: Cursor, call: CallContext, *, keys_only: bool) -> Page:
        settings = self.settings
        changed = None if keys_only else settings.changed
        response = self.session.get(
            settings.entity_set,
            call=call,
            params=self._query(cursor, changed, keys_only=keys_only),
            until=deadline(call),
        )
        found = page_of(_PAGE, response.body)
        if found["items"] is None:
            raise Refused("odata.shape", "The answer has no d.results; the service may speak Atom or OData V4.")
        now, records, rejected = datetime.now(UTC), [], []
        last: tuple[Any, ...] = ()
        for raw in found["items"]:
            payload = bytes(raw)
            try:
                key, version, parts = self.keys.read(payload)
                problem = self._problem(key, version, parts, changed)
            except ValueError as error:
                key, version, parts, problem = None, None, (), f"not an entity ({error})"
            if problem or key is None:
                rejected.append(RejectedRecord(response.url, problem or "a key field is missing", payload))
                continue
            shown = None if version is None else str(milliseconds(version)) if changed else version
            records.append(Record(key, b"" if keys_only else payload, now, shown, origin=settings.entity_set))
            last = (shown, parts)
        return self._finish(
            cursor, records, rejected, last, more=bool(found["next"]), changed=changed, warnings=warnings_of(response)
        )

    def _problem(self, key: str | None, version: str | None, parts: tuple[Any, ...], changed: str | None) -> str:
        if key is None or not all(isinstance(p, str) for p in parts):
            return f"the key ({', '.join(self.settings.key_fields)}) is not complete text"
        if changed:
            try:
                milliseconds(version or "")
            except ValueError as error:
                return f"{changed}: {error}"
        return ""

    def _finish(
        self,
        cursor: Cursor,
        records: list[Record],
        rejected: list[RejectedRecord],
        last: tuple[Any, ...],
        *,
        more: bool,
        changed: str | None,
        warnings: list[str],
    ) -> Page:
        if more and not last:
            raise Refused(
                "odata.stuck",
                "A whole page has no readable key, so the place after it is not known; nothing was skipped.",
            )
        if more:
            position: Cursor = {"keys": list(last[1])} | ({"changed": int(last[0])} if changed else {})
            if position == cursor:
                raise Refused("odata.loop", "The service gave the same page twice; it ignores $filter or $orderby.")
            return Page(records, position, False, rejected, warnings)
        end = {"changed": int(last[0])} if last and changed else {k: v for k, v in cursor.items() if k == "changed"}
        return Page(records, end, True, rejected, warnings)

    def _query(self, cursor: Cursor, changed: str | None, *, keys_only: bool) -> dict[str, str]:
        settings = self.settings
        conditions = [f"({settings.filter})"] if settings.filter else []
        position: list[tuple[str, str]] = []
        if changed and "changed" in cursor:
            fresh = "keys" not in cursor
            ms = int(cursor["changed"]) - (round(settings.overlap * 1000) if fresh else 0)
            position.append((changed, instant(ms, settings.changed_type)))
        position += zip(settings.key_fields, map(text, cursor.get("keys", ())), strict=False)
        if position:
            conditions.append(
                f"({after(position, include_first=True)})" if len(position) == 1 and changed else f"({after(position)})"
            )
        order = ([changed] if changed else []) + settings.key_fields
        select = (
            settings.key_fields
            if keys_only
            else list(dict.fromkeys([*settings.select, *order]))
            if settings.select
            else []
        )
        return {
            **settings.parameters,
            **({"$filter": " and ".join(conditions)} if conditions else {}),
            "$orderby": ",".join(order),
            **({"$select": ",".join(select)} if select else {}),
            **({"$expand": ",".join(settings.expand)} if settings.expand and not keys_only else {}),
            "$format": "json",
        }


def resources(body: bytes) -> list[Resource]:
    """Entity sets of an EDMX document. Entities and external references are not resolved."""
    try:
        root = etree.fromstring(
            body, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        )
    except etree.XMLSyntaxError as error:
        raise Refused("odata.metadata", f"$metadata is not XML: {error.msg}") from None
    types = {node.get("Name", ""): node for node in root.iter("{*}EntityType")}
    found = []
    for entity_set in root.iter("{*}EntitySet"):
        node = types.get(entity_set.get("EntityType", "").rpartition(".")[2])
        if node is None:
            continue
        keys = [ref.get("Name", "") for ref in node.iterfind("{*}Key/{*}PropertyRef")]
        fields = {p.get("Name", ""): p.get("Type", "") for p in node.iterfind("{*}Property")}
        creatable = entity_set.get("{http://www.sap.com/Protocols/SAPData}creatable", "true") != "false"
        found.append(Resource(entity_set.get("Name", ""), keys, fields, creatable))
    return found
