"""A shop's admin API by GraphQL, under `/admin/graphql.json`: products and orders.

    query products(first, after, query)      pageInfo, edges; `query` is the shop's search: updated_at:>='…', id:>'…'
    query orders(first, query)               reference:'…' finds what begins so, as searches do
    mutation orderCreate(order)              refuses in `userErrors`; creates again what is sent again
    mutation orderUpsert(order)              keyed by its reference
    mutation bulkOperationRunQuery(query)    one at a time; bulkOperation(id) says how it is, GET /bulk/<n>.jsonl is its
                                             result: products, and variants that name their product by `__parentId`

What it does as the vendor does: errors come with status 200; each call costs points, which come back by the second
(`extensions.cost`), and one for which there are none left is answered `THROTTLED`; one that could never be paid for is
refused; `broken` (control) makes a field fail, so that data come with errors; a mutation may fail behind its effect.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from graphql import GraphQLError, build_schema, execute_sync, parse, validate
from graphql.language import ast

from sandbox.faults import BadControl
from sandbox.server import HOST, Answer, Call, Emulator, Operation, Refusal, answer

PATH = "/admin/graphql.json"
SDL = """
type Query {
  bulkOperation(id: ID!): BulkOperation
  products(first: Int, after: String, query: String, sort: String): ProductConnection!
  orders(first: Int!, query: String): OrderConnection!
}
type PageInfo { hasNextPage: Boolean! endCursor: String }
type Product { id: ID! title: String! price: String! updatedAt: String! stock: Int }
type ProductEdge { cursor: String! node: Product }
type ProductConnection { edges: [ProductEdge!]! nodes: [Product]! pageInfo: PageInfo! }
type Order { id: ID! reference: String! total: String! note: String }
type OrderConnection { nodes: [Order!]! pageInfo: PageInfo! }
type UserError { code: String field: [String!] message: String! }
type OrderPayload { order: Order userErrors: [UserError!]! }
type BulkOperation { id: ID! status: String! errorCode: String objectCount: String! url: String }
type BulkPayload { bulkOperation: BulkOperation userErrors: [UserError!]! }
input OrderInput { reference: String! total: String! note: String }
type Mutation {
  orderCreate(order: OrderInput!): OrderPayload
  orderUpsert(order: OrderInput!): OrderPayload
  bulkOperationRunQuery(query: String!): BulkPayload
}
"""
SCHEMA = build_schema(SDL)
_TERM = re.compile(r"(\w+):(>=|>|<=|<|)'((?:[^'\\]|\\.)*)'")
Row = dict[str, Any]


class Shop(Emulator):
    name = "shop"

    def __init__(self, state: Path, *, seed: int = 1, token: str) -> None:
        super().__init__(state, seed=seed)
        self.settings = {"page_size": 250, "points": 2_000.0, "rate": 100.0, "broken": ""}
        self.settings |= {"bulk_polls": 0, "bulk_lose": 0, "bulk_fails": "", "bulk_expired": False}
        self.bulk: dict[str, Row] = {}
        self.products: dict[int, Row] = {}
        for number in range(1, 41):
            stamp = f"2026-03-01T10:00:{number // 4:02}Z"
            self.products[number] = {"title": f"Product {number}", "price": f"{number}.50", "updatedAt": stamp}
            self.products[number] |= {"id": f"gid://shop/Product/{number}", "stock": number}
        self.orders: list[Row] = []
        self._left, self._at = 2_000.0, self.journal.now()
        self._call: Call | None = None
        self._accept(token=token)

    def restore(self) -> None:
        self.orders += [entry.data["order"] for entry in self.journal.entries() if entry.data]

    def resolve(self, method: str, path: str) -> Operation | None:
        if method == "POST" and path == PATH:
            return Operation("graphql.call", True, self._serve)
        if method == "GET" and path.startswith("/bulk/"):
            return Operation("bulk.file", False, self._bulk_file, (path.removeprefix("/bulk/"),))
        return None

    def denied(self, headers: Any) -> Refusal | None:
        if headers.get("X-Shop-Access-Token") == self.sign_in["token"]:
            return None
        return Refusal(401, "unauthorized", "[API] Invalid API key or access token")

    def refusal(self, refused: Refusal) -> Answer:
        return answer({"errors": refused.message}, refused.status)

    def control(self, order: str, value: Any) -> Any:
        """`{"change": {"id": 3}}`: a product changes as if a person had changed it; `{"points": 0}`: so many are left;
        `{"sold": [{"reference", "total"}]}`: orders that other callers made."""
        if order == "points":
            self._left, self._at = float(value), self.journal.now()
        elif order == "change":
            stamp = self.journal.now().strftime("%Y-%m-%dT%H:%M:%SZ")
            self.products[value["id"]] |= {**value, "id": self.products[value["id"]]["id"], "updatedAt": stamp}
        elif order == "sold":
            for one in value:
                self._create(one)
        else:
            raise BadControl(f"unknown order {order!r}")
        return True

    # one call

    def _serve(self, call: Call) -> Answer:
        if denied := self.denied(call.headers):
            raise denied
        body = call.json()
        if not isinstance(body, dict) or not isinstance(body.get("query"), str):
            raise Refusal(400, "bad_request", "Required parameter missing: query")
        try:
            document = parse(body["query"])
        except GraphQLError as error:
            return answer({"errors": [self._told(error, "GRAPHQL_PARSE_FAILED")]})
        if errors := validate(SCHEMA, document):
            return answer({"errors": [self._told(one, "undefinedField") for one in errors]})
        variables = body.get("variables") or {}
        cost = self._cost(document, variables)
        if cost > float(self.settings["points"]):
            error = {"message": f"Query cost is {cost:g}", "extensions": {"code": "MAX_COST_EXCEEDED"}}
            return answer({"errors": [error]})
        now = self.journal.now()
        gained = (now - self._at).total_seconds() * float(self.settings["rate"])
        self._left, self._at = min(self._left + gained, float(self.settings["points"])), now
        if cost > self._left:
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return answer({"errors": [error], "extensions": self._extensions(cost)})
        self._left -= cost
        self._call = call
        result = execute_sync(SCHEMA, document, root_value=self._root(), variable_values=variables)
        made: Row = {} if result.data is None and not _reached(result.errors) else {"data": result.data}
        if result.errors:
            made["errors"] = [self._told(one, str((one.extensions or {}).get("code", ""))) for one in result.errors]
        return answer({**made, "extensions": self._extensions(cost)})

    def _extensions(self, cost: float) -> Row:
        status = {"maximumAvailable": self.settings["points"], "restoreRate": self.settings["rate"]}
        return {"cost": {"requestedQueryCost": cost, "throttleStatus": {**status, "currentlyAvailable": self._left}}}

    def _cost(self, document: ast.DocumentNode, variables: Row) -> float:
        """A point for each node that is asked for, ten for a mutation."""
        (operation,) = (one for one in document.definitions if isinstance(one, ast.OperationDefinitionNode))
        if operation.operation == ast.OperationType.MUTATION:
            return 10.0
        return 1.0 + float(variables.get("first") or 0)

    def _told(self, error: GraphQLError, code: str) -> Row:
        made: Row = dict(error.formatted)
        return {**made, "extensions": {**(error.extensions or {}), **({"code": code} if code else {})}}

    def _root(self) -> dict[str, Callable[..., Any]]:
        return {
            "products": self._products,
            "orders": self._orders,
            "orderCreate": lambda info, order: self._written(order, upsert=False),
            "orderUpsert": lambda info, order: self._written(order, upsert=True),
            "bulkOperationRunQuery": self._bulk_run,
            "bulkOperation": self._bulk_told,
        }

    # bulk operations

    def _bulk_run(self, info: Any, query: str) -> Row:
        running = next((one for one in self.bulk.values() if one["status"] == "RUNNING"), None)
        if running is not None:
            said = f"A bulk query operation for this app and shop is already in progress: {running['id']}."
            error = {"code": "OPERATION_IN_PROGRESS", "field": None, "message": said}
            return {"bulkOperation": None, "userErrors": [error]}
        rows = [row for number, row in self.products.items() if _fits(row, number, query.replace('\\"', '"'))]
        lines: list[Row] = []
        for row in rows:
            lines.append({name: row[name] for name in ("id", "title", "updatedAt")})
            name = row["id"].replace("Product", "Variant")
            lines += [{"id": f"{name}-{size}", "size": size, "__parentId": row["id"]} for size in ("S", "M")]
        number = f"gid://shop/BulkOperation/{len(self.bulk) + 1}"
        self.bulk[number] = {"id": number, "status": "RUNNING", "lines": lines, "polls": 0, "errorCode": None}
        return {"bulkOperation": {**self.bulk[number], "objectCount": "0", "url": None}, "userErrors": []}

    def _bulk_told(self, info: Any, id: str) -> Row | None:
        job = self.bulk.get(id)
        if job is None:
            return None
        job["polls"] += 1
        if job["status"] == "RUNNING" and job["polls"] > int(self.settings["bulk_polls"]):
            job["errorCode"] = self.settings["bulk_fails"] or None
            job["status"] = "FAILED" if job["errorCode"] else "COMPLETED"
        done = job["status"] == "COMPLETED" and job["lines"]
        url = f"http://{HOST}:{self.port}/bulk/{id.rpartition('/')[2]}.jsonl?signature={job['polls']}"
        return {**job, "objectCount": str(len(job["lines"])), "url": url if done else None}

    def _bulk_file(self, call: Call) -> Answer:
        job = self.bulk.get(f"gid://shop/BulkOperation/{call.params[0].removesuffix('.jsonl')}")
        if job is None or self.settings["bulk_expired"] or "signature" not in call.query:
            return Answer(404, b"<Error><Code>ExpiredToken</Code></Error>", "application/xml")
        lines = job["lines"][: len(job["lines"]) - int(self.settings["bulk_lose"])]
        return Answer(200, b"".join(orjson.dumps(line) + b"\n" for line in lines), "application/jsonl")

    # reading

    def _products(
        self, info: Any, first: int = 50, after: str | None = None, query: str | None = None, sort: str = ""
    ) -> Row:
        rows = [row | {"number": number} for number, row in self.products.items() if _fits(row, number, query)]
        rows.sort(key=lambda row: row["number"] if sort == "ID" else (row["updatedAt"], row["number"]))
        start = 0
        if after is not None:
            stamp, _, number = after.partition("|")
            start = sum((row["updatedAt"], row["number"]) <= (stamp, int(number)) for row in rows)
        size = min(first, int(self.settings["page_size"]))
        page = rows[start : start + size]
        edges = [{"cursor": f"{row['updatedAt']}|{row['number']}", "node": self._shown(row)} for row in page]
        ends = {"hasNextPage": start + size < len(rows), "endCursor": edges[-1]["cursor"] if edges else None}
        return {"edges": edges, "nodes": [edge["node"] for edge in edges], "pageInfo": ends}

    def _shown(self, row: Row) -> Row | None:
        if self.settings["broken"] == "node" and row["number"] == 7:
            return None

        def stock(info: Any) -> int:
            if self.settings["broken"] == "field" and row["number"] == 7:
                raise GraphQLError("The stock service is away")
            return int(row["stock"])

        return {**row, "stock": stock}

    def _orders(self, info: Any, first: int, query: str | None = None) -> Row:
        wanted = next((value for name, _, value in _TERM.findall(query or "") if name == "reference"), "")
        found = [row for row in self.orders if row["reference"].startswith(wanted)]
        return {"nodes": found[:first], "pageInfo": {"hasNextPage": len(found) > first, "endCursor": None}}

    # writing

    def _written(self, order: Row, *, upsert: bool) -> Row:
        if self.settings["broken"] == "denied":
            raise GraphQLError("Access denied for orderCreate field", extensions={"code": "ACCESS_DENIED"})
        if not order["total"].replace(".", "").isdecimal():
            error = {"code": "INVALID", "field": ["order", "total"], "message": "Total is not an amount"}
            return {"order": None, "userErrors": [error]}
        held = next((row for row in self.orders if row["reference"] == order["reference"]), None) if upsert else None
        made = held or self._create(order)
        if self.settings["broken"] == "behind":
            made = {**made, "note": _fail}
        return {"order": made, "userErrors": []}

    def _create(self, order: Row) -> Row:
        made = {"note": None, **order, "id": f"gid://shop/Order/{len(self.orders) + 1}"}
        self.orders.append(made)
        told = {"effect": "order.created", "ref": made["reference"], "entity": made["id"], "data": {"order": made}}
        call = self._call
        given = {} if call is None else {"request": call.request_id, "correlation": call.correlation}
        self.journal.record([told], **given)
        return made


def _fail(info: Any) -> str:
    raise GraphQLError("The note cannot be read")


def _reached(errors: Any) -> bool:
    """Whether an error came in execution: it has a path."""
    return any(error.path for error in errors or ())


def _fits(row: Row, number: int, query: str | None) -> bool:
    for name, compare, value in _TERM.findall(query or ""):
        held: Any = number if name == "id" else row.get({"updated_at": "updatedAt"}.get(name, name))
        wanted: Any = int(value.rpartition("/")[2]) if name == "id" else value
        fits = {">=": held >= wanted, ">": held > wanted, "<=": held <= wanted, "<": held < wanted, "": held == wanted}
        if not fits[compare]:
            return False
    return True
