"""OData V4 JSON: rows under `value`, control information as `@odata.…`, bare literals, ISO times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.odata_literals import iso_instant, iso_milliseconds, literal
from runtime.connectors.odata_settings import ODataSettings


class V4Dialect:
    old = False
    rows = "value"
    link = "@odata.nextLink"
    headers: Mapping[str, str] = {"OData-MaxVersion": "4.0", "OData-Version": "4.0"}
    parameters: Mapping[str, str] = {}
    other = "The answer has no list 'value'; the service may speak OData V2 (protocol odata_v2)."

    def stamp(self, shown: str, kind: str) -> int:
        if kind != "counter":
            return iso_milliseconds(shown)
        if len(shown) > 19:
            raise ValueError(f"{shown[:40]!r} is no number that a counter reaches")
        return int(shown)

    def version(self, shown: str, stamp: int) -> str:
        """As it is shown, with all its digits."""
        return shown

    def instant(self, stamp: int, kind: str) -> str:
        return iso_instant(stamp, kind)

    def key(self, settings: ODataSettings, name: str, value: Any) -> str:
        return literal(value, settings.key_types.get(name), old=False)

    def entity_of(self, document: Any) -> Mapping[str, Any]:
        """The document itself; also the only one of a list, as actions answer it."""
        if not isinstance(document, dict):
            return {}
        rows = document.get("value")
        if isinstance(rows, list) and all(name.startswith("@") or name == "value" for name in document):
            return rows[0] if len(rows) == 1 and isinstance(rows[0], dict) else {}
        return document

    def address_of(self, entity: Mapping[str, Any]) -> Any:
        return entity.get("@odata.id") or entity.get("@odata.editLink")

    def etag_of(self, document: Any) -> str:
        return str(self.entity_of(document).get("@odata.etag") or "")

    def page_of(self, document: Any) -> tuple[Any, Any, Any] | None:
        if not isinstance(document, dict):
            return None
        return document.get("value"), document.get("@odata.nextLink"), document.get("@odata.count")
