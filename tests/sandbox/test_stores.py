"""Store servers: versions, being offline, and what they send."""

from __future__ import annotations

import http.server
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.client import Sandbox
from sandbox.journal import counts, doubles, missing, order_violations

NS = "{http://www.nrf-arts.org/IXRetail/namespace/}"


def put(client: httpx.Client, store: str, *items: dict, kind: str = "prices") -> list[str]:
    answer = client.put(f"/{store}/v1/{kind}", json={"items": items})
    assert answer.status_code == 200, answer.text
    return [item["status"] for item in answer.json()["results"]]


def price(identity: str, version: int, amount: str = "1.00") -> dict:
    return {"id": identity, "version": version, "price": amount, "currency": "EUR"}


def test_an_older_version_is_a_no_op_and_leaves_no_effect(stores, sandbox: Sandbox):
    start = sandbox.stores.state()["journal"]
    assert put(stores, "1", price("v", 5)) == ["applied"]
    assert put(stores, "1", price("v", 4, "9.99"), price("v", 5), price("v", 5, "2.00"), price("v", 6)) == [
        "stale",
        "unchanged",
        "conflict",
        "applied",
    ]
    assert stores.get("/1/v1/prices/v").json()["version"] == 6
    entries = sandbox.stores.journal(since=start)
    assert [(entry.ref, entry.version, entry.amount) for entry in entries] == [
        ("1/price/v@5", 5, "1.00"),
        ("1/price/v@6", 6, "1.00"),
    ]


def test_a_store_that_ignores_versions_shows_old_over_new_in_its_journal(stores, sandbox: Sandbox):
    sandbox.stores.control(set={"honour_versions": False})
    start = sandbox.stores.state()["journal"]
    put(stores, "1", price("w", 2), price("w", 1), price("w", 2))
    entries = sandbox.stores.journal(since=start)
    assert [(newer.version, older.version) for newer, older in order_violations(entries)] == [(2, 1)]
    assert set(doubles(entries)) == {"price.applied 1/price/w@2"}


@pytest.mark.parametrize(
    "item",
    [
        {"version": 1, "price": "1"},
        {"id": "x", "price": "1"},
        {"id": "x", "version": 1, "price": 1.5},
        {"id": "x", "version": 1, "price": "-1"},
        {"id": "x", "version": True, "price": "1"},
        "x",
        None,
    ],
)
def test_a_wrong_item_is_refused_and_its_neighbours_are_applied(stores, item):
    assert put(stores, "2", price("n", 1), item) in (["applied", "refused"], ["unchanged", "refused"])


def test_an_offline_store_resets_connections_and_the_others_go_on(stores, sandbox: Sandbox):
    sandbox.stores.control(offline=["3"])
    with pytest.raises(httpx.TransportError):
        put(stores, "3", price("o", 1))
    assert put(stores, "4", price("o", 1)) == ["applied"]
    sandbox.stores.control(offline=False)
    assert put(stores, "3", price("o", 1)) == ["applied"]


def test_the_lookup_tells_which_versions_a_store_holds(stores):
    put(stores, "5", {"id": "l", "version": 3, "name": "Lamp"}, kind="products")
    assert stores.post("/5/v1/products:lookup", json={"ids": ["l", "m"]}).json() == {
        "found": {"l": {"version": 3}},
        "missing": ["m"],
    }


def test_stores_drop_their_sales_as_poslog_files_and_the_journal_knows_each_of_them(sandbox: Sandbox, tmp_path: Path):
    start = sandbox.stores.state()["journal"]
    rung = sandbox.stores.control(sell={"store": "all", "count": 12, "drop": str(tmp_path), "batch": 5})["sell"]
    assert rung["rung"] == 72
    _wait(lambda: len(missing(sandbox.stores.journal(since=start), rung["keys"], effect="sale.handed")) == 0)
    dropped = [key for path in sorted(tmp_path.glob("*/poslog-*.xml")) for key in keys_of(path.read_bytes())]
    assert sorted(dropped) == sorted(rung["keys"])
    assert not list(tmp_path.glob("*/.*"))
    assert set(counts(sandbox.stores.journal(since=start), effect="sale.rung")) == set(rung["keys"])


class Intake(http.server.BaseHTTPRequestHandler):
    accepted: list[str]
    refusals: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.refusals.pop(0) if self.refusals else 202
        if status < 300:
            self.accepted.extend(keys_of(body))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if status == 503:
            self.send_header("Retry-After", "0.01")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def intake() -> Iterator[http.server.ThreadingHTTPServer]:
    Intake.accepted, Intake.refusals = [], []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Intake)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_sales_of_an_offline_store_wait_and_then_come_in_order_through_refusals(sandbox: Sandbox, intake):
    Intake.refusals = [503, 503]
    sandbox.stores.control(offline=["6"])
    url = f"http://127.0.0.1:{intake.server_port}/intake"
    rung = sandbox.stores.control(sell={"store": "6", "count": 30, "url": url, "batch": 10, "day": "2026-03-03"})[
        "sell"
    ]
    assert sandbox.stores.state()["tills"]["waiting"] == {"6": 30}
    assert Intake.accepted == []
    sandbox.stores.control(offline=False)
    _wait(lambda: len(Intake.accepted) >= 30)
    assert Intake.accepted == rung["keys"]


def keys_of(document: bytes) -> list[str]:
    fields = ("RetailStoreID", "WorkstationID", "BusinessDayDate", "SequenceNumber")
    return [
        "/".join(one.findtext(NS + name) or "" for name in fields)
        for one in ET.fromstring(document).iter(f"{NS}Transaction")
    ]


def _wait(condition) -> None:
    """Ask again until it is so; the other process has no event to offer. Two seconds are the limit, not the wait."""
    pause = threading.Event()
    for _ in range(200):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("not so within two seconds")
