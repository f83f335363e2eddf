"""The connectors of this installation: what each can be, its profiles, and the schema of its settings. They are parts
of the product, and no secret of anybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kernel.errors import Invalid
from runtime import profiles
from runtime.connectors import registry, settings_schema


@dataclass(frozen=True, slots=True)
class ConnectorRow:
    protocol: str
    roles: list[str]
    profiles: list[str]


def listed() -> list[ConnectorRow]:
    by_protocol: dict[str, list[str]] = {}
    for name, one in profiles.profiles().items():
        by_protocol.setdefault(one.protocol, []).append(name)
    return [ConnectorRow(name, registry.roles(name), by_protocol.get(name, [])) for name in registry.names()]


def schema(protocol: str, role: str, *, profile: str = "") -> dict[str, Any]:
    """The JSON Schema of `settings` of a connection. Raises Invalid for an unknown protocol, role or profile, and for a
    profile of another protocol."""
    role = settings_schema.role_of(role)
    given: dict[str, Any] = {}
    if profile:
        found = profiles.profile(profile)
        if found.protocol != protocol:
            raise Invalid("connection.protocol", f"The profile {profile!r} speaks {found.protocol}, not {protocol!r}.")
        given = dict(found.settings)
    return settings_schema.settings_schema(protocol, role, given=given)


__all__ = ["ConnectorRow", "listed", "schema"]
