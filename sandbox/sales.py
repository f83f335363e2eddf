"""Sales posting at the ERP, twice: sales orders without any idempotency, and a batch endpoint with natural keys.

**Sales order** (`API_SALES_ORDER_SRV/A_SalesOrder`, deep insert of `to_Item`): the vendor checks no key. A resend after
a lost answer makes a second document; the caller has to look up `PurchaseOrderByCustomer` first. With the setting
`repeatability` the headers `RequestID` and `RepeatabilityCreation` are honoured and answered with `RepeatabilityResult:
accepted`.

**Batch** (`POST /api/retail/v1/sales:batch`): `{"items": [{"key", "store", "till", "businessDate", "sequence",
"currency", "total", "lines": [{"item", "quantity", "amount", "kind"}], "correlation"}]}`. Only `key` is required. Each
item is answered by position: `posted` (201), `duplicate` (200, the first document again), `conflict` (409, same key
with other content) or `refused` (422 with a code). With the setting `honour_keys` off every item is posted again.
`POST /api/retail/v1/sales:lookup` with `{"keys": […]}` tells which are posted, and which a job is still working on
(`pending`).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import Any

import orjson

from sandbox.journal import Entry, Journal
from sandbox.odata import Store
from sandbox.server import Answer, Call, Refusal, answer, texts
from sandbox.wire import Row, bad_request, coerce, etag_of, wire_date, wire_instant

KEY_LENGTH = 128


class SalesPosting:
    def __init__(
        self, store: Store, journal: Journal, settings: dict[str, Any], pending: Callable[[list[str]], dict[str, str]]
    ) -> None:
        self.store, self.journal, self.settings, self.pending = store, journal, settings, pending
        self.posted: dict[str, tuple[str, str]] = {}  # key → first document, digest of its content
        self.again: dict[str, list[str]] = {}  # key → further documents
        self.listed: dict[str, list[dict[str, str | None]]] = {}  # key → every document that bears it, with its amount
        self.documents = 0
        self.orders = 0
        self.repeatable: dict[str, str] = {}  # RequestID → sales order

    def restore(self, entry: Entry) -> None:
        data = entry.data or {}
        if entry.effect == "sale.posted" and entry.ref is not None:
            self.documents += 1
            self._remember(entry.ref, data["document"], data["digest"], entry.amount)
        elif entry.effect == "salesorder.created":
            self.orders += 1
            self._keep(data["header"], data["items"])
            if data.get("request_id"):
                self.repeatable[data["request_id"]] = data["header"]["SalesOrder"]

    # --- natural-key batch ------------------------------------------------------------------------------------------

    def post_batch(self, call: Call) -> Answer:
        items = self._items(call)
        effects: list[dict[str, Any]] = []
        results = [self._post(item, effects) for item in items[: call.decision.prefix(len(items))]]
        if effects:
            self.journal.record(effects, request=call.request_id, correlation=call.correlation)
        return answer({"items": results})

    def lookup(self, call: Call) -> Answer:
        keys = texts(call.json(), "keys")
        found: dict[str, Any] = {key: {"status": "pending", "job": job} for key, job in self.pending(keys).items()}
        for key in keys:
            if (held := self.posted.get(key)) is not None:
                found[key] = {"status": "posted", "document": held[0], "digest": held[1]}
                if key in self.again:
                    found[key]["documents"] = [held[0], *self.again[key]]
        documents = {key: self.listed[key] for key in keys if key in self.listed}
        missing = [key for key in keys if key not in found]
        return answer({"found": found, "missing": missing, "documents": documents})

    def _items(self, call: Call) -> list[Any]:
        body = call.json()
        items = body.get("items") if isinstance(body, dict) else None
        if not isinstance(items, list):
            raise Refusal(400, "malformed_request", "the body is an object with a list `items`")
        if len(items) > self.settings["max_batch"]:
            raise Refusal(
                413, "batch_too_large", f"at most {self.settings['max_batch']} items per call, got {len(items)}"
            )
        return items

    def _post(self, item: Any, effects: list[dict[str, Any]]) -> dict[str, Any]:
        key = item.get("key") if isinstance(item, dict) else None
        if not isinstance(key, str) or not 0 < len(key) <= KEY_LENGTH:
            return _refused(key, "key_missing", f"each item needs a key of 1 to {KEY_LENGTH} characters")
        correlation = item.pop("correlation", None)
        if problem := _problem(item):
            return _refused(key, *problem)
        digest = blake2b(orjson.dumps(item, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
        held = self.posted.get(key)
        if held is not None and self.settings["honour_keys"]:
            if held[1] == digest:
                return {"key": key, "code": 200, "status": "duplicate", "document": held[0]}
            return {
                "key": key,
                "code": 409,
                "status": "conflict",
                "document": held[0],
                "message": "this key was posted with other content",
            }
        self.documents += 1
        document = f"{9_000_000_000 + self.documents}"
        amount = _text(item.get("total", item.get("amount")))
        self._remember(key, document, digest, amount)
        effect = {
            "effect": "sale.posted",
            "key": key,
            "ref": key,
            "entity": _entity(item, key),
            "amount": amount,
            "data": {"document": document, "digest": digest, "lines": _lines(item)},
        }
        if isinstance(item.get("version"), int):
            effect["version"] = item["version"]
        if correlation:
            effect["correlation"] = str(correlation)
        effects.append(effect)
        return {"key": key, "code": 201, "status": "posted", "document": document}

    def _remember(self, key: str, document: str, digest: str, amount: str | None) -> None:
        self.listed.setdefault(key, []).append({"document": document, "amount": amount})
        if key in self.posted:
            self.again.setdefault(key, []).append(document)
        else:
            self.posted[key] = (document, digest)

    # --- sales orders -----------------------------------------------------------------------------------------------

    def create_order(self, call: Call) -> Answer:
        """Deep insert. The caller has passed authentication and CSRF."""
        request_id = call.headers.get("RequestID") if self.settings["repeatability"] else None
        if request_id and request_id in self.repeatable:
            return self._created(self.repeatable[request_id], repeated=True)
        body = call.json()
        body = body.get("d", body) if isinstance(body, dict) else body
        if not isinstance(body, dict):
            raise bad_request("The entity is an object")
        given = body.pop("to_Item", [])
        given = given.get("results", []) if isinstance(given, dict) else given
        header, items = self._read_order(body, given)
        self.orders += 1
        number = f"{self.orders:010d}"
        now = self.journal.now()
        header |= {
            "SalesOrder": number,
            "CreationDate": wire_date(now.date()),
            "LastChangeDateTime": wire_instant(now),
            "CreatedByUser": "CC0000000001",
            "OverallSDProcessStatus": "A",
        }
        for item in items:
            item["SalesOrder"] = number
        header["TotalNetAmount"] = str(sum((Decimal(item.get("NetAmount") or "0") for item in items), Decimal("0.00")))
        self._keep(header, items)
        data: dict[str, Any] = {"header": header, "items": items}
        if request_id:
            self.repeatable[request_id] = number
            data["request_id"] = request_id
        effect = {
            "effect": "salesorder.created",
            "key": request_id,
            "ref": header.get("PurchaseOrderByCustomer") or None,
            "entity": number,
            "amount": header["TotalNetAmount"],
            "data": data,
        }
        self.journal.record([effect], request=call.request_id, correlation=call.correlation)
        return self._created(number, repeated=False)

    def _read_order(self, body: dict[str, Any], given: Any) -> tuple[Row, list[Row]]:
        orders, lines = (
            self.store.table("API_SALES_ORDER_SRV", "A_SalesOrder"),
            self.store.table("API_SALES_ORDER_SRV", "A_SalesOrderItem"),
        )
        header = {name: coerce(orders.entity, name, value) for name, value in body.items() if not name.startswith("__")}
        errors: list[dict[str, str]] = []
        for name in ("SalesOrderType", "SalesOrganization", "SoldToParty"):
            if not header.get(name):
                errors.append(_detail("V1/322", f"Enter a value for {name}", name))
        if not isinstance(given, list) or not given or not all(isinstance(item, dict) for item in given):
            errors.append(_detail("V1/344", "The order has no item", "to_Item"))
            given = []
        items: list[Row] = []
        materials = self.store.table("API_PRODUCT_SRV", "A_Product").rows
        for number, raw in enumerate(given, 1):
            item = {name: coerce(lines.entity, name, value) for name, value in raw.items() if not name.startswith("__")}
            item["SalesOrderItem"] = item.get("SalesOrderItem") or str(number * 10)
            if Decimal(item.get("RequestedQuantity") or "0") <= 0:
                errors.append(
                    _detail("V1/555", "The quantity must be greater than zero", f"to_Item({number})/RequestedQuantity")
                )
            if self.settings["check_materials"] and (item.get("Material"),) not in materials:
                errors.append(
                    _detail("V1/382", f"Material {item.get('Material')} is not defined", f"to_Item({number})/Material")
                )
            items.append(item)
        if errors:
            raise bad_request(errors[0]["message"], code=errors[0]["code"], errordetails=errors)
        return header, items

    def _keep(self, header: Row, items: list[Row]) -> None:
        self.store.table("API_SALES_ORDER_SRV", "A_SalesOrder").put(header)
        for item in items:
            self.store.table("API_SALES_ORDER_SRV", "A_SalesOrderItem").put(item)

    def _created(self, number: str, *, repeated: bool) -> Answer:
        service = self.store.services["API_SALES_ORDER_SRV"]
        table = self.store.table(service.name, "A_SalesOrder")
        row = table.rows[(number,)]
        headers = [("Location", self.store.uri(service, table.entity, row)), ("DataServiceVersion", "2.0")]
        if (etag := etag_of(table.entity, row)) is not None:
            headers.append(("ETag", etag))
        if self.settings["repeatability"]:
            headers.append(("RepeatabilityResult", "accepted"))
        shown = self.store.present(service, table.entity, row, (), ("to_Item",))
        return answer({"d": shown}, 201, headers)


def _problem(item: dict[str, Any]) -> tuple[str, str] | None:
    """What the posting endpoint refuses: a line without item, quantity zero or not a number, a negative one that is no
    return.
    """
    lines = item.get("lines")
    if lines is None:
        return None
    try:
        adjustments = _number(item.get("adjustments", "0"))
        total = _number(item.get("total", "0"))
    except (InvalidOperation, TypeError):
        return "not_a_decimal", "total and adjustments are decimals as strings"
    if not isinstance(lines, list) or not (lines or adjustments):
        return "no_lines", "a sale has at least one line"
    for number, line in enumerate(lines, 1):
        if not isinstance(line, dict) or not line.get("item"):
            return "item_missing", f"line {number} has no item"
        try:
            quantity = _number(line.get("quantity"))
            _number(line.get("amount", "0"))
        except (InvalidOperation, TypeError):
            return "not_a_decimal", f"line {number}: quantity and amount are decimals as strings"
        if quantity == 0:
            return "quantity_zero", f"line {number} has quantity zero"
        if (quantity < 0) != (line.get("kind") == "return"):
            return "sign", f"line {number}: a negative quantity is a return, and only a return is negative"
    made = sum((_number(line.get("amount", "0")) for line in lines), adjustments)
    if "adjustments" in item and made != total:
        return "sum", f"lines and adjustments make {made}, and the total is {total}"
    return None


def _number(value: Any) -> Decimal:
    """Strings and whole numbers; a float is not money."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(value)
    number = Decimal(value)
    if not number.is_finite():
        raise InvalidOperation(value)
    return number


def _lines(item: dict[str, Any]) -> list[list[str]]:
    """What was posted of each article: item, quantity and amount."""
    return [
        [str(line[name]) for name in ("item", "quantity", "amount")]
        for line in item.get("lines") or ()
        if "amount" in line and "quantity" in line
    ]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _entity(item: dict[str, Any], key: str) -> str:
    if "entity" in item:
        return str(item["entity"])
    return f"{item['store']}/{item['till']}" if "store" in item and "till" in item else key


def _refused(key: Any, code: str, message: str) -> dict[str, Any]:
    return {"key": key, "code": 422, "status": "refused", "error": code, "message": message}


def _detail(code: str, message: str, target: str) -> dict[str, str]:
    return {"code": code, "message": message, "target": target, "severity": "error"}
