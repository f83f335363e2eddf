"""OData V2 in the SAP Gateway dialect: tables, keys in paths, queries and the JSON shape of answers.

Rows are kept as they go over the wire (`/Date(ms)/`, decimals as strings), so that a page costs little more than its
bytes.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

import orjson

from sandbox.edm import EntityType, Navigation, Service
from sandbox.filters import compile_filter, reader
from sandbox.wire import Row, bad_request, etag_of

Key = tuple[str, ...]
CACHED_ROWS = 50_000


# --- tables ---------------------------------------------------------------------------------------------------------


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


# --- keys in paths --------------------------------------------------------------------------------------------------

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


# --- queries --------------------------------------------------------------------------------------------------------


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

    def present(
        self, service: Service, entity: EntityType, row: Row, select: tuple[str, ...], expand: tuple[str, ...]
    ) -> Row:
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
        found = [
            self.present(service, table.entity, table.rows[key], (), expand) for key in self.related(service, nav, row)
        ]
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
    if not text.isdecimal():
        raise bad_request(f"Invalid value {text!r} for {name}", code="/IWBEP/CM_MGW_RT/022")
    return int(text)


def split_path(rest: str) -> tuple[str, str | None, str]:
    """`A_Product('1')/to_Plant` → (set, key text or None, what follows)."""
    found = re.fullmatch(r"(?P<set>\w+)(?:\((?P<key>.*)\))?(?:/(?P<tail>[^()]*))?", rest)
    if found is None:
        raise bad_request(f"Invalid resource path {rest!r}", status=404, code="/IWBEP/CM_MGW_RT/020")
    return found["set"], found["key"], found["tail"] or ""
