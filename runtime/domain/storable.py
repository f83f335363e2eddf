"""Text of another system that the database can hold."""

from __future__ import annotations

from typing import Any


def storable_text(text: str) -> str:
    """`text` with question marks for NUL and for halves of surrogate pairs: PostgreSQL's text and jsonb hold neither
    (postgresql.org/docs, Character Types; JSON Types)."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "?")


def is_storable(value: Any) -> bool:
    """Whether jsonb takes this: a JSON value as Python has it, whose names and texts are all storable."""
    if isinstance(value, str):
        return storable_text(value) == value
    if isinstance(value, dict):
        return all(is_storable(name) and is_storable(one) for name, one in value.items())
    return all(map(is_storable, value)) if isinstance(value, list | tuple) else True


__all__ = ["is_storable", "storable_text"]
