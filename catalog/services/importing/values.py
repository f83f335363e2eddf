"""What may stand in a file of somebody else: a text is a scalar, a list is a list."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any, Final

MOST_KEPT: Final = 100
_LINK: Final = re.compile(r"!?\[([^\]]{0,200})\]\([^)]{0,500}\)")


def plain(value: Any, limit: int | None = None) -> str:
    """A scalar as text without NUL and lone surrogates, cut to `limit` characters; "" for everything else."""
    if value is None or not isinstance(value, str | int | float | date | datetime):
        return ""
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    return storable(text[:limit] if limit is not None else text).strip()


def storable(text: str) -> str:
    """A text as the database takes it."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def nested(value: Any, *keys: str) -> Any:
    """What stands below the keys; None where something on the way is no object."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def mapping(value: Any, key: str) -> dict[str, Any]:
    found = nested(value, key)
    return found if isinstance(found, dict) else {}


def texts(value: Any, notes: list[str], where: str) -> list[str]:
    """The texts of a list; one text is a list of one. What is neither is noted."""
    if value is None:
        return []
    if not isinstance(value, list):
        value = [value]
    found = [plain(one, 400) for one in value]
    if not all(found):
        notes.append(f"{where}: not a list of texts")
    return [one for one in found if one]


def bounded(value: Any, *, deep: int = 4, most: int = MOST_KEPT) -> Any:
    """Objects, lists and scalars as they are kept in a column of JSON: at most `most` of each, `deep` levels."""
    if isinstance(value, dict):
        kept = list(value.items())[:most]
        return {plain(k, 200): bounded(v, deep=deep - 1) for k, v in kept if deep and plain(k)}
    if isinstance(value, list):
        return [bounded(v, deep=deep - 1) for v in value[:most] if deep]
    return value if isinstance(value, bool | int) else plain(value, 500)


def target_purpose(description: str) -> str:
    """The first sentence or line of a description, without its mark-up."""
    for line in description.replace("\x00", "").splitlines():
        text = _LINK.sub(r"\1", re.sub(r"<[^>]{0,200}>", " ", line)).strip(" #*>_-`").strip()
        if len(text) > 15:
            return text.partition(". ")[0][:300]
    return ""
