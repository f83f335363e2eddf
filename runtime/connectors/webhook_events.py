"""What a webhook that is believed says: its id, whether it is wanted, its messages or what has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from kernel.digest import canonical_json
from kernel.strict_json import Flaw
from runtime.connectors.selection import selection
from runtime.connectors.webhook_settings import BODY, HEADER, WebhookSettings
from runtime.domain.batches import IntakeItem, item_of, read_item
from runtime.domain.record_keys import number_text

LONGEST_NAME = 200  # characters of an id, a resource, a key
MOST_KEYS = 1_000  # of one notification


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """`id` is empty where the vendor gives none. `ignored` says why nothing is made of it; `flaw` why a notification
    cannot be understood. `number` is that of the event within its resource."""

    id: str = ""
    ignored: str = ""
    flaw: str = ""
    items: list[IntakeItem] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    resource: str = ""
    number: int | None = None


def read_event(
    settings: WebhookSettings, headers: Mapping[str, str], body: bytes, *, notifies: bool = False
) -> WebhookEvent:
    """With `notifies`, what has changed is read, and nothing of the body is a message. Never raises for what a body
    holds: what cannot be used is an item with a flaw, kept for a person."""
    whole = _whole(body)
    if whole.flaw is not None:
        if notifies:
            return WebhookEvent(flaw=whole.flaw.message)
        return WebhookEvent(id=_id(settings, headers, None), items=[whole])
    document = whole.document
    identifier = _id(settings, headers, document)
    if why := _unwanted(settings, headers, document):
        return WebhookEvent(id=identifier, ignored=why)
    resource, number = _sequence(settings, document)
    if notifies:
        place = settings.changed or "@"
        keys = _keys(selection(place, "/changed").of(document))
        flaw = "" if keys else f"nothing is named at {place}"
        return WebhookEvent(identifier, flaw=flaw, changed=keys, resource=resource, number=number)
    return WebhookEvent(identifier, items=_items(settings, headers, whole), resource=resource, number=number)


def _whole(body: bytes) -> IntakeItem:
    try:
        return read_item(body)
    except (ValueError, RecursionError) as error:
        said = "the body is no JSON" if isinstance(error, json.JSONDecodeError) or not body else f"no JSON: {error}"
        return IntakeItem(body, None, Flaw("json.syntax", "", said))


def _id(settings: WebhookSettings, headers: Mapping[str, str], document: Any) -> str:
    return "" if settings.id is None else _text(_at(settings.id, headers, document))[:LONGEST_NAME]


def _at(place: str, headers: Mapping[str, str], document: Any) -> Any:
    if place.startswith(HEADER):
        return headers.get(place.removeprefix(HEADER))
    return selection(place, "").of(document)


def _unwanted(settings: WebhookSettings, headers: Mapping[str, str], document: Any) -> str:
    for place, values in settings.only.items():
        said = _text(_at(place, headers, document))
        if not any(said.startswith(one[:-1]) if one.endswith("*") else said == one for one in values):
            return f"{place} is {said[:80]!r}, which this source does not take"
    return ""


def _text(value: Any) -> str:
    """A name as text, numbers by their value; empty for what is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    return value if isinstance(value, str) else number_text(value)


def _keys(found: Any) -> list[str]:
    values = found if isinstance(found, list) else [found]
    return list(dict.fromkeys(key[:LONGEST_NAME] for key in map(_text, values[:MOST_KEYS]) if key))


def _sequence(settings: WebhookSettings, document: Any) -> tuple[str, int | None]:
    if settings.sequence is None:
        return "", None
    resource = _text(selection(settings.sequence.resource, "").of(document))[:LONGEST_NAME]
    number = selection(settings.sequence.number, "").of(document)
    good = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**62
    return (resource, number) if resource and good else ("", None)


def _items(settings: WebhookSettings, headers: Mapping[str, str], whole: IntakeItem) -> list[IntakeItem]:
    if not settings.items:
        found: list[Any] = [whole.document]
    else:
        chosen = selection(settings.items, "/items").of(whole.document)
        found = chosen if isinstance(chosen, list) else [chosen]
        if chosen is None or not found:
            flaw = Flaw("webhook.items", "", f"there is no message at {settings.items}")
            return [IntakeItem(whole.payload, whole.document, flaw)]
    return [_item(settings, headers, whole, one) for one in found]


def _item(settings: WebhookSettings, headers: Mapping[str, str], whole: IntakeItem, one: Any) -> IntakeItem:
    """As it came, where it is the body as a whole and nothing is added."""
    more = _added(settings, headers, whole.document, one) if isinstance(one, dict) else {}
    if not more and not settings.items:
        return whole
    if not settings.items:
        return read_item(_joined(whole.payload, more))
    return item_of({**more, **one} if more else one)


def _added(settings: WebhookSettings, headers: Mapping[str, str], document: Any, one: Mapping[str, Any]) -> Any:
    made = {}
    for name, place in settings.add.items():
        value = _at(place.removeprefix(BODY), headers, document if place.startswith(BODY) else one)
        if value is not None and name not in one:
            made[name] = value
    return made


def _joined(payload: bytes, more: Mapping[str, Any]) -> bytes:
    """The object with further members behind its own, whose bytes stay as they are."""
    inside = payload.strip().removeprefix(b"\xef\xbb\xbf").removesuffix(b"}").rstrip()
    comma = b"" if inside.endswith(b"{") else b","
    return inside + comma + canonical_json(more)[1:]
