"""The differences of two JSON values as a flat list of JSON Pointers, where no better comparison exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that differs. `pointer` is RFC 6901; `old` or `new` is None where that side has no value."""

    pointer: str
    kind: Kind
    old: Any = None
    new: Any = None


def escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")


def differences(old: Any, new: Any, pointer: str = "") -> list[Difference]:
    """Every added, removed or changed place, in document order of the sorted keys. Lists are compared by position."""
    if type(old) is type(new) and old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        found: list[Difference] = []
        for key in sorted({*old, *new}):
            at = f"{pointer}/{escape(key)}"
            if key not in new:
                found.append(Difference(at, "removed", old=old[key]))
            elif key not in old:
                found.append(Difference(at, "added", new=new[key]))
            else:
                found += differences(old[key], new[key], at)
        return found
    if isinstance(old, list) and isinstance(new, list):
        found = []
        for index in range(max(len(old), len(new))):
            at = f"{pointer}/{index}"
            if index >= len(new):
                found.append(Difference(at, "removed", old=old[index]))
            elif index >= len(old):
                found.append(Difference(at, "added", new=new[index]))
            else:
                found += differences(old[index], new[index], at)
        return found
    return [Difference(pointer, "changed", old=old, new=new)]
