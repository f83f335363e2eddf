"""OData V4 and V2 against a real server of the field (SAP CAP): what is read while others write, and what is written.

Without its packages these tests are skipped, with the reason.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.connectors.protocols import ConnectionFault, OutboundMessage, Refused
from runtime.connectors.registry import open_sink, open_source
from tests.runtime.connectors import odata_server
from tests.runtime.connectors.conformance import HttpSourceConformance, SinkConformance, call, read_all
from tests.runtime.connectors.odata_server import COUNT, SIGN_IN

pytestmark = pytest.mark.skipif(bool(odata_server.missing()), reason=odata_server.missing() or "-")
VERSIONS = ["odata_v4", "odata_v2"]
NUMBER = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with odata_server.started(tmp_path_factory.mktemp("odata") / "server") as url:
        yield url


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[str]:
    """For a test that changes the articles."""
    with odata_server.started(tmp_path / "server") as url:
        yield url


def settings(url: str, version: str, entity_set: str = "Articles", **more: Any) -> dict[str, Any]:
    keys = {
        "Articles": (["id"], {"id": "Guid"}),
        "Stock": (["article", "place", "lot"], {"article": "Guid", "lot": "Int32"}),
        "Orders": (["number"], {"number": "Int32"}),
    }
    fields, types = keys[entity_set]
    given = {"base_url": url, "service": f"/odata/{version[-2:]}/shop", "entity_set": entity_set, "csrf": False}
    return {**given, "key_fields": fields, "key_types": types, "auth": {"kind": "basic"}, **more}


def reader(url: str, version: str, entity_set: str = "Articles", **more: Any) -> Any:
    return open_source(version, settings(url, version, entity_set, overlap=0.0, **{"changed": "changed", **more}))


def keys_of(pages: list[Any]) -> list[str]:
    return [record.key for page in pages for record in page.records]


class TestV4Source(HttpSourceConformance):
    """The suite of every source; faults are those of the other side, which this server does not give on order."""

    version = "odata_v4"
    test_busy_says_when_to_come_back = None
    test_a_cut_answer_to_a_read_is_retriable = None
    test_the_deadline_ends_a_call_that_hangs = None

    @pytest.fixture
    def make(self, server: str) -> Any:
        return lambda **more: reader(server, self.version, **more)

    @pytest.fixture
    def circumstances(self) -> Any:
        return call(SIGN_IN)

    @pytest.fixture
    def wrong(self) -> Any:
        return call({**SIGN_IN, "password": "not-the-password"})

    @pytest.fixture
    def expected(self, server: str) -> list[str]:
        found: list[str] = []
        url: str | None = f"{server}/odata/v4/shop/Articles?$select=id"
        while url:  # by the links of the service, while nobody writes
            page = httpx.get(url, auth=("reader", "sandbox")).json()
            found += [row["id"] for row in page["value"]]
            link = page.get("@odata.nextLink")
            url = f"{server}/odata/v4/shop/{link}" if link else None
        assert len(found) == COUNT
        return found


class TestV2Source(TestV4Source):
    version = "odata_v2"


@pytest.mark.parametrize("changed", ["changed", None])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_key_of_three_types_is_read_whole(server: str, version: str, changed: str | None) -> None:
    source = reader(server, version, "Stock", changed=changed)
    pages = read_all(source, circumstances=call(SIGN_IN))
    source.close()
    assert len(set(keys_of(pages))) == COUNT
    assert not [one for page in pages for one in page.rejected]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_row_is_read_while_three_writers_change_rows(own_server: str, version: str) -> None:
    """Each writer takes rows from the beginning of the order and so moves them to its end."""
    ids = [f"{n:08x}" for n in range(COUNT)]
    stop, failures = threading.Event(), list[str]()

    def write(part: int) -> None:
        with httpx.Client(base_url=own_server, auth=("reader", "sandbox")) as client:
            rows = client.get("/odata/v4/shop/Articles?$select=id&$orderby=changed,id&$top=100").json()["value"]
            for row in itertools.cycle(rows[part::3]):
                if stop.is_set():
                    return
                answer = client.patch(f"/odata/v4/shop/Articles({row['id']})", json={"name": f"changed by {part}"})
                if answer.status_code != 200:
                    failures.append(answer.text)

    source = reader(own_server, version)
    writers = [threading.Thread(target=write, args=(part,)) for part in range(3)]
    first = source.read(None, call=call(SIGN_IN))
    for one in writers:
        one.start()
    pages = [first, *read_all(source, first.cursor, circumstances=call(SIGN_IN), limit=500)]
    stop.set()
    for one in writers:
        one.join()
    rest = read_all(source, pages[-1].cursor, circumstances=call(SIGN_IN))
    source.close()
    read = keys_of(pages)
    assert not failures
    assert {key[:8] for key in read} == set(ids), "a row is missing"
    states = Counter((r.key, r.payload) for page in pages for r in page.records)
    assert max(states.values()) == 1, "a state of a row came twice"
    stored = httpx.get(f"{own_server}/odata/v4/shop/Articles/$count", auth=("reader", "sandbox"))
    assert int(stored.text) == len(set(read))
    final = {r.key: json.loads(r.payload)["name"] for page in [*pages, *rest] for r in page.records}
    link: str | None = "Articles?$filter=startswith(name,'changed')"
    while link:
        page = httpx.get(f"{own_server}/odata/v4/shop/{link}", auth=("reader", "sandbox")).json()
        assert all(final[row["id"]] == row["name"] for row in page["value"]), "a last state was not read"
        link = page.get("@odata.nextLink")


DLT = """
import os, sys
os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="ERROR")
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import HttpBasicAuth
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator
pages = RESTClient(base_url=sys.argv[1] + "/odata/v4/shop/", auth=HttpBasicAuth("reader", "sandbox"),
                   paginator=JSONLinkPaginator(next_url_path="'@odata.nextLink'"), data_selector="value")
