"""What the inbox shows beside changes: things that other rooms ask a person to correct. Each room registers its own in
`AppConfig.ready()`; governance imports none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One thing to correct. It is there while the trouble lasts, and gone with it: nobody marks it as read."""

    title: str
    text: str
    url: str
    since: datetime


ItemsOf = Callable[[Any], Iterable[InboxItem]]
"""The items of one viewer."""

_sources: dict[str, ItemsOf] = {}


def register(name: str, items_of: ItemsOf) -> None:
    """Registering the same name again replaces it."""
    _sources[name] = items_of


def items(viewer: Any) -> list[InboxItem]:
    """Everything that this viewer is asked to correct, the oldest first."""
    return sorted((item for items_of in _sources.values() for item in items_of(viewer)), key=lambda item: item.since)
