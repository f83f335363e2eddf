"""What a vendor's recorded pages are, for replays; and those of query languages and GraphQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runtime.connectors.protocols import ConnectionFault, Refused


@dataclass
class Replay:
    """`pages`: what the vendor answers, one call after the other (headers and body; `{host}` is the server). `keys`:
    the rows. `since`: the cursor at the end. `asked`: (call, member, value) of requests, `again`: of a later run from a
    `since`. `error`: status and body by which the vendor refuses for good."""

    pages: list[tuple[dict[str, str], Any]]
    keys: list[str]
    since: str | None
    asked: list[tuple[int, str, Any]]
    again: tuple[str, str, Any] | None
    error: tuple[int, Any, type[Exception], str] = (401, {}, ConnectionFault, "credentials")
    setup: dict[str, Any] = field(default_factory=dict)


def suite(items: list[dict[str, Any]], more: bool) -> Any:
    """One query, whose total counts what lies behind its own condition."""
    total = len(items) + int(more)
    return {}, {"links": [], "count": len(items), "hasMore": more, "items": items, "offset": 0, "totalResults": total}


def shopify(rows: list[tuple[str, str]], end: str | None) -> Any:
    edges = [{"node": {"id": key, "title": "Shirt", "updatedAt": stamp}} for key, stamp in rows]
    info = {"hasNextPage": end is not None, "endCursor": end or "end"}
    cost = {"cost": {"throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 1990}}}
    return {}, {"data": {"products": {"edges": edges, "pageInfo": info}}, "extensions": cost}


def sobjects(rows: list[tuple[str, str, bool]]) -> Any:
    records = [
        {"attributes": {"type": "Account"}, "Id": key, "Name": "A", "IsDeleted": gone, "SystemModstamp": stamp}
        for key, stamp, gone in rows
    ]
    return {}, {"totalSize": len(rows), "done": True, "records": records}


QUERY_REPLAYS = {
    "netsuite-query": Replay(
        pages=[
            suite([{"links": [], "id": "7", "itemid": "A", "changed": "2026-03-01T10:00:00"}], True),
            suite([{"links": [], "id": "9", "itemid": "B", "changed": "2026-03-01T10:00:00"}], False),
        ],
        keys=["7", "9"],
        since="2026-03-01T10:00:00",
        asked=[
            (0, "limit", "1000"),
            (0, "q~", "FROM item ORDER BY lastmodifieddate, id"),
            (1, "q~", "> TO_DATE('2026-03-01T10:00:00', 'YYYY-MM-DD\"T\"HH24:MI:SS') OR"),
            (1, "q~", "AND id > 7)) ORDER BY lastmodifieddate, id"),
        ],
        again=("2026-03-01T12:00:00", "q~", "WHERE (lastmodifieddate >= TO_DATE('2026-03-01T11:58:00',"),
    ),
    "salesforce-query": Replay(
        pages=[
            sobjects(
                [("0011x1", "2026-03-01T10:00:00.000+0000", False), ("0011x2", "2026-03-01T10:00:00.000+0000", True)]
            ),
            sobjects([]),
        ],
        keys=["0011x1", "0011x2"],
        since="2026-03-01T10:00:00.000+0000",
        asked=[
            (0, "q", "SELECT Id, Name, IsDeleted, SystemModstamp FROM Account ORDER BY SystemModstamp, Id LIMIT 2000"),
            (
                1,
                "q",
                "SELECT Id, Name, IsDeleted, SystemModstamp FROM Account WHERE (SystemModstamp > "
                "2026-03-01T10:00:00.000+0000 OR (SystemModstamp = 2026-03-01T10:00:00.000+0000 AND Id > '0011x2')) "
                "ORDER BY SystemModstamp, Id LIMIT 2000",
            ),
        ],
        again=None,
        error=(
            400,
            [{"message": "No such column 'x' on entity 'Account'", "errorCode": "INVALID_FIELD"}],
            Refused,
            "No such column",
        ),
    ),
    "shopify-admin": Replay(
        pages=[
            shopify([("gid://shopify/Product/1", "2026-03-01T10:00:00Z")], "eyJsYXN0"),
            shopify([("gid://shopify/Product/2", "2026-03-01T10:00:03Z")], None),
        ],
        keys=["gid://shopify/Product/1", "gid://shopify/Product/2"],
        since="2026-03-01T10:00:03Z",
        asked=[(0, "variables", {"first": 100}), (1, "variables", {"first": 100, "after": "eyJsYXN0"})],
        again=("2026-03-01T10:02:00Z", "variables", {"first": 100, "filter": "updated_at:>='2026-03-01T10:00:00Z'"}),
        error=(
            200,
            {"errors": [{"message": "Access denied for products field.", "extensions": {"code": "ACCESS_DENIED"}}]},
            ConnectionFault,
            "Access denied for products",
        ),
    ),
}
