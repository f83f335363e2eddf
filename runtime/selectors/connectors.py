"""The connectors of this installation: what each can be, its profiles, and the schema of its settings. They are parts
of the product, and no secret of anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

from kernel import clock
from kernel.errors import Invalid
from runtime import profiles
from runtime.connectors import registry, settings_schema
from runtime.domain.manifest import Connection
from runtime.domain.plug_ins import PlugIn


@dataclass(frozen=True, slots=True)
class DatedFactRow:
    """What the vendor of a profile ends or changes. `days_left` of UTC: 0 on the day itself, negative behind it."""

    profile: str
    on: date
    kind: str
    says: str
    evidence: str
    days_left: int


@dataclass(frozen=True, slots=True)
class ConnectorRow:
    """`package` and `version` are empty for a connector of the product."""

    protocol: str
    roles: list[str]
    profiles: list[str]
    package: str = ""
    version: str = ""
    dated_facts: Sequence[DatedFactRow] = ()


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
            *((others[name].package, others[name].version) if name in others else ("", "")),
            dated_facts=_dated(by_protocol.get(name, [])),
        )
        for name in registry.names()
    ]


def _dated(names: Sequence[str]) -> list[DatedFactRow]:
    today = clock.now().astimezone(UTC).date()
    rows = [
        DatedFactRow(name, one.on, one.kind, one.says, one.evidence, one.days_left(today))
        for name in names
        for one in profiles.profile(name).dated_facts
    ]
    return sorted(rows, key=lambda row: (row.on, row.profile))


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


__all__ = ["ConnectorRow", "DatedFactRow", "listed", "of_others", "plugged_in", "schema"]
