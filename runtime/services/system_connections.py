"""From a manifest's connection to an open connector: profile, endpoint of the environment, secrets, places."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from catalog.domain.facts import EndpointFacts
from catalog.selectors import contracts, systems
from kernel import secret_references
from kernel.errors import DomainError, Invalid, Unavailable
from runtime import profiles
from runtime.connectors import registry, xml_text
from runtime.connectors.protocols import ConnectionFault, FaultKind, Refused, Secrets, SinkConnector, SourceConnector
from runtime.domain.connection_faults import FaultyConnection
from runtime.domain.manifest import Connection
from runtime.selectors import destinations
from runtime.services import connection_places, registered_hosts
from runtime.services.shared_tokens import SharedTokens

_PLACE = re.compile(r"\$\{([A-Z0-9_]+)\}")
ALSO_ALLOWED = "also_allowed"
REGISTERED = ("base_url", "further_hosts", "token_hosts", "trusted")
"""What the registration of a system says, and no manifest."""
_FAULTS: dict[str, FaultKind] = {
    "connection.secret": "secret",
    "connection.no_endpoint": "address",
    "connection.place": "address",
    destinations.MOVED: "address",
    "connection.leaves_system": "address",
    "egress.base_url": "address",
}
NAMES_OF_PARTS = {
    "basic": ("user", "password"),
    "oauth2_client_credentials": ("client_id", "client_secret"),
    "api_key": ("key",),
    "header": ("key",),
    "query": ("key",),
    "bearer": ("token",),
}


def settings_of(connection: Connection) -> dict[str, Any]:
    """The profile's settings with the manifest's on top.

    Raises Invalid `vendor.unknown_profile` or `connection.protocol`.
    """
    if connection.profile is None:
        return dict(connection.settings)
    profile = profiles.profile(connection.profile)
    if profile.protocol != connection.protocol:
        raise Invalid(
            "connection.protocol",
            f"The profile {connection.profile!r} speaks {profile.protocol}, the connection says {connection.protocol}.",
        )
    return profile.connection(connection.settings)


def check(connection: Connection, *, role: str) -> None:
    """Check the settings by opening and closing the connector for an address that does not exist; nothing is called."""
    opened_to_check(connection, role=role)


def opened_to_check(connection: Connection, *, role: str) -> Any:
    """The connector as `check` opened it, closed again: what it declares about itself can be read. No file and no
    variable of this process is looked at."""
    settings = _nowhere(connection)
    opened: Any = (
        registry.open_source(connection.protocol, settings)
        if role == "source"
        else registry.open_sink(connection.protocol, settings)
    )
    opened.close()
    return opened


def _nowhere(connection: Connection) -> dict[str, Any]:
    """Settings that lead to no system, file or folder."""
    settings = _of_connector(settings_of(connection))
    if isinstance(settings.get("verify"), str):
        settings["verify"] = True
    settings = _with_base(settings, connection.protocol, "https://connection.invalid")
    for name in connection_places.FOLDERS:
        if name in settings:
            settings[name] = "/nowhere"
    made = {
        name: _PLACE.sub("/nowhere", value) if isinstance(value, str) else value for name, value in settings.items()
    }
    return _with_wsdl(made, connection.protocol)


def _with_wsdl(settings: dict[str, Any], protocol: str) -> dict[str, Any]:
    """The WSDL that a manifest names by its digest, in its place. Raises NotFound `contract.unknown`."""
    digest = settings.get("wsdl")
    if protocol == "soap" and isinstance(digest, str) and digest.startswith("sha256:"):
        return {**settings, "wsdl": xml_text.of_bytes(contracts.original(digest)[0])}
    return settings


def _of_connector(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a manifest says in vain: the registration decides where calls go."""
    return {name: value for name, value in settings.items() if name not in (*REGISTERED, ALSO_ALLOWED)}


def place(system: str, environment: str) -> FaultyConnection:
    """Where a connection is set up, for a person who has to correct it."""
    facts, endpoint = systems.by_key(system), systems.endpoint(system, environment)
    secret, address = (endpoint.secret_ref, endpoint.base_url) if endpoint else ("", "")
    return FaultyConnection(facts.name if facts else system, environment, secret, address)


def unconnected_source(connection: Connection) -> SourceConnector:
    """The connector of a source for questions that need no network: secrets, addresses and folders are left out."""
    return registry.open_source(connection.protocol, _nowhere(connection))


def open_source(
    connection: Connection, *, system: str, environment: str, release: int
) -> tuple[SourceConnector, Secrets]:
    settings, secrets = _resolved(connection, system, environment, release)
    return registry.open_source(connection.protocol, settings), secrets


@dataclass(frozen=True, slots=True)
class OpenedSink:
    """A sink with its secrets. `resolved` is everything it was opened with: equal while nobody has changed anything."""

    sink: SinkConnector
    secrets: Secrets
    resolved: tuple[dict[str, Any], dict[str, str]]


