"""What differs between OData V2 and V4; everything else of reading and writing is one code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from runtime.connectors.odata_settings import ODataSettings


class ODataDialect(Protocol):
    """old       V2
    rows, link   where a page has its rows, and where the next one is
    headers, parameters   what goes with each call, with each read
    other        what a page without rows may be, in words
    """

    old: bool
    rows: str
    link: str
    headers: Mapping[str, str]
    parameters: Mapping[str, str]
    other: str

    def stamp(self, shown: str, kind: str) -> int:
        """A stamp of a row, in milliseconds (of a counter: the number). Raises ValueError."""
        ...

    def version(self, shown: str, stamp: int) -> str:
        """What orders the states of a row."""
        ...

    def instant(self, stamp: int, kind: str) -> str:
        """A stamp as a literal in `$filter`."""
        ...

    def key(self, settings: ODataSettings, name: str, value: Any) -> str:
        """A part of a key as a literal in `$filter`. Raises ValueError."""
        ...

    def entity_of(self, document: Any) -> Mapping[str, Any]:
        """The one entity of an answer; empty where there is none."""
        ...

    def address_of(self, entity: Mapping[str, Any]) -> Any:
        """What an entity says of its own address."""
        ...

    def etag_of(self, document: Any) -> str:
        """The ETag that a document says itself; empty where it says none."""
        ...

    def page_of(self, document: Any) -> tuple[Any, Any, Any] | None:
        """Rows, next link and count of an answer to a question, as they stand there; None where it is no such
        answer."""
        ...


__all__ = ["ODataDialect"]
