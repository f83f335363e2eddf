"""How two vendors write the same question: what lies behind a row, in the order of change field and id.

SuiteQL is Oracle's SQL over NetSuite's records; SOQL is described in Salesforce's SOQL and SOSL Reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runtime.connectors.rest.error_places import Errors

_ISO = 'YYYY-MM-DD"T"HH24:MI:SS'


@dataclass(frozen=True, slots=True)
class QueryParts:
    """What a query is made of. `size`: rows at most, None for those of the dialect."""

    table: str
    fields: tuple[str, ...]
    id: str
    changed: str | None
    where: str
    size: int | None


@dataclass(frozen=True, slots=True)
class QueryDialect:
    """`query(parts, condition)` is a whole query; `since` and `behind` are its conditions, with `{since}` and the
    fields of the last row in braces. `shown`: the name under which the change field comes back."""

    method: str
    path: str
    id: str
    rows: str
    size: int
    query: Callable[[QueryParts, str], str]
    since: Callable[[QueryParts], str]
    behind: Callable[[QueryParts], str]
    shown: Callable[[str], str]
    errors: Errors
    more: str = ""
    path_of_all: str = ""
    deleted_field: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def _rest_of(parts: QueryParts, condition: str) -> str:
    """Names are checked (`QuerySettings`), and values of rows stand bare or quoted by `rest.keyset`."""
    given = [f"({one})" for one in (parts.where, condition) if one]
    return f" FROM {parts.table}" + (f" WHERE {' AND '.join(given)}" if given else "")


# -- SuiteQL: times are those of the account's zone, whole seconds; ids are numbers -----------------------------------


def _suite_query(parts: QueryParts, condition: str) -> str:
    stamp = f", TO_CHAR({parts.changed}, '{_ISO}') AS changed" if parts.changed else ""
    order = f"{parts.changed}, {parts.id}" if parts.changed else parts.id
    columns = ", ".join(name for name in parts.fields if name != parts.changed)
    return f"SELECT {columns}{stamp}{_rest_of(parts, condition)} ORDER BY {order}"


def _suite_since(parts: QueryParts) -> str:
    return f"{parts.changed} >= TO_DATE('{{since}}', '{_ISO}')"


def _suite_behind(parts: QueryParts) -> str:
    if parts.changed is None:
        return f"{parts.id} > {{{parts.id}}}"
    at = f"TO_DATE('{{changed}}', '{_ISO}')"
    return f"{parts.changed} > {at} OR ({parts.changed} = {at} AND {parts.id} > {{{parts.id}}})"


# -- SOQL: times are bare, ids are texts -------------------------------------------------------------------------------


def _soql_query(parts: QueryParts, condition: str) -> str:
    columns = dict.fromkeys([*parts.fields, *([parts.changed] if parts.changed else [])])
    order = f"{parts.changed}, {parts.id}" if parts.changed else parts.id
    asked = f"SELECT {', '.join(columns)}{_rest_of(parts, condition)}"
    return f"{asked} ORDER BY {order} LIMIT {parts.size or _SOQL_ROWS}"


def _soql_behind(parts: QueryParts) -> str:
    if parts.changed is None:
        return f"{parts.id} > '{{{parts.id}}}'"
    at = f"{{{parts.changed}}}"
    return f"{parts.changed} > {at} OR ({parts.changed} = {at} AND {parts.id} > '{{{parts.id}}}')"


_SOQL_ROWS = 2_000
DIALECTS: Mapping[str, QueryDialect] = {
    "suiteql": QueryDialect(
        method="POST",
        path="/services/rest/query/v1/suiteql",
        id="id",
        rows="items",
        size=1_000,
        query=_suite_query,
        since=_suite_since,
        behind=_suite_behind,
        shown=lambda name: "changed",
        errors=Errors(code=["`o:errorDetails`.`o:errorCode`"], message=["`o:errorDetails`.detail", "detail", "title"]),
        more="hasMore",
        headers={"Prefer": "transient"},
    ),
    "soql": QueryDialect(
        method="GET",
        path="/services/data/v60.0/query",
        path_of_all="/services/data/v60.0/queryAll",
        id="Id",
        rows="records",
        size=_SOQL_ROWS,
        query=_soql_query,
        since=lambda parts: f"{parts.changed} >= {{since}}",
        behind=_soql_behind,
        shown=lambda name: name,
        errors=Errors(code=["errorCode"], message=["message"]),
        deleted_field="IsDeleted",
    ),
}

__all__ = ["DIALECTS", "QueryDialect", "QueryParts"]
