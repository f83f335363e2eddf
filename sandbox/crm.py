"""A CRM by a query language and by bulk jobs, under `/services/data/v60.0/`: accounts.

    GET  query?q=, queryAll?q=             2,000 rows a batch, then `nextRecordsUrl`; queryAll has what was deleted
    POST jobs/query                        a query as a job; GET of it; GET results, CSV in parts by `Sforce-Locator`
    POST jobs/ingest, PUT …/batches, PATCH UploadComplete; GET successfulResults, failedResults, unprocessedrecords

What it does as the vendor does: errors are a list; a job without rows is open and does nothing; a job that failed may
have written some rows; `work` polls say InProgress; a quota that is used up is 403.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.faults import BadControl
from sandbox.server import Answer, Call, Emulator, Operation, Refusal, answer
from sandbox.soql import Row, selected

ROOT = "/services/data/v60.0/"
_JOB = re.compile(r"jobs/(query|ingest)/(\w+)(?:/(\w+))?/?\Z")


class Crm(Emulator):
    name = "crm"

    def __init__(self, state: Path, *, seed: int = 1, token: str) -> None:
        super().__init__(state, seed=seed)
        self.settings = {"batch": 10, "part": 15, "work": 0, "lose": 0, "fail": "", "quota": True}
        self.accounts: list[Row] = []
        for number in range(1, 41):
            stamp = f"2026-03-01T10:00:{number // 4:02}.000Z"
            row = {"Id": f"001{number:012}AAA", "Name": f"Account {number}", "SystemModstamp": stamp}
            self.accounts.append({**row, "IsDeleted": number % 10 == 0, "External__c": None, "Amount__c": None})
        self.bulk: dict[str, dict[str, Any]] = {}
        self._accept(token=token)

    def restore(self) -> None:
        for entry in self.journal.entries():
            if entry.data:
                self._store(entry.data["row"])

    def resolve(self, method: str, path: str) -> Operation | None:
        if not path.startswith(ROOT):
            return None
        place = path[len(ROOT) :]
        found = _JOB.match(place)
        ways: dict[tuple[str, str], tuple[str, bool, Callable[[Call], Answer]]] = {
            ("GET", "limits"): ("crm.limits", False, lambda call: answer({"DailyApiRequests": {"Remaining": 1}})),
            ("GET", "query"): ("crm.query", False, self._query),
            ("GET", "queryAll"): ("crm.query", False, self._query),
            ("POST", "jobs/query"): ("crm.job", False, self._make),
            ("POST", "jobs/ingest"): ("crm.job", False, self._make),
        }
        if found is not None:
            kind, job, part = found.groups()
            name, write = (
                ("crm.start", True) if method == "PATCH" else ("crm.rows" if method == "PUT" else "crm.poll", False)
            )
            return Operation(name, write, self._signed(self._of_job), (method, kind, job, part or ""))
        if place.startswith("query/"):
            return Operation("crm.query", False, self._signed(self._further), (place.removeprefix("query/"),))
        if (method, place) not in ways:
            return None
        name, write, handle = ways[method, place]
        return Operation(name, write, self._signed(handle), (place,))

    def denied(self, headers: Any) -> Refusal | None:
        if headers.get("Authorization") == f"Bearer {self.sign_in['token']}":
            return None
        return Refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")

    def refusal(self, refused: Refusal) -> Answer:
        return answer([{"message": refused.message, "errorCode": refused.code}], refused.status)

    def _signed(self, handle: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        def signed(call: Call) -> Answer:
            if denied := self.denied(call.headers):
                raise denied
            if not self.settings["quota"]:
                raise Refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
            return handle(call)

        return signed

    # queries

    def _query(self, call: Call) -> Answer:
        rows = self._rows(call.query.get("q", ""), everything=call.params[0] == "queryAll")
        return self._batch(rows, 0)

    def _further(self, call: Call) -> Answer:
        locator, _, start = call.params[0].partition("-")
        if locator not in self.bulk:
            raise Refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._batch(self.bulk[locator]["rows"], int(start), locator)

    def _batch(self, rows: list[Row], start: int, locator: str = "") -> Answer:
        size = int(self.settings["batch"])
        page = rows[start : start + size]
        records = [
            {"attributes": {"type": "Account", "url": f"{ROOT}sobjects/Account/{row.get('Id')}"}, **row} for row in page
        ]
        made: dict[str, Any] = {"totalSize": len(rows), "done": start + size >= len(rows), "records": records}
        if not made["done"]:
            locator = locator or f"01g{len(self.bulk):012}"
            self.bulk.setdefault(locator, {"rows": rows})
            made["nextRecordsUrl"] = f"{ROOT}query/{locator}-{start + size}"
        return answer(made)

    def _rows(self, query: str, *, everything: bool) -> list[Row]:
        return selected(query, {"Account": [row for row in self.accounts if everything or not row["IsDeleted"]]})

    # jobs

    def _make(self, call: Call) -> Answer:
        body = call.json()
        number = f"750{len(self.bulk):012}"
        job: dict[str, Any] = {"id": number, "body": body, "polls": 0, "state": "Open", "lines": [], "done": []}
        if call.params[0] == "jobs/query":
            job |= {
                "rows": self._rows(body["query"], everything=body["operation"] == "queryAll"),
                "state": "InProgress",
            }
        self.bulk[number] = job
        return answer({"id": number, "operation": body.get("operation"), "state": "Open"}, 200)

    def _of_job(self, call: Call) -> Answer:
        method, kind, number, part = call.params
        job = self.bulk.get(number)
        if job is None:
            raise Refusal(404, "NOT_FOUND", "The requested resource does not exist")
        if method == "PUT":
            job["lines"] = list(csv.DictReader(io.StringIO(call.body.decode())))
            return Answer(201, b"")
        if method == "PATCH":
            return self._started(job, call)
        if part:
            return self._results(job, part, call)
        return self._polled(job, kind)

    def _polled(self, job: dict[str, Any], kind: str) -> Answer:
        if job["state"] not in ("Open", "Aborted"):
            job["polls"] += 1
            if job["polls"] > int(self.settings["work"]):
                job["state"] = "Failed" if self.settings["fail"] else "JobComplete"
        rows = len(job["rows"]) if kind == "query" else len(job["done"])
        told = {"id": job["id"], "state": job["state"], "numberRecordsProcessed": rows}
        if job["state"] == "Failed":
            told["errorMessage"] = self.settings["fail"]
        return answer(told)

    def _results(self, job: dict[str, Any], part: str, call: Call) -> Answer:
        if part == "results":
            start, size = int(call.query.get("locator") or 0), int(self.settings["part"])
            page = job["rows"][start : start + size]
            more = str(start + size) if start + size < len(job["rows"]) else "null"
            page = page[: len(page) - int(self.settings["lose"])]
            return _csv(page, list(job["rows"][0]) if job["rows"] else ["Id"], [("Sforce-Locator", more)])
        done = {one["sf__Id"] or one["External__c"]: one for one in job["done"]}
        wanted = {"successfulResults": "created", "failedResults": "failed", "unprocessedrecords": "left"}[part]
        rows = [{k: v for k, v in one.items() if k != "what"} for one in done.values() if one["what"] == wanted]
        names = ["sf__Id", "sf__Created", "sf__Error", "External__c", "Name", "Amount__c"]
        return _csv(rows, names, [])

    def _started(self, job: dict[str, Any], call: Call) -> Answer:
        state = call.json().get("state")
        if state == "Aborted":
            job["state"] = "Aborted"
        elif job["state"] == "Open":
            job["state"] = "UploadComplete"
            for number, line in enumerate(job["lines"]):
                job["done"].append(self._line(line, number, job, call))
        return answer({"id": job["id"], "state": job["state"]})

    def _line(self, line: dict[str, str], number: int, job: dict[str, Any], call: Call) -> Row:
        told = {"sf__Id": "", "sf__Created": "false", "sf__Error": "", **line}
        if self.settings["fail"] and number:
            return {**told, "what": "left"}
        if not re.fullmatch(r"\d+(\.\d+)?", line.get("Amount__c", "")):
            return {**told, "sf__Error": "INVALID_TYPE_ON_FIELD_IN_RECORD:Amount__c", "what": "failed"}
        held = next((row for row in self.accounts if row["External__c"] == line["External__c"]), None)
        upsert = job["body"].get("operation") == "upsert"
        made = held if held and upsert else {"Id": f"001{len(self.accounts) + 1:012}AAA"}
        row = {
            **made,
            **line,
            "IsDeleted": False,
            "SystemModstamp": self.journal.now().strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        same = bool(held and upsert and held["Name"] == line.get("Name") and held["Amount__c"] == line["Amount__c"])
        if not same:
            effect = "account.changed" if held and upsert else "account.created"
            entry = {"effect": effect, "ref": line["External__c"], "entity": row["Id"], "data": {"row": row}}
            self.journal.record([entry], request=call.request_id, correlation=call.correlation)
        self._store(row)
        return {**told, "sf__Id": row["Id"], "sf__Created": str(held is None).lower(), "what": "created"}

    def _store(self, row: Row) -> None:
        kept = {"Name": None, "External__c": None, "Amount__c": None, **row}
        self.accounts = [one for one in self.accounts if one["Id"] != row["Id"]] + [kept]

    def control(self, order: str, value: Any) -> Any:
        """`{"change": {"Id": …}}`: an account changes as if a person had changed it; `{"forget": true}`: no job is
        known any more."""
        if order == "forget":
            self.bulk.clear()
        elif order == "change":
            held = next(row for row in self.accounts if row["Id"] == value["Id"])
            held |= {"SystemModstamp": self.journal.now().strftime("%Y-%m-%dT%H:%M:%S.000Z"), **value}
        else:
            raise BadControl(f"unknown order {order!r}")
        return True


def _csv(rows: list[Row], names: list[str], headers: list[tuple[str, str]]) -> Answer:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    shown = [*headers, ("Sforce-NumberOfRecords", str(len(rows)))]
    return Answer(200, text.getvalue().encode(), "text/csv", shown)


__all__ = ["Crm"]
