"""OData V4 as Dynamics 365 speaks it, under `/data/`: products and sales orders of two companies.

    GET  /data/, /data/Products, /data/SalesOrders, /data/SalesOrders(dataAreaId='usmf',SalesOrderNumber='SO-1')
    POST /data/SalesOrders         numbers the order itself; 201 with the entity and its ETag
    PATCH, DELETE of an order      If-Match needed (428) and checked (412)

What it does as the vendor does: without `cross-company=true` only the caller's own company is seen, without a word;
pages end at `odata.maxpagesize` or at `page_size`, whichever is less, with a whole address as next link; stamps have
seven digits; keys are compared as text; what a person needs to know of an error stands in `innererror.message`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from sandbox.faults import BadControl
from sandbox.server import HOST, Answer, Call, Emulator, Operation, Refusal, answer

ROOT = "/data/"
KEYS = {"Products": ("dataAreaId", "ItemNumber"), "SalesOrders": ("dataAreaId", "SalesOrderNumber")}
COMPANIES = ("usmf", "ussi")
_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|([()])|([^\s()']+))")
_PREFER = re.compile(r"odata\.maxpagesize=([0-9]{1,6})")
_PART = re.compile(r"\s*([A-Za-z]+)\s*=\s*'((?:[^']|'')*)'\s*(?:,|$)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: a is not None and bool(a > b),
    "ge": lambda a, b: a is not None and bool(a >= b),
    "lt": lambda a, b: a is not None and bool(a < b),
    "le": lambda a, b: a is not None and bool(a <= b),
}
Row = dict[str, Any]
Test = Callable[[Row], bool]


class Dynamics(Emulator):
    name = "dynamics"

    def __init__(self, state: Path, *, seed: int = 1, token: str) -> None:
        super().__init__(state, seed=seed)
        self.settings = {"page_size": 50, "company": COMPANIES[0]}
        self.sets: dict[str, dict[tuple[str, ...], Row]] = {"Products": {}, "SalesOrders": {}}
        for number in range(60):
            key = (COMPANIES[number % 2], f"{number // 2:04}")
            changed = f"2026-03-01T10:00:00.{(number // 20) * 1000:07}Z"
            more = {"ProductName": f"Product {number}", "SalesPrice": number + 0.5, "ModifiedDateTime": changed}
            self.sets["Products"][key] = {"dataAreaId": key[0], "ItemNumber": key[1], **more}
        self._number = 0
        self._accept(token=token)

    def restore(self) -> None:
        for entry in self.journal.entries():
            if entry.data:
                self._store(str(entry.data["set"]), entry.data["row"], gone=entry.effect == "entity.deleted")
                self._number += entry.effect == "salesorder.created"

    def resolve(self, method: str, path: str) -> Operation | None:
        if not path.startswith(ROOT):
            return None
        name, _, key = unquote(path[len(ROOT) :]).partition("(")
        params = (name, key.removesuffix(")"))
        if name and name not in KEYS:
            return None
        if method == "GET":
            return Operation("odata4.read", False, self._signed(self._read), params)
        if name == "SalesOrders" and method in ("POST", "PATCH", "DELETE"):
            doing = "salesorder.create" if method == "POST" else "odata4.write"
            return Operation(doing, True, self._signed(self._write), params)
        return None

    def denied(self, headers: Any) -> Refusal | None:
        if headers.get("Authorization") == f"Bearer {self.sign_in['token']}":
            return None
        return Refusal(401, "Unauthorized", "The caller is not known")

    def refusal(self, refused: Refusal) -> Answer:
        inner = {"message": refused.message, "type": "Microsoft.Dynamics.Platform.Integration.Services.OData"}
        shown = {"code": refused.code, "message": "An error has occurred.", "innererror": inner}
        return answer({"error": shown}, refused.status, [("OData-Version", "4.0")])

    def _signed(self, handle: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        def signed(call: Call) -> Answer:
            if denied := self.denied(call.headers):
                raise denied
            return handle(call)

        return signed

    # reading

    def _read(self, call: Call) -> Answer:
        name, key = call.params
        if not name:
            return self._answer({"value": [{"name": one, "kind": "EntitySet", "url": one} for one in KEYS]})
        if key:
            row = self._row(name, key)
            return self._answer(self._shown(row, call), headers=[("ETag", self._etag(row))])
        rows = list(self._visible(name, call))
        for field in reversed(call.query.get("$orderby", ",".join(KEYS[name])).split(",")):
            rows.sort(key=lambda row, field=field: (row[field] is not None, row[field] or ""))  # type: ignore[misc]
        wished = _PREFER.search(call.headers.get("Prefer", ""))
        size = min(int(self.settings["page_size"]), int(wished[1]) if wished else 10_000)
        size = int(call.query.get("$top", size))
        start = int(call.query.get("$skiptoken", 0))
        more = {}
        if start + size < len(rows) and "$top" not in call.query:
            again = {**call.query, "$skiptoken": str(start + size)}
            pairs = "&".join(f"{one}={quote(value, safe='')}" for one, value in again.items())
            more = {"@odata.nextLink": f"http://{HOST}:{self.port}{ROOT}{name}?{pairs}"}
        return self._answer({"value": [self._shown(row, call) for row in rows[start : start + size]], **more})

    def _visible(self, name: str, call: Call) -> Iterator[Row]:
        fits = parsed(call.query["$filter"]) if "$filter" in call.query else lambda row: True
        every = call.query.get("cross-company") == "true"
        for row in self.sets[name].values():
            if (every or row["dataAreaId"] == self.settings["company"]) and fits(row):
                yield row

    def _shown(self, row: Row, call: Call) -> Row:
        select = [one for one in call.query.get("$select", "").split(",") if one]
        return {"@odata.etag": self._etag(row), **{k: v for k, v in row.items() if not select or k in select}}

    def _answer(self, body: Row, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Answer:
        shown = {"@odata.context": f"http://{HOST}:{self.port}{ROOT}$metadata", **body}
        return answer(shown, status, [("OData-Version", "4.0"), *(headers or [])])

    def _row(self, name: str, key: str) -> Row:
        parts = {part: value.replace("''", "'") for part, value in _PART.findall(key)}
        row = self.sets[name].get(tuple(parts.get(part, "") for part in KEYS[name]))
        if row is None:
            raise Refusal(404, "", f"There is no {name} with the key ({key})")
        return row

    def _etag(self, row: Row) -> str:
        return f'W/"{row.get("ModifiedDateTime")}"'

    # writing

    def _write(self, call: Call) -> Answer:
        name, key = call.params
        if call.method == "POST":
            return self._create(name, call)
        row = self._row(name, key)
        given = call.headers.get("If-Match")
        if given is None:
            raise Refusal(428, "", "The request needs If-Match")
        if given not in ("*", self._etag(row)):
            raise Refusal(412, "", "The record was changed by somebody else")
        if call.method == "DELETE":
            self._record("entity.deleted", name, row, call, gone=True)
            return Answer(204, b"")
        made = {**row, **self._body(call), "ModifiedDateTime": self._stamp(row)}
        self._record("entity.changed", name, made, call)
        return Answer(204, b"", headers=[("ETag", self._etag(made))])

    def _create(self, name: str, call: Call) -> Answer:
        body = self._body(call)
        if not body.get("CustomerRef"):
            raise Refusal(400, "", "Field 'CustomerRef' must be filled in")
        if float(body.get("Quantity") or 0) <= 0:
            raise Refusal(400, "", "The quantity has to be more than zero")
        self._number += 1
        key = {"dataAreaId": self.settings["company"], "SalesOrderNumber": f"SO-{self._number:06}"}
        made = {**body, **key, "ModifiedDateTime": self._stamp({})}
        self._record("salesorder.created", name, made, call)
        named = ",".join(f"{part}='{made[part]}'" for part in KEYS[name])
        place = f"http://{HOST}:{self.port}{ROOT}{name}({named})"
        return self._answer(self._shown(made, call), 201, [("ETag", self._etag(made)), ("Location", place)])

    def _body(self, call: Call) -> Row:
        body = call.json()
        if not isinstance(body, dict):
            raise Refusal(400, "", "The entity is an object")
        return {name: value for name, value in body.items() if "@" not in name}

    def _stamp(self, row: Row) -> str:
        """Now, in seven digits; later than the row's own."""
        now = self.journal.now().strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
        old = str(row.get("ModifiedDateTime") or "")
        return now if now > old else f"{old[:-2]}{int(old[-2]) + 1 if old[-2] != '9' else 9}Z"

    def _record(self, effect: str, name: str, row: Row, call: Call, *, gone: bool = False) -> None:
        self._store(name, row, gone=gone)
        entity = f"{name}({','.join(str(row[part]) for part in KEYS[name])})"
        told = {"effect": effect, "ref": row.get("CustomerRef"), "entity": entity, "data": {"set": name, "row": row}}
        self.journal.record([told], request=call.request_id, correlation=call.correlation)

    def _store(self, name: str, row: Row, *, gone: bool = False) -> None:
        key = tuple(str(row[part]) for part in KEYS[name])
        if gone:
            self.sets[name].pop(key, None)
        else:
            self.sets[name][key] = row

    def control(self, order: str, value: Any) -> Any:
        """`{"change": {"set", "row"}}`: a row changes as if a person had changed it."""
        if order != "change":
            raise BadControl(f"unknown order {order!r}")
        held = self.sets[value["set"]][tuple(value["row"][part] for part in KEYS[value["set"]])]
        made = {**held, **value["row"], "ModifiedDateTime": self._stamp(held)}
        self._store(value["set"], made)
        told = {"effect": "source.changed", "entity": str(value["set"]), "data": {"set": value["set"], "row": made}}
        self.journal.record([told])
        return True


