"""OData V2 in the SAP Gateway dialect: literals, `$filter`, tables, queries and the JSON shape of answers.

Rows are kept as they go over the wire (`/Date(ms)/`, decimals as strings), so that a page costs little more than its bytes.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

import orjson

from sandbox.edm import EntityType, Navigation, Service
from sandbox.server import Refusal

Row = dict[str, Any]
Key = tuple[str, ...]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CACHED_ROWS = 50_000


def wire_date(value: date | datetime) -> str:
    """An Edm.DateTime: `/Date(ms)/`, no zone."""
    at = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001
    return f"/Date({_milliseconds(at.replace(tzinfo=UTC))})/"


def wire_instant(value: datetime) -> str:
    """An Edm.DateTimeOffset: `/Date(ms+0000)/`."""
    return f"/Date({_milliseconds(value.astimezone(UTC))}+0000)/"


def _milliseconds(at: datetime) -> int:
    delta = at - EPOCH
    return delta.days * 86_400_000 + delta.seconds * 1000 + delta.microseconds // 1000


def wire_milliseconds(value: str) -> int:
    return int(value[6:].rstrip(")/").split("+")[0])


def etag_of(entity: EntityType, row: Row) -> str | None:
    """`W/"datetimeoffset'2026-03-02T08%3A00%3A00.0000000Z'"`, as the Gateway writes it."""
    if entity.etag is None or row.get(entity.etag) is None:
        return None
    milliseconds = wire_milliseconds(row[entity.etag])
    at = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"W/\"datetimeoffset'{at.strftime('%Y-%m-%dT%H%%3A%M%%3A%S')}.{milliseconds % 1000:03d}0000Z'\""


# --- tables -------------------------------------------------------------------------------------------------------------


class Table:
    """Rows of one entity set by key, with the indexes its type asks for."""

    def __init__(self, entity: EntityType) -> None:
        self.entity = entity
        self.rows: dict[Key, Row] = {}
        self.version = 0
        self._order: list[Key] | None = None
        self._indexes: dict[str, dict[Any, dict[Key, None]]] = {name: {} for name in entity.indexed}
        self._bytes: dict[Key, bytes] = {}

    def key_of(self, row: Row) -> Key:
        return tuple(row[name] for name in self.entity.keys)

    def put(self, row: Row) -> None:
        """Insert or replace. Fields not given are null (text keys: empty)."""
        full = {item.name: row.get(item.name) for item in self.entity.properties}
        for name in self.entity.keys:
            full[name] = full[name] or ""
        key = self.key_of(full)
        old = self.rows.get(key)
        if old is None:
            self._order = None
        for name, index in self._indexes.items():
            if old is not None:
                index[old[name]].pop(key, None)
            index.setdefault(full[name], {})[key] = None
        self.rows[key] = full
        self._bytes.pop(key, None)
        self.version += 1

    def ordered(self) -> list[Key]:
        if self._order is None:
            self._order = sorted(self.rows)
        return self._order

    def find(self, name: str, values: Iterable[Any]) -> list[Key]:
        """Keys of rows whose indexed field has one of the values, in key order."""
        index = self._indexes[name]
        return sorted({key for value in values for key in index.get(value, ())})

    def is_indexed(self, name: str) -> bool:
        return name in self._indexes

    def cached(self, key: Key, make: Callable[[Row], Row]) -> orjson.Fragment:
        made = self._bytes.get(key)
        if made is None:
            made = orjson.dumps(make(self.rows[key]))
            if len(self._bytes) < CACHED_ROWS:
                self._bytes[key] = made
        return orjson.Fragment(made)


# --- filters ------------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"\s*(?:(?P<instant>datetime(?:offset)?'[^']*')|(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?[mMdDlLfF]?)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_/]*)|(?P<sign>[(),]))"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: a is not None and b is not None and a > b,
    "ge": lambda a, b: a is not None and b is not None and a >= b,
    "lt": lambda a, b: a is not None and b is not None and a < b,
    "le": lambda a, b: a is not None and b is not None and a <= b,
}
_READ: dict[str, Callable[[Any], Any]] = {
    "Edm.DateTime": wire_milliseconds,
    "Edm.DateTimeOffset": wire_milliseconds,
    "Edm.Decimal": Decimal,
}
_LITERALS = {
    "Edm.String": "text",
    "Edm.DateTime": "datetime",
    "Edm.DateTimeOffset": "datetimeoffset",
    "Edm.Decimal": "number",
    "Edm.Boolean": "boolean",
}


@dataclass
class Filter:
    """A compiled `$filter`: a test, and where it pins one field to a set of values, that field and those values."""

    test: Callable[[Row], bool]
    pinned: dict[str, frozenset[Any]]


def reader(entity: EntityType, name: str) -> Callable[[Row], Any]:
    """A function that gives a row's field as a comparable Python value."""
    item = entity.by_name.get(name)
    if item is None:
        raise bad_request(f"Property {name} not found in type {entity.type_name}", code="/IWBEP/CM_MGW_RT/033")
    convert = _READ.get(item.type)
    if convert is None:
        return lambda row: row[name]
    return lambda row: None if (value := row[name]) is None else convert(value)


