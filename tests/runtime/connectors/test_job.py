"""Reading by jobs against the emulator of a CRM (bulk queries), and against files of the test."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from runtime.connectors.job.settings import JobSettings
from runtime.connectors.job.source import JobSource
from runtime.connectors.protocols import ConnectionFault, Refused, Retriable
from runtime.connectors.registry import open_source
from runtime.connectors.settings import read_settings
from sandbox.client import Sandbox
from tests.runtime.connectors.conformance import HttpSourceConformance, call, read_all
from tests.runtime.connectors.server import Server

TOKEN = {"token": "sandbox"}
DATA = "/services/data/v60.0"
FRESH: dict[str, dict[str, Any]] = {"crm": {"batch": 10, "part": 15, "work": 0, "lose": 0, "fail": "", "quota": True}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    state = tmp_path_factory.mktemp("jobs")
    with Sandbox(state=state, ports={"crm": 0}, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def crm(running: Sandbox) -> Iterator[Any]:
    running.crm.control(clear=True, release=True, set=FRESH["crm"])
    yield running.crm
    running.crm.control(clear=True, release=True, set=FRESH["crm"], auth="restore")


@pytest.fixture
def circumstances() -> Any:
    return call(TOKEN)


@pytest.fixture
def wrong() -> Any:
    return call({"token": "another"})


def queried(url: str, **more: Any) -> dict[str, Any]:
    query = "SELECT Id, Name, SystemModstamp, IsDeleted FROM Account WHERE SystemModstamp >= {since}"
    phase = {
        "path": f"{DATA}/jobs/query/{{job}}",
        "status": "state",
        "message": "errorMessage",
        "working": ["UploadComplete", "InProgress"],
        "done": ["JobComplete"],
        "failed": ["Failed", "Aborted"],
        "rows": "numberRecordsProcessed",
    }
    results = {
        "path": f"{DATA}/jobs/query/{{job}}/results",
        "locator_header": "Sforce-Locator",
        "rows_header": "Sforce-NumberOfRecords",
        "format": {"kind": "csv"},
    }
    return {
        "base_url": url,
        "auth": {"kind": "bearer"},
        "check_path": f"{DATA}/limits",
        "id": "id",
        "poll": 7,
        "submit": {"path": f"{DATA}/jobs/query", "body": {"operation": "query", "query": query}},
        "phases": [phase],
        "results": results,
        "key_fields": ["Id"],
        "changes": {"field": "SystemModstamp", "initial": "1970-01-01T00:00:00.000Z"},
        **more,
    }


class TestSource(HttpSourceConformance):
    @pytest.fixture
    def make(self, crm: Any) -> Any:
        return lambda **more: open_source("job", queried(crm.url, **more))

    @pytest.fixture
    def fault(self, crm: Any) -> Any:
        return crm.fault

    @pytest.fixture
    def expected(self) -> list[str]:
        return [f"001{number:012}AAA" for number in range(1, 41) if number % 10]

    def test_the_next_run_asks_from_the_highest_change_less_the_overlap(
        self, crm: Any, make: Any, circumstances: Any
    ) -> None:
        with closing(make()) as source:
            end = read_all(source, circumstances=circumstances)[-1].cursor
            assert end["since"] >= "2026-03-01T10:00:09.000Z"
            crm.control(change={"Id": "001000000000003AAA", "Name": "Other"})
            found = [one for page in read_all(source, end, circumstances=circumstances) for one in page.records]
        assert "Other" in {json.loads(one.payload)["Name"] for one in found}

    def test_a_job_at_work_is_asked_about_again_by_any_reader(self, crm: Any, make: Any, circumstances: Any) -> None:
        crm.control(set={"work": 2})
        with closing(make()) as first:
            page = first.read(None, call=circumstances)
            with pytest.raises(Retriable, match="is at work") as told:
                first.read(page.cursor, call=circumstances)
        assert told.value.after == 7
        with closing(make()) as other:
            with pytest.raises(Retriable, match="is at work"):
                other.read(page.cursor, call=circumstances)
            rows = [one for page in read_all(other, page.cursor, circumstances=circumstances) for one in page.records]
        assert len(rows) == 36
        assert crm.state()["calls"]["crm.job"] >= 1

    def test_a_lost_answer_to_a_question_costs_nothing(self, crm: Any, make: Any, circumstances: Any) -> None:
        with closing(make()) as source:
            page = source.read(None, call=circumstances)
            made = crm.state()["calls"]["crm.job"]
            crm.fault("cut_before", next=1, ops=["crm.poll"])
            with pytest.raises(Retriable):
                source.read(page.cursor, call=circumstances)
            assert len([r for p in read_all(source, page.cursor, circumstances=circumstances) for r in p.records]) == 36
        assert crm.state()["calls"]["crm.job"] == made

    def test_a_result_with_fewer_rows_than_the_job_says_is_made_once_more_and_then_fails(
        self, crm: Any, make: Any, circumstances: Any
    ) -> None:
        crm.control(set={"lose": 1})
        with closing(make()) as source, pytest.raises(Refused, match="36 rows, and its result has 33") as told:
            read_all(source, circumstances=circumstances)
        assert told.value.code == "job.incomplete"
        crm.control(set={"lose": 1})
        with closing(make()) as source:
            pages, cursor = [source.read(None, call=circumstances)], None
            while not any("another one is made" in said for said in pages[-1].warnings):
                cursor = pages[-1].cursor
                pages.append(source.read(cursor, call=circumstances))
            crm.control(set={"lose": 0})
            again = read_all(source, pages[-1].cursor, circumstances=circumstances)
        assert len([one for page in again for one in page.records]) == 36
        assert list(again[-1].cursor) == ["since"]

    def test_a_job_that_failed_fails_the_run_and_the_next_one_makes_another(
        self, crm: Any, make: Any, circumstances: Any
    ) -> None:
        crm.control(set={"fail": "QUERY_TIMEOUT: too long"})
        with closing(make()) as source:
            first = source.read(None, call=circumstances)
            left = source.read(first.cursor, call=circumstances)
            with pytest.raises(Refused, match="QUERY_TIMEOUT"):
                source.read(left.cursor, call=circumstances)
        crm.control(set={"fail": ""})
        with closing(make()) as source:
            pages = read_all(source, left.cursor, circumstances=circumstances)
        assert len([one for page in pages for one in page.records]) == 36

    def test_a_job_that_is_forgotten_is_made_anew_by_who_takes_up_its_place(
        self, crm: Any, make: Any, circumstances: Any
    ) -> None:
        with closing(make()) as source:
            page = source.read(None, call=circumstances)
        crm.control(forget=True)
        with closing(make()) as source:
            pages = read_all(source, page.cursor, circumstances=circumstances)
        assert len([one for page in pages for one in page.records]) == 36
        assert any("begins anew" in said for page in pages for said in page.warnings)

    def test_what_was_deleted_is_read_where_the_query_asks_for_it(
        self, crm: Any, make: Any, circumstances: Any
    ) -> None:
        given = queried(crm.url)["submit"]
        given["body"]["operation"] = "queryAll"
        with closing(make(submit=given)) as source:
            rows = [json.loads(one.payload) for p in read_all(source, circumstances=circumstances) for one in p.records]
        assert [row["Id"][-5:] for row in rows if row["IsDeleted"] == "True"] == ["10AAA", "20AAA", "30AAA", "40AAA"]

    def test_a_quota_that_is_used_up_is_said_in_the_words_of_the_vendor(
        self, crm: Any, make: Any, circumstances: Any
    ) -> None:
        crm.control(set={"quota": False})
        rules = [{"says": "retry", "status": [403], "codes": ["REQUEST_LIMIT_EXCEEDED"], "wait": 3600}]
        errors = {"code": ["errorCode"], "message": ["message"]}
        with (
            closing(make(errors=errors, reads=rules)) as source,
            pytest.raises(Retriable, match="TotalRequests") as told,
        ):
            source.read(None, call=circumstances)
        assert told.value.after == 3600


# -- files at addresses of their own -----------------------------------------------------------------------------------

PHASE = {"path": "/jobs/{job}", "status": "status", "working": ["RUNNING"], "done": ["DONE"], "failed": ["ERROR"]}
BINARY = {"Content-Type": "application/octet-stream"}
LINES = b'{"id": 1, "at": "2026-03-01T10:00:00Z"}\n{"id": 2, "at": "2026-03-01T10:00:01Z"}\n'


def linked(server: Server, storage: Server, **more: Any) -> dict[str, Any]:
    given = {"base_url": server.url, "further_hosts": [storage.url], "auth": {"kind": "bearer"}, "key_fields": ["id"]}
    given |= {"submit": {"path": "/jobs", "body": {"what": "all {braces}"}}, "id": "job"}
    return {**given, "phases": [{**PHASE, "rows": "rows"}], "results": {"links": "files"}, **more}


def told(storage: Server, *paths: str, rows: int = 2) -> Any:
    """A service whose jobs are done at once, with addresses at another host that are new at each question."""
    number = itertools.count(1)

    def says(seen: Any) -> Any:
        if seen.method == "POST":
            return 201, {}, {"job": f"J{next(number)}"}
        files = [f"{storage.url}{path}?signature={next(number)}" for path in paths]
        return 200, {}, {"status": "DONE", "rows": rows, "files": files}

    return says


def zipped(**files: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


FORMS = [
    (LINES, {"kind": "jsonl"}),
    (b"\xef\xbb\xbf" + LINES, {"kind": "jsonl"}),
    (gzip.compress(LINES), {"kind": "jsonl", "unpack": "gzip"}),
    (zipped(a=LINES.splitlines()[0], b=LINES.splitlines()[1]), {"kind": "jsonl", "unpack": "zip"}),
    (b'id;at\n1;"2026-03-01"\n2;\n', {"kind": "csv", "delimiter": ";"}),
    (b'{"rows": [{"id": 1}, {"id": 2}]}', {"kind": "json", "items": "rows"}),
]


@pytest.mark.parametrize(("body", "form"), FORMS)
def test_a_result_is_read_in_each_form_and_another_host_gets_no_credentials(body: bytes, form: Any) -> None:
    results = {"links": "files", "format": form}
    with Server(lambda seen: (200, BINARY, body)) as storage, Server(told(storage, "/file")) as server:
        source = open_source("job", linked(server, storage, results=results))
        pages = read_all(source, circumstances=call(TOKEN))
        source.close()
    assert [one.key for page in pages for one in page.records] == ["1", "2"]
    assert "authorization" not in storage.seen[0].headers
    assert server.seen[0].json() == {"what": "all {braces}"}


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (gzip.compress(LINES)[:-9], {"kind": "jsonl", "unpack": "gzip"}),
        (zipped(a=LINES)[:-30], {"kind": "jsonl", "unpack": "zip"}),
        (b'id\n1\n"2', {"kind": "csv"}),
        (b'{"rows": [{"id": 1}', {"kind": "json", "items": "rows"}),
        (b"<html><body>maintenance</body></html>", {"kind": "jsonl"}),
    ],
)
def test_a_part_that_breaks_off_is_asked_for_again(body: bytes, form: Any) -> None:
    results = {"links": "files", "format": form}
    with Server(lambda seen: (200, BINARY, body)) as storage, Server(told(storage, "/file")) as server:
        source = open_source("job", linked(server, storage, results=results))
        page = source.read(None, call=call(TOKEN))
        with pytest.raises(Retriable):
            source.read(page.cursor, call=call(TOKEN))
        source.close()


def test_an_address_that_has_expired_is_asked_for_anew_by_another_job_once() -> None:
    expired = (403, {"Content-Type": "application/xml"}, b"<Error>Expired</Error>")
    with Server(lambda seen: expired) as storage, Server(told(storage, "/file")) as server:
        source = open_source("job", linked(server, storage))
        with pytest.raises(Refused, match="no longer served, twice in a row"):
            read_all(source, circumstances=call(TOKEN))
        source.close()
    assert [seen.method for seen in server.seen] == ["POST", "GET", "POST", "GET"]


def test_a_row_that_cannot_be_read_hides_no_other_and_long_results_come_page_by_page() -> None:
    lines = [json.dumps({"id": number}).encode() for number in range(25)]
    lines[7] = b'{"id": 7, "name": "\\ud800"}'
    lines[9] = b"not json"
    body = b"\n".join(lines)
    with Server(lambda seen: (200, {}, body)) as storage, Server(told(storage, "/file", rows=25)) as server:
        settings = read_settings(JobSettings, linked(server, storage))
        source = JobSource(settings, page_rows=10)
        pages = read_all(source, circumstances=call(TOKEN))
        source.close()
        other = JobSource(settings, page_rows=10)
        rest = read_all(other, pages[1].cursor, circumstances=call(TOKEN))
        other.close()
    assert [len(page.records) for page in pages] == [0, 8, 10, 5]
    assert [len(page.rejected) for page in pages] == [0, 2, 0, 0]
    assert [len(page.records) for page in rest] == [10, 5]
    assert len(storage.seen) == 2  # once for each reader, however many pages


def test_a_host_that_is_not_registered_is_not_called() -> None:
    with Server(lambda seen: (200, {}, LINES)) as storage, Server(told(storage, "/file")) as server:
        source = open_source("job", linked(server, storage, further_hosts=[]))
        page = source.read(None, call=call(TOKEN))
        with pytest.raises(ConnectionFault, match="leaves the registered system"):
            source.read(page.cursor, call=call(TOKEN))
        source.close()
    assert not storage.seen


def test_a_row_whose_parent_did_not_come_is_no_row() -> None:
    lines = b'{"id": "a"}\n{"id": "b", "up": "x"}\n{"id": "c", "up": "a"}\n{"id": "d", "up": "c"}\nbroken\n'
    form = {"kind": "jsonl", "parent": "up", "children": "below"}
    with Server(lambda seen: (200, {}, lines)) as storage, Server(told(storage, "/file", rows=5)) as server:
        source = open_source("job", linked(server, storage, results={"links": "files", "format": form}))
        pages = read_all(source, circumstances=call(TOKEN))
        source.close()
    (record,) = (one for page in pages for one in page.records)
    assert json.loads(record.payload) == {"id": "a", "below": [{"id": "c", "below": [{"id": "d"}]}]}
    reasons = [one.reason for page in pages for one in page.rejected]
    assert len(reasons) == 2
    assert "'x'" in reasons[0]
