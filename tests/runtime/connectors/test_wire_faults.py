"""What is wrong between us and a vendor, told apart: names, certificates, sign-ins, pages that are none, jobs, and what
OData answers prove."""

import ipaddress
import json
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kernel import egress
from kernel.errors import Invalid
from runtime.connectors.http import HttpClient
from runtime.connectors.odata_session import error_of
from runtime.connectors.protocols import (
    CallContext,
    ConnectionFault,
    OutboundMessage,
    Refused,
    Retriable,
    Secrets,
    Unknown,
)
from runtime.connectors.rawjson import KeyReader
from runtime.connectors.registry import open_decision, open_sink, open_source
from runtime.domain.manifest import ManifestTarget
from runtime.services.sink_vendor import SinkVendor
from tests.runtime.connectors.server import Server

ORDER = {"__metadata": {"uri": "http://x/E('12')"}, "Number": "12"}
LOGIN = (200, {"Content-Type": "text/html"}, b'<html><input type="password"></html>')


def odata(answer, **more):
    """The outcome of one OData write that is answered so."""
    with Server(lambda seen: answer) as server:
        settings = {"base_url": server.url, "service": "s", "entity_set": "E", "key_fields": ["Number"], "csrf": False}
        sink = open_sink("odata_v2", {**settings, **more})
        target = ManifestTarget("t", "s", {}, [], "L", address={"Number": "{n}"} if "operation" in more else {})
        client = SinkVendor(sink, Secrets(), target, "7")
        result = client.send([OutboundMessage("k", "tg-1", b"", {"n": "12"}, 1)], guard=lambda: None)[0]
        client.close()
        return result


# -- OData V2 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        (201, {}, b""),
        (201, {}, b"<html>maintenance</html>"),
        (200, {"Content-Type": "application/atom+xml"}, b"<entry/>"),
        (201, {}, {"value": 1}),
        (201, {}, {"d": None}),
        (201, {}, {"d": {"Other": 1}}),
        (200, {}, {"error": {"code": "X", "message": {"lang": "en", "value": "no"}}}),
        (200, {}, {"d": ORDER, "error": {"code": "X"}}),
        (503, {}, {}),
        (500, {}, {}),
    ],
)
def test_a_create_is_proven_by_its_entity_and_reference_or_is_unknown(answer):
    assert odata(answer, reference="Number").status == "unknown"


def test_a_create_with_its_entity_and_an_update_without_a_body_are_confirmed():
    made = odata((201, {}, {"d": ORDER}), reference="Number")
    assert (made.status, made.reference) == ("confirmed", "12")
    assert odata((201, {}, {"d": ORDER})).reference == "http://x/E('12')"
    assert odata((204, {}, b""), operation="update", match="any").status == "confirmed"
    assert odata((204, {}, b"")).status == "unknown", "a create that shows nothing"


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "credentials"), (403, "credentials"), (404, "address"), (301, "redirect")]
)
def test_an_odata_service_that_refuses_the_caller_refuses_no_message(status, kind):
    result = odata((status, {"Location": "/sap/login"} if kind == "redirect" else {}, {}))
    assert (result.status, result.fault) == ("unsent", kind)


def test_an_entity_that_is_not_there_is_the_matter_of_the_message_that_names_it():
    gone = (404, {}, {"error": {"code": "E/404", "message": {"lang": "en", "value": "Number 12 is not there"}}})
    for match in ("any", "fetch"):
        result = odata(gone, operation="update", match=match)
        assert (result.status, result.fault) == ("refused", None)
        assert "Number 12 is not there" in result.detail


def test_a_service_without_csrf_tokens_is_a_fault_that_says_what_to_set():
    result = odata((200, {}, {"d": {}}), csrf=True)
    assert (result.status, result.fault) == ("unsent", "address")
    assert "csrf = false" in result.detail


def test_the_texts_of_errors_are_texts_whatever_language_they_come_with():
    detail = {"message": {"lang": "en", "value": "Unit is missing"}, "target": "Unit"}
    body = {"error": {"code": "X", "message": {"lang": "en", "value": "No"}, "innererror": {"errordetails": [detail]}}}
    assert error_of(json.dumps(body).encode()) == ("X", "No; Unit is missing (Unit)")


