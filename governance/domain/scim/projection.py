"""Which attributes of a resource a caller wants to see (RFC 7644 §3.9)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from governance.domain.scim.schema import ResourceType, bare

ALWAYS = {"id", "schemas"}


def names(said: str | Iterable[Any]) -> list[str]:
    """Attributes from a parameter with commas between, or from a list, in small letters and without their URN."""
    several = said.split(",") if isinstance(said, str) else [str(one) for one in said]
    return [bare(one.strip()).lower() for one in several if one.strip()]


def leaves_out(name: str, attributes: str | Iterable[Any], excluded: str | Iterable[Any]) -> bool:
    """Whether an attribute is not to be shown, so that nobody has to look for it."""
    wanted = names(attributes)
    if wanted:
        return not any(one.partition(".")[0] == name.lower() for one in wanted)
    return name.lower() in names(excluded)


def projected(
    kind: ResourceType, document: dict[str, Any], attributes: str | Iterable[Any], excluded: str | Iterable[Any]
) -> dict[str, Any]:
    """The resource with these attributes alone, or without those; `id` and `schemas` are always there."""
    wanted, without = names(attributes), names(excluded)
    if wanted:
        return {
            name: shown
            for name, value in document.items()
            if (shown := value if name in ALWAYS else _parts(name, value, wanted, keep=True)) not in (None, {}, [])
        }
    return {
        name: shown
        for name, value in document.items()
        if (shown := value if name in ALWAYS else _parts(name, value, without, keep=False)) not in (None, {}, [])
    }


def _parts(name: str, value: Any, listed: list[str], *, keep: bool) -> Any:
    low = name.lower()
    if low in listed:
        return value if keep else None
    parts = {one.partition(".")[2] for one in listed if one.startswith(f"{low}.")}
    if not parts:
        return None if keep else value
    if isinstance(value, list):
        return [made for one in value if (made := _some(one, parts, keep=keep))]
    return _some(value, parts, keep=keep)


def _some(value: Any, parts: set[str], *, keep: bool) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: one for name, one in value.items() if (name.lower() in parts) is keep}
