"""What connections say of the pinned contract of their service: queries and mutations of GraphQL against its schema,
and which WSDL SOAP goes by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from graphql import GraphQLError, GraphQLSchema, build_schema, parse, validate

from catalog.selectors import contracts
from kernel.errors import DomainError, Invalid, finding
from runtime.connectors.graphql.documents import GraphQLText
from runtime.domain.manifest import Manifest, ManifestSource, ManifestTarget
from runtime.services import system_connections
from runtime.services.catalog_sight import CatalogSight

MOST_SHOWN = 10  # faults of one query that are shown
_TEXTS = (("query", "query"), ("mutation", "mutation"), ("lookup/query", "query"))


def unfit(manifest: Manifest, sight: CatalogSight) -> list[dict[str, Any]]:
    """Findings about each query that the schema does not answer; none for a side without a pinned schema, or with one
    that the person may not see (`pins` says so)."""
    found: list[dict[str, Any]] = []
    sides: list[tuple[str, ManifestSource | ManifestTarget]] = [
        *((f"/sources/{n}", one) for n, one in enumerate(manifest.sources)),
        *((f"/targets/{n}", one) for n, one in enumerate(manifest.targets)),
    ]
    for pointer, side in sides:
        if side.connection is None or side.connection.protocol != "graphql" or not side.contract:
            continue
        if sight.sees_contract(side.contract):
            found += _of_side(f"{pointer}/connection/settings", side, side.contract)
    return found


def other_wsdls(manifest: Manifest) -> list[dict[str, Any]]:
    """SOAP connections whose WSDL is not that of the pinned contract of their side."""
    found: list[dict[str, Any]] = []
    for number, target in enumerate(manifest.targets):
        connection = target.connection
        if connection is None or connection.protocol != "soap":
            continue
        if not target.contract or connection.settings.get("wsdl") != target.contract:
            said = "The WSDL is the pinned contract of this target: say `current` in both, or the digest of 'contract'."
            pointer = f"/targets/{number}/connection/settings/wsdl"
            found.append(finding(pointer, said, code="soap.other_wsdl"))
    return found


def _of_side(pointer: str, side: ManifestSource | ManifestTarget, digest: str) -> Iterator[dict[str, Any]]:
    assert side.connection is not None
    try:
        settings = system_connections.settings_of(side.connection)
        schema = _schema(digest)
    except DomainError:
        return  # reported by `links` and `pins`
    if schema is None:
        return
    for path, kind in _TEXTS:
        text: Any = settings
        for step in path.split("/"):
            text = text.get(step) if isinstance(text, Mapping) else None
        if not isinstance(text, str) or not text:
            continue
        try:
            GraphQLText(text, f"/{path}", kind)
        except Invalid:
            continue  # reported by `links`
        for error in validate(schema, parse(text), max_errors=MOST_SHOWN)[:MOST_SHOWN]:
            line = f" (line {error.locations[0].line})" if error.locations else ""
            said = f"The pinned schema does not answer this {kind}: {error.message.rstrip('.')}{line}."
            yield finding(f"{pointer}/{path}", said, code="query.unfit")


@lru_cache(16)
def _schema(digest: str) -> GraphQLSchema | None:
    """The schema of a contract; None for one that is no GraphQL, or no whole schema."""
    if "graphql" not in contracts.document(digest).tree:
        return None
    content, _ = contracts.original(digest)
    try:
        return build_schema(content.decode("utf-8-sig"), assume_valid_sdl=True)
    except (GraphQLError, TypeError, ValueError):
        return None


__all__ = ["other_wsdls", "unfit"]