# -- names and certificates --------------------------------------------------------------------------------------------


def test_a_name_that_is_not_resolved_in_time_ends_at_the_deadline_of_the_call(monkeypatch):
    answered, ended = threading.Event(), threading.Event()

    def never(*_, **__):
        answered.wait(30)
        ended.set()
        return []

    monkeypatch.setattr(egress.socket, "getaddrinfo", never)
    client = HttpClient("http://slow.example")
    started = time.monotonic()
    with pytest.raises(Retriable, match="not resolved in time"):
        client.request("POST", "/", call=CallContext(deadline=0.2), effect=True, content=b"{}")
    assert time.monotonic() - started < 3
    client.close()
    answered.set()
    assert ended.wait(5)


def test_a_name_that_dns_does_not_know_is_a_fault_and_one_that_it_cannot_tell_is_not_now(monkeypatch):
    def fails(number):
        def look_up(*_, **__):
            raise socket.gaierror(number, "no")

        return look_up

    client = HttpClient("http://store.example")
    monkeypatch.setattr(egress.socket, "getaddrinfo", fails(socket.EAI_NONAME))
    with pytest.raises(ConnectionFault, match=r"knows no host 'store\.example'") as fault:
        client.request("GET", "/", call=CallContext(deadline=2), effect=False)
    assert fault.value.kind == "name"
    monkeypatch.setattr(egress.socket, "getaddrinfo", fails(socket.EAI_AGAIN))
    with pytest.raises(Retriable):
        client.request("POST", "/", call=CallContext(deadline=2), effect=True, content=b"{}")
    client.close()


def test_every_address_of_a_host_is_tried_before_it_counts_as_down(monkeypatch):
    with Server(lambda seen: (200, {}, {})) as server, socket.socket() as held:
        port = server.server.server_port
        held.bind(("127.0.0.2", port))  # nobody listens here
        monkeypatch.setattr(egress, "addresses", lambda *_: ["127.0.0.2", "127.0.0.1"])
        client = HttpClient(f"http://two.example:{port}")
        assert client.request("GET", "/", call=CallContext(deadline=5), effect=False).ok
        client.close()