def open_sink_or_fault(
    connection: Connection, *, system: str, environment: str, release: int, unless: object | None = None
) -> OpenedSink | None:
    """Like `open_sink`; None where it would be opened with the same as before (`unless`, what `resolved` was).

    Raises ConnectionFault for whatever keeps it from being opened: a person has to correct it, and no message is to
    blame.
    """
    with faults_of(system):
        settings, secrets = _resolved(connection, system, environment, release)
        resolved = (settings, dict(secrets))
        if resolved == unless:
            return None
        return OpenedSink(registry.open_sink(connection.protocol, settings), secrets, resolved)


def open_source_or_fault(
    connection: Connection, *, system: str, environment: str, release: int
) -> tuple[SourceConnector, Secrets]:
    """Like `open_source`. Raises ConnectionFault for whatever keeps it from being opened."""
    with faults_of(system):
        return open_source(connection, system=system, environment=environment, release=release)


@contextmanager
def faults_of(system: str) -> Iterator[None]:
    """What keeps a connector from being opened, as a ConnectionFault."""
    try:
        yield
    except DomainError as error:
        raise ConnectionFault(_FAULTS.get(error.code, "settings"), error.message) from error
    except Refused as error:
        raise ConnectionFault("address", error.message) from error
    except (LookupError, TypeError, ValueError) as error:
        words = f"The settings of the connection to {system} cannot be used: {type(error).__name__}: {error}"
        raise ConnectionFault("settings", words) from error


def open_sink(connection: Connection, *, system: str, environment: str, release: int) -> tuple[SinkConnector, Secrets]:
    settings, secrets = _resolved(connection, system, environment, release)
    return registry.open_sink(connection.protocol, settings), secrets


def _resolved(connection: Connection, system: str, environment: str, release: int) -> tuple[dict[str, Any], Secrets]:
    endpoint = systems.endpoint(system, environment)
    if endpoint is None:
        raise Unavailable(
            "connection.no_endpoint",
            f"The catalog has no endpoint of {system} in {environment}; add one and run again.",
        )
    destinations.require_approved(endpoint, system=system, environment=environment, release=release)
    given = settings_of(connection)
    settings = _with_base(_of_connector(given), connection.protocol, endpoint.base_url)
    settings = connection_places.within({name: _placed(value) for name, value in settings.items()})
    if "base_url" in settings:
        known = registry.members(connection.protocol)
        reached = _reached(connection, given, endpoint)
        settings |= {name: value for name, value in reached.items() if name in known}
    settings = _with_wsdl(settings, connection.protocol)
    kind = (
        str(settings.get("auth", {}).get("kind", endpoint.auth_kind or "none"))
        if isinstance(settings.get("auth", {}), Mapping)
        else "none"
    )
    return settings, Secrets(_secrets(endpoint.secret_ref, kind), tokens=SharedTokens())


def _reached(connection: Connection, given: Mapping[str, Any], endpoint: EndpointFacts) -> dict[str, Any]:
    """The hosts beside that of the address, and whose certificates are believed: as the system is registered, and no
    manifest adds to it. Raises Unavailable `connection.leaves_system`, `connection.secret`."""
    known = registered_hosts.of_endpoint(endpoint)
    token_url = registered_hosts.token_url(given)
    tokens = registered_hosts.of_profile(connection.profile, token_url)
    for host in given.get(ALSO_ALLOWED) or []:
        if not registered_hosts.is_one(str(host), known | tokens):
            raise Unavailable(
                "connection.leaves_system",
                f"The manifest's also_allowed names {str(host)[:200]!r}, which is not registered for this system. "
                f"Register it under further_hosts of the system's endpoint, and have that approved",
            )
    trust = given.get("verify", True)
    reference = _reference(trust) if isinstance(trust, str) else endpoint.trust_ref
    believed = secret_references.read(reference) if reference else trust
    return {
        "further_hosts": list(endpoint.further_hosts),
        "token_hosts": sorted(map(str, tokens)),
        "verify": believed,
        "trusted": believed if isinstance(believed, str) else "",
    }


def _reference(trust: str) -> str:
    """Manifests of before named a file by its path."""
    return f"file:{trust}" if trust.startswith("/") else trust


def _with_base(settings: dict[str, Any], protocol: str, base_url: str) -> dict[str, Any]:
    """Connectors that read folders of the workers have a `root`; all others use the environment's address."""
    if registry.needs_address(protocol, settings):
        settings["base_url"] = base_url
    return settings


def _placed(value: Any) -> Any:
    """Fill `${TILLGATE_PLACE_…}` from the environment; a manifest cannot reach other variables."""
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        return connection_places.folder_of(name)

    return _PLACE.sub(fill, value)


def _secrets(reference: str, kind: str) -> dict[str, str]:
    """A JSON object of names, or the parts of the auth kind joined by a colon."""
    if not reference:
        return {}
    value = secret_references.read(reference)
    if value.startswith("{"):
        return {str(name): str(part) for name, part in json.loads(value).items()}
    names = NAMES_OF_PARTS.get(kind, ("key",))
    return dict(zip(names, value.split(":", len(names) - 1), strict=False))
