"""Writing by jobs against the emulators of a CRM (bulk writes) and of an ERP whose calls are asynchronous; and two
phases against answers of the test."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from kernel.errors import Invalid
from runtime.connectors.job.settings import JobSettings
from runtime.connectors.job.sink import JobSink
from runtime.connectors.protocols import OutboundMessage, Retriable
from runtime.connectors.registry import open_sink, open_source
from runtime.connectors.settings import read_settings
from sandbox.client import Sandbox
from tests.runtime.connectors.conformance import SinkConformance, call
from tests.runtime.connectors.server import Server
from tests.runtime.connectors.test_job import PHASE, queried

TOKEN = {"token": "sandbox"}
NUMBER = itertools.count(1)
DATA = "/services/data/v60.0"
REST = "/services/rest"
FRESH: dict[str, dict[str, Any]] = {
    "crm": {"batch": 10, "part": 15, "work": 0, "lose": 0, "fail": "", "quota": True},
    "suite": {"work": 0, "page": 1_000, "ceiling": 100_000},
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    state = tmp_path_factory.mktemp("jobs")
    with Sandbox(state=state, ports={"crm": 0, "suite": 0}, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def crm(running: Sandbox) -> Iterator[Any]:
    running.crm.control(clear=True, release=True, set=FRESH["crm"])
    yield running.crm
    running.crm.control(clear=True, release=True, set=FRESH["crm"], auth="restore")


@pytest.fixture
def suite(running: Sandbox) -> Iterator[Any]:
    running.suite.control(clear=True, release=True, set=FRESH["suite"])
    yield running.suite
    running.suite.control(clear=True, release=True, set=FRESH["suite"], auth="restore")


@pytest.fixture
def circumstances() -> Any:
    return call(TOKEN)


@pytest.fixture
def wrong() -> Any:
    return call({"token": "another"})


class Settling(JobSink):
    """Asks at once what became of what was accepted, as the worker does a little later."""

    def write(self, batch: Any, *, call: Any) -> Any:
        results = super().write(batch, call=call)
        told = self.follow([one.reference for one in results if one.status == "accepted"], call=call)
        made = [told.get(one.reference, one) if one.status == "accepted" else one for one in results]
        return [
            type(one)(**{**{n: getattr(one, n) for n in one.__dataclass_fields__}, "key": item.key})
            for one, item in zip(made, batch, strict=True)
        ]


def uploading(url: str, **more: Any) -> dict[str, Any]:
    job = f"{DATA}/jobs/ingest/{{job}}"
    phase = {
        "path": job,
        "status": "state",
        "message": "errorMessage",
        "open": ["Open"],
        "working": ["UploadComplete", "InProgress"],
        "done": ["JobComplete"],
        "failed": ["Failed"],
    }
    lists = [
        {"path": f"{job}/successfulResults/", "says": "confirmed", "reference": "sf__Id"},
        {"path": f"{job}/failedResults/", "says": "refused", "message": "sf__Error"},
        {"path": f"{job}/unprocessedrecords/", "says": "retry"},
    ]
    upload = {
        "rows": {"method": "PUT", "path": f"{job}/batches"},
        "start": {"method": "PATCH", "path": job, "body": {"state": "UploadComplete"}},
        "key": "External__c",
        "results": lists,
        "result_format": {"kind": "csv"},
    }
    body = {"object": "Account", "operation": "upsert", "externalIdFieldName": "External__c", "contentType": "CSV"}
    return {
        "base_url": url,
        "auth": {"kind": "bearer"},
        "check_path": f"{DATA}/limits",
        "id": "id",
        "submit": {"path": f"{DATA}/jobs/ingest", "body": body},
        "phases": [phase],
        "upload": upload,
        "idempotency": "N",
        **more,
    }


class TestUpload(SinkConformance):
    """The questions of the suite by key are put by job here."""

    test_a_lost_answer_is_unknown_and_asking_finds_it = None
    test_a_write_that_never_arrived_is_not_found_by_asking = None
    test_the_deadline_makes_a_hanging_write_unknown = None
    test_asking_nothing_is_answered_by_nothing = None

    @pytest.fixture
    def make(self, crm: Any) -> Any:
        return lambda **more: Settling(read_settings(JobSettings, uploading(crm.url, **more)))

    @pytest.fixture
    def fault(self, crm: Any) -> Any:
        return crm.fault

    @pytest.fixture
    def item(self) -> Any:
        def make_item(amount: Any = "12.50", **more: Any) -> OutboundMessage:
            key = f"A-{next(NUMBER)}."
            body = json.dumps({"External__c": key, "Name": 'A "quoted", name', "Amount__c": amount, **more}).encode()
            return OutboundMessage(key, key, body, correlation_id="till-9-42")

        return make_item

    @pytest.fixture
    def bad(self, item: Any) -> OutboundMessage:
        made: OutboundMessage = item(amount="dear")
        return made

    @pytest.fixture
    def journal(self, crm: Any) -> Any:
        return lambda items: [e for e in crm.journal() if e.ref in {i.key for i in items}]

    @pytest.fixture
    def effects(self, journal: Any) -> Any:
        return lambda items: [len(journal([i])) for i in items]

    def test_busy_applies_nothing_and_says_when_to_come_back(
        self, sink: Any, circumstances: Any, item: Any, fault: Any, effects: Any
    ) -> None:
        items = [item()]
        fault("status", status=429, retry_after=3, next=1, ops=["crm.job"])
        with pytest.raises(Retriable) as busy:
            sink.write(items, call=circumstances)
        assert busy.value.after == 3
        assert effects(items) == [0]

    def test_what_breaks_before_the_start_has_done_nothing(
        self, sink: Any, circumstances: Any, item: Any, fault: Any, effects: Any
    ) -> None:
        for operation in ("crm.job", "crm.rows"):
            items = [item()]
            fault("cut_before", next=1, ops=[operation])
            with pytest.raises(Retriable):
                sink.write(items, call=circumstances)
            assert effects(items) == [0]

    def test_a_start_without_an_answer_is_settled_by_the_job(
        self, crm: Any, make: Any, circumstances: Any, item: Any, fault: Any, effects: Any
    ) -> None:
        with closing(JobSink(read_settings(JobSettings, uploading(crm.url)))) as sink:
            done, lost = [item()], [item()]
            fault("cut_after", next=1, ops=["crm.start"])
            (accepted,) = sink.write(done, call=circumstances)
            assert (accepted.status, effects(done)) == ("accepted", [1])
            found = sink.follow([accepted.reference], call=circumstances)
            assert found[accepted.reference].status == "confirmed"
            fault("cut_before", next=1, ops=["crm.start"])
            (accepted,) = sink.write(lost, call=circumstances)
            assert (accepted.status, effects(lost)) == ("accepted", [0])
            assert sink.follow([accepted.reference], call=circumstances) == {accepted.reference: None}

    def test_of_a_job_that_failed_each_row_has_the_outcome_that_its_lists_say(
        self, crm: Any, sink: Any, circumstances: Any, item: Any, effects: Any
    ) -> None:
        crm.control(set={"fail": "InvalidBatch"})
        items = [item(), item(), item()]
        results = sink.write(items, call=circumstances)
        assert [one.status for one in results] == ["confirmed", "refused", "refused"]
        assert [one.retriable for one in results] == [False, True, True]
        assert effects(items) == [1, 0, 0]

    def test_a_job_at_work_stays_accepted_and_one_that_is_forgotten_says_nothing(
        self, crm: Any, make: Any, circumstances: Any, item: Any
    ) -> None:
        crm.control(set={"work": 1})
        with closing(JobSink(read_settings(JobSettings, uploading(crm.url)))) as sink:
            (accepted,) = sink.write([item()], call=circumstances)
            assert sink.follow([accepted.reference], call=circumstances)[accepted.reference].status == "accepted"
            assert sink.follow([accepted.reference], call=circumstances)[accepted.reference].status == "confirmed"
            assert sink.follow([f"{accepted.reference}x"], call=circumstances).popitem()[1].status == "unknown"
            crm.control(forget=True)
            assert sink.follow([accepted.reference], call=circumstances) == {}

    def test_rows_without_a_key_of_their_own_are_told_apart_before_anything_is_sent(
        self, sink: Any, circumstances: Any, item: Any, effects: Any
    ) -> None:
        good = item()
        without = OutboundMessage("w", "w", b'{"Name": "n"}')
        same = OutboundMessage("s", "s", good.body)
        results = sink.write([without, good, same], call=circumstances)
        assert [(one.status, one.retriable) for one in results] == [
            ("refused", False),
            ("confirmed", False),
            ("refused", True),
        ]
        assert effects([good]) == [1]


def asynchronous(url: str, **more: Any) -> dict[str, Any]:
    job = f"{REST}/async/v1/job/{{job}}"
    return {
        "base_url": url,
        "auth": {"kind": "bearer"},
        "check_path": f"{REST}/system/v1/governanceLimits",
        "submit": {"path": f"{REST}/record/v1/salesOrder", "headers": {"Prefer": "respond-async"}},
        "phases": [
            {"status": "progress", "working": ["pending", "processing"], "done": ["succeeded", "failed"], "next": "id"}
        ],
        "results": {"path": f"{job}/task/{{job}}/result"},
        "idempotency": "K",
        "idempotency_header": "X-NetSuite-Idempotency-Key",
        "answers": [{"says": "accepted", "status": [400], "codes": ["IDEMPOTENCY_ERROR"]}],
        "errors": {"code": ["o:errorDetails.o:errorCode"], "message": ["o:errorDetails.detail", "title"]},
        **more,
    }


class TestAsynchronous(SinkConformance):
    test_a_lost_answer_is_unknown_and_asking_finds_it = None
    test_a_write_that_never_arrived_is_not_found_by_asking = None
    test_asking_nothing_is_answered_by_nothing = None

    @pytest.fixture
    def make(self, suite: Any) -> Any:
        return lambda **more: Settling(read_settings(JobSettings, asynchronous(suite.url, **more)))

    @pytest.fixture
    def fault(self, suite: Any) -> Any:
        return suite.fault

    @pytest.fixture
    def item(self) -> Any:
        def make_item(**more: Any) -> OutboundMessage:
            key = f"SO-{next(NUMBER)}"
            body = json.dumps({"externalId": key, "entity": {"id": "7"}, **more}).encode()
            return OutboundMessage(key, key, body, correlation_id="till-9-42")

        return make_item

    @pytest.fixture
    def bad(self, item: Any) -> OutboundMessage:
        made: OutboundMessage = item(entity=None)
        return made

    @pytest.fixture
    def journal(self, suite: Any) -> Any:
        return lambda items: [e for e in suite.journal() if e.ref in {i.key for i in items}]

    @pytest.fixture
    def effects(self, journal: Any) -> Any:
        return lambda items: [len(journal([i])) for i in items]

    def test_a_lost_answer_is_sent_again_under_its_key_and_leads_to_the_first_job(
        self, sink: Any, circumstances: Any, item: Any, fault: Any, effects: Any
    ) -> None:
        one = item()
        fault("cut_after", next=1)
        assert [r.status for r in sink.write([one], call=circumstances)] == ["unknown"]
        (again,) = sink.write([one], call=circumstances)
        assert (again.status, effects([one])) == ("confirmed", [1])
        assert "/record/v1/salesOrder/" in again.reference

    def test_the_refusal_of_a_job_is_that_of_the_call(self, sink: Any, circumstances: Any, bad: Any) -> None:
        (result,) = sink.write([bad], call=circumstances)
        assert (result.status, result.code) == ("refused", "USER_ERROR")
        assert "enter a value" in result.message


# -- two phases --------------------------------------------------------------------------------------------------------


def phased(*answers: Any) -> Any:
    """A service that loads rows (request 1) and imports them (request 2), each with its state."""

    def says(seen: Any) -> Any:
        if seen.method == "POST":
            return 201, {}, {"ReqstId": "1"}
        return answers[int(seen.path.rpartition("/")[2]) - 1]

    return says


LOADED = (200, {}, {"status": "SUCCEEDED", "import": "2"})
PHASES = [
    {"path": "/ess/{job}", "status": "status", "working": ["RUNNING"], "done": ["SUCCEEDED"], "failed": ["ERROR"]},
    {"path": "/ess/{job}", "status": "status", "working": ["RUNNING"], "done": ["SUCCEEDED"], "failed": ["ERROR"]},
]
TWO = [
    ([(200, {}, {"status": "RUNNING"})], "accepted"),
    ([(200, {}, {"status": "SUCCEEDED"})], "accepted"),
    ([LOADED, (200, {}, {"status": "RUNNING"})], "accepted"),
    ([LOADED, (200, {}, {"status": "SUCCEEDED", "id": "2"})], "confirmed"),
    ([LOADED, (200, {}, {"status": "ERROR", "message": "Account is not valid"})], "refused"),
    ([LOADED, (200, {}, {"status": "WARNING"})], "unknown"),
    ([LOADED, (200, {}, {"status": "SUCCEEDED", "errors": ["half"]})], "unknown"),
    ([(200, {}, {"status": "ERROR"})], "refused"),
    ([LOADED, (200, {"Content-Type": "text/html"}, b"<html>sign in</html>")], "nothing"),
    ([LOADED, (404, {}, {})], "nothing"),
    ([LOADED, (503, {}, {})], "nothing"),
]


@pytest.mark.parametrize(("answers", "expected"), TWO)
def test_success_of_the_first_phase_is_no_success(answers: list[Any], expected: str) -> None:
    phases = [{**PHASES[0], "next": "import"}, PHASES[1]]
    content = base64.b64encode(b"rows").decode()
    with Server(phased(*answers)) as server:
        given = {"base_url": server.url, "submit": {"path": "/erpintegrations"}, "id": "ReqstId", "phases": phases}
        sink = open_sink("job", given)
        item = OutboundMessage("k", "k", json.dumps({"OperationName": "importBulkData", "Content": content}).encode())
        (result,) = sink.write([item], call=call())
        assert (result.status, result.reference) == ("accepted", "1")
        try:
            found = sink.follow(["1"], call=call()).get("1", "nothing")
        except Retriable:
            found = "nothing"
        sink.close()
    assert (found if isinstance(found, str) else found.status) == expected


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("source", {"phases": []}, "/phases"),
    ("source", {"results": {}}, "/results"),
    ("source", {"changes": None}, "/changes"),
    ("source", {"submit": {"path": "/jobs", "body": {"q": "all"}}}, "/submit"),
    ("source", {"submit": {"path": "/jobs/{when}", "body": {"q": "{since}"}}}, "/submit/path"),
    ("source", {"results": {"path": "/jobs/{locator}"}}, "/results/path"),
    ("source", {"phases": [PHASE, PHASE]}, "/phases/0/next"),
    ("source", {"phases": [{**PHASE, "done": []}]}, "/phases/0/done"),
    ("source", {"phases": [{**PHASE, "failed": ["DONE"]}]}, "/phases/0"),
    ("source", {"key_fields": []}, "/key_fields"),
    ("sink", {"submit": {"path": "/jobs", "method": "GET"}}, "/submit/method"),
    ("sink", {"idempotency": "K"}, "/idempotency"),
    ("sink", {"idempotency": "L", "upload": None}, "/lookup"),
]


@pytest.mark.parametrize(("role", "more", "pointer"), WRONG)
def test_settings_that_cannot_work_are_refused_with_a_pointer(role: str, more: dict[str, Any], pointer: str) -> None:
    given = (queried if role == "source" else uploading)("http://127.0.0.1:1", **more)
    with pytest.raises(Invalid) as refused:
        (open_source if role == "source" else open_sink)("job", given)
    assert [one["pointer"] for one in refused.value.findings] == [pointer]
