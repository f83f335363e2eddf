"""The one way out: deadlines, egress, sizes, secrets."""

import gzip
import pickle
import shutil
import socket
import ssl
import subprocess
import time
from datetime import UTC, datetime

import pytest

from kernel.errors import Invalid
from runtime.connectors.http import HttpClient, Response, raise_for, retry_after
from runtime.connectors.protocols import CallContext, ConnectionFault, Refused, Retriable, Secrets, Unknown
from tests.runtime.connectors.server import Server, drip


@pytest.fixture
def client():
    made = []

    def open_client(url, **more):
        made.append(HttpClient(url, **more))
        return made[-1]

    yield open_client
    for one in made:
        one.close()


def test_a_server_that_drips_is_ended_at_the_deadline(client):
    with Server(raw=lambda handler, seen: drip(handler)) as server:
        started = time.monotonic()
        with pytest.raises(Retriable):
            client(server.url).request("GET", "/", call=CallContext(deadline=0.4), effect=False)
        assert time.monotonic() - started < 1.0


def test_a_body_that_drips_is_ended_too_and_makes_a_write_unknown(client):
    with Server(
        raw=lambda handler, seen: drip(handler, head=b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    ) as server:
        started = time.monotonic()
        with pytest.raises(Unknown):
            client(server.url).request("POST", "/", call=CallContext(deadline=0.4), effect=True, content=b"{}")
        assert time.monotonic() - started < 1.0


def test_several_requests_share_one_deadline(client):
    with Server(lambda seen: (200, {}, {})) as server:
        one = client(server.url)
        with pytest.raises(Retriable, match="deadline had passed"):
            one.request("GET", "/", call=CallContext(), effect=False, until=time.monotonic() - 1)
        assert server.seen == []


def test_nobody_listening_is_retriable_even_for_a_write(client):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        with pytest.raises(Retriable, match="no connection"):
            client(f"http://127.0.0.1:{port}").request(
                "POST", "/", call=CallContext(deadline=2), effect=True, content=b"{}"
            )


def test_an_answer_that_breaks_off_makes_a_write_unknown_and_a_read_retriable(client):
    def cut(handler, seen):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")

    with Server(raw=cut) as server:
        with pytest.raises(Unknown, match="broke off"):
            client(server.url).request("POST", "/", call=CallContext(), effect=True, content=b"{}")
        with pytest.raises(Retriable, match="broke off"):
            client(server.url).request("GET", "/", call=CallContext(), effect=False)


@pytest.mark.parametrize(
    "target", ["http://evil.example/x", "https://127.0.0.1/x", "http://127.0.0.1:1/x", "http://127.0.0.1@evil.example/"]
)
def test_only_the_base_host_is_reached(client, target):
    one = client("http://127.0.0.1:8080/api")
    with pytest.raises(ConnectionFault, match="may only reach"):
        one.url(target)


def test_https_never_falls_back_to_http(client):
    one = client("https://vendor.example/api", further_hosts=["auth.example"])
    assert str(one.url("https://auth.example/token")) == "https://auth.example/token"
    with pytest.raises(ConnectionFault, match="may only reach"):
        one.url("http://vendor.example/api")


def test_paths_stay_below_the_base_path_and_queries_are_encoded(client):
    one = client("http://127.0.0.1:8080/api")
    assert str(one.url("orders", {"$filter": "a eq 'ü+b'", "skip": None})) == (
        "http://127.0.0.1:8080/api/orders?$filter=a%20eq%20'%C3%BC%2Bb'"
    )
    assert str(one.url("/root?x=1", {"y": 2})) == "http://127.0.0.1:8080/root?x=1&y=2"


def test_a_redirect_to_another_host_is_refused_and_one_at_home_is_not_followed(client):
    with Server(lambda seen: (302, {"Location": "http://evil.example/steal"}, b"")) as server:
        with pytest.raises(ConnectionFault, match="redirect to another host"):
            client(server.url).request("GET", "/", call=CallContext(), effect=False)
        server.answer = lambda seen: (302, {"Location": "/elsewhere"}, b"")
        assert client(server.url).request("GET", "/", call=CallContext(), effect=False).status == 302
        assert len(server.seen) == 2


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_that_is_too_large_is_not_kept(client, packed):
    body = b"x" * 300_000
    sent = gzip.compress(body) if packed else body
    with Server(lambda seen: (200, {"Content-Encoding": "gzip"} if packed else {}, sent)) as server:
        one = client(server.url, max_response=100_000)
        with pytest.raises(Refused, match="larger than 100000"):
            one.request("GET", "/", call=CallContext(), effect=False)
        with pytest.raises(Unknown, match="larger than 100000"):
            one.request("POST", "/", call=CallContext(), effect=True, content=b"{}")


def test_compressed_answers_are_unpacked_and_incomplete_ones_are_not_taken_for_whole(client):
    whole = gzip.compress(b'{"a":1}' * 100)
    with Server(lambda seen: (200, {"Content-Encoding": "gzip"}, whole)) as server:
        assert client(server.url).request("GET", "/", call=CallContext(), effect=False).body == b'{"a":1}' * 100
        server.answer = lambda seen: (200, {"Content-Encoding": "gzip"}, whole[:-9])
        with pytest.raises(Retriable, match="incomplete"):
            client(server.url).request("GET", "/", call=CallContext(), effect=False)


def test_cookies_do_not_travel_between_calls(client):
    with Server(lambda seen: (200, {"Set-Cookie": "session=1"}, {})) as server:
        one = client(server.url)
        for _ in range(2):
            one.request("GET", "/", call=CallContext(), effect=False)
        assert "cookie" not in server.seen[1].headers


def test_a_bad_traceparent_is_left_out_and_a_hostile_correlation_id_is_tamed(client):
    with Server(lambda seen: (200, {}, {})) as server:
        client(server.url).request(
            "GET", "/", call=CallContext(correlation_id="a\r\nX-Evil: 1", traceparent="nonsense"), effect=False
        )
        assert "traceparent" not in server.seen[0].headers
        assert "x-evil" not in server.seen[0].headers
        assert server.seen[0].headers["x-correlation-id"] == "a__X-Evil:_1"


@pytest.mark.parametrize("url", ["ftp://x", "x", "http://", "http://user:pw@host/"])
def test_a_base_url_that_is_none_is_refused(client, url):
    with pytest.raises(Invalid, match="base URL"):
        client(url)


def test_a_date_in_retry_after_counts_from_the_date_of_the_same_answer():
    ours = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    until = {"retry-after": "Mon, 02 Mar 2026 13:00:04 GMT"}
    assert retry_after(until | {"date": "Mon, 02 Mar 2026 13:00:00 GMT"}, ours) == 4, "an hour ahead"
    assert retry_after(until | {"date": "no date"}, ours) == 3600
    assert retry_after(until | {"date": "Sun, 01 Mar 2026 12:00:00 GMT"}, ours) is None, "nobody waits for days"
    past = {"retry-after": "Mon, 02 Mar 2026 11:00:04 GMT", "date": "Mon, 02 Mar 2026 11:00:00 GMT"}
    assert retry_after(past, ours) == 4, "an hour behind"


def test_retry_after_is_read_as_seconds_and_as_a_date():
    now = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after": "0.5"}) == 0.5
    assert retry_after({"retry-after": "Mon, 02 Mar 2026 12:01:30 GMT"}, now) == 90
    assert retry_after({"retry-after": "Mon, 02 Mar 2026 11:00:00 GMT"}, now) == 0
    assert retry_after({"retry-after": "7200"}) == 3600
    assert retry_after({}) is None


@pytest.mark.parametrize(
    "value", ["soon", "nan", "Infinity", "-inf", "1e308", "-3", "999999", "9" * 400, "٧", "1_0", "Fri, 02 Mar 2096"]
)
def test_a_retry_after_that_says_nothing_sensible_holds_nobody(value):
    assert retry_after({"retry-after": value}) is None


def test_a_quoted_answer_never_shows_a_secret():
    call = CallContext(Secrets({"token": "hunter2-hunter2"}))
    response = Response(400, {}, b'{"you sent": "Bearer hunter2-hunter2"}', "http://x")
    with pytest.raises(Refused) as refused:
        raise_for(response, call=call, effect=False)
    assert "hunter2" not in str(refused.value)
    assert "***" in str(refused.value)


def test_secrets_show_their_names_only_and_are_not_pickled():
    secrets = Secrets({"password": "hunter2-hunter2"})
    assert repr(secrets) == str(secrets) == "Secrets(password=***)"
    assert "hunter2" not in repr(CallContext(secrets))
    assert dict(secrets) == {"password": "hunter2-hunter2"}
    with pytest.raises(TypeError, match="not serialised"):
        pickle.dumps(secrets)
    with pytest.raises(ConnectionFault, match="'token' is not set"):
        secrets["token"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A store server's own certificate, made by the openssl command."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command is not installed")
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            openssl,
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            paths[0],
            "-out",
            paths[1],
            "-days",
            "2",
            "-subj",
            "/CN=store",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )
    return paths


def test_a_certificate_that_nobody_signed_is_refused_unless_its_ca_is_named(client, certificate):
    key, cert = certificate
    with Server(lambda seen: (200, {}, {"ok": True})) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server.server.socket = context.wrap_socket(
            server.server.socket, server_side=True, do_handshake_on_connect=False
        )
        url = server.url.replace("http:", "https:")
        with pytest.raises(ConnectionFault, match="is signed by itself"):
            client(url).request("GET", "/", call=CallContext(deadline=5), effect=False)
        assert server.seen == []
        assert client(url, verify=cert.read_text()).request("GET", "/", call=CallContext(deadline=5), effect=False).ok


def test_tls_checks_cannot_be_switched_off(client):
    with pytest.raises(Invalid, match="always checked"):
        client("https://vendor.example", verify=False)
