"""The way out: what was judged is what is connected to, whatever a name says a moment later, and no proxy is asked."""

from __future__ import annotations

import socket

import httpx
import pytest

from kernel import egress
from kernel.networks import Reach
from tests.runtime.connectors.server import Server

HERE = Reach.of("loopback")


@pytest.fixture
def names(monkeypatch):
    """Answers of DNS, one a question; the last one stays."""
    answers: dict[str, list[str]] = {}
    asked: list[str] = []

    def resolve(host, port, *_, **__):
        if host[0].isdecimal():  # the library's own look at the address that it was given
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        asked.append(host)
        if host not in answers:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        address = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(egress.socket, "getaddrinfo", resolve)
    answers["asked"] = asked
    return answers


def test_a_name_is_resolved_once_and_what_was_judged_is_connected_to(names):
    """DNS rebinding: a name that is harmless when it is looked at, and this machine when it is called."""
    with Server(lambda seen: (200, {}, {})) as server:
        port = server.server.server_port
        names["rebinding.example"] = ["127.0.0.1", "169.254.169.254"]
        with egress.client(HERE, 5.0) as http:
            assert http.get(f"http://rebinding.example:{port}/").status_code == 200
        assert names["asked"] == ["rebinding.example"]
        assert server.seen[0].headers["host"] == f"rebinding.example:{port}"
        names["late.example"] = ["169.254.169.254", "127.0.0.1"]
        with egress.client(HERE, 5.0) as http, pytest.raises(httpx.ConnectError, match="of no system"):
            http.get(f"http://late.example:{port}/")
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "::ffff:169.254.169.254", "10.0.0.1"]
)
def test_a_name_that_leads_where_nothing_goes_is_not_called(names, address):
    names["harmless.example"] = [address]
    with egress.client(HERE, 5.0) as http, pytest.raises(httpx.ConnectError, match=r"connects|no setting allows"):
        http.get("http://harmless.example/")


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "017700000001", "127.1", "0x7f.0.0.1", "127.0.0.1.", "[::ffff:7f00:1]"]
)
def test_no_spelling_of_this_machine_leads_around_the_setting(names, host):
    with Server(lambda seen: (200, {}, {})) as server:
        with egress.client(Reach.of("private"), 5.0) as http, pytest.raises((httpx.ConnectError, httpx.InvalidURL)):
            http.get(f"http://{host}:{server.server.server_port}/")
        assert server.seen == []


def test_of_several_addresses_only_those_that_may_be_are_tried(names, monkeypatch):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in ("169.254.169.254", "127.0.0.1")]
    monkeypatch.setattr(egress.socket, "getaddrinfo", lambda *_, **__: answers)
    assert egress.addresses("two.example", 80, 1.0, HERE) == ["127.0.0.1"]


def test_no_proxy_of_the_environment_is_asked(monkeypatch):
    with Server(lambda seen: (200, {}, {})) as server, Server(lambda seen: (502, {}, {})) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        with egress.client(HERE, 5.0) as http:
            assert http.get(server.url).status_code == 200
        assert proxy.seen == []


def test_no_redirect_is_followed(monkeypatch):
    with Server(lambda seen: (302, {"Location": "http://169.254.169.254/"}, {})) as server:
        with egress.client(HERE, 5.0) as http:
            assert http.get(server.url).status_code == 302
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("host", "reach", "refused"),
    [
        ("127.0.0.1", "", True),
        ("localhost", "private", True),
        ("a.localhost.", "", True),
        ("[::1]", "", True),
        ("0x7f.1", "private loopback", True),
        ("169.254.169.254", "private loopback", True),
        ("10.0.0.1", "", True),
        ("10.0.0.1", "10.0.0.0/8", False),
        ("localhost", "loopback", False),
        ("mylocalhost", "", False),
        ("hooks.example.com", "", False),
    ],
)
def test_what_a_spelling_says_is_told_before_anything_is_called(host, reach, refused):
    assert bool(egress.refusal(host, Reach.of(reach))) is refused


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00::1"])
def test_a_receiver_of_webhooks_is_judged_by_what_its_name_resolves_to(names, address):
    """Without a setting (`EGRESS_RECEIVERS`) they stand outside of the own networks."""
    names["chat.example"] = [address]
    with egress.client(Reach(), 5.0) as http, pytest.raises(httpx.ConnectError, match=r"chat\.example"):
        http.post("http://chat.example/", content=b"{}")