def certificate(folder, name, days):
    """(key, certificate) of a server at `name`, signed by itself, valid until so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store")]), datetime.now(UTC)
    try:
        alternative = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder / "key.pem", folder / "cert.pem"


@pytest.mark.parametrize(
    ("name", "days", "known", "said"),
    [
        ("other.example", 2, True, "is for another address"),
        ("127.0.0.1", -2, True, "has expired"),
        ("127.0.0.1", 2, False, "is signed by itself"),
    ],
)
def test_a_certificate_says_what_is_wrong_with_it_and_kills_no_message(tmp_path, name, days, known, said):
    key, chain = certificate(tmp_path, name, days)
    with Server(lambda seen: (201, {}, {"id": 1})) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        listening = server.server.socket
        server.server.socket = context.wrap_socket(listening, server_side=True, do_handshake_on_connect=False)
        settings = {"base_url": server.url.replace("http:", "https:"), "path": "x", "idempotency": "U"}
        verify = {"verify": chain.read_text()} if known else {}
        client = SinkVendor(open_sink("rest", settings | verify), Secrets(), ManifestTarget("t", "s", {}, [], "U"), "7")
        results = client.send([OutboundMessage(f"k{n}", f"tg-{n}", b"", {}, n) for n in range(3)], guard=lambda: None)
        client.close()
        assert {(one.status, one.fault) for one in results} == {("unsent", "certificate")}
        assert said in results[0].detail
        assert server.seen == []


def test_a_server_that_speaks_no_tls_is_an_address_that_is_wrong():
    with Server(lambda seen: (200, {}, {})) as server:
        client = HttpClient(server.url.replace("http:", "https:"))
        with pytest.raises(ConnectionFault, match="does not speak TLS") as fault:
            client.request("GET", "/", call=CallContext(deadline=5), effect=False)
        assert fault.value.kind == "address"
        client.close()


def test_a_secret_with_a_line_break_is_named_by_its_header_and_nothing_is_sent():
    with Server(lambda seen: (200, {}, {"id": 1})) as server:
        sink = open_sink("rest", {"base_url": server.url, "path": "x", "auth": {"kind": "bearer"}})
        client = SinkVendor(sink, Secrets({"token": "a\nb"}), ManifestTarget("t", "s", {}, [], "U"), "7")
        result = client.send([OutboundMessage("k", "tg-1", b"", {}, 1)], guard=lambda: None)[0]
        client.close()
        assert (result.status, result.fault) == ("unsent", "secret")
        assert "Authorization" in result.detail
        assert server.seen == []


def test_a_key_that_no_header_can_hold_is_refused_alone():
    with Server(lambda seen: (200, {}, {"id": 1})) as server:
        settings = {"base_url": server.url, "path": "x", "idempotency": "N", "idempotency_header": "X-Key"}
        target = ManifestTarget("t", "s", {}, [], "N")
        client = SinkVendor(open_sink("rest", settings), Secrets(), target, "7")
        sent = [OutboundMessage(key, f"tg-{n}", b"", {}, n) for n, key in enumerate(["a", "ü\n", "c"])]
        assert [one.status for one in client.send(sent, guard=lambda: None)] == ["confirmed", "refused", "confirmed"]
        client.close()


def test_settings_that_no_client_can_be_opened_with_are_findings_and_no_failure_of_the_page():
    for wrong in ({"base_url": "ftp://x"}, {"base_url": "https://x", "verify": False}):
        with pytest.raises(Invalid):
            open_sink("rest", {"path": "x", **wrong})
    with pytest.raises(Invalid) as unknown:
        open_sink("rest", {"base_url": "http://x", "path": "x", "answers": [{"says": "refused", "kodes": ["a"]}]})
    assert unknown.value.findings[0]["pointer"] == "/answers/0/kodes"


# -- reading -----------------------------------------------------------------------------------------------------------


def reading(answer, **more):
    with Server(lambda seen: answer) as server:
        source = open_source(
            "rest", {"base_url": server.url, "path": "x", "items": "items", "key_fields": ["id"], **more}
        )
        try:
            return source.read(None, call=CallContext(deadline=5))
        finally:
            source.close()


def test_a_page_that_names_errors_is_no_empty_page():
    with pytest.raises(Retriable, match="shard 3"):
        reading((200, {}, {"items": [], "errors": ["shard 3 unavailable"]}))
    with pytest.raises(Retriable, match="error"):
        reading((200, {}, {"items": [{"id": 1}], "error": {"code": 5}}))
    assert reading((200, {}, {"items": [], "errors": [], "error": None})).done
    assert reading((200, {}, {"items": [], "errors": ["known"]}), page_errors=[]).done


def test_a_read_that_meets_a_sign_in_page_or_a_refused_caller_is_a_fault_of_the_connection():
    for answer, kind in ((LOGIN, "redirect"), ((401, {}, {}), "credentials"), ((404, {}, {}), "address")):
        with pytest.raises(ConnectionFault) as fault:
            reading(answer)
        assert fault.value.kind == kind
    with pytest.raises(Refused):
        reading((400, {}, {"message": "the filter is wrong"}))
    with pytest.raises(Retriable):
        reading((503, {}, {}))


def test_a_key_that_is_no_name_is_told_and_never_turned_into_words_of_python():
    reader = KeyReader(["id"], "version")
    for row in (b'{"id": {"a": 1}}', b'{"id": true}', b'{"id": [1]}', b'{"id": "a", "version": false}'):
        with pytest.raises(ValueError, match="not text or a number"):
            reader.read(row)
        with pytest.raises(ValueError, match="not text or a number"):
            reader.read_all([row])
    page = reading((200, {}, {"items": [{"id": 1}, {"id": True}, {"id": {"a": 1}}]}))
    assert [one.key for one in page.records] == ["1"]
    assert [one.reason for one in page.rejected] == [
        "not an object with the key fields (a key or version field holds a truth value, not text or a number)",
        "not an object with the key fields (a key or version field holds an object, not text or a number)",
    ]


# -- tokens, jobs and questions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_token_endpoint_that_refuses_the_client_is_a_fault_of_the_credentials(status):
    def says(seen):
        return (status, {}, {"error": "invalid_client"}) if seen.path == "/token" else (201, {}, {"id": 1})

    with Server(says) as server:
        auth = {"kind": "oauth2_client_credentials", "token_url": f"{server.url}/token"}
        sink = open_sink("rest", {"base_url": server.url, "path": "x", "auth": auth})
        with pytest.raises(ConnectionFault, match="token endpoint") as fault:
            sink.write(
                [OutboundMessage("k", "i", b"{}")], call=CallContext(Secrets({"client_id": "a", "client_secret": "b"}))
            )
        sink.close()
        assert fault.value.kind == "credentials"
        assert [s.path for s in server.seen] == ["/token"]


def asking(says, items, *, idempotency="U", **more):
    with Server(says) as server:
        sink = open_sink("rest", {"base_url": server.url, "path": "x", "idempotency": idempotency, **more})
        client = SinkVendor(sink, Secrets(), ManifestTarget("t", "s", {}, [], idempotency), "7")
        results = client.ask(items)
        client.close()
        return results, server.seen


def test_what_was_accepted_is_followed_by_its_job_until_the_job_says_what_became_of_it():
    states = {"/jobs/1": "done", "/jobs/2": "running", "/jobs/3": "failed", "/jobs/4": "odd"}

    def says(seen):
        return (
            (200, {}, {"status": states[seen.path], "id": 9, "message": "m"}) if seen.path in states else (404, {}, {})
        )

    items = [OutboundMessage(f"k{n}", f"tg-{n}", accepted_as=f"/jobs/{n}") for n in range(1, 6)]
    job = {"confirmed": ["done"], "pending": ["running"], "refused": ["failed"]}
    results, _ = asking(says, items, job=job)
    assert [one.status for one in results] == ["confirmed", "accepted", "refused", "unknown", "unknown"]
    assert [one.reference for one in results[:2]] == ["9", "/jobs/2"]
    results, seen = asking(says, [OutboundMessage("k", "tg-1", accepted_as="1")], job={**job, "path": "jobs/{job}"})
    assert [one.status for one in results] == ["confirmed"]
    assert [s.method for s in seen] == ["GET"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((200, {"Content-Type": "application/problem+json"}, {"status": "done", "id": 9}), "unknown"),
        ((206, {}, {"status": "done", "id": 9}), "unknown"),
        ((202, {}, {"status": "done", "id": 9}), "unknown"),
        ((202, {}, {"status": "running"}), "accepted"),
        ((200, {}, [{"status": "done", "id": 9}]), "unknown"),
        ((200, {}, {"status": "done", "id": 9, "success": False}), "unknown"),
        ((200, {}, {"status": "done", "id": 9, "errorCode": "E7"}), "unknown"),
        ((200, {}, {"status": "failed", "id": 9, "errorCode": "E7"}), "refused"),
        ((200, {}, {"status": "done", "id": 9, "success": True}), "confirmed"),
        ((200, {}, {"status": "done", "id": 9, "job": "1"}), "confirmed"),
        ((200, {}, {"status": "done", "id": 9, "job_id": 1}), "confirmed"),
        ((200, {}, {"status": "done", "id": 9, "jobId": "/jobs/1"}), "confirmed"),
        ((200, {}, {"status": "done", "id": 9, "job": "2"}), "unknown"),
        ((200, {}, {"status": "failed", "id": 9, "job_id": 11}), "unknown"),
        ((200, {}, {"status": "running", "jobId": "/jobs/2"}), "unknown"),
    ],
)
def test_a_job_confirms_only_by_an_answer_that_is_a_whole_success(answer, status):
    job = {"confirmed": ["done"], "pending": ["running"], "refused": ["failed"]}
    results, _ = asking(lambda seen: answer, [OutboundMessage("k", "tg-1", accepted_as="/jobs/1")], job=job)
    assert [one.status for one in results] == [status]


@pytest.mark.parametrize(("given", "status"), [("J1", "confirmed"), ("JOTHER", "unknown"), (None, "confirmed")])
def test_the_answer_about_another_job_says_nothing_about_ours(given, status):
    job = {"path": "jobs/{job}", "id": "meta.id", "confirmed": ["done"]}
    items = [OutboundMessage("k", "tg-1", accepted_as="J1")]
    results, _ = asking(lambda seen: (200, {}, {"status": "done", "id": 9, "meta": {"id": given}}), items, job=job)
    assert [one.status for one in results] == [status]


def test_a_job_says_nothing_about_the_items_of_a_batch():
    with pytest.raises(Invalid, match="nothing about the items"):
        open_sink("rest", {"base_url": "http://x", "path": "x", "batch": {}, "job": {}})


def test_a_question_tells_there_from_at_work_from_failed_from_no_word():
    found = {
        "k0": {"status": "posted", "document": "D"},
        "k1": {"status": "pending", "job": "J"},
        "k2": {"status": "posted"},
        "k3": {"status": "posted", "document": "D", "error": "half of it"},
        "k4": {"status": "rejected", "document": "D"},
        "k5": True,
    }
    lookup = {"path": "q", "status": "status", "pending": ["pending"], "refused": ["rejected"], "reference": "document"}
    items = [OutboundMessage(f"k{n}", f"tg-{n}") for n in range(7)]
    results, _ = asking(lambda seen: (200, {}, {"found": found}), items, idempotency="L", lookup=lookup)
    assert [one.status for one in results] == [
        "confirmed",
        "accepted",
        "unknown",
        "unknown",
        "refused",
        "unknown",
        "unsent",
    ]


def test_a_decision_that_is_answered_by_html_or_a_503_decides_nothing():
    for answer in ((200, {"Content-Type": "text/html"}, b"<html>x</html>"), (503, {}, {})):
        with Server(lambda seen, answer=answer: answer) as server:
            decision = open_decision("rest", {"base_url": server.url, "path": "tax"})
            with pytest.raises(Unknown):
                decision.decide(b"{}", call=CallContext(deadline=5))
            decision.close()


# -- an answer that nobody asked for -----------------------------------------------------------------------------------
def test_a_second_answer_after_the_next_request_confirms_nothing_of_class_u():
    """The first answer of each connection comes twice, the second time when the next request is there already."""
    before = {}

    def raw(handler, seen):
        refused = json.loads(seen.body)["id"] == "k1"
        status, body = ("422 No", b'{"code":"no"}') if refused else ("200 OK", b'{"id":"R0"}')
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        handler.wfile.write(before.pop(handler.client_address, b""))
        handler.wfile.write(head.encode() + body)
        before[handler.client_address] = head.encode() + body
        handler.close_connection = False

    for settings, second in (
        ({}, "refused"),
        ({"connections": "new"}, "refused"),
        ({"connections": "kept"}, "confirmed"),
    ):
        with Server(raw=raw) as server:
            sink = open_sink("rest", {"base_url": server.url, "path": "x", "idempotency": "U", **settings})
            client = SinkVendor(sink, Secrets(), ManifestTarget("t", "s", {}, [], "U"), "7")
            sent = [
                client.send([OutboundMessage(f"k{n}", f"tg-{n}", b"", {"id": f"k{n}"})], guard=lambda: None)[0].status
                for n in range(2)
            ]
            client.close()
        assert sent == ["confirmed", second], settings


def test_an_answer_that_is_there_before_the_request_is_doubted_where_nobody_could_ask():
    """The server says 200 when it is called, and 422 once it has read."""
    early = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n" + b'{"id":"EARLY"}'
    late = b"HTTP/1.1 422 No\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n" + b'{"code":"no"}'
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            there, _ = listener.accept()
            with there:
                there.sendall(early)
                got = b""
                while b"}" not in got:
                    got += there.recv(65_536)
                there.sendall(late)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        sink = open_sink("rest", {"base_url": url, "path": "x", "idempotency": "U"})
        client = SinkVendor(sink, Secrets(), ManifestTarget("t", "s", {}, [], "U"), "7")
        (result,) = client.send([OutboundMessage("k", "tg-1", b"", {"id": "k"})], guard=lambda: None)
        client.close()
        thread.join()
    assert result.status == "unknown"
    assert "behind the answer" in result.detail
