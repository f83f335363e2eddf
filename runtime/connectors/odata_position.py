"""Where the reading of an OData entity set stands, and what has to be asked next, in V2 and V4 alike.

The order is that of the change stamp. V2 shows milliseconds, and V4 what the service likes to show, whatever it keeps,
so a position is a millisecond (a day of dates, a number of counters): the next page begins *at* the last one, not
behind it, and rows that come again unchanged are left out. A millisecond that holds more than a page is read by itself,
in the order of the key. Rows without a stamp are read by
themselves too, in the order of the key, by the run that met them and by every later one. A page on which no row has a
place (no readable key, no readable stamp) is left by the next link of the service.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from runtime.connectors.odata_dialect import ODataDialect
from runtime.connectors.odata_literals import after
from runtime.connectors.odata_order import keys_run_backwards, stamps_run_backwards
from runtime.connectors.odata_settings import ODataSettings
from runtime.connectors.protocols import Cursor, Refused
from runtime.domain import record_keys

SEEN = 100  # rows of the last millisecond that are known again by key and content


class Row(NamedTuple):
    """What a position needs of a row: its stamp in milliseconds (None: it has none) and the parts of its key (none: it
    cannot be read, and the stamp alone is the place)."""

    stamp: int | None
    parts: tuple[Any, ...]
    payload: bytes
    version: str | None = None

    @property
    def name(self) -> str:
        return record_keys.joined([str(part) for part in self.parts]) if self.parts else f"unreadable {self.mark}"

    @property
    def mark(self) -> str:
        return hashlib.blake2b(self.payload, digest_size=6).hexdigest()


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """mode   main: from the stamp `at` on · within: the millisecond `at` · null: rows without a stamp · keys: no stamps
    high   the highest stamp seen that is not in the future, where the next run begins (less the overlap)
    seen   rows of the millisecond `at` that were read, with a mark of their content
    nulls  rows without a stamp have been met
    whole  the run began without a stamp: rows that have none are asked for at its end, unless they came by themselves
    began  the cursor with which the run began
    link   the `__next` by which to go on, behind a page on which no row has a place
    owed   the `__next` of a page behind which nothing new has come so far
    unit   what one shown stamp stands for, in milliseconds (of a counter: units)
    """

    mode: Literal["main", "within", "null", "keys"] = "main"
    at: int | None = None
    high: int | None = None
    keys: list[str | int] = []
    seen: dict[str, str] = {}
    nulls: bool = False
    whole: bool = False
    began: dict[str, Any] = {}
    link: str = ""
    owed: str = ""
    unit: int = 1

    def conditions(self, settings: ODataSettings, changed: str | None, dialect: ODataDialect) -> list[str]:
        found = [f"({settings.filter})"] if settings.filter else []
        if changed and self.mode == "null":
            found.append(f"{changed} eq null")
        elif changed and self.at is not None:
            found.append(f"{changed} ge {dialect.instant(self.at, settings.changed_type)}")
            if self.mode == "within":
                found.append(f"{changed} lt {dialect.instant(self.at + settings.unit, settings.changed_type)}")
        elif changed and self.nulls:
            found.append(f"{changed} ne null")
        if self.keys:
            literals = [
                dialect.key(settings, name, one) for name, one in zip(settings.key_fields, self.keys, strict=False)
            ]
            position = list(zip(settings.key_fields, literals, strict=False))
            found.append(f"({after(position)})")
        return found

    def order(self, settings: ODataSettings, changed: str | None) -> list[str]:
        return [changed, *settings.key_fields] if changed and self.mode == "main" else list(settings.key_fields)

    def known(self, row: Row) -> bool:
        """Whether a row has come already, with the same content."""
        return bool(self.seen) and self.seen.get(row.name) == row.mark

    def following(self, rows: Sequence[Row], *, more: str, latest: int, new: bool = True) -> Position | None:
        """The position after a page; None at the end of the run. `more`: its `__next`; `latest`: the highest stamp that
        can be true; `new`: it has rows that had not come yet. Raises Refused where the service does not do what it was
        asked."""
        self._in_order(rows)
        placed = [row for row in rows if row.parts or (self.mode == "main" and row.stamp is not None)]
        if more and not placed:
            if more == self.link:
                raise _ignored()
            found: Position | None = msgspec.structs.replace(self, link=more, high=self.highest(rows, latest))
        else:
            found = self._behind(placed, more=bool(more), latest=latest)
        if found is None:
            return None
        owed = more or ("" if new else self.owed)
        link = found.link if found.link != self.link else ""
        return msgspec.structs.replace(found, began=self.began, owed=owed, link=link)

    def _behind(self, rows: Sequence[Row], *, more: bool, latest: int) -> Position | None:
        """The position behind rows that have a place."""
        high = self.highest(rows, latest)
        nulls = self._nulls(rows)
        if self.mode == "main":
            return self._after_main(rows, high, nulls=nulls, more=more)
        if self._strays(rows):
            raise _ignored()
        if more:
            keys = _stored(rows[-1])
            if keys == self.keys:
                raise _ignored()
            return msgspec.structs.replace(self, keys=keys, high=high, nulls=nulls)
        if self.mode == "keys" or (self.mode == "null" and self.whole):
            return None
        at = self.at + self.unit if self.mode == "within" and self.at is not None else self.at
        return Position("main", at, high, nulls=nulls, whole=self.whole, unit=self.unit)

    def highest(self, rows: Sequence[Row], latest: int) -> int | None:
        """The highest stamp of the run so far. One above `latest` does not count: rows in between would never be
        read."""
        stamps = [*(row.stamp for row in rows), self.high]
        return max((one for one in stamps if one is not None and one <= latest), default=None)

    def _nulls(self, rows: Sequence[Row]) -> bool:
        return self.nulls or (self.mode != "keys" and any(row.stamp is None for row in rows))

    def _in_order(self, rows: Sequence[Row]) -> None:
        """Raises Refused where the rows of a page prove that the service does not keep the order it is asked for: what
        lies behind the last of them is then not what is missing."""
        stamped = self.mode == "main"
        if stamped and (shown := stamps_run_backwards([row.stamp for row in rows])):
            raise _disordered(shown)
        if not stamped and (shown := keys_run_backwards([row.parts for row in rows if row.parts])):
            raise _disordered(shown)

    def _strays(self, rows: Sequence[Row]) -> bool:
        if self.mode == "within":
            return any(row.stamp != self.at for row in rows)
        return self.mode == "null" and any(row.stamp is not None for row in rows)

    def _after_main(self, rows: Sequence[Row], high: int | None, *, nulls: bool, more: bool) -> Position | None:
        if any(row.stamp is not None and self.at is not None and row.stamp < self.at for row in rows):
            raise _ignored()
        if not more:
            return (
                Position("null", None, high, whole=True, unit=self.unit) if self.whole and self.at is not None else None
            )
        last = rows[-1]
        if last.stamp is None:
            if self.at is not None:
                raise _ignored()
            at = max((row.stamp for row in rows if row.stamp is not None), default=high)
            return Position("null", at, high, _stored(last), nulls=True, unit=self.unit)
        tied = [row for row in rows if row.stamp == last.stamp]
        seen = {row.name: row.mark for row in tied} if len(tied) <= SEEN else {}
        mode: Literal["main", "within"] = "within" if len(tied) == len(rows) else "main"
        return Position(mode, last.stamp, high, seen=seen, nulls=nulls, whole=self.whole, unit=self.unit)

    def end(self, rows: Sequence[Row], latest: int) -> Cursor:
        """The cursor at the end of a run."""
        high = self.highest(rows, latest)
        return ({"changed": high} if high is not None else {}) | ({"nulls": True} if self._nulls(rows) else {})


def position_of(cursor: Cursor, settings: ODataSettings, changed: str | None, latest: int) -> Position:
    """What a stored cursor means. `{"changed": ms}` is the end of a run; with `keys` it is a place inside of one, as
    earlier releases stored it. One above `latest` was moved by a wrong stamp: everything is read again."""
    if "mode" in cursor:
        return msgspec.convert(cursor, Position)
    if not changed:
        return Position("keys", keys=list(cursor.get("keys", ())))
    high, nulls = cursor.get("changed"), bool(cursor.get("nulls"))
    if high is None or int(high) > latest:
        anew = Position("null", nulls=True, began=cursor) if nulls else Position("main", whole=True)
        return msgspec.structs.replace(anew, unit=settings.unit)
    at = int(high) - (0 if "keys" in cursor else settings.back)
    at -= at % settings.unit
    began = {} if "keys" in cursor else cursor
    return Position("null" if nulls else "main", at, int(high), nulls=nulls, began=began, unit=settings.unit)


def cursor_of(position: Position) -> Cursor:
    found: Cursor = msgspec.to_builtins(position)
    return {"mode": position.mode} | found


def _stored(row: Row) -> list[str | int]:
    """The parts of a key as a cursor keeps them: what is a number in the row stays one."""
    return [one if isinstance(one, int) and not isinstance(one, bool) else str(one) for one in row.parts]


def _disordered(shown: str) -> Refused:
    return Refused(
        "odata.order",
        f"The service ignores $orderby ({shown}), so nobody knows which rows are missing. The cursor goes back to "
        f"where the run began. Have the service sort by what it is asked for, or read the data by another protocol.",
    )


def skipped(rows: int) -> Refused:
    """What a `__next` that was not followed shows at the end of a run."""
    return _disordered(f"{rows} rows behind the last one lie at its __next")


def _ignored() -> Refused:
    return Refused(
        "odata.loop", "The service ignores $filter or $orderby: reading would never end. Nothing was skipped."
    )
