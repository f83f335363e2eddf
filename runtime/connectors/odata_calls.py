"""The call that a message becomes: method, address, headers and body of a create, an update, a delete or an action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from runtime.connectors.http import header_of
from runtime.connectors.odata_dialect import ODataDialect
from runtime.connectors.odata_literals import literal, predicate
from runtime.connectors.odata_settings import ODataSettings
from runtime.connectors.protocols import OutboundMessage, Refused


class NothingThere(Exception):
    """There is no entity at an address, whose ETag was asked for."""


@dataclass(frozen=True, slots=True)
class ChangeCall:
    """`target` is relative to the service."""

    method: str
    target: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] | None = None


def change_of(
    settings: ODataSettings, dialect: ODataDialect, item: OutboundMessage, etag: Callable[[str], str]
) -> ChangeCall:
    """`etag(target)` gives the ETag that the entity there has to have; empty: any. Raises Refused: the message cannot
    be sent like this."""
    if settings.operation == "create":
        return ChangeCall("POST", settings.entity_set, item.body)
    target = settings.entity_set
    if settings.addressed:
        target += predicate_of(settings, dialect, item.address)
    headers: dict[str, str] = {}
    if settings.addressed and (match := etag(target)):
        headers = header_of("If-Match", match, "odata.match", "The ETag")
    if settings.operation == "delete":
        return ChangeCall("DELETE", target, None, headers)
    if settings.operation != "action":
        return ChangeCall(settings.update_method, target, item.body, headers)
    if not dialect.old:
        place = settings.action if settings.bound == "service" else f"{target}/{settings.action}"
        return ChangeCall("POST", place, item.body or b"{}", headers)
    # V2 knows no bound actions: a function import takes the key and the document as parameters.
    given = {**(item.address if settings.addressed else {}), **_members(item.body)}
    return ChangeCall("POST", settings.action, b"", headers, _parameters(settings, given))


def predicate_of(settings: ODataSettings, dialect: ODataDialect, address: Mapping[str, Any]) -> str:
    """The key predicate of an entity. Raises Refused."""
    try:
        return predicate(settings.key_fields, address, settings.key_types, old=dialect.old)
    except KeyError as error:
        raise Refused("odata.address", f"The item has no value for the key field {error.args[0]!r}.") from None
    except ValueError as error:
        raise Refused("odata.address", f"The item has no address: {error}. Nothing was sent.") from None


def _members(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.Decoder(float_hook=Decimal).decode(body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict) or any(isinstance(one, dict | list) for one in found.values()):
        raise Refused("odata.action", "An action of V2 takes plain values as parameters, no lists and no objects.")
    return found


def _parameters(settings: ODataSettings, given: Mapping[str, Any]) -> dict[str, str]:
    try:
        return {
            name: literal(value, settings.key_types.get(name), old=True)
            for name, value in given.items()
            if value is not None
        }
    except ValueError as error:
        raise Refused("odata.action", f"A parameter cannot be written: {error}. Nothing was sent.") from None


__all__ = ["ChangeCall", "NothingThere", "change_of", "predicate_of"]
