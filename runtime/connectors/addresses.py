"""The path of a call from its template and the address of a message: `orders/{id}`, percent-encoded."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from runtime.connectors.protocols import Refused
from runtime.domain.templates import NoName, fill


def path_of(template: str, address: Mapping[str, str] | None) -> str:
    """Raises Refused `address` for a name that the address does not fill, or fills with a step of a path (`..`)."""
    given = address or {}

    def value_of(name: str) -> str | None:
        value = given.get(name)
        if value in (".", ".."):
            raise Refused("address", f"{value!r} for {name!r} is a step of a path and no name, so nothing was sent.")
        return None if value is None else quote(str(value), safe="")

    try:
        return fill(template, value_of)
    except NoName as error:
        raise Refused("address", f"The address has no value for {error.name!r}, which the path needs.") from None
