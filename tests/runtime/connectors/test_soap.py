"""SOAP against the emulator of journal entries, whose own journal is the witness, and against answers of the test."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from lxml import etree

from kernel.errors import Invalid
from runtime.connectors.protocols import ConnectionFault, OutboundMessage, Retriable
from runtime.connectors.registry import open_sink
from runtime.connectors.soap.messages import message_uuid
from sandbox.client import Sandbox
from sandbox.finance import WSDL
from tests.runtime.connectors.conformance import SinkConformance, call
from tests.runtime.connectors.server import Server

SIGN_IN = {"user": "TILLGATE", "password": "sandbox"}
NUMBER = itertools.count(1)
FRESH = {"work": 0, "broken": "", "keeps_ids": True}
TEXT = WSDL.read_text()
LOOKUP = {
    "operation": "JournalEntryStatus",
    "request": {"Reference": "{key}"},
    "found": "JournalEntryStatusResponse.Entry",
    "match": "Reference",
    "reference": "AccountingDocument",
    "status": "Status",
    "pending": ["Pending"],
    "refused": ["Error"],
    "message": "Note",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(state=tmp_path_factory.mktemp("finance"), ports={"finance": 0}, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def finance(running: Sandbox) -> Iterator[Any]:
    running.finance.control(clear=True, release=True, set=FRESH)
    yield running.finance
    running.finance.control(clear=True, release=True, set=FRESH, auth="restore")


@pytest.fixture
def circumstances() -> Any:
    return call(SIGN_IN)


@pytest.fixture
def wrong() -> Any:
    return call({"user": "TILLGATE", "password": "another"})


def connection(url: str, **more: Any) -> dict[str, Any]:
    answered = "JournalEntryCreateConfirmation"
    log = {
        "items": f"{answered}.Log.Item",
        "severity": "SeverityCode",
        "code": "TypeID",
        "message": "Note",
        "refused": ["3", "4"],
        "warning": ["2"],
    }
    return {
        "base_url": url,
        "path": "/sap/journal",
        "wsdl": TEXT,
        "operation": "JournalEntryCreate",
        "auth": {"kind": "basic"},
        "message_id": "MessageHeader.UUID",
        "addressing": True,
        "reference": f"{answered}.AccountingDocument",
        "log": log,
        "idempotency": "L",
        "lookup": LOOKUP,
        **more,
    }


def entry(reference: str, amounts: tuple[str, str] = ("12.50", "-12.50"), **more: Any) -> dict[str, Any]:
    items = [{"GLAccount": "400000", "Amount": {"_value_1": one, "currencyCode": "EUR"}} for one in amounts]
    return {"DocumentReferenceID": reference, "PostingDate": "2026-03-01", "Item": items, **more}


def message(key: str, document: Any) -> OutboundMessage:
    return OutboundMessage(key, key, json.dumps(document).encode(), correlation_id="till-9-42")


class TestSink(SinkConformance):
    @pytest.fixture
    def make(self, finance: Any) -> Any:
        return lambda **more: open_sink("soap", connection(finance.url, **more))

    @pytest.fixture
    def fault(self, finance: Any) -> Any:
        return finance.fault

    @pytest.fixture
    def item(self) -> Any:
        def make_item(**more: Any) -> OutboundMessage:
            key = f"JE-{next(NUMBER)}."
            return message(key, {"MessageHeader": {}, "JournalEntry": entry(key, **more)})

        return make_item

    @pytest.fixture
    def bad(self, item: Any) -> OutboundMessage:
        made: OutboundMessage = item(amounts=("12.50", "-12.00"))
        return made

    @pytest.fixture
    def journal(self, finance: Any) -> Any:
        return lambda items: [e for e in finance.journal() if e.ref in {i.key for i in items}]

    @pytest.fixture
    def effects(self, journal: Any) -> Any:
        return lambda items: [len(journal([i])) for i in items]

    def test_a_200_whose_log_has_an_error_is_a_refusal_with_its_words(
        self, sink: Any, circumstances: Any, bad: Any
    ) -> None:
        (result,) = sink.write([bad], call=circumstances)
        assert (result.status, result.code) == ("refused", "605(RW)")
        assert "Balance in transaction currency: 0.50" in result.message

    def test_a_warning_stands_beside_the_success(self, sink: Any, circumstances: Any, item: Any) -> None:
        document = json.loads(item().body)
        del document["JournalEntry"]["PostingDate"]
        (result,) = sink.write([message("w", document)], call=circumstances)
        assert result.status == "confirmed"
        assert list(result.warnings) == ["The posting date was proposed [100(F5)]"]

    def test_a_fault_of_the_server_is_unknown_whatever_it_did(
        self, finance: Any, sink: Any, circumstances: Any, item: Any, effects: Any
    ) -> None:
        for broken, count in (("before", 0), ("behind", 1)):
            finance.control(set={"broken": broken})
            one = item()
            (result,) = sink.write([one], call=circumstances)
            assert (result.status, effects([one])) == ("unknown", [count])
            found = sink.ask([one.key], call=circumstances)[one.key]
            assert (found is not None) == bool(count)

    def test_what_is_taken_without_a_word_is_accepted_and_asked_about(
        self, finance: Any, make: Any, circumstances: Any
    ) -> None:
        finance.control(set={"work": 1})
        more = {"operation": "JournalEntryBulkCreate", "accepted_as": "JournalEntry.DocumentReferenceID", "log": None}
        with closing(make(**more, reference="")) as sink:
            good, bad = (f"B-{next(NUMBER)}." for _ in range(2))
            documents = [
                {"MessageHeader": {}, "JournalEntry": [entry(good)]},
                {"MessageHeader": {}, "JournalEntry": [entry(bad, ("1", "1"))]},
            ]
            results = sink.write([message(str(n), one) for n, one in enumerate(documents)], call=circumstances)
            assert [(one.status, one.reference) for one in results] == [("accepted", good), ("accepted", bad)]
            first = sink.follow([good, bad], call=circumstances)
            assert [first[one].status for one in (good, bad)] == ["accepted", "accepted"]
            then = sink.follow([good, bad, "not-there"], call=circumstances)
        assert {one: then[one].status for one in then} == {good: "confirmed", bad: "refused"}
        assert "Balance" in then[bad].message

    def test_the_id_of_a_message_is_the_same_in_every_attempt_and_in_no_other_message(
        self, finance: Any, make: Any, circumstances: Any, item: Any, effects: Any
    ) -> None:
        with closing(make(idempotency="K")) as sink:
            one = item()
            sink.write([one], call=circumstances)
            again = sink.write([one, item()], call=circumstances)
        assert [r.status for r in again] == ["confirmed", "confirmed"]
        assert effects([one]) == [1]
        assert message_uuid("a") == message_uuid("a") != message_uuid("b")

    def test_a_document_that_the_schemas_do_not_take_is_refused_before_anything_is_sent(
        self, finance: Any, sink: Any, circumstances: Any, item: Any, effects: Any
    ) -> None:
        good = item()
        odd = [{"MessageHeader": {}}, {"Colour": 1}, [1], {"MessageHeader": {}, "JournalEntry": {"Item": []}}]
        results = sink.write([*(message(str(n), one) for n, one in enumerate(odd)), good], call=circumstances)
        assert [one.status for one in results] == [*["refused"] * len(odd), "confirmed"]
        assert {one.code for one in results[:-1]} == {"soap.document"}


E11 = "http://schemas.xmlsoap.org/soap/envelope/"
E12 = "http://www.w3.org/2003/05/soap-envelope"


def envelope(body: str, space: str = E11) -> bytes:
    return f'<s:Envelope xmlns:s="{space}"><s:Body>{body}</s:Body></s:Envelope>'.encode()


def fault11(code: str, detail: str = "") -> bytes:
    return envelope(f"<s:Fault><faultcode>{code}</faultcode><faultstring>no</faultstring>{detail}</s:Fault>")


def fault12(code: str, sub: str = "") -> bytes:
    inner = f"<s:Subcode><s:Value>x:{sub}</s:Value></s:Subcode>" if sub else ""
    words = f"<s:Code><s:Value>s:{code}</s:Value>{inner}</s:Code><s:Reason><s:Text>no</s:Text></s:Reason>"
    return envelope(f"<s:Fault>{words}</s:Fault>", E12)


def created(number: str = "0000000007", *severities: str) -> bytes:
    log = "".join(
        f"<Item><TypeID>t</TypeID><SeverityCode>{s}</SeverityCode><Note>n{s}</Note></Item>" for s in severities
    )
    told = f"<AccountingDocument>{number}</AccountingDocument><Log>{log}</Log>"
    return envelope(
        f'<f:JournalEntryCreateConfirmation xmlns:f="urn:finance">{told}</f:JournalEntryCreateConfirmation>'
    )


BOMB = b'<!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + created().replace(b"0000000007", b"&b;")
EXTERNAL = b'<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + created().replace(b"0000000007", b"&a;")
ANSWERS = [
    (200, created(), "confirmed"),
    (200, created("0000000007", "1", "2"), "confirmed"),
    (200, created("0000000007", "1", "3"), "refused"),
    (200, created("0000000000", "4"), "refused"),
    (200, created("0000000000"), "unknown"),
    (200, created(""), "unknown"),
    (200, envelope(""), "unknown"),
    (200, b"", "unknown"),
    (202, b"", "accepted"),
    (200, b"<html><body>maintenance</body></html>", "unknown"),
    (200, b"<JournalEntryCreateConfirmation/>", "unknown"),
    (200, created()[:-9], "unknown"),
    (200, BOMB, "unknown"),
    (200, EXTERNAL, "unknown"),
    (200, envelope("<a>" * 100 + "</a>" * 100), "unknown"),
    (500, fault11("s:Client"), "refused"),
    (200, fault11("s:Client"), "refused"),
    (500, fault11("s:Client.Data"), "refused"),
    (500, fault11("s:Server"), "unknown"),
    (200, fault11("s:Server"), "unknown"),
    (500, fault11("s:MustUnderstand"), "address"),
    (500, fault11("s:Server", "<detail><e><code>LOCKED</code></e></detail>"), "retry"),
    (400, fault12("Sender"), "refused"),
    (500, fault12("Receiver"), "unknown"),
    (400, fault12("Sender", "FailedAuthentication"), "credentials"),
    (400, fault12("Sender", "ActionNotSupported"), "address"),
    (401, fault11("s:Client"), "credentials"),
    (401, b"", "credentials"),
    (404, b"<html></html>", "address"),
    (503, b"busy", "unknown"),
    (429, b"", "busy"),
]


@pytest.mark.parametrize(("status", "body", "expected"), ANSWERS)
def test_an_answer_means_what_is_proven(status: int, body: bytes, expected: str) -> None:
    rules = [{"says": "retry", "where": {"Fault.detail.e.code": ["LOCKED"]}, "wait": 30}]
    with Server(lambda seen: (status, {"Content-Type": "text/xml; charset=utf-8"}, body)) as server:
        sink = open_sink("soap", connection(server.url, answers=rules))
        one = message("k", {"MessageHeader": {}, "JournalEntry": entry("k")})
        try:
            (result,) = sink.write([one], call=call(SIGN_IN))
            found = "retry" if result.retriable else result.status
        except ConnectionFault as told:
            found = told.kind
        except Retriable:
            found = "busy"
        sink.close()
    assert found == expected


def test_the_envelope_has_the_message_its_id_and_the_headers_of_its_binding() -> None:
    with Server(lambda seen: (200, {"Content-Type": "text/xml"}, created())) as server:
        sink = open_sink("soap", connection(server.url))
        for _ in range(2):
            sink.write([message("k", {"MessageHeader": {"ID": "7"}, "JournalEntry": entry("k")})], call=call(SIGN_IN))
        sink.close()
    first, again = server.seen
    assert first.body == again.body
    assert (first.path, first.headers["soapaction"]) == ("/sap/journal", '"urn:finance/create"')
    assert first.headers["content-type"].startswith("text/xml")
    root = etree.fromstring(first.body)
    number = message_uuid("k")
    assert root.findtext(".//{http://www.w3.org/2005/08/addressing}MessageID") == f"urn:uuid:{number}"
    assert root.findtext(".//{http://www.w3.org/2005/08/addressing}To") == f"{server.url}/sap/journal"
    assert root.findtext(".//MessageHeader/UUID") == number
    assert root.findtext(".//MessageHeader/ID") == "7"
    assert root.find(".//Item/Amount").attrib == {"currencyCode": "EUR"}


IMPORTS = TEXT.replace(
    "<wsdl:types>", '<wsdl:import namespace="urn:x" location="http://10.0.0.1/x.wsdl"/><wsdl:types>', 1
)
LOCAL = TEXT.replace(
    'elementFormDefault="unqualified">',
    'elementFormDefault="unqualified"><xsd:import namespace="urn:y" schemaLocation="file:///etc/passwd"/>',
    1,
)
DTD = '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + TEXT.partition("?>")[2]
WRONG = [
    ({"wsdl": "<a/>"}, "/wsdl"),
    ({"wsdl": "not xml"}, "/wsdl"),
    ({"wsdl": IMPORTS}, "/wsdl"),
    ({"wsdl": LOCAL}, "/wsdl"),
    ({"wsdl": DTD}, "/wsdl"),
    ({"operation": "JournalEntryDelete"}, "/operation"),
    ({"service": "Other"}, "/service"),
    ({"port": "Other"}, "/port"),
    ({"lookup": None}, "/lookup"),
    ({"lookup": {**LOOKUP, "operation": "Nothing"}}, "/lookup/operation"),
    ({"lookup": {**LOOKUP, "request": {"Reference": "x"}}}, "/lookup/request"),
    ({"idempotency": "K", "message_id": "", "addressing": False}, "/idempotency"),
]


@pytest.mark.parametrize(("more", "pointer"), WRONG)
def test_settings_that_cannot_work_are_refused_with_a_pointer(more: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        open_sink("soap", connection("http://127.0.0.1:1", **more))
    assert [one["pointer"] for one in refused.value.findings] == [pointer]
