"""Learns from exchanges, one after the other, where they and the contract differ. Memory is bounded: places, names and
values are limited in number, and no content of a message stays behind."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from tillgate_contracts.compare.groups import place_of
from tillgate_contracts.observe.exchanges import Exchange
from tillgate_contracts.observe.kept import is_call, is_list_value, is_name, is_sensitive, type_of
from tillgate_contracts.observe.operations import Operation, Operations
from tillgate_contracts.observe.report import MOST_FINDINGS, MOST_NAMES, DriftFinding, DriftResult
from tillgate_contracts.observe.shapes import SchemaShape, Shapes, same
from tillgate_contracts.reading import Document

MOST_PLACES = 20_000
MOST_ITEMS = 200
MOST_DEPTH = 30
#: A value is named when it came this often: a slip of one message may be anything.
LEAST_OFTEN = 3
#: A list is complete enough to say what was never seen.
LEAST_SEEN = 50


@dataclass(slots=True)
class _Tally:
    count: int = 0
    refused: int = 0

    def add(self, accepted: bool) -> None:
        self.count += 1
        self.refused += not accepted


@dataclass(slots=True)
class _Names:
    """Names with their numbers: at most MOST_NAMES are kept, of those that may be kept at all. `times` counts what had
    any of them."""

    by_name: dict[str, _Tally] = field(default_factory=dict)
    others: _Tally = field(default_factory=_Tally)
    overflow: bool = False
    times: _Tally = field(default_factory=_Tally)

    def add(self, name: str, accepted: bool, *, kept: bool) -> None:
        if kept and not self.overflow and name not in self.by_name and len(self.by_name) >= MOST_NAMES:
            self.overflow = True
            for tally in self.by_name.values():
                self.others.count += tally.count
                self.others.refused += tally.refused
            self.by_name.clear()
        if kept and not self.overflow:
            self.by_name.setdefault(name, _Tally()).add(accepted)
        else:
            self.others.add(accepted)


@dataclass(slots=True)
class _Place:
    seen: int = 0
    members: _Names = field(default_factory=_Names)
    missing: dict[str, _Tally] = field(default_factory=dict)
    types: dict[str, _Tally] = field(default_factory=dict)
    declared: str = ""
    values: list[Any] = field(default_factory=list)
    met: set[int] = field(default_factory=set)
    new_values: _Names = field(default_factory=_Names)
    sensitive: bool = False


class Observer:
    """Compares exchanges with one contract. Raises ContractError `observe.format` for formats that carry no JSON."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._operations = Operations(document)
        self._shapes = Shapes(document.tree)
        self._places: dict[tuple[str, str, str], _Place] = {}
        self._calls: Counter[str] = Counter()
        self._strange = _Names()
        self._statuses: dict[str, _Names] = {}
        self._parameters: dict[str, _Names] = {}
        self._pointed: dict[str, dict[str, str]] = {}
        self._crowded = 0
        self.exchanges = self.skipped = 0
        self.bodies = self.unread_bodies = 0
        self._whole = False  # whether whole calls or messages were seen, not values of one schema alone
        self._first: dt.datetime | None = None
        self._last: dt.datetime | None = None

    def add(self, exchange: Exchange) -> None:
        """Learn from one exchange."""
        if exchange.skipped:
            self.skipped += 1
            return
        if exchange.at is not None:
            self._first = min(self._first or exchange.at, exchange.at)
            self._last = max(self._last or exchange.at, exchange.at)
        if exchange.method:
            self._call(exchange)
        else:
            self._message(exchange)

    def _message(self, exchange: Exchange) -> None:
        self._whole = True
        operation = self._operations.of_message(exchange.message)
        self.exchanges += 1
        if operation is None:
            self._strange.times.add(exchange.accepted)
            self._strange.add(exchange.message, exchange.accepted, kept=is_name(exchange.message))
            return
        self._calls[operation.label] += 1
        self.bodies += 1
        self._learn(operation.label, "request", "", operation.request, exchange.request, exchange.accepted)

    def add_value(self, pointer: str, value: Any, *, accepted: bool = True, at: dt.datetime | None = None) -> None:
        """Learn from one value of the schema at a pointer into the contract."""
        self.exchanges += 1
        if at is not None:
            self._first, self._last = min(self._first or at, at), max(self._last or at, at)
        label = place_of(pointer)[0]
        self._calls[label] += 1
        self.bodies += 1
        schema = self._pointed.setdefault(pointer, {"$ref": "#" + pointer})
        self._learn(label, "", "", [schema], value, accepted)

    def add_unread(self) -> None:
        """Learn that a value could not be read."""
        self.exchanges += 1
        self.unread_bodies += 1

    def _call(self, exchange: Exchange) -> None:
        self._whole = True
        operation = self._operations.of_call(exchange.method, exchange.path)
        self.exchanges += 1
        if operation is None:
            # A path holds numbers of customers and orders, so only the method and its first part are told.
            call = f"{exchange.method} /{exchange.path.strip('/').partition('/')[0]}"
            self._strange.times.add(exchange.accepted)
            self._strange.add(call, exchange.accepted, kept=is_call(call))
            return
        label, accepted = operation.label, exchange.accepted
        self._calls[label] += 1
        if operation.parameters:
            strange = {n for n in exchange.query if operation.parameters.isdisjoint((n, n.partition("[")[0]))}
            if strange:
                names = self._parameters.setdefault(label, _Names())
                names.times.add(accepted)
                for name in strange:
                    names.add(name, accepted, kept=is_name(name))
        if operation.request:
            self.bodies += exchange.has_request
            absent = operation.demands and accepted and not exchange.has_request
            self.unread_bodies += exchange.unread_request or absent
        if exchange.has_request and operation.request:
            self._learn(label, "request", "", operation.request, exchange.request, accepted)
        if exchange.status:
            self._answer(operation, exchange)

    def _answer(self, operation: Operation, exchange: Exchange) -> None:
        schemas = operation.answer(exchange.status)
        if schemas is None:
            name = str(exchange.status)
            names = self._statuses.setdefault(operation.label, _Names())
            names.times.add(exchange.accepted)
            names.add(name, exchange.accepted, kept=True)
        elif not schemas:
            return
        elif not exchange.has_response:
            self.unread_bodies += exchange.unread_response or _has_body(exchange)
        else:
            self.bodies += 1
            self._learn(operation.label, f"response {exchange.status}", "", schemas, exchange.response, True)

    def _learn(
        self, label: str, side: str, path: str, schemas: list[Any], value: Any, accepted: bool, depth: int = 0
    ) -> None:
        shape = self._shapes.best(schemas, value)
        if shape is None or depth > MOST_DEPTH:
            return
        place = self._place(label, side, path)
        if place is None:
            return
        place.seen += 1
        kind = type_of(value)
        if shape.types is not None and kind not in shape.types and not (kind == "integer" and "number" in shape.types):
            place.declared = ", ".join(sorted(shape.types))
            place.types.setdefault(kind, _Tally()).add(accepted)
            return
        if shape.values is not None:
            self._listed(place, shape, value, accepted)
        if kind == "object":
            self._object(label, side, path, place, shape, value, accepted, depth)
        elif kind == "array" and shape.items:
            for one in value[:MOST_ITEMS]:
                self._learn(label, side, f"{path}[]", shape.items, one, accepted, depth + 1)

    def _object(
        self,
        label: str,
        side: str,
        path: str,
        place: _Place,
        shape: SchemaShape,
        value: dict[str, Any],
        accepted: bool,
        depth: int,
    ) -> None:
        reading, answer = side != "request", side.startswith("response")
        for name in shape.required:
            if name not in value and not self._one_way(shape.members.get(name, []), reading=reading):
                place.missing.setdefault(name, _Tally()).add(accepted)
        strange = False
        for name, inner in value.items():
            below = f"{path}.{name}" if path else name
            if name in shape.members and not (answer and self._one_way(shape.members[name], reading=True)):
                self._learn(label, side, below, shape.members[name], inner, accepted, depth + 1)
            elif shape.mapped and name not in shape.members:
                self._learn(label, side, f"{path}.*" if path else "*", shape.mapped[:1], inner, accepted, depth + 1)
            elif shape.members or shape.closed:
                place.members.add(name, accepted, kept=is_name(name))
                strange = True
        if strange:
            place.members.times.add(accepted)

    def _one_way(self, schemas: list[Any], *, reading: bool) -> bool:
        """True for what the contract has in the other direction only (JSON Schema Validation 9.4)."""
        word = "writeOnly" if reading else "readOnly"
        return any(one.get(word) is True for schema in schemas for one in self._operations.written(schema))

    def _listed(self, place: _Place, shape: SchemaShape, value: Any, accepted: bool) -> None:
        values = shape.values or ()
        place.values = place.values or list(values[:1000])
        for number, one in enumerate(place.values):
            if same(value, one):
                place.met.add(number)
                return
        kept = not place.sensitive and is_list_value(value)
        place.new_values.times.add(accepted)
        place.new_values.add(value if kept else "", accepted, kept=kept)

    def _place(self, label: str, side: str, path: str) -> _Place | None:
        key = (label, side, path)
        found = self._places.get(key)
        if found is None:
            if len(self._places) >= MOST_PLACES:
                self._crowded += 1
                return None
            found = self._places[key] = _Place(sensitive=is_sensitive(path))
        return found

    def result(self, source: str) -> DriftResult:
        """What was learned so far, contradictions first, at most MOST_FINDINGS differences."""
        found = self._findings()
        found.sort(key=lambda one: (not one.contradicts, one.operation, one.side, one.place, one.kind))
        known = self._operations.by_label
        return DriftResult(
            contract=self._document.digest,
            format=self._document.format,
            source=source,
            observed_from=self._first,
            observed_until=self._last,
            exchanges=self.exchanges,
            skipped=self.skipped,
            bodies=self.bodies,
            unread_bodies=self.unread_bodies,
            operations_known=len(known),
            operations_seen=sum(1 for label in known if self._calls[label]) or len(self._calls),
            differences=tuple(found[:MOST_FINDINGS]),
            left_out=max(0, len(found) - MOST_FINDINGS) + self._crowded,
        )

    def _findings(self) -> list[DriftFinding]:
        made = []
        for (label, side, path), place in self._places.items():
            made += _of_place(label, side, path, place)
        if self._strange.times.count:
            made.append(_of_names("operation-undeclared", "", self._strange, self.exchanges))
        for kind, several in (("status-undeclared", self._statuses), ("parameter-undeclared", self._parameters)):
            made += [_of_names(kind, label, names, self._calls[label]) for label, names in several.items()]
        uncalled = tuple(label for label in self._operations.by_label if label and not self._calls[label])
        if uncalled and self._whole:
            made.append(DriftFinding(kind="operation-uncalled", operation="", what=uncalled[:100], count=len(uncalled)))
        return made