def bad_request(message: str, *, code: str = "/IWBEP/CM_MGW_RT/022", status: int = 400, **details: Any) -> Refusal:
    return Refusal(status, code, message, **details)


class _Parser:
    def __init__(self, entity: EntityType, text: str) -> None:
        self.entity, at = entity, 0
        self.tokens: list[tuple[str, str]] = []
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise bad_request(f"Invalid token detected at position {at} of $filter", code="/IWBEP/CM_MGW_RT/176")
            self.tokens.append((found.lastgroup or "", found.group(found.lastgroup or 0)))
            at = found.end()
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, *expected: str) -> tuple[str, str]:
        token = self.peek()
        if expected and token[1].lower() not in expected:
            raise bad_request(f"Invalid $filter near {token[1] or 'its end'!r}", code="/IWBEP/CM_MGW_RT/176")
        self.at += 1
        return token

    def parse(self) -> Filter:
        made = self.either()
        if self.peek()[0] != "end":
            raise bad_request(f"Invalid $filter near {self.peek()[1]!r}", code="/IWBEP/CM_MGW_RT/176")
        return made

    def either(self) -> Filter:
        parts = [self.both()]
        while self.peek() == ("word", "or"):
            self.take()
            parts.append(self.both())
        if len(parts) == 1:
            return parts[0]
        tests = [part.test for part in parts]
        shared = set.intersection(*(set(part.pinned) for part in parts))
        pinned = {name: frozenset().union(*(part.pinned[name] for part in parts)) for name in shared}
        return Filter(lambda row: any(test(row) for test in tests), pinned)

    def both(self) -> Filter:
        made = self.one()
        while self.peek() == ("word", "and"):
            self.take()
            made = _and(made, self.one())
        return made

    def one(self) -> Filter:
        kind, text = self.peek()
        if (kind, text) == ("word", "not"):
            self.take()
            inner = self.one().test
            return Filter(lambda row: not inner(row), {})
        if text == "(":
            self.take()
            made = self.either()
            self.take(")")
            return made
        if kind == "word" and text.lower() in ("startswith", "endswith", "substringof"):
            return self.function(self.take()[1].lower())
        if kind != "word":
            raise bad_request(f"Invalid $filter near {text or 'its end'!r}", code="/IWBEP/CM_MGW_RT/176")
        return self.comparison()

    def comparison(self) -> Filter:
        name = self.take()[1]
        read = reader(self.entity, name)
        operator = self.take(*_COMPARE)[1].lower()
        value = self.literal(name)
        compare = _COMPARE[operator]
        pinned = {name: frozenset([value])} if operator == "eq" else {}
        return Filter(lambda row: compare(read(row), value), pinned)

    def literal(self, name: str) -> Any:
        """A literal of the property's own type: the Gateway refuses a datetime for a DateTimeOffset and the reverse."""
        wanted = _LITERALS[self.entity.by_name[name].type]
        kind, text = self.take()
        if text == "null":
            return None
        given = (
            "text"
            if kind == "text"
            else "number"
            if kind == "number"
            else text.split("'")[0].lower()
            if kind == "instant"
            else ""
        )
        if text in ("true", "false"):
            given = "boolean"
        if given != wanted:
            raise bad_request(f"Invalid parametertype used at function 'eq': {name} needs a {wanted} literal, got {text}")
        if wanted == "text":
            return text[1:-1].replace("''", "'")
        if wanted == "boolean":
            return text == "true"
        if wanted == "number":
            return Decimal(text.rstrip("mMdDlLfF"))
        return parse_instant(text.split("'")[1])

    def function(self, name: str) -> Filter:
        self.take("(")
        arguments: list[tuple[str, str]] = [self.take()]
        self.take(",")
        arguments.append(self.take())
        self.take(")")
        if self.peek() == ("word", "eq"):
            self.take()
            self.take("true")
        needle = next((text[1:-1].replace("''", "'") for kind, text in arguments if kind == "text"), None)
        column = next((text for kind, text in arguments if kind == "word"), None)
        if needle is None or column is None:
            raise bad_request(f"{name} needs a property and a text")
        read = reader(self.entity, column)
        tests: dict[str, Callable[[str], bool]] = {
            "startswith": lambda value: value.startswith(needle),
            "endswith": lambda value: value.endswith(needle),
            "substringof": lambda value: needle in value,
        }
        test = tests[name]
        return Filter(lambda row: test(str(read(row) or "")), {})


