"""What a manifest's source asks of an OData service, so that its rows are judged by that and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernel.errors import DomainError
from runtime.domain.manifest import ManifestSource
from runtime.domain.odata_schemas import AskedFor, split_options
from runtime.services import system_connections

PROTOCOLS = frozenset({"odata_v2", "odata_v4"})


def asked_for(source: ManifestSource, tree: Any) -> AskedFor | None:
    """None where a row is judged by the schema of the contract as it stands: other protocols, other contracts."""
    connection = source.connection
    if connection is None or connection.protocol not in PROTOCOLS:
        return None
    if not isinstance(tree, Mapping) or "x-edmx" not in tree:
        return None
    try:
        settings = system_connections.settings_of(connection)
    except DomainError:
        return None  # said by the check of the connection
    sent: Any = settings.get("parameters") if isinstance(settings.get("parameters"), Mapping) else {}
    select = _texts(settings.get("select")) or split_options(str(sent.get("$select", "")))
    expand = _texts(settings.get("expand")) or split_options(str(sent.get("$expand", "")))
    also = [*_texts(settings.get("key_fields")), *_texts([settings.get("changed")])]
    return AskedFor(tuple(select), tuple(expand), tuple(also))


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str) and one] if isinstance(value, list | tuple) else []
