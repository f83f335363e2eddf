"""What a lift to the normal form produces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Lifted:
    """A normal form, and where each part of it came from.

    `origins` maps normal-form pointers to source pointers; what is below moves along.
    """

    tree: dict[str, Any]
    origins: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def moved(self, source_pointer: str) -> str:
        """The normal-form pointer of a source pointer: the first place that was made from it."""
        inverse: dict[str, str] = {}
        for normal, source in self.origins.items():
            inverse.setdefault(source, normal)
        prefix, rest = source_pointer, ""
        while True:
            if prefix in inverse:
                return inverse[prefix] + rest
            if not prefix:
                return source_pointer
            prefix, _, token = prefix.rpartition("/")
            rest = f"/{token}{rest}"
