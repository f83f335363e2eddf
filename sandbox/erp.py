"""The ERP emulator: OData V2 services in the SAP Gateway dialect under `/sap/opu/odata/sap/`, and retail sales posting.

What it does as the vendor does: Basic authentication; CSRF token together with every cookie on writes, else 403 with
`x-csrf-token: Required`; server-driven paging whose `__next` repeats the query, and which `$top` switches off;
`If-Match` needed (428) and checked (412); keys with leading zeros compared as text; decimals as strings; `/Date(ms)/`;
the nested error body. JSON has to be asked for (`Accept: application/json` or `$format=json`): the vendor would send
Atom, this answers 406.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sandbox.dataset_types import Dataset
from sandbox.edm import EntityType, Service, metadata
from sandbox.erp_rows import erp_rows
from sandbox.faults import BadControl
from sandbox.odata import Store, Table, parse_key, split_path, whole_number
from sandbox.realmeta import Metadata
from sandbox.sales import SalesPosting
from sandbox.server import HOST, Answer, Call, Emulator, Operation, Refusal, answer
from sandbox.wire import Row, bad_request, coerce, etag_of, wire_date, wire_instant

PREFIX = "/sap/opu/odata/sap/"
RETAIL = "/api/retail/v1/"
COOKIES = ("sap-usercontext", "SAP_SESSIONID_S4H_100", "sap-XSRF_S4H_100")
WRITES = ("POST", "PATCH", "MERGE", "PUT", "DELETE")
OPTIONS = (
    "$top",
    "$skip",
    "$filter",
    "$orderby",
    "$select",
    "$expand",
    "$inlinecount",
    "$format",
    "$skiptoken",
    "sap-client",
    "sap-language",
)


class Session:
    def __init__(self, token: str, cookies: dict[str, str]) -> None:
        self.token, self.cookies, self.writes = token, cookies, 0


class Erp(Emulator):
    name = "erp"

    def __init__(
        self, state: Path, data: Dataset, *, seed: int = 1, user: str, password: str, published: Metadata | None = None
    ) -> None:
        super().__init__(state, seed=seed)
        self.published = published or Metadata()
        self.settings = {
            "page_size": 50,  # rows per page of server-driven paging
            "csrf": True,  # whether writes need a token
            "csrf_writes": None,  # a token ends after so many writes
            "honour_keys": True,  # whether the batch endpoint deduplicates
            "repeatability": False,  # whether sales orders honour RequestID
            "check_materials": False,  # whether sales orders refuse unknown materials
            "max_batch": 5000,
        }
        self.data = data
        self.store = Store(self.published.services)
        self.sales = SalesPosting(self.store, self.journal, self.settings, self.pending)
        self.sessions: dict[str, Session] = {}
        self._session_number = 0
        self._accept(user=user, password=password)

    def restore(self) -> None:
        self.store.origin = f"http://{HOST}:{self.port}"
        for service, entity_set, row in erp_rows(self.data):
            self.store.table(service, entity_set).put({**self.published.unset.get((service, entity_set), {}), **row})
        for entry in self.journal.entries():
            if entry.effect in ("entity.changed", "source.changed") and entry.data:
                self.store.table(entry.data["service"], entry.data["set"]).put(entry.data["row"])
            else:
                self.sales.restore(entry)

    # --- dispatch ---------------------------------------------------------------------------------------------------

    def resolve(self, method: str, path: str) -> Operation | None:
        if path.startswith(PREFIX):
            service_name, _, rest = path[len(PREFIX) :].partition("/")
            service = self.published.services.get(service_name.partition(";")[0])
            if service is None:
                return None
            return self._odata_operation(method, service, rest)
        if method == "POST" and path == RETAIL + "sales:batch":
            return Operation("sales.batch", True, self._guarded(self.sales.post_batch), batch=True)
        if method == "POST" and path == RETAIL + "sales:lookup":
            return Operation("sales.lookup", False, self._guarded(self.sales.lookup))
        return None

    def _odata_operation(self, method: str, service: Service, rest: str) -> Operation | None:
        params = (service.name, rest)
        if method in ("GET", "HEAD"):
            name = "odata.metadata" if rest in ("", "$metadata") else "odata.read"
            return Operation(name, False, self._guarded(self._read), params)
        if method in WRITES:
            creates = method == "POST" and rest == "A_SalesOrder"
            return Operation(
                "salesorder.create" if creates else "odata.write", True, self._guarded(self._write), params
            )
        return None

    def _guarded(self, handle: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        def guarded(call: Call) -> Answer:
            if denied := self.denied(call.headers):
                raise denied
            return handle(call)

        return guarded

    def denied(self, headers: Any) -> Refusal | None:
        signed = f"{self.sign_in['user']}:{self.sign_in['password']}".encode()
        if headers.get("Authorization") == "Basic " + base64.b64encode(signed).decode():
            return None
        return Refusal(
            401, "unauthorized", "Logon failed", headers=[("WWW-Authenticate", 'Basic realm="SAP NetWeaver"')]
        )

    def refusal(self, refused: Refusal) -> Answer:
        """The Gateway's nested error body."""
        details = refused.details.get("errordetails") or [
            {
                "code": refused.code,
                "message": refused.message,
                "target": refused.details.get("target", ""),
                "severity": "error",
            }
        ]
        now = self.journal.now()
        inner = {
            "application": {
                "component_id": "SD-SLS",
                "service_namespace": "/SAP/",
                "service_id": "SANDBOX",
                "service_version": "0001",
            },
            "transactionid": f"{len(self.journal):08X}{sum(self.calls.values()):024X}",
            "timestamp": now.strftime("%Y%m%d%H%M%S.%f0"),
            "Error_Resolution": {
                "SAP_Transaction": "Run transaction /IWFND/ERROR_LOG on the hub system for more information"
            },
            "errordetails": details,
        }
        body = {
            "error": {"code": refused.code, "message": {"lang": "en", "value": refused.message}, "innererror": inner}
        }
        return answer(body, refused.status, [("DataServiceVersion", "1.0")])

    # --- reading ----------------------------------------------------------------------------------------------------

    def _read(self, call: Call) -> Answer:
        service, rest = self.published.services[call.params[0]], call.params[1]
        if rest == "$metadata":
            made = Answer(200, self.published.documents.get(service.name) or metadata(service), "application/xml")
        elif (
            "json" not in call.headers.get("Accept", "")
            and call.query.get("$format") != "json"
            and not rest.endswith("$count")
        ):
            raise Refusal(
                406, "/IWFND/CM_MGW/061", "This sandbox speaks JSON only; ask for it (the vendor would answer Atom)"
            )
        elif rest == "":
            made = answer({"d": {"EntitySets": [entity.set for entity in service.entities]}})
        else:
            made = self._resource(call, service, rest)
        if call.headers.get("X-CSRF-Token", "").lower() == "fetch":
            made.headers.extend(self._csrf_headers(call))
        if call.method == "HEAD":
            made.body = b""
        return made

    def _resource(self, call: Call, service: Service, rest: str) -> Answer:
        if unknown := [name for name in call.query if name.startswith("$") and name not in OPTIONS]:
            raise bad_request(
                f"The system query option '{unknown[0]}' is not supported", code="/IWBEP/CM_MGW_RT/070", status=501
            )
        name, key, tail = split_path(rest)
        entity = service.entity(name)
        if entity is None:
            raise bad_request(
                f"Resource not found for segment '{name}'", code="005056A509B11EE1B9A8FEC11C21578E", status=404
            )
        table = self.store.table(service.name, name)
        if key is None:
            keys = self.store.select_keys(
                service, entity, call.query.get("$filter", ""), call.query.get("$orderby", "")
            )
            if tail == "$count":
                return Answer(200, str(len(keys)).encode(), "text/plain")
            return self._page(call, service, table, keys)
        row = self._row(table, parse_key(entity, key))
        if tail:
            nav = entity.navigation(tail)
            if nav is None:
                raise bad_request(f"Resource not found for segment '{tail}'", status=404)
            target = self.store.table(service.name, nav.target)
            keys = self.store.related(service, nav, row)
            if nav.many:
                return self._page(call, service, target, keys)
            row, entity = self._row(target, keys[0] if keys else ("",)), target.entity
        shown = self.store.present(service, entity, row, *self._shape(call, entity))
        etag = etag_of(entity, row)
        return answer({"d": shown}, 200, [("DataServiceVersion", "2.0"), *([("ETag", etag)] if etag else [])])

    def _row(self, table: Table, key: tuple[str, ...]) -> Row:
        row = table.rows.get(key)
        if row is None:
            raise bad_request("Resource not found", code="/IWBEP/CM_MGW_RT/020", status=404)
        return row

    def _shape(self, call: Call, entity: EntityType) -> tuple[tuple[str, ...], tuple[str, ...]]:
        select = tuple(
            name.strip() for name in call.query.get("$select", "").split(",") if name.strip() not in ("", "*")
        )
        expand = tuple(name.strip() for name in call.query.get("$expand", "").split(",") if name.strip())
        for name in select:
            if name.split("/")[0] not in entity.by_name and entity.navigation(name.split("/")[0]) is None:
                raise bad_request(f"Property {name} not found in type {entity.type_name}", code="/IWBEP/CM_MGW_RT/033")
        for name in expand:
            if entity.navigation(name.split("/")[0]) is None:
                raise bad_request(f"Invalid navigation property '{name}' in $expand", code="/IWBEP/CM_MGW_RT/033")
        return select, expand

    def _page(self, call: Call, service: Service, table: Table, keys: list[tuple[str, ...]]) -> Answer:
        """Server-driven paging, unless the caller gives `$top`: then exactly that many rows and never a `__next`."""
        select, expand = self._shape(call, table.entity)
        top, skip = whole_number(call.query, "$top"), whole_number(call.query, "$skip") or 0
        token = whole_number(call.query, "$skiptoken") or 0
        start = token or skip
        stop = start + (self.settings["page_size"] if top is None else top)
        chosen = keys[start:stop]

        def show(row: Row) -> Row:
            return self.store.present(service, table.entity, row, select, expand)

        results: list[Any]
        if select or expand:
            results = [show(table.rows[key]) for key in chosen]
        else:
            results = [table.cached(key, show) for key in chosen]
        d: dict[str, Any] = {"results": results}
        if call.query.get("$inlinecount") == "allpages":
            d["__count"] = str(len(keys))
        if top is None and stop < len(keys):
            again = {name: value for name, value in call.query.items() if name not in ("$skiptoken", "$skip")}
            again["$skiptoken"] = str(stop)
            d["__next"] = (
                self.store.origin
                + quote(call.path, safe="/()',=")
                + "?"
                + "&".join(f"{name}={quote(value, safe='')}" for name, value in again.items())
            )
        return answer({"d": d}, 200, [("DataServiceVersion", "2.0")])

    # --- CSRF -------------------------------------------------------------------------------------------------------

    def _csrf_headers(self, call: Call) -> list[tuple[str, str]]:
        session = self._session(call)
        if session is not None:
            return [("X-CSRF-Token", session.token)]
        self._session_number += 1
        number = f"{self.plan.seed}:{self.port}:{self._session_number}:{self.journal.now().timestamp()}"
        secret = [blake2b(f"{number}:{part}".encode(), digest_size=16).hexdigest() for part in range(3)]
        cookies = {COOKIES[0]: "sap-client=100", COOKIES[1]: secret[0], COOKIES[2]: secret[1]}
        session = self.sessions[secret[0]] = Session(secret[2], cookies)
        headers = [("X-CSRF-Token", session.token)]
        return headers + [("Set-Cookie", f"{name}={value}; path=/; HttpOnly") for name, value in cookies.items()]

    def _session(self, call: Call) -> Session | None:
        """The session whose cookies the call carries, all of them."""
        session = self.sessions.get(call.cookies.get(COOKIES[1], ""))
        if session is None or any(call.cookies.get(name) != value for name, value in session.cookies.items()):
            return None
        return session

    def _check_csrf(self, call: Call) -> None:
        if not self.settings["csrf"]:
            return
        session, limit = self._session(call), self.settings["csrf_writes"]
        if session is not None and limit is not None and session.writes >= limit:
            self.sessions.pop(session.cookies[COOKIES[1]])
            session = None
        if session is None or call.headers.get("X-CSRF-Token") != session.token:
            raise Refusal(
                403, "/IWFND/CM_MGW/060", "CSRF token validation failed", headers=[("x-csrf-token", "Required")]
            )
        session.writes += 1

    # --- writing ----------------------------------------------------------------------------------------------------

    def _write(self, call: Call) -> Answer:
        self._check_csrf(call)
        service, rest = self.published.services[call.params[0]], call.params[1]
        if rest == "$batch":
            raise bad_request("$batch is not offered by this sandbox", code="/IWBEP/CM_MGW_RT/070", status=501)
        name, key, tail = split_path(rest)
        entity = service.entity(name)
        if entity is None or tail:
            raise bad_request(f"Resource not found for segment '{rest}'", status=404)
        if key is None:
            if call.method == "POST" and name == "A_SalesOrder":
                return self.sales.create_order(call)
            raise bad_request(
                "Method POST is not supported for this entity set", code="/IWBEP/CM_MGW_RT/022", status=405
            )
        if call.method not in ("PATCH", "MERGE") or entity.etag is None:
            raise bad_request(
                f"Method {call.method} is not supported for this entity", code="/IWBEP/CM_MGW_RT/022", status=405
            )
        return self._change(call, service, self.store.table(service.name, name), parse_key(entity, key))

    def _change(self, call: Call, service: Service, table: Table, key: tuple[str, ...]) -> Answer:
        row = self._row(table, key)
        given, held = call.headers.get("If-Match"), etag_of(table.entity, row)
        if given is None:
            raise bad_request("The required header If-Match was missing", code="/IWBEP/CM_MGW_RT/094", status=428)
        if given != "*" and held not in [part.strip() for part in given.split(",")]:
            raise bad_request(
                "The resource has been changed by another request", code="/IWBEP/CM_MGW_RT/096", status=412
            )
        body = call.json()
        body = body.get("d", body) if isinstance(body, dict) else None
        if not isinstance(body, dict):
            raise bad_request("The entity is an object")
        changes = {name: coerce(table.entity, name, value) for name, value in body.items() if not name.startswith("__")}
        if fixed := [name for name in changes if not table.entity.by_name[name].writable or name in table.entity.keys]:
            raise bad_request(f"Property '{fixed[0]}' cannot be changed", code="/IWBEP/CM_MGW_RT/021", target=fixed[0])
        effect = self._put(service.name, table, {**row, **changes}, "entity.changed")
        self.journal.record([effect], request=call.request_id, correlation=call.correlation)
        return Answer(
            204, b"", headers=[("ETag", etag_of(table.entity, table.rows[key]) or ""), ("DataServiceVersion", "2.0")]
        )

    def _put(self, service: str, table: Table, row: Row, effect: str, *, at: datetime | None = None) -> dict[str, Any]:
        """Write a row with a new change time and give the journal effect.

        Change times only move forward within a row.
        """
        now = at or self.journal.now()
        if "LastChangeDateTime" in table.entity.by_name:
            old = table.rows.get(table.key_of(row), {}).get("LastChangeDateTime")
            row = {**row, "LastChangeDateTime": wire_instant(now)}
            if old == row["LastChangeDateTime"]:
                row["LastChangeDateTime"] = wire_instant(now + timedelta(milliseconds=1))
        if "LastChangeDate" in table.entity.by_name:
            row["LastChangeDate"] = wire_date(now.date())
        table.put(row)
        key = table.key_of(row)
        entity = f"{table.entity.set}({','.join(key)})"
        return {
            "effect": effect,
            "entity": entity,
            "data": {"service": service, "set": table.entity.set, "row": table.rows[key]},
        }

    # --- control ----------------------------------------------------------------------------------------------------

    def control(self, order: str, value: Any) -> Any:
        if order == "csrf":
            if value != "expire":
                raise BadControl("csrf takes expire")
            self.sessions.clear()
            return True
        if order == "put":
            return self._put_rows(value if isinstance(value, list) else [value])
        if order == "reprice":
            return self._reprice(int(value.get("count", 10)), value.get("materials"))
        return super().control(order, value)

    def _put_rows(self, changes: list[dict[str, Any]]) -> int:
        """`{"service", "set", "row"}`: merge into the row with this key, or insert it; as if a person had changed it in
        the ERP.
        """
        effects = []
        now = self.journal.now()
        for change in changes:
            table = self.store.tables.get((change["service"], change["set"]))
            if table is None:
                raise BadControl(f"no entity set {change['service']}/{change['set']}")
            try:
                given = {name: coerce(table.entity, name, value) for name, value in change["row"].items()}
            except Refusal as refused:
                raise BadControl(refused.message) from None
            held = table.rows.get(tuple(given.get(name) or "" for name in table.entity.keys), {})
            effects.append(self._put(change["service"], table, {**held, **given}, "source.changed", at=now))
        self.journal.record(effects)
        return len(effects)

    def _reprice(self, count: int, materials: list[str] | None) -> list[str]:
        """Change `count` current prices by a seeded few percent, all with one change time.

        Returns the condition records.
        """
        service = "API_SLSPRICINGCONDITIONRECORD_SRV"
        table = self.store.table(service, "A_SlsPrcgConditionRecord")
        keys = table.ordered() if materials is None else table.find("Material", materials)
        draw = random.Random(f"{self.plan.seed}:reprice:{len(self.journal)}")
        chosen = sorted(draw.sample(keys, min(count, len(keys))))
        now = self.journal.now()
        effects = []
        for key in chosen:
            row = table.rows[key]
            price = Decimal(row["ConditionRateValue"]) * Decimal(draw.choice(("0.90", "0.95", "1.03", "1.05", "1.10")))
            price = max(price.quantize(Decimal("0.01"), ROUND_HALF_UP), Decimal("0.01"))
            effects.append(
                self._put(service, table, {**row, "ConditionRateValue": str(price)}, "source.changed", at=now)
            )
        self.journal.record(effects)
        return [key[0] for key in chosen]

    def describe(self) -> dict[str, Any]:
        sizes = {f"{service}/{name}": len(table.rows) for (service, name), table in self.store.tables.items()}
        return super().describe() | {
            "rows": sizes,
            "sales_posted": self.sales.documents,
            "salesorders": self.sales.orders,
        }
