"""What is said of a source that is read by page number or offset: which rows may be missed, and what would prove that
none is."""

from __future__ import annotations

from typing import Any

from kernel.errors import DomainError, finding
from runtime.domain.manifest import Connection, Manifest
from runtime.services import system_connections

_BY_NUMBER = ("page", "offset", "range")


def refused(manifest: Manifest) -> list[dict[str, Any]]:
    """Sources that are read by a number and ask for changes only, from exactly where the last run ended: a row that
    moved between two pages is in neither, and no later run asks for it."""
    found: list[dict[str, Any]] = []
    for number, source in enumerate(manifest.sources):
        settings = _rest_settings(source.connection)
        paging, changes = settings.get("paging"), settings.get("changes")
        if not isinstance(paging, dict) or not isinstance(changes, dict) or paging.get("strategy") not in _BY_NUMBER:
            continue
        if changes.get("overlap", 1) or changes.get("window") or changes.get("full_every"):
            continue
        said = (
            f"the source {source.name!r} is read by {paging['strategy']} with no overlap: a row that changes places "
            "while pages are read is lost. Leave 'overlap' out (120 seconds), say 'window' or 'full_every' (24h), or "
            "page by keyset, cursor or link"
        )
        at = f"/sources/{number}/connection/settings/changes/overlap"
        found.append(finding(at, said, code="paging.loses_rows"))
    return found


def _rest_settings(connection: Connection | None) -> dict[str, Any]:
    """The settings of a REST connection; none of another one, or where they are reported by `links`."""
    if connection is None or connection.protocol != "rest":
        return {}
    try:
        return system_connections.settings_of(connection)
    except DomainError:
        return {}


def told(manifest: Manifest) -> list[dict[str, Any]]:
    """Sources whose order is not stated, and those that read changes only and never the whole."""
    found: list[dict[str, Any]] = []
    for number, source in enumerate(manifest.sources):
        settings = _rest_settings(source.connection)
        paging, changes = settings.get("paging"), settings.get("changes")
        if not isinstance(paging, dict) or paging.get("strategy") not in _BY_NUMBER:
            continue
        pointer = f"/sources/{number}/connection/settings"
        about = f"the source {source.name!r} is read by {paging['strategy']}"
        if not paging.get("order_by"):
            said = (
                f"{about}, and its order is not stated: rows that change places while they are read may be missed. "
                "Have the service sort by a field that never changes in a row (`parameters`), and name it in `order_by`"
            )
            found.append(finding(f"{pointer}/paging/order_by", said, code="paging.order"))
        if isinstance(changes, dict) and not changes.get("full_every"):
            said = (
                f"{about}, changes only: what one run misses, no later one asks for. Say in `full_every` (24h) after "
                "what time everything is read again; what is known is stored once only"
            )
            found.append(finding(f"{pointer}/changes/full_every", said, code="paging.changes_only"))
    return found
