"""The connectors of this installation: what each can be, its profiles, and the schema of its settings. They are parts
of the product, and no secret of anybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kernel.errors import Invalid
from runtime import profiles
from runtime.connectors import registry, settings_schema
from runtime.domain.manifest import Connection
from runtime.domain.plug_ins import PlugIn


@dataclass(frozen=True, slots=True)
class ConnectorRow:
    """`package` and `version` are empty for a connector of the product."""

    protocol: str
    roles: list[str]
    profiles: list[str]
    package: str = ""
    version: str = ""


def plugged_in() -> list[PlugIn]:
    """What is installed beside the product: connectors, packages and folders of profiles; those that are not used with
    what is wrong with them."""
    return [*registry.plugged_in(), *profiles.plugged_in()]


def of_others(connection: Connection) -> list[str]:
    """What of a connection is no part of the product, in words with name and version, for those who approve it."""
    said = [
        f"The connector {one.name} is of the package {one.origin}, no part of the product."
        for one in registry.plugged_in()
        if one.name == connection.protocol and not one.fault
    ]
    one = profiles.profiles().get(connection.profile or "")
    if one is not None and one.origin:
        said.append(f"The profile {one.name} is of {one.origin} ({one.digest}), no part of the product.")
    return said


def listed() -> list[ConnectorRow]:
    by_protocol: dict[str, list[str]] = {}
    for name, one in profiles.profiles().items():
        by_protocol.setdefault(one.protocol, []).append(name)
    others = {one.name: one for one in registry.plugged_in()}
    return [
        ConnectorRow(
            name,
            registry.roles(name),
            by_protocol.get(name, []),
            *((others[name].package, others[name].version) if name in others else ()),
        )
        for name in registry.names()
    ]


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


__all__ = ["ConnectorRow", "listed", "of_others", "plugged_in", "schema"]
