"""The statements that read rows: one page each, by the place of the last row. Names are quoted, values are bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.connectors.sql.query_check import places_in, with_places
from runtime.connectors.sql.settings import SqlSettings


@dataclass(slots=True)
class Statement:
    """Text with `%s` for each value."""

    text: str
    values: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Dialect:
    """quote   what stands around a name
    limit   the end of a statement that gives a number of rows
    alias   what stands between a query in brackets and its name
    offsets whether a time that is bound may say its zone
    """

    quote: str = '"'
    limit: str = "limit {}"
    alias: str = " as t"
    offsets: bool = True

    def name(self, name: str) -> str:
        return f"{self.quote}{name.replace(self.quote, self.quote * 2)}{self.quote}".replace("%", "%%")


class Statements:
    def __init__(self, settings: SqlSettings, dialect: Dialect) -> None:
        self.settings, self.dialect = settings, dialect
        name = dialect.name
        if settings.query:
            self.source = f"({with_places(settings.query)}){dialect.alias}"
            self.given: list[Any] = [settings.values[one] for one in places_in(settings.query)]
        else:
            self.source, self.given = ".".join(name(one) for one in settings.table.split(".")), []
        self.columns = ", ".join(name(one) for one in settings.columns) or "*"
        self.keys = [name(one) for one in settings.key_fields]
        self.order = name(settings.change or settings.outbox or "") if settings.change or settings.outbox else ""
        self.fixed, self.fixed_values = self._fixed()

    def keyless(self) -> Statement:
        """Rows that have no key."""
        return self._select([f"({' or '.join(f'{one} is null' for one in self.keys)})"], [], [])

    def undated(self, after: Sequence[Any] | None) -> Statement:
        """Rows that do not say when they changed, behind a key."""
        conditions, values = [f"{self.order} is null", *self._keyed()], list[Any]()
        if after:
            text, values = self._behind(self.keys, after)
            conditions.append(text)
        return self._select(conditions, values, self.keys)

    def page(self, after: Sequence[Any] | None, *, since: Any = None, until: Any = None) -> Statement:
        """The next rows behind the place of one (`after`), or from a change on (`since`), and none behind `until`."""
        by = [self.order, *self.keys] if self.order else self.keys
        conditions, values = self._keyed(), list[Any]()
        if self.order:
            conditions.append(f"{self.order} is not null")
        if until is not None:
            conditions.append(f"{self.order} <= %s")
            values.append(until)
        if after:
            if self.order:
                conditions.append(f"{self.order} >= %s")  # what an index takes up
                values.append(after[0])
            text, more = self._behind(by, after)
            conditions.append(text)
            values += more
        elif since is not None:
            conditions.append(f"{self.order} >= %s")
            values.append(since)
        return self._select(conditions, values, by)

    def numbers(self, after: Any) -> Statement:
        """The next rows of an outbox."""
        conditions, values = [f"{self.order} is not null"], list[Any]()
        if after is not None:
            conditions.append(f"{self.order} > %s")
            values.append(after)
        return self._select(conditions, values, [self.order])

    def highest(self) -> Statement:
        """The highest number of an outbox."""
        return self._from(f"max({self.order})", [], [])

    def left_out(self, behind: int, before: int) -> Statement | None:
        """How many rows between two numbers the conditions leave out; None where there are no conditions."""
        if not self.fixed:
            return None
        text = f"select count(*) from {self.source} where {self.order} > %s and {self.order} < %s"  # noqa: S608
        no_row = f"({' and '.join(self.fixed)}) is not true"
        return Statement(f"{text} and {no_row}", [behind, before, *self.fixed_values])

    def later(self, moment: Any) -> Statement:
        """How many rows have changed behind a moment."""
        return self._from("count(*)", [f"{self.order} > %s"], [moment])

    def nothing(self) -> Statement:
        """No row, to learn what columns there are."""
        return self._from(self.columns, ["1 = 0"], [])

    def _keyed(self) -> list[str]:
        return [f"{one} is not null" for one in self.keys]

    def _behind(self, by: Sequence[str], place: Sequence[Any]) -> tuple[str, list[Any]]:
        """`a > 1 or (a = 1 and b > 2)`."""
        ways, values = [], list[Any]()
        for depth, name in enumerate(by):
            same = [f"{one} = %s" for one in by[:depth]]
            ways.append("(" + " and ".join([*same, f"{name} > %s"]) + ")")
            values += [*place[:depth], place[depth]]
        return "(" + " or ".join(ways) + ")", values

    def _select(self, conditions: list[str], values: list[Any], by: Sequence[str]) -> Statement:
        made = self._from(self.columns, conditions, values)
        order = f" order by {', '.join(by)}" if by else ""
        made.text += f"{order} {self.dialect.limit.format(self.settings.page_size)}"
        return made

    def _from(self, what: str, conditions: list[str], values: list[Any]) -> Statement:
        every = [*self.fixed, *conditions]
        where = f" where {' and '.join(every)}" if every else ""
        text = f"select {what} from {self.source}{where}"  # noqa: S608  quoted names, a checked query, places
        return Statement(text, [*self.given, *self.fixed_values, *values])

    def _fixed(self) -> tuple[list[str], list[Any]]:
        texts, values = [], list[Any]()
        for one in self.settings.where:
            name = self.dialect.name(one.column)
            if one.is_ in ("null", "not null"):
                texts.append(f"{name} is {one.is_}")
            elif isinstance(one.value, list):
                texts.append(f"{name} in ({', '.join(['%s'] * len(one.value))})")
                values += one.value
            else:
                texts.append(f"{name} {one.is_} %s")
                values.append(one.value)
        return texts, values


__all__ = ["Dialect", "Statement", "Statements"]
