"""What is said of a source that is read by page number or offset: which rows may be missed, and what would prove that
none is."""

from __future__ import annotations

from typing import Any

from kernel.errors import DomainError, finding
from runtime.domain.manifest import Manifest
from runtime.services import system_connections

_BY_NUMBER = ("page", "offset")


def told(manifest: Manifest) -> list[dict[str, Any]]:
    """Sources whose order is not stated, and those that read changes only and never the whole."""
    found: list[dict[str, Any]] = []
    for number, source in enumerate(manifest.sources):
        if source.connection is None or source.connection.protocol != "rest":
            continue
        try:
            settings = system_connections.settings_of(source.connection)
        except DomainError:
            continue  # reported by `links`
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
