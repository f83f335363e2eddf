"""The one text that several parts of a key become: joined by `/`, so that no two lists of parts have the same text."""

from __future__ import annotations

from collections.abc import Sequence


def joined(parts: Sequence[str]) -> str:
    """Parts without `/` and `\\` are joined as they are; in others a `\\` stands before each of the two. A single part
    is its own text."""
    text = "/".join(parts)
    if len(parts) == 1 or ("\\" not in text and text.count("/") == len(parts) - 1):
        return text
    return "/".join([part.replace("\\", "\\\\").replace("/", "\\/") for part in parts])


__all__ = ["joined"]
