"""Rows of a database, page by page, by the place of the last one.

Three ways, by what the settings name:

`change`  in the order of (change, key), up to `settle` seconds before the present of the database: a transaction that
          is at work has an earlier stamp than its commit, and what it commits would be passed. Rows that do not say
          when they changed come before those, with each run
`outbox`  in the order of its numbers. A number that is missing may be that of a transaction at work: reading stops
          before it, until every transaction of the time at which a higher one was seen has ended
neither   everything, in the order of the key

Cursor: `{"after": […], "phase": …, "until": …}` within a run, `{"place": […]}` behind one, where changes are numbers
`{"since": …, "looks": …}`; of an outbox `{"number": n, "looks": [[seconds since 1970, highest number, next
transaction], …]}`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from kernel import clock
from runtime.connectors.protocols import (
    CallContext,
    CallError,
    Cursor,
    Health,
    Page,
    Record,
    Refused,
    RejectedRecord,
    Resource,
    health_of,
)
from runtime.connectors.rawjson import KeyReader, unreadable
from runtime.connectors.sql.sessions import Horizon, Session
from runtime.connectors.sql.settings import SqlSettings
from runtime.connectors.sql.statements import Statements
from runtime.connectors.sql.values import Column, Kind, Rows, UnreadableValue, token
from runtime.connectors.stamps import said_of_wrong

MOST_LOOKS = 20
_NUMERIC = ("whole", "number")
_WHOLE = re.compile(rb"-?[0-9]{1,19}\Z")


class SqlSource:
    def __init__(self, settings: SqlSettings, session: Session, where: str) -> None:
        self.settings, self.session, self.where = settings, session, where
        self.statements = Statements(settings, session.dialect)
        version = settings.version_field or settings.change
        self.keys = KeyReader(settings.key_fields, version)

    def close(self) -> None:
        self.session.close()

    def check(self, *, call: CallContext) -> Health:
        """Connected, and the columns are there."""
        try:
            self._columns(self.session.rows(self.statements.nothing(), call).columns)
        except CallError as error:
            return health_of(error)
        return Health(True)

    def discover(self, *, call: CallContext) -> Sequence[Resource]:
        return self.session.tables(call)

    def read(self, cursor: Cursor | None, *, call: CallContext) -> Page:
        at = dict(cursor or {})
        page = self._numbers(at, call) if self.settings.outbox else self._rows(at, call)
        return self._believed(page)

    # -- rows that change, or are read whole

    def _rows(self, at: Cursor, call: CallContext) -> Page:
        if "phase" not in at:
            return self._begun(at, call)
        if at["phase"] == "undated":
            return self._undated(at, call)
        after = [_value(one) for one in at["after"]] if at.get("after") else None
        since, until = at.get("since"), at.get("until")
        statement = self.statements.page(after, since=None if since is None else _value(since), until=until)
        found = self.session.rows(statement, call)
        records, rejected = self._made(found)
        place = self._place(found) or at.get("after")
        if len(found.rows) >= self.settings.page_size:
            return Page(records, {**at, "after": place}, False, rejected)
        return Page(records, self._ended(at, place, call), True, rejected, warnings=self._late(at, call))

    def _ended(self, at: Cursor, place: list[Any] | None, call: CallContext) -> Cursor:
        """Where the next run begins. Numbers of changes that are not settled are read again: a lower one may come."""
        if not self.settings.change:
            return {}
        if at.get("looks") is None:
            return {"place": place or at.get("place")}
        settled = self._settled(at["looks"], self.session.horizon(call))
        since = at.get("since") if settled is None else {"n": str(settled)}
        return {"since": since, "looks": _newer(at["looks"], settled)}

    def _begun(self, at: Cursor, call: CallContext) -> Page:
        """The first page of a run: rows without a key, each as a reject, and where the run ends."""
        found = self.session.rows(self.statements.keyless(), call)
        records, rejected = self._made(found)
        begins: Cursor = {"phase": "rows"}
        if self.settings.change:
            horizon = self.session.horizon(call)
            begins = {"phase": "undated", "until": self._until(horizon)}
            if self._kind_of_change in _NUMERIC:
                begins |= {"since": at.get("since"), "looks": self._looked(at.get("looks") or [], horizon, call)}
            elif place := at.get("place"):
                begins |= {"place": place} | self._from(place)
            elif at.get("from") and self._kind_of_change in ("moment", "time"):
                begins |= {"since": self._written(datetime.fromisoformat(at["from"]))}
        return Page(records, begins, False, rejected)

    def _undated(self, at: Cursor, call: CallContext) -> Page:
        after = [_value(one) for one in at["key"]] if at.get("key") else None
        found = self.session.rows(self.statements.undated(after), call)
        records, rejected = self._made(found)
        if len(found.rows) >= self.settings.page_size:
            return Page(records, {**at, "key": self._values(found, self.settings.key_fields)}, False, rejected)
        return Page(records, {**at, "phase": "rows", "key": None}, False, rejected)

    def _from(self, place: Sequence[Any]) -> Cursor:
        """Where a run begins: behind the last row of the one before, or earlier by the overlap."""
        shown = place[0]
        if not self.settings.overlap or not isinstance(shown, str):
            return {"after": list(place)}
        with suppress(ValueError):
            earlier = datetime.fromisoformat(shown) - timedelta(seconds=self.settings.overlap)
            return {"since": earlier.isoformat(" ")}
        return {"after": list(place)}

    def _until(self, horizon: Horizon) -> str | None:
        """The change behind which nothing is read yet, as the database writes it; None where changes are numbers."""
        if self._kind_of_change not in ("moment", "time"):
            return None
        return self._written(horizon.now - timedelta(seconds=self.settings.settle))

    def _written(self, moment: datetime) -> str:
        """A moment as the change column has it."""
        if self._kind_of_change == "moment":
            utc = moment.astimezone(UTC)
            return (utc if self.session.dialect.offsets else utc.replace(tzinfo=None)).isoformat(" ")
        return moment.astimezone(ZoneInfo(self.settings.zone)).replace(tzinfo=None).isoformat(" ")

    _kind_of_change = "moment"

    def _late(self, at: Cursor, call: CallContext) -> list[str]:
        """What is said of rows that have changed in the future: they are read when it has come."""
        if at.get("until") is None:
            return []
        limit = datetime.fromisoformat(at["until"]) + timedelta(seconds=self.settings.settle)
        limit += timedelta(seconds=self.settings.stamps.seconds_ahead(zoned=self._kind_of_change == "moment"))
        count = self.session.rows(self.statements.later(limit.isoformat(" ")), call).rows[0][0]
        if not count or count == b"0":
            return []
        return [f"{count.decode()} rows have {self.settings.change!r} in the future; they are read when it has come"]

    # -- rows that only come

    def _numbers(self, at: Cursor, call: CallContext) -> Page:
        number: int | None = at.get("number")
        horizon = self.session.horizon(call)
        looks = at.get("looks") or []
        settled = self._settled(looks, horizon)
        found = self.session.rows(self.statements.numbers(number), call)
        place, passed = self._column(found, self.settings.outbox or ""), 0
        before, warnings = number, list[str]()
        for row in found.rows:
            value = row[place]
            if value is None or not _WHOLE.match(value):
                raise Refused("sql.outbox", f"{self.settings.outbox!r} of {self.where} is no whole number")
            here = int(value)
            if (settled is None or here > settled + 1) and not self._follows(before, here, call):
                break
            before, passed = here, passed + 1
        records, rejected = self._made(Rows(found.columns, found.rows[:passed]))
        waits = passed < len(found.rows)
        looks = _newer(looks, settled)
        if waits:
            looks = self._looked(looks, horizon, call)
            missing = "What comes first" if before is None else f"Number {before + 1}"
            said = "reading goes on once every transaction that may bring it has ended"
            warnings.append(f"{missing} may be missing before {int(found.rows[passed][place] or 0)}: {said}")
        done = waits or len(found.rows) < self.settings.page_size
        return Page(records, {"number": before, "looks": looks}, done, rejected, warnings=warnings)

    def _follows(self, before: int | None, here: int, call: CallContext) -> bool:
        """Whether nothing can come between two numbers: they are neighbours, or what lies between is there and is none
        of this source."""
        behind = 0 if before is None else before
        if here == behind + 1:
            return True
        if before is None or (statement := self.statements.left_out(behind, here)) is None:
            return False
        return int(self.session.rows(statement, call).rows[0][0] or 0) == here - behind - 1

    def _looked(self, looks: list[Any], horizon: Horizon, call: CallContext) -> list[Any]:
        """With the highest number of now, where it is a new one."""
        highest = self.session.rows(self.statements.highest(), call).rows[0][0]
        if highest is None or len(looks) >= MOST_LOOKS or (looks and int(Decimal(highest.decode())) <= looks[-1][1]):
            return looks
        return [*looks, [horizon.now.timestamp(), int(Decimal(highest.decode())), horizon.next]]

    def _settled(self, looks: Sequence[Any], horizon: Horizon) -> int | None:
        """The highest number below which nothing comes any more."""
        return max((one[1] for one in looks if self._is_over(one, horizon)), default=None)

    def _is_over(self, look: Sequence[Any], horizon: Horizon) -> bool:
        """Whether every transaction that was at work when a number was seen has ended."""
        if horizon.now.timestamp() < look[0] + self.settings.settle:
            return False
        return look[2] is None or horizon.lowest is None or horizon.lowest >= look[2]

    # -- rows as records

    def _made(self, found: Rows) -> tuple[list[Record], list[RejectedRecord]]:
        self._columns(found.columns)
        records, rejected = list[Record](), list[RejectedRecord]()
        names = [msgspec.json.encode(one.name) for one in found.columns]
        now = clock.now()
        for row in found.rows:
            made = self._record(found.columns, names, row, now)
            records.append(made) if isinstance(made, Record) else rejected.append(made)
        return records, rejected

    def _record(
        self, columns: Sequence[Column], names: Sequence[bytes], row: Sequence[bytes | None], now: datetime
    ) -> Record | RejectedRecord:
        members, reason = list[bytes](), ""
        for column, name, value in zip(columns, names, row, strict=True):
            try:
                members.append(name + b":" + token(self._kind(column), value))
            except UnreadableValue as error:
                reason = reason or f"{column.name!r} {error}"
                members.append(name + b":null")
        payload = b"{" + b",".join(members) + b"}"
        try:
            key, version, _ = self.keys.read(payload)
        except ValueError as error:
            return RejectedRecord(self.where, reason or f"it has no key ({error})", payload)
        origin = f"{self.where} {key}" if key else self.where
        if reason:
            return RejectedRecord(origin, reason, payload, key)
        if key is None:
            return RejectedRecord(origin, f"a key field is missing ({', '.join(self.settings.key_fields)})", payload)
        return Record(key, payload, now, version, origin=origin)

    def _kind(self, column: Column) -> Kind:
        return "json" if column.kind == "text" and column.name in self.settings.json else column.kind

    def judged_again(self, payload: bytes) -> Record | RejectedRecord:
        """A stored row as a record, as if it had just been read."""
        if reason := unreadable(payload):
            return RejectedRecord("", reason, payload)
        try:
            key, version, _ = self.keys.read(payload)
        except ValueError as error:
            return RejectedRecord("", f"it is no row ({error})", payload)
        if key is None:
            return RejectedRecord("", f"a key field is missing ({', '.join(self.settings.key_fields)})", payload)
        return self.settings.stamps.judged(Record(key, payload, clock.now(), version))

    def cursor_at(self, moment: datetime) -> Cursor | None:
        """None where changes are no times: nothing says which number a moment is."""
        if not self.settings.change:
            return None
        return {"from": moment.astimezone(UTC).isoformat(" ")}

    def _believed(self, page: Page) -> Page:
        stamps = self.settings.stamps
        if not (wrong := stamps.wrong(record.version for record in page.records if record.version)):
            return page
        warnings = [*page.warnings, said_of_wrong(self.settings.version_field or self.settings.change or "", wrong)]
        return replace(page, records=stamps.believed(page.records, wrong, None), warnings=warnings)

    def _columns(self, columns: Sequence[Column]) -> None:
        """Raises Refused where a column that the settings name is not there, a name stands twice, or bytes come."""
        names = [one.name for one in columns]
        settings = self.settings
        if twice := [one for one in names if names.count(one) > 1]:
            raise Refused("sql.columns", f"Two columns of {self.where} are called {twice[0]!r}; give one another name.")
        needed = [
            *settings.key_fields,
            *settings.json,
            *filter(None, (settings.change, settings.outbox, settings.version_field)),
        ]
        if missing := [one for one in needed if one not in names]:
            raise Refused("sql.columns", f"{self.where} has no column {missing[0]!r}; it has {', '.join(names[:20])}.")
        if settings.binary == "refuse" and (odd := [one.name for one in columns if one.kind == "binary"]):
            said = "say 'binary: base64', or name the columns that are to be read"
            raise Refused("sql.binary", f"The column {odd[0]!r} of {self.where} holds bytes: {said}.")
        kinds = {one.name: one.kind for one in columns}
        if settings.change:
            self._kind_of_change = kinds[settings.change]

    def _place(self, found: Rows) -> list[Any] | None:
        order = [self.settings.change] if self.settings.change else []
        return self._values(found, [*order, *self.settings.key_fields])

    def _values(self, found: Rows, names: Sequence[str]) -> list[Any] | None:
        """Of the last row, as they go into a cursor: numbers as such, everything else as the database writes it."""
        if not found.rows:
            return None
        row, values = found.rows[-1], list[Any]()
        for name in names:
            place = self._column(found, name)
            raw, kind = row[place], found.columns[place].kind
            if raw is None:
                raise Refused("sql.key", f"{name!r} of the last row of {self.where} is empty, so no page follows it.")
            try:
                shown = raw.decode()
            except UnicodeDecodeError:
                said = f"{name!r} of the last row of {self.where} is no UTF-8, so no page follows it."
                raise Refused("sql.key", said) from None
            values.append({"n": shown} if kind in _NUMERIC else shown)
        return values

    def _column(self, found: Rows, name: str) -> int:
        return next(place for place, one in enumerate(found.columns) if one.name == name)


def _newer(looks: Sequence[Any], settled: int | None) -> list[Any]:
    """Looks that still say something."""
    return [one for one in looks if settled is None or one[1] >= settled]


def _value(kept: Any) -> Any:
    """A value of a cursor as it is bound."""
    if not isinstance(kept, dict):
        return kept
    number = Decimal(kept["n"])
    return int(number) if number == number.to_integral_value() and number.adjusted() < 18 else number


__all__ = ["SqlSource"]
