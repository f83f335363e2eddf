"""Store servers: one HTTP server per store behind one port, at `/stores/<id>/v1/…`.

    PUT  products | prices | stock      {"items": [{"id", "version", …}]}  absolute values: an older version is a no-op
    POST products:lookup | prices:lookup | stock:lookup   {"ids": […]}     what the store holds
    GET  products/<id> | prices/<id> | stock/<id>, GET status

Each item is answered by position: `applied`, `unchanged` (same version, same content), `stale` (older version),
`conflict` (same version, other content) or `refused`. With the setting `honour_versions` off a store takes whatever
comes, so that doubles and old values over new ones become visible in its journal. `journal` = `batches` writes one line
per batch instead of one per item, for loads where the file itself would be the limit.

A store also sells: see `tills`. While it is offline its connections are reset and its sales wait; afterwards they come
in a burst.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from sandbox.dataset_types import Dataset, Site
from sandbox.server import Answer, Call, Emulator, Operation, Refusal, answer, texts
from sandbox.tills import Tills

KINDS = {"products": "product", "prices": "price", "stock": "stock"}


class StoreFleet(Emulator):
    name = "stores"

    def __init__(self, state: Path, data: Dataset, *, seed: int = 1, key: str | None = None) -> None:
        super().__init__(state, seed=seed)
        self.settings = {"honour_versions": True, "journal": "items", "max_batch": 5000}
        self.sites: dict[str, Site] = {site.id: site for site in data.sites}
        # (store, kind) → item id → (version, checksum of the content, content)
        self.held: dict[tuple[str, str], dict[str, tuple[int, int, bytes]]] = {
            (site, kind): {} for site in self.sites for kind in KINDS
        }
        self._accept(key=key)
        self.tills = Tills(self, data)

    # --- dispatch ---------------------------------------------------------------------------------------------------

    def resolve(self, method: str, path: str) -> Operation | None:
        parts = path.split("/")
        if len(parts) < 5 or parts[1] != "stores" or parts[3] != "v1" or parts[2] not in self.sites:
            return None
        store, name = parts[2], parts[4]
        if len(parts) == 6 and method == "GET" and name in KINDS:
            return Operation("store.read", False, self._guarded(self._show), (store, name, unquote(parts[5])), store)
        if len(parts) != 5:
            return None
        if method == "PUT" and name in KINDS:
            return Operation(f"store.{name}", True, self._guarded(self._receive), (store, name), store, batch=True)
        if method == "POST" and name.endswith(":lookup") and name[:-7] in KINDS:
            return Operation("store.lookup", False, self._guarded(self._lookup), (store, name[:-7]), store)
        if method == "GET" and name == "status":
            return Operation("store.status", False, self._guarded(self._status), (store,), store)
        return None

    def _guarded(self, handle: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        def guarded(call: Call) -> Answer:
            if denied := self.denied(call.headers):
                raise denied
            return handle(call)

        return guarded

    def denied(self, headers: Any) -> Refusal | None:
        if self.sign_in["key"] is None or headers.get("X-Store-Key") == self.sign_in["key"]:
            return None
        return Refusal(401, "unauthorized", "the header X-Store-Key is missing or wrong")

    # --- receiving --------------------------------------------------------------------------------------------------

    def _receive(self, call: Call) -> Answer:
        store, name = call.params
        body = call.json()
        items = body.get("items") if isinstance(body, dict) else None
        if not isinstance(items, list):
            raise Refusal(400, "malformed_request", "the body is an object with a list `items`")
        if len(items) > self.settings["max_batch"]:
            raise Refusal(
                413, "batch_too_large", f"at most {self.settings['max_batch']} items per call, got {len(items)}"
            )
        effects: list[dict[str, Any]] = []
        results = [self._take(store, name, item, effects) for item in items[: call.decision.prefix(len(items))]]
        if effects and self.settings["journal"] == "batches":
            effects = [
                {"effect": f"{KINDS[name]}.batch_applied", "entity": f"{store}/{name}", "amount": str(len(effects))}
            ]
        if effects:
            self.journal.record(effects, request=call.request_id, correlation=call.correlation)
        return answer({"results": results})

    def _take(self, store: str, name: str, item: Any, effects: list[dict[str, Any]]) -> dict[str, Any]:
        if problem := _problem(item, name):
            return {"id": item.get("id") if isinstance(item, dict) else None, "status": "refused", "message": problem}
        correlation = item.pop("correlation", None)
        identity, version = item["id"], item["version"]
        content = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
        checksum = hash(content)
        held = self.held[store, name].get(identity)
        if held is not None and self.settings["honour_versions"]:
            if version < held[0]:
                return {"id": identity, "version": version, "status": "stale", "held": held[0]}
            if version == held[0]:
                return {
                    "id": identity,
                    "version": version,
                    "status": "unchanged" if held[1] == checksum else "conflict",
                }
        self.held[store, name][identity] = (version, checksum, content)
        kind = KINDS[name]
        entity = f"{store}/{kind}/{identity}"
        effect = {
            "effect": f"{kind}.applied",
            "key": f"{entity}@{version}",
            "ref": f"{entity}@{version}",
            "entity": entity,
            "version": version,
            "data": item,
        }
        amount = item.get("price") if name == "prices" else item.get("quantity")
        if amount is not None:
            effect["amount"] = str(amount)
        if correlation:
            effect["correlation"] = str(correlation)
        effects.append(effect)
        return {"id": identity, "version": version, "status": "applied"}

    # --- reading ----------------------------------------------------------------------------------------------------

    def _lookup(self, call: Call) -> Answer:
        store, name = call.params
        ids = texts(call.json(), "ids")
        shelf = self.held[store, name]
        found = {identity: {"version": shelf[identity][0]} for identity in ids if identity in shelf}
        return answer({"found": found, "missing": [identity for identity in ids if identity not in found]})

    def _show(self, call: Call) -> Answer:
        store, name, identity = call.params
        held = self.held[store, name].get(identity)
        if held is None:
            raise Refusal(404, "not_found", f"store {store} holds no {KINDS[name]} {identity}")
        return Answer(200, held[2])

    def _status(self, call: Call) -> Answer:
        store = call.params[0]
        counted = {name: len(self.held[store, name]) for name in KINDS}
        return answer(
            {
                "store": store,
                "name": self.sites[store].name,
                "held": counted,
                "sales_waiting": self.tills.waiting(store),
            }
        )

    # --- life -------------------------------------------------------------------------------------------------------

    def restore(self) -> None:
        for entry in self.journal.entries():
            if entry.effect.startswith("sale."):
                self.tills.restore(entry)
            elif entry.version is not None and entry.data is not None and entry.entity is not None:
                store, kind, identity = entry.entity.split("/", 2)
                name = next(name for name, singular in KINDS.items() if singular == kind)
                content = orjson.dumps(entry.data, option=orjson.OPT_SORT_KEYS)
                if (store, name) in self.held:
                    self.held[store, name][identity] = (entry.version, hash(content), content)

    def offline(self, store: str) -> bool:
        return any(rule.kind == "offline" and (rule.stores is None or store in rule.stores) for rule in self.plan.rules)

    def obey(self, orders: dict[str, Any]) -> dict[str, Any]:
        results = super().obey(orders)
        self.tills.wake()
        return results

    def control(self, order: str, value: Any) -> Any:
        if order == "sell":
            return self.tills.sell(value)
        return super().control(order, value)

    async def stopped(self) -> None:
        await self.tills.stop()
        await super().stopped()

    def describe(self) -> dict[str, Any]:
        return super().describe() | {"stores": len(self.sites), "tills": self.tills.describe()}


def _problem(item: Any, name: str) -> str | None:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not item["id"]:
        return "an item needs an id"
    version = item.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        return "an item needs a version, a whole number that never goes down"
    field = {"prices": "price", "stock": "quantity"}.get(name)
    if field is not None and not item.get("deleted"):
        value = item.get(field)
        try:
            if not isinstance(value, str) or not Decimal(value).is_finite():
                return f"{field} is a decimal as a string"
        except InvalidOperation:
            return f"{field} is a decimal as a string"
        if name == "prices" and Decimal(value) < 0:
            return "a price is not negative"
    return None