def _and(left: Filter, right: Filter) -> Filter:
    return Filter(lambda row: left.test(row) and right.test(row), {**right.pinned, **left.pinned})


def compile_filter(entity: EntityType, text: str) -> Filter:
    return _Parser(entity, text).parse()


def parse_instant(text: str) -> int:
    """Milliseconds of an ISO literal with up to seven fraction digits; no zone means UTC."""
    trimmed = re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "+00:00"))
    try:
        at = datetime.fromisoformat(trimmed)
    except ValueError:
        raise bad_request(f"Invalid date literal {text!r}", code="/IWBEP/CM_MGW_RT/176") from None
    return _milliseconds(at if at.tzinfo else at.replace(tzinfo=UTC))


# --- keys in paths ------------------------------------------------------------------------------------------------------

_KEY_PART = re.compile(r"\s*(?:(?P<name>\w+)\s*=\s*)?'(?P<text>(?:[^']|'')*)'\s*(?:,|$)")


def parse_key(entity: EntityType, text: str) -> Key:
    """The key tuple of `('0001')` or `(Product='0001',Language='EN')`, brackets already taken off."""
    named: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _KEY_PART.match(text, at)
        if found is None:
            break
        named[found["name"] or entity.keys[0]] = found["text"].replace("''", "'")
        at = found.end()
    if at < len(text) or set(named) != set(entity.keys):
        raise bad_request(f"Invalid key predicate type for {entity.type_name}", code="/IWBEP/CM_MGW_RT/020")
    return tuple(named[name] for name in entity.keys)


def key_text(entity: EntityType, row: Row) -> str:
    def part(name: str) -> str:
        return quote(str(row[name] or "").replace("'", "''"), safe="'")

    if len(entity.keys) == 1:
        return f"('{part(entity.keys[0])}')"
    return "(" + ",".join(f"{name}='{part(name)}'" for name in entity.keys) + ")"


# --- queries ------------------------------------------------------------------------------------------------------------


class Store:
    """All tables of the ERP, and how to read them."""

    def __init__(self, services: dict[str, Service]) -> None:
        self.services = services
        self.origin = ""
        self.tables: dict[tuple[str, str], Table] = {
            (service.name, entity.set): Table(entity) for service in services.values() for entity in service.entities
        }
        self._results: OrderedDict[tuple[Any, ...], list[Key]] = OrderedDict()

    def table(self, service: str, entity_set: str) -> Table:
        return self.tables[service, entity_set]

    def uri(self, service: Service, entity: EntityType, row: Row) -> str:
        return f"{self.origin}{service.root}{entity.set}{key_text(entity, row)}"

    def select_keys(self, service: Service, entity: EntityType, filter_text: str, orderby: str) -> list[Key]:
        """Keys that match, in order; remembered as long as the table stays as it is, so that paging stays cheap."""
        table = self.table(service.name, entity.set)
        memo = (service.name, entity.set, filter_text, orderby, table.version)
        if memo in self._results:
            return self._results[memo]
        keys = table.ordered()
        if filter_text:
            compiled = compile_filter(entity, filter_text)
            pins = {name: values for name, values in compiled.pinned.items() if table.is_indexed(name)}
            if tuple(compiled.pinned) == entity.keys and len(entity.keys) == 1:
                keys = [key for value in compiled.pinned[entity.keys[0]] if (key := (value,)) in table.rows]
                keys.sort()
            elif pins:
                name = min(pins, key=lambda name: len(pins[name]))
                keys = table.find(name, pins[name])
            rows, test = table.rows, compiled.test
            keys = [key for key in keys if test(rows[key])]
        if orderby:
            keys = _sorted(table, keys, orderby)
        self._results[memo] = keys
        while len(self._results) > 8:
            self._results.popitem(last=False)
        return keys

    def present(self, service: Service, entity: EntityType, row: Row, select: tuple[str, ...], expand: tuple[str, ...]) -> Row:
        """One entity as it is sent: `__metadata`, the chosen fields, deferred or expanded navigations."""
        uri = self.uri(service, entity, row)
        about = {"id": uri, "uri": uri, "type": f"{service.name}.{entity.type_name}"}
        if (etag := etag_of(entity, row)) is not None:
            about["etag"] = etag
        made: Row = {"__metadata": about}
        made.update({name: value for name, value in row.items() if not select or name in select})
        for nav in entity.navigations:
            inner = tuple(item.partition("/")[2] for item in expand if item.startswith(nav.name + "/"))
            if nav.name in expand or inner:
                made[nav.name] = self.expanded(service, nav, row, tuple(item for item in inner if item))
            elif not select or nav.name in select:
                made[nav.name] = {"__deferred": {"uri": f"{uri}/{nav.name}"}}
        return made

    def related(self, service: Service, nav: Navigation, row: Row) -> list[Key]:
        table = self.table(service.name, nav.target)
        wanted = {to: row[own] for own, to in nav.on}
        if tuple(wanted) == table.entity.keys:
            key = tuple(wanted.values())
            return [key] if key in table.rows else []
        name = next(name for name in wanted if table.is_indexed(name))
        found = table.find(name, [wanted[name]])
        return [key for key in found if all(table.rows[key][to] == value for to, value in wanted.items())]

    def expanded(self, service: Service, nav: Navigation, row: Row, expand: tuple[str, ...]) -> Any:
        table = self.table(service.name, nav.target)
        found = [self.present(service, table.entity, table.rows[key], (), expand) for key in self.related(service, nav, row)]
        if nav.many:
            return {"results": found}
        return found[0] if found else None


