"""JSON without room for two readings: UTF-8, each key once, no NaN."""

from __future__ import annotations

import json
from typing import Any


def loads(data: bytes | str) -> Any:
    """The value. Raises ValueError with a sentence."""
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice")
    return made


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