print(len({row["id"] for page in pages.paginate("Articles") for row in page}))
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_another_reader_counts_the_same_rows(server: str, version: str, tmp_path: Path) -> None:
    python = odata_server.peers() / "dlt" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{python} is not there: make bench-peers PEERS=folder")
    environment = {
        "HOME": str(tmp_path),
        "DLT_DATA_DIR": str(tmp_path),
        "NO_PROXY": "127.0.0.1",
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run([str(python), "-c", DLT, server], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    source = reader(server, version)
    read = keys_of(read_all(source, circumstances=call(SIGN_IN)))
    source.close()
    assert len(set(read)) == int(done.stdout) == COUNT


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_selected_and_expanded_comes_and_nothing_else(server: str, version: str) -> None:
    source = reader(server, version, select=["sku"], expand=["texts", "group"])
    row = json.loads(source.read(None, call=call(SIGN_IN)).records[0].payload)
    source.close()
    assert set(row) - {"__metadata"} == {"id", "sku", "changed", "texts", "group"}
    texts = row["texts"]["results"] if version == "odata_v2" else row["texts"]
    assert isinstance(texts, list)


@pytest.mark.parametrize("version", VERSIONS)
def test_discover_names_sets_keys_and_change_fields(server: str, version: str) -> None:
    source = reader(server, version)
    found = {one.name: one for one in source.discover(call=call(SIGN_IN))}
    source.close()
    assert list(found["Stock"].key_fields) == ["article", "place", "lot"]
    assert found["Stock"].fields["lot"] == "Edm.Int32"
    assert found["Articles"].change_fields == ["changed"]


# --- writing --------------------------------------------------------------------------------------------------------


def writer(url: str, version: str, **more: Any) -> Any:
    lookup = {"field": "reference", "reference": "number"}
    return open_sink(version, settings(url, version, "Orders", **{"reference": "number", "lookup": lookup, **more}))


def order(reference: str, **more: Any) -> dict[str, Any]:
    lines = [{"position": 1, "sku": "A-1", "quantity": 2}, {"position": 2, "sku": "A-2", "quantity": 1}]
    return {"reference": reference, "customer": "C-1", "lines": lines, **more}


def item_of(document: Any, **more: Any) -> OutboundMessage:
    key = more.pop("key", f"PO-{next(NUMBER)}")
    return OutboundMessage(key, key, json.dumps(document).encode(), document=document, **more)


def stored(url: str, reference: str) -> list[dict[str, Any]]:
    """The server's own word about the orders under a reference."""
    link = f"Orders?$filter=reference%20eq%20'{reference}'&$expand=lines"
    answer = httpx.get(f"{url}/odata/v4/shop/{link}", auth=("reader", "sandbox"))
    rows: list[dict[str, Any]] = answer.json()["value"]
    return rows


class TestV4Sink(SinkConformance):
    """The suite of every sink. Faults and the trace of a call are what this server does not show."""

    version = "odata_v4"
    more: dict[str, Any] = {}
    test_a_lost_answer_is_unknown_and_asking_finds_it = None
    test_a_write_that_never_arrived_is_not_found_by_asking = None
    test_busy_applies_nothing_and_says_when_to_come_back = None
    test_the_deadline_makes_a_hanging_write_unknown = None
    test_the_correlation_id_arrives = None

    @pytest.fixture
    def make(self, server: str) -> Any:
        return lambda **more: writer(server, self.version, **{**self.more, **more})

    @pytest.fixture
    def circumstances(self) -> Any:
        return call(SIGN_IN)

    @pytest.fixture
    def wrong(self) -> Any:
        return call({**SIGN_IN, "password": "not-the-password"})

    @pytest.fixture
    def item(self) -> Any:
        def make_item() -> OutboundMessage:
            key = f"PO-{next(NUMBER)}-{self.version}"
            return item_of(order(key), key=key)

        return make_item

    @pytest.fixture
    def bad(self, item: Any) -> OutboundMessage:
        return item_of({"reference": "bad"}, key="bad")

    @pytest.fixture
    def effects(self, server: str) -> Any:
        return lambda items: [len(stored(server, one.key)) for one in items]

    def test_the_lines_of_a_document_are_created_with_it(
        self, server: str, sink: Any, circumstances: Any, item: Any
    ) -> None:
        one = item()
        (result,) = sink.write([one], call=circumstances)
        (row,) = stored(server, one.key)
        assert [line["sku"] for line in row["lines"]] == ["A-1", "A-2"]
        assert result.reference == str(row["number"])
        assert sink.ask([one.key, "not there"], call=circumstances) == {one.key: str(row["number"]), "not there": None}


class TestV2Sink(TestV4Sink):
    version = "odata_v2"


class TestV4Batch(TestV4Sink):
    more = {"batch": "each"}


class TestV2Batch(TestV4Sink):
    version, more = "odata_v2", {"batch": "each"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_change_set_is_done_whole_or_not_at_all(server: str, version: str) -> None:
    sink = writer(server, version, batch="whole")
    good = [item_of(order(f"S-{version}-{n}"), key=f"S-{version}-{n}") for n in range(3)]
    results = sink.write(good, call=call(SIGN_IN))
    assert [one.status for one in results] == ["confirmed"] * 3
    assert [one.reference for one in results] == [str(stored(server, one.key)[0]["number"]) for one in good]
    mixed = [item_of(order(f"M-{version}"), key=f"M-{version}"), item_of({"reference": "no customer"})]
    with pytest.raises(Refused, match="names its customer"):
        sink.write(mixed, call=call(SIGN_IN))
    assert stored(server, f"M-{version}") == []
    sink.close()


@pytest.fixture
def made(server: str) -> dict[str, Any]:
    """An order that is there."""
    key = f"U-{next(NUMBER)}"
    answer = httpx.post(f"{server}/odata/v4/shop/Orders", json=order(key), auth=("reader", "sandbox"))
    assert answer.status_code == 201, answer.text
    return {"key": key, "number": str(answer.json()["number"]), "etag": answer.headers.get("etag")}


def changed(url: str, version: str, number: str, document: Any, **more: Any) -> Any:
    entity_set = more.pop("entity_set", "Orders")
    given = {**settings(url, version, "Orders", **more), "entity_set": entity_set}
    item = item_of(document, address={"number": number}, own_address=True)
    with closing(open_sink(version, given)) as sink:
        return sink.write([item], call=call(SIGN_IN))[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_update_needs_the_state_that_it_means(server: str, version: str, made: dict[str, Any]) -> None:
    assert changed(server, version, made["number"], {"customer": "C-2"}, operation="update").status == "confirmed"
    assert stored(server, made["key"])[0]["customer"] == "C-2"
    sink = writer(server, version, reference=None, lookup=None, operation="update", match="item", match_field="etag")
    old = item_of(
        {"customer": "C-3"}, address={"number": made["number"]}, own_address=True, match='W/"2001-01-01T00:00:00.000Z"'
    )
    (result,) = sink.write([old], call=call(SIGN_IN))
    sink.close()
    assert (result.status, result.retriable) == ("refused", True)
    assert stored(server, made["key"])[0]["customer"] == "C-2"
    gone = changed(server, version, "999999", {"customer": "C-4"}, operation="update")
    assert (gone.status, gone.retriable) == ("refused", False)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_upsert_changes_what_is_there_and_makes_what_is_not(server: str, version: str) -> None:
    def upsert(code: str, label: str) -> Any:
        given = {**settings(server, version, "Orders"), "entity_set": "Groups", "key_fields": ["code"], "key_types": {}}
        sink = open_sink(version, {**given, "operation": "upsert", "idempotency": "N"})
        one = item_of({"code": code, "label": label}, address={"code": code}, own_address=True)
        (result,) = sink.write([one], call=call(SIGN_IN))
        sink.close()
        return result

    code = f"{version[-2:]}"
    for label in ("new", "changed"):
        assert upsert(code, label).status == "confirmed"
        row = httpx.get(f"{server}/odata/v4/shop/Groups('{code}')", auth=("reader", "sandbox")).json()
        assert row["label"] == label


@pytest.mark.parametrize("version", VERSIONS)
def test_a_deletion_is_done_once_and_is_confirmed_again(server: str, version: str, made: dict[str, Any]) -> None:
    for _ in range(2):
        assert changed(server, version, made["number"], {}, operation="delete").status == "confirmed"
        assert stored(server, made["key"]) == []
    with pytest.raises(ConnectionFault):
        changed(server, version, made["number"], {}, operation="delete", entity_set="Nothing")


def test_a_bound_action_is_called_and_a_refusal_is_the_messages(server: str, made: dict[str, Any]) -> None:
    more: dict[str, Any] = {"operation": "action", "action": "release"}
    assert changed(server, "odata_v4", made["number"], {"reason": "paid"}, **more).status == "confirmed"
    assert stored(server, made["key"])[0]["state"] == "released"
    again = changed(server, "odata_v4", made["number"], {"reason": "paid"}, **more)
    assert (again.status, again.code) == ("refused", "RELEASED")