def _sorted(table: Table, keys: list[Key], orderby: str) -> list[Key]:
    made = list(keys)
    for part in reversed(orderby.split(",")):
        name, _, direction = part.strip().partition(" ")
        if direction.strip().lower() not in ("", "asc", "desc"):
            raise bad_request(f"Invalid $orderby {part.strip()!r}")
        read = reader(table.entity, name)

        def rank(key: Key, read: Callable[[Row], Any] = read) -> tuple[bool, Any]:
            value = read(table.rows[key])
            return (value is not None, value if value is not None else 0)

        made.sort(key=rank, reverse=direction.strip().lower() == "desc")
    return made


def whole_number(query: dict[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.isdigit():
        raise bad_request(f"Invalid value {text!r} for {name}", code="/IWBEP/CM_MGW_RT/022")
    return int(text)


def coerce(entity: EntityType, name: str, value: Any) -> Any:
    """A written value in wire form, or a refusal that names the field."""
    item = entity.by_name.get(name)
    if item is None:
        raise bad_request(f"Property '{name}' is invalid", code="/IWBEP/CM_MGW_RT/021", target=name)
    if value is None:
        return None
    if item.type == "Edm.String":
        if not isinstance(value, str) or (item.length is not None and len(value) > item.length):
            raise bad_request(f"Property '{name}' is not a text of at most {item.length} characters", target=name)
        return value
    if item.type == "Edm.Decimal":
        try:
            if isinstance(value, bool | float | int):
                raise InvalidOperation
            number = Decimal(value)
            if not number.is_finite() or number.adjusted() >= (item.length or 31):
                raise InvalidOperation
        except (InvalidOperation, TypeError):
            raise bad_request(f"Property '{name}' needs a decimal as a string, got {value!r}", target=name) from None
        return str(number)
    if item.type == "Edm.Boolean":
        if not isinstance(value, bool):
            raise bad_request(f"Property '{name}' needs true or false", target=name)
        return value
    return coerce_instant(name, value, offset=item.type == "Edm.DateTimeOffset")


def coerce_instant(name: str, value: Any, *, offset: bool) -> str:
    if isinstance(value, str) and re.fullmatch(r"/Date\(-?\d+(\+\d{4})?\)/", value):
        return value
    if isinstance(value, str):
        milliseconds = parse_instant(value)
        return f"/Date({milliseconds}{'+0000' if offset else ''})/"
    raise bad_request(f"Property '{name}' needs a date", target=name)


def split_path(rest: str) -> tuple[str, str | None, str]:
    """`A_Product('1')/to_Plant` → (set, key text or None, what follows)."""
    found = re.fullmatch(r"(?P<set>\w+)(?:\((?P<key>.*)\))?(?:/(?P<tail>[^()]*))?", rest)
    if found is None:
        raise bad_request(f"Invalid resource path {rest!r}", status=404, code="/IWBEP/CM_MGW_RT/020")
    return found["set"], found["key"], found["tail"] or ""
