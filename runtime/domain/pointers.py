"""Reading one member of a document by JSON Pointer (RFC 6901), as manifests name key, version and time of an event."""

from __future__ import annotations

from typing import Any


class PointerReader:
    """Reads the member of an object that a pointer names: (whether it is there, what it is)."""

    __slots__ = ("path", "pointer")

    def __init__(self, pointer: str) -> None:
        self.pointer = pointer
        self.path = tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])

    def __call__(self, document: Any) -> tuple[bool, Any]:
        for part in self.path:
            if not isinstance(document, dict) or part not in document:
                return False, None
            document = document[part]
        return True, document
