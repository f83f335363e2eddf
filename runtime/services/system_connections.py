"""From a manifest's connection to an open connector: profile, endpoint of the environment, secrets, places."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.selectors import systems
from kernel.errors import DomainError, Invalid, Unavailable
from runtime import profiles
from runtime.connectors import registry
from runtime.connectors.protocols import ConnectionFault, FaultKind, Refused, Secrets, SinkConnector, SourceConnector
from runtime.domain.connection_faults import FaultyConnection
from runtime.domain.manifest import Connection

_PLACE = re.compile(r"\$\{([A-Z0-9_]+)\}")
PLACES = "TILLGATE_PLACE_"
_FAULTS: dict[str, FaultKind] = {
    "connection.secret": "secret",
    "connection.no_endpoint": "address",
    "connection.place": "address",
    "egress.base_url": "address",
}
_NAMES = {
    "basic": ("user", "password"),
    "oauth2_client_credentials": ("client_id", "client_secret"),
    "api_key": ("key",),
    "header": ("key",),
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
    """The connector as `check` opened it, closed again: what it declares about itself can be read."""
    settings = _with_base({**settings_of(connection)}, connection.protocol, "https://connection.invalid")
    settings = {
        name: _PLACE.sub("/nowhere", value) if isinstance(value, str) else value for name, value in settings.items()
    }
    opened: Any = (
        registry.open_source(connection.protocol, settings)
        if role == "source"
        else registry.open_sink(connection.protocol, settings)
    )
    opened.close()
    return opened


def place(system: str, environment: str) -> FaultyConnection:
    """Where a connection is set up, for a person who has to correct it."""
    facts, endpoint = systems.by_key(system), systems.endpoint(system, environment)
    secret, address = (endpoint.secret_ref, endpoint.base_url) if endpoint else ("", "")
    return FaultyConnection(facts.name if facts else system, environment, secret, address)


def unconnected_source(connection: Connection) -> SourceConnector:
    """The connector of a source for questions that need no network: secrets, addresses and folders are left out."""
    settings = _with_base({**settings_of(connection)}, connection.protocol, "https://connection.invalid")
    nowhere = {
        name: _PLACE.sub("/nowhere", value) if isinstance(value, str) else value for name, value in settings.items()
    }
    return registry.open_source(connection.protocol, nowhere)


def open_source(connection: Connection, *, system: str, environment: str) -> tuple[SourceConnector, Secrets]:
    settings, secrets = _resolved(connection, system, environment)
    return registry.open_source(connection.protocol, settings), secrets


@dataclass(frozen=True, slots=True)
class OpenedSink:
    """A sink with its secrets. `resolved` is everything it was opened with: equal while nobody has changed anything."""

    sink: SinkConnector
    secrets: Secrets
    resolved: tuple[dict[str, Any], dict[str, str]]


def open_sink_or_fault(
    connection: Connection, *, system: str, environment: str, unless: object | None = None
) -> OpenedSink | None:
    """Like `open_sink`; None where it would be opened with the same as before (`unless`, what `resolved` was).

    Raises ConnectionFault for whatever keeps it from being opened: a person has to correct it, and no message is to
    blame.
    """
    with faults_of(system):
        settings, secrets = _resolved(connection, system, environment)
        resolved = (settings, dict(secrets))
        if resolved == unless:
            return None
        return OpenedSink(registry.open_sink(connection.protocol, settings), secrets, resolved)


def open_source_or_fault(connection: Connection, *, system: str, environment: str) -> tuple[SourceConnector, Secrets]:
    """Like `open_source`. Raises ConnectionFault for whatever keeps it from being opened."""
    with faults_of(system):
        return open_source(connection, system=system, environment=environment)


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


def open_sink(connection: Connection, *, system: str, environment: str) -> tuple[SinkConnector, Secrets]:
    settings, secrets = _resolved(connection, system, environment)
    return registry.open_sink(connection.protocol, settings), secrets


def _resolved(connection: Connection, system: str, environment: str) -> tuple[dict[str, Any], Secrets]:
    endpoint = systems.endpoint(system, environment)
    if endpoint is None:
        raise Unavailable(
            "connection.no_endpoint",
            f"The catalog has no endpoint of {system} in {environment}; add one and run again.",
        )
    settings = _with_base({**settings_of(connection)}, connection.protocol, endpoint.base_url)
    settings = {name: _placed(value) for name, value in settings.items()}
    kind = (
        str(settings.get("auth", {}).get("kind", endpoint.auth_kind or "none"))
        if isinstance(settings.get("auth", {}), Mapping)
        else "none"
    )
    return settings, Secrets(_secrets(endpoint.secret_ref, kind))


def _with_base(settings: dict[str, Any], protocol: str, base_url: str) -> dict[str, Any]:
    """Connectors that read folders have a `root`; all others use the environment's address."""
    if "root" not in settings and protocol not in ("file_drop", "poslog"):
        settings["base_url"] = base_url
    return settings


def _placed(value: Any) -> Any:
    """Fill `${TILLGATE_PLACE_…}` from the environment; a manifest cannot reach other variables."""
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if not name.startswith(PLACES) or name not in os.environ:
            raise Unavailable(
                "connection.place",
                f"The place {name} is not set on this worker; places are variables that begin with {PLACES}.",
            )
        return os.environ[name]

    return _PLACE.sub(fill, value)


def _secrets(reference: str, kind: str) -> dict[str, str]:
    """`env:NAME` or `file:/path`: a JSON object of names, or the parts of the auth kind joined by a colon."""
    if not reference:
        return {}
    scheme, _, place = reference.partition(":")
    if scheme == "env":
        value = os.environ.get(place, "")
    elif scheme == "file":
        try:
            value = Path(place).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Unavailable(
                "connection.secret", f"The secret {reference!r} cannot be read on this worker: {error.strerror}."
            ) from None
    else:
        raise Unavailable("connection.secret", f"A secret is named as env:NAME or file:/path, not {reference!r}.")
    if not value:
        raise Unavailable("connection.secret", f"The secret {reference!r} is not set on this worker.")
    if value.startswith("{"):
        return {str(name): str(part) for name, part in json.loads(value).items()}
    names = _NAMES.get(kind, ("key",))
    return dict(zip(names, value.split(":", len(names) - 1), strict=False))
