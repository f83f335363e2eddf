"""What is said of a path that begins with `/` where the catalog's address of the system has a path of its own: such a
path goes to the root of the host (`runtime.connectors.http`), so the path of the address is not called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from catalog.selectors import systems
from kernel.errors import DomainError, finding
from runtime.domain.manifest import Manifest, ManifestSource, ManifestTarget
from runtime.services import system_connections

_PATHS = ("path", "check_path", "service")


def told(manifest: Manifest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    sides: list[tuple[str, ManifestSource | ManifestTarget]] = []
    sides += [(f"/sources/{n}", one) for n, one in enumerate(manifest.sources)]
    sides += [(f"/targets/{n}", one) for n, one in enumerate(manifest.targets)]
    for pointer, side in sides:
        if side.connection is None:
            continue
        try:
            settings = system_connections.settings_of(side.connection)
        except DomainError:
            continue  # reported by `links`
        rooted = list(_rooted(settings, f"{pointer}/connection/settings"))
        bases = systems.addresses(side.system) if rooted else []
        found += [
            finding(at, _said(base, path), code="connection.base_path")
            for at, path in rooted
            for base in bases
            if _left_out(base, path)
        ]
    return found


def _rooted(settings: Mapping[str, Any], pointer: str) -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _rooted(value, f"{pointer}/{name}")
        elif name in _PATHS and isinstance(value, str) and value.startswith("/"):
            yield f"{pointer}/{name}", value


def _left_out(base: str, path: str) -> bool:
    own = urlsplit(base).path.rstrip("/")
    return bool(own) and path != own and not path.startswith(own + "/")


def _said(base: str, path: str) -> str:
    parts = urlsplit(base)
    called = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"
    return (
        f"the path {path!r} begins with '/', so it goes to the root of the host: {called} is called, without the path "
        f"{parts.path!r} that the catalog's address of the system has. Leave out the first '/' to go below it"
    )
