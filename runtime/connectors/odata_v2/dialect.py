"""OData V2 JSON: everything below `d`, `/Date(ms)/`, typed literals in quotation marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.odata_literals import instant, literal, milliseconds
from runtime.connectors.odata_settings import ODataSettings


class V2Dialect:
    old = True
    rows = "d.results"
    link = "d.__next"
    headers: Mapping[str, str] = {}
    parameters: Mapping[str, str] = {"$format": "json"}
    other = "The answer has no d.results; the service may speak Atom or OData V4 (protocol odata_v4)."

    def stamp(self, shown: str, kind: str) -> int:
        return milliseconds(shown)

    def version(self, shown: str, stamp: int) -> str:
        return str(stamp)

    def instant(self, stamp: int, kind: str) -> str:
        return instant(stamp, kind)

    def key(self, settings: ODataSettings, name: str, value: Any) -> str:
        return literal(value, settings.key_types.get(name, "String"), old=True)

    def entity_of(self, document: Any) -> Mapping[str, Any]:
        """Also where it stands alone in `results`."""
        entity = document.get("d") if isinstance(document, dict) else None
        entity = entity.get("results", entity) if isinstance(entity, dict) else None
        if isinstance(entity, list) and len(entity) == 1:
            entity = entity[0]
        return entity if isinstance(entity, dict) else {}

    def address_of(self, entity: Mapping[str, Any]) -> Any:
        about = entity.get("__metadata")
        return about.get("uri") if isinstance(about, dict) else None

    def etag_of(self, document: Any) -> str:
        about = self.entity_of(document).get("__metadata")
        return str(about.get("etag") or "") if isinstance(about, dict) else ""

    def page_of(self, document: Any) -> tuple[Any, Any, Any] | None:
        inner = document.get("d") if isinstance(document, dict) else None
        if not isinstance(inner, dict):
            return None
        return inner.get("results"), inner.get("__next"), inner.get("__count", document.get("@odata.count"))
