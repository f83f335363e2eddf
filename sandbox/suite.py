"""An ERP whose calls may be asynchronous, under `/services/rest/`: sales orders and items.

    POST record/v1/salesOrder           204 with Location; with `Prefer: respond-async` 202 with the Location of a job
    GET  async/v1/job/<n>, …/task/<n>/result    how the job is; the answer that the call would have had
    POST query/v1/suiteql?limit=&offset=        a query in the body (`Prefer: transient`)

What it does as the vendor does: an idempotency key works with asynchronous calls alone, and a second call with it is
400 `IDEMPOTENCY_ERROR` with the Location of the first job; more calls at a time than `concurrency` are 429; an offset
that is no multiple of the limit is refused; no query gives more than `ceiling` rows; all values are texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.faults import BadControl
from sandbox.server import HOST, Answer, Call, Emulator, Operation, Refusal, answer
from sandbox.soql import Row, selected

ROOT = "/services/rest/"
_JOB = re.compile(r"async/v1/job/(\d+)(?:/task/(\d+)/result)?/?\Z")


class Suite(Emulator):
    name = "suite"

    def __init__(self, state: Path, *, seed: int = 1, token: str) -> None:
        super().__init__(state, seed=seed)
        self.settings = {"work": 0, "page": 1_000, "ceiling": 100_000}
        self.items: list[Row] = []
        for number in range(1, 41):
            stamp = f"2026-03-01T10:00:{number // 4:02}"
            self.items.append({"id": str(number * 3), "itemid": f"Item {number}", "lastmodifieddate": stamp})
        self.orders: dict[str, Row] = {}
        self.async_jobs: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, str] = {}
        self._accept(token=token)

    def restore(self) -> None:
        for entry in self.journal.entries():
            if entry.data:
                self.orders[str(entry.entity)] = entry.data["order"]

    def resolve(self, method: str, path: str) -> Operation | None:
        place = path.removeprefix(ROOT)
        found = _JOB.match(place)
        if method == "GET" and found is not None:
            return Operation("suite.job", False, self._signed(self._job), (found[1], found[2] or ""))
        if (method, place) == ("POST", "record/v1/salesOrder"):
            return Operation("suite.order", True, self._signed(self._order))
        if (method, place) == ("POST", "query/v1/suiteql"):
            return Operation("suite.query", False, self._signed(self._query))
        if (method, place) == ("GET", "system/v1/governanceLimits"):
            return Operation("suite.limits", False, self._signed(lambda call: answer({"accountConcurrencyLimit": 5})))
        return None

    def denied(self, headers: Any) -> Refusal | None:
        if headers.get("Authorization") == f"Bearer {self.sign_in['token']}":
            return None
        return Refusal(401, "INVALID_LOGIN", "Invalid login attempt.")

    def refusal(self, refused: Refusal) -> Answer:
        detail = {"detail": refused.message, "o:errorCode": refused.code}
        title = "Conflict" if refused.code == "IDEMPOTENCY_ERROR" else "Error"
        made = answer(
            {"type": "about:blank", "title": title, "status": refused.status, "o:errorDetails": [detail]},
            refused.status,
        )
        made.content_type = "application/vnd.oracle.resource+json"
        return made

    def _signed(self, handle: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        def signed(call: Call) -> Answer:
            if denied := self.denied(call.headers):
                raise denied
            return handle(call)

        return signed

    def _place(self, path: str) -> list[tuple[str, str]]:
        return [("Location", f"http://{HOST}:{self.port}{ROOT}{path}")]

    # records

    def _order(self, call: Call) -> Answer:
        if "respond-async" not in call.headers.get("Prefer", ""):
            return self._created(call)
        key = call.headers.get("X-NetSuite-Idempotency-Key", "")
        if key and key in self.keys:
            said = "A request with this idempotency key was submitted before."
            raise Refusal(400, "IDEMPOTENCY_ERROR", said, headers=self._place(f"async/v1/job/{self.keys[key]}"))
        number = str(len(self.async_jobs) + 5)
        try:
            result = self._created(call)
        except Refusal as refused:
            result = self.refusal(refused)
        self.async_jobs[number] = {"result": result, "polls": 0}
        if key:
            self.keys[key] = number
        return Answer(202, b"", headers=self._place(f"async/v1/job/{number}"))

    def _created(self, call: Call) -> Answer:
        order = call.json()
        if not isinstance(order, dict) or not order.get("entity"):
            raise Refusal(400, "USER_ERROR", "Please enter a value for: Customer")
        number = str(len(self.orders) + 1001)
        self.orders[number] = order
        told = {"effect": "order.created", "ref": order.get("externalId"), "entity": number, "data": {"order": order}}
        self.journal.record([told], request=call.request_id, correlation=call.correlation)
        return Answer(204, b"", headers=self._place(f"record/v1/salesOrder/{number}"))

    def _job(self, call: Call) -> Answer:
        number, task = call.params
        job = self.async_jobs.get(number)
        if job is None:
            raise Refusal(404, "NONEXISTENT_ID", f"Job {number} does not exist.")
        if task:
            result: Answer = job["result"]
            return Answer(result.status, result.body, result.content_type, list(result.headers))
        job["polls"] += 1
        done = job["polls"] > int(self.settings["work"])
        return answer({"id": number, "completed": done, "progress": "succeeded" if done else "processing"})

    # queries

    def _query(self, call: Call) -> Answer:
        if "transient" not in call.headers.get("Prefer", ""):
            raise Refusal(400, "INVALID_HEADER", "Invalid header 'Prefer'. Only 'transient' is supported.")
        limit = min(int(call.query.get("limit", 1000)), int(self.settings["page"]))
        offset = int(call.query.get("offset", 0))
        if offset % limit:
            raise Refusal(400, "INVALID_PARAMETER", "The offset has to be a multiple of the limit.")
        rows = selected(call.json()["q"], {"item": self.items})[: int(self.settings["ceiling"])]
        page = [{"links": [], **row} for row in rows[offset : offset + limit]]
        more = offset + limit < len(rows)
        told = {"links": [], "count": len(page), "hasMore": more, "offset": offset, "totalResults": len(rows)}
        return answer({**told, "items": page})

    def control(self, order: str, value: Any) -> Any:
        """`{"change": {"id"}}`: an item changes as if a person had changed it; `{"forget": true}`: no job is known any
        more."""
        if order == "forget":
            self.async_jobs.clear()
        elif order == "change":
            held = next(row for row in self.items if row["id"] == value["id"])
            held |= {"lastmodifieddate": self.journal.now().strftime("%Y-%m-%dT%H:%M:%S"), **value}
        else:
            raise BadControl(f"unknown order {order!r}")
        return True