def _has_body(exchange: Exchange) -> bool:
    """Whether an answer has a body by HTTP (RFC 9110 section 6.4.1), where its status has one in the contract."""
    return exchange.method != "HEAD" and exchange.status >= 200 and exchange.status not in (204, 205, 304)


def _of_names(kind: str, label: str, names: _Names, seen: int) -> DriftFinding:
    total = names.times
    return DriftFinding(
        kind=kind,
        operation=label,
        what=tuple(sorted(names.by_name)),
        count=total.count,
        seen=seen,
        refused=total.refused,
        unnamed=names.others.count,
    )


def _of_place(label: str, side: str, path: str, place: _Place) -> list[DriftFinding]:
    common: dict[str, Any] = {"operation": label, "side": side, "place": path, "seen": place.seen}
    made = []
    if (total := place.members.times).count:
        kind = "undeclared-map" if place.members.overflow else "undeclared-member"
        what = tuple(sorted(place.members.by_name))
        unnamed = place.members.others.count
        made.append(
            DriftFinding(kind=kind, what=what, count=total.count, refused=total.refused, unnamed=unnamed, **common)
        )
    for name, tally in sorted(place.missing.items()):
        made.append(
            DriftFinding(kind="missing-member", what=(name,), count=tally.count, refused=tally.refused, **common)
        )
    for name, tally in sorted(place.types.items()):
        made.append(
            DriftFinding(
                kind="wrong-type",
                what=(name,),
                declared=place.declared,
                count=tally.count,
                refused=tally.refused,
                **common,
            )
        )
    if (total := place.new_values.times).count:
        often = {name: one.count for name, one in place.new_values.by_name.items() if one.count >= LEAST_OFTEN}
        made.append(
            DriftFinding(
                kind="enum-value-new",
                what=tuple(sorted(often)),
                count=total.count,
                refused=total.refused,
                unnamed=total.count - sum(often.values()),
                **common,
            )
        )
    if place.values and place.seen >= LEAST_SEEN and not place.sensitive:
        unseen = [one for number, one in enumerate(place.values) if number not in place.met]
        if unseen:
            what = tuple(one if isinstance(one, str) else orjson.dumps(one).decode() for one in unseen[:MOST_NAMES])
            made.append(DriftFinding(kind="enum-value-unseen", what=what, count=len(unseen), **common))
    return made