def parsed(text: str) -> Test:
    """A `$filter` as a test: comparisons, `and`, `or` and brackets."""
    tokens = [found.groups() for found in _TOKEN.finditer(text)]
    test, rest = _either(tokens)
    if rest:
        raise Refusal(400, "", f"The query has a part that cannot be read: {text[:200]}")
    return test


def _either(tokens: list[Any]) -> tuple[Test, list[Any]]:
    test, tokens = _both(tokens)
    while tokens and tokens[0][2] == "or":
        other, tokens = _both(tokens[1:])
        test = lambda row, a=test, b=other: a(row) or b(row)  # noqa: E731
    return test, tokens


def _both(tokens: list[Any]) -> tuple[Test, list[Any]]:
    test, tokens = _one(tokens)
    while tokens and tokens[0][2] == "and":
        other, tokens = _one(tokens[1:])
        test = lambda row, a=test, b=other: a(row) and b(row)  # noqa: E731
    return test, tokens


def _one(tokens: list[Any]) -> tuple[Test, list[Any]]:
    if tokens and tokens[0][1] == "(":
        test, tokens = _either(tokens[1:])
        if not tokens or tokens[0][1] != ")":
            raise Refusal(400, "", "A bracket is not closed")
        return test, tokens[1:]
    if len(tokens) < 3 or tokens[1][2] not in _COMPARE:
        raise Refusal(400, "", "The query cannot be read")
    name, compare, (text, _, bare) = tokens[0][2], _COMPARE[tokens[1][2]], tokens[2]
    value = text.replace("''", "'") if text is not None else _bare(bare)
    return (lambda row: compare(row.get(name), value)), tokens[3:]


def _bare(word: str) -> Any:
    if word == "null":
        return None
    if re.fullmatch(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", word):
        head, _, fraction = word.removesuffix("Z").partition(".")
        return f"{head}.{fraction:0<7}Z"
    if re.fullmatch(r"-?\d+(?:\.\d+)?", word):
        return float(word)
    raise Refusal(400, "", f"{word[:80]!r} is no literal")
