"""What a source of rows is told."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from runtime.connectors.settings import wrong_setting
from runtime.connectors.sql.query_check import places_in, problem_of
from runtime.connectors.stamps import StampRules

Value = str | int | float | bool
_VALUED = ("=", "<>", "<", "<=", ">", ">=")
Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class RowCondition(msgspec.Struct, frozen=True):
    """column, is, value: what a row has to be. `in` takes a list; `null` and `not null` take nothing."""

    column: str
    is_: Literal["=", "<>", "<", "<=", ">", ">=", "in", "null", "not null"] = msgspec.field(name="is", default="=")
    value: Value | list[Value] | None = None


class SqlSettings(msgspec.Struct, frozen=True):
    """Server and database stand in the system's address (`postgresql://till.example.com:5432/pos`, `mariadb://…`,
    `mysql://…`), user and password in its secret.

    table              `schema.table` or a view; names are taken as they are written, capitals and all
    columns            what a row has; without it all columns
    where              conditions that every row fulfils
    query              a SELECT in the place of table, columns and where; `:name` is a value of `values`
    values             the values of a query by name
    key_fields         columns that identify a row; together they are unique in the database
    change             the column that says when a row changed: a time, or a number that grows by each change. Without
                       it each run reads everything
    outbox             the column of whole numbers that new rows get in turn from the database; no row changes
    settle             seconds after which a transaction of the writers has ended: nothing newer is read, and no number
                       that is missing is passed before
    overlap            seconds by which each run begins before the last one ended
    zone               the time zone of a change column without one
    version_field      the column that orders states of a row; without it the change column
    binary             bytes are refused, or given as base64
    json               columns of text that hold JSON, which stands in the record as such
    page_size          rows a page
    statement_timeout  seconds after which the server ends a statement
    stamps             what `version_field` means, and how far ahead of now it may lie
    """

    key_fields: list[str]
    base_url: str = ""
    trusted: str = ""
    table: str = ""
    columns: list[str] = msgspec.field(default_factory=list)
    where: list[RowCondition] = msgspec.field(default_factory=list)
    query: str = ""
    values: dict[str, Value] = msgspec.field(default_factory=dict)
    change: str | None = None
    outbox: str | None = None
    settle: Seconds = 60.0
    overlap: Seconds = 0.0
    zone: str = "UTC"
    version_field: str | None = None
    binary: Literal["refuse", "base64"] = "refuse"
    json: list[str] = msgspec.field(default_factory=list)
    page_size: Count = 1_000
    statement_timeout: Annotated[float, msgspec.Meta(ge=1, le=600)] = 25.0
    stamps: StampRules = StampRules()

    def verify(self) -> None:
        """Raises Invalid for settings that cannot work together."""
        if bool(self.table) == bool(self.query):
            raise wrong_setting("/table", "Name one thing to read: 'table', or a 'query'.")
        if self.query and (self.columns or self.where):
            raise wrong_setting(
                "/query", "A query has its columns and conditions in it: leave 'columns' and 'where' out."
            )
        if self.query and (problem := problem_of(self.query)):
            raise wrong_setting("/query", problem)
        named = set(places_in(self.query)) if self.query else set()
        if odd := sorted(named ^ set(self.values)):
            where = "stands in no place of the query" if odd[0] in self.values else "has no value in 'values'"
            raise wrong_setting("/values", f"{odd[0]!r} {where}.")
        if not self.key_fields:
            raise wrong_setting("/key_fields", "Name the columns that identify a row.")
        if self.change and self.outbox:
            raise wrong_setting("/outbox", "Name 'change' for rows that change, or 'outbox' for rows that only come.")
        needed = [*self.key_fields, *self.json, *(one for one in (self.change, self.outbox, self.version_field) if one)]
        if self.columns and (missing := [one for one in needed if one not in self.columns]):
            raise wrong_setting("/columns", f"{missing[0]!r} is needed and not among 'columns'.")
        for name in (*self.table.split("."), *self.columns, *needed, *(one.column for one in self.where)):
            if (not name and self.table) or len(name) > 128 or not name.isprintable():
                raise wrong_setting("/table", f"{name[:80]!r} is no name of a table or column.")
        for number, one in enumerate(self.where):
            if problem := _wrong(one):
                raise wrong_setting(f"/where/{number}/value", problem)
        if self.overlap and not self.change:
            raise wrong_setting("/overlap", "'overlap' is for 'change'.")
        if self.change and self.zone.upper() != "UTC" and self.overlap < 3_660:
            said = "In a zone with summer time an hour comes twice: 'overlap' is at least 3660 there"
            raise wrong_setting("/overlap", f"{said}.")


def _wrong(one: RowCondition) -> str:
    if one.is_ in _VALUED and (one.value is None or isinstance(one.value, list)):
        return f"'{one.is_}' takes one value."
    if one.is_ == "in" and (not isinstance(one.value, list) or not one.value):
        return "'in' takes a list of values."
    if one.is_ in ("null", "not null") and one.value is not None:
        return f"'{one.is_}' takes no value."
    return ""


__all__ = ["RowCondition", "SqlSettings"]
