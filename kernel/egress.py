"""The way out: every connection that this product opens to somebody else goes through here.

A host is resolved once, each of its addresses is judged (`networks.Reach`), and what was judged is what is connected
to: a name that says something else a moment later changes nothing. No redirect is followed, no cookie kept, and no
proxy is taken from the environment.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import queue
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Any

import httpcore
import httpx

from kernel import authorities
from kernel.networks import Reach
from kernel.one_answer import OneAnswerTransport

LONGEST_RESOLUTION = 60.0
OPERATORS_SECONDS = 5.0
TRUST_SECONDS = 300  # after which the machine's authorities are read again
OPERATORS = Reach(private=True, loopback=True)
"""Addresses that only the operator sets, by the environment: identity provider, witness."""
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class NoSuchHost(httpcore.ConnectError):
    """DNS knows no such name."""


class NotReached(httpcore.ConnectError):
    """The host is in no network that these calls go to. Nothing was sent."""


_reaches: dict[str, Reach] = {"systems": Reach(private=True), "receivers": Reach()}


def configure(systems: Reach, receivers: Reach) -> None:
    """As the settings say; once, when the process starts."""
    _reaches.update(systems=systems, receivers=receivers)


def systems() -> Reach:
    """Of registered systems and pipeline connections (`EGRESS_SYSTEMS`)."""
    return _reaches["systems"]


def receivers() -> Reach:
    """Of webhooks, whose receivers a person enters (`EGRESS_RECEIVERS`)."""
    return _reaches["receivers"]


def client(reach: Reach, timeout: httpx.Timeout | float) -> httpx.Client:
    return httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False, transport=EgressTransport(reach))


def ask(method: str, address: str, **more: Any) -> httpx.Response:
    """One call to an address that the operator's environment names, or that its provider has told."""
    with client(OPERATORS, OPERATORS_SECONDS) as http:
        return http.request(method, address, **more)


def addresses(host: str, port: int, seconds: float, reach: Reach) -> list[str]:
    """The addresses of a host that may be connected to, in the order in which the system prefers them. Raises
    NoSuchHost, NotReached, and a connect timeout where DNS does not answer in time: `getaddrinfo` knows no deadline."""
    found = _resolved(host, port, seconds)
    refused = {address: reach.refusal(address) for address in found}
    allowed = [address for address in found if not refused[address]]
    if not allowed and found:
        raise NotReached(f"{host} {refused[found[0]]}")
    return allowed


def refusal(host: str, reach: Reach) -> str:
    """Why a host is not called, as far as its spelling says so; what a name means is judged when it is called."""
    try:
        return reach.refusal(authorities.canonical_host(host))
    except authorities.NoAuthority as error:
        return str(error)
    except ValueError:  # a name
        is_local = host.lower().rstrip(".").rpartition(".")[2] == "localhost"
        return reach.refusal("127.0.0.1") if is_local else ""


def _resolved(host: str, port: int, seconds: float) -> list[str]:
    try:
        name = authorities.canonical_host(host)
    except authorities.NoAuthority as error:
        raise NotReached(f"{host} is called by nobody: {error}") from None
    try:
        return [str(ipaddress.ip_address(name))]
    except ValueError:
        pass
    answer: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            answer.put(list(dict.fromkeys(str(one[4][0]) for one in found)))
        except (OSError, UnicodeError) as error:
            answer.put(error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, str(error)))

    threading.Thread(target=look_up, daemon=True, name="name resolution").start()
    try:
        found = answer.get(timeout=seconds)
    except queue.Empty:
        raise httpcore.ConnectTimeout(f"the name {host} was not resolved in time") from None
    if isinstance(found, socket.gaierror) and found.errno in _NO_SUCH_NAME:
        raise NoSuchHost(f"DNS knows no host {host!r}")
    if isinstance(found, OSError):
        raise httpcore.ConnectError(f"the name {host} was not resolved ({found.strerror})")
    return found


class CheckedBackend(httpcore.NetworkBackend):
    """Opens sockets to addresses that were judged, and to no other."""

    def __init__(self, reach: Reach) -> None:
        self.reach, self.inner = reach, httpcore.SyncBackend()

    def left(self, timeout: float | None) -> float | None:
        """The seconds that are left for connecting."""
        return timeout

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        """Tries the addresses of the host one after another, each with an equal share of the time that is left."""
        found = addresses(host, port, self.left(timeout) or LONGEST_RESOLUTION, self.reach)
        for number, address in enumerate(found, start=1):
            left = self.left(timeout)
            share = None if left is None else left / (len(found) - number + 1)
            try:
                return self.inner.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(found):
                    raise
        raise httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Any = None
    ) -> httpcore.NetworkStream:
        raise httpcore.ConnectError("unix sockets are not used")

    def sleep(self, seconds: float) -> None:
        self.inner.sleep(seconds)


def connected(host: str, port: int, seconds: float, reach: Reach) -> socket.socket:
    """A connected socket for a protocol that is none of HTTP, to an address that was judged. Raises NoSuchHost,
    NotReached, httpcore.ConnectError and httpcore.ConnectTimeout."""
    ends = time.monotonic() + seconds

    class Within(CheckedBackend):
        def left(self, timeout: float | None) -> float | None:
            return max(ends - time.monotonic(), 0.001)

    stream = Within(reach).connect_tcp(host, port, seconds)
    found: socket.socket = stream.get_extra_info("socket")
    return found


def cut(fileno: int) -> None:
    """Ends a connection whose driver waits for it, from another thread."""
    with suppress(OSError), socket.socket(fileno=os.dup(fileno)) as held:
        held.shutdown(socket.SHUT_RDWR)


class EgressTransport(OneAnswerTransport):
    """`backend`: one that waits in its own way."""

    def __init__(
        self, reach: Reach, context: ssl.SSLContext | None = None, backend: CheckedBackend | None = None
    ) -> None:
        trust = context or _usual_trust(int(time.monotonic() / TRUST_SECONDS))
        super().__init__(trust, backend or CheckedBackend(reach))


@functools.lru_cache(maxsize=1)
def _usual_trust(_: int) -> ssl.SSLContext:
    """Trust in the authorities of this machine. Reading them takes 30 ms, so it is done once in `TRUST_SECONDS`."""
    return ssl.create_default_context()
