"""Sockets under the HTTP client: every wait ends at the deadline of the call, name resolution included, and what is
wrong with a name or a certificate is said as a fault of the connection.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from runtime.connectors.outcomes import fault
from runtime.connectors.protocols import ConnectionFault

_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
# OpenSSL's verification results (X509_V_ERR_…): what is wrong with the certificate.
_CERTIFICATE: dict[int, str] = {
    9: "is not valid yet",
    10: "has expired",
    18: "is signed by itself",
    19: "is signed by an authority that is not trusted",
    20: "is signed by an authority that is not known",
    21: "is signed by an authority that is not known",
    23: "has been revoked",
    62: "is for another host name",
    64: "is for another address",
}


def tls_context(verify: bool | str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)


@dataclass(slots=True)
class Wire:
    """One request: every wait of it ends then (monotonic seconds), and whether a byte of it may have left."""

    ends: float
    has_sent: bool = False


_wire: ContextVar[Wire] = ContextVar("wire")


@contextmanager
def wire(ends: float) -> Iterator[Wire]:
    """What is called inside is one request."""
    made = Wire(ends)
    token = _wire.set(made)
    try:
        yield made
    finally:
        _wire.reset(token)


class Transport(httpx.HTTPTransport):
    def __init__(self, context: ssl.SSLContext | None) -> None:
        context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        super().__init__(verify=context, trust_env=False)
        self._pool = _Pool(
            ssl_context=context,
            max_connections=20,
            max_keepalive_connections=20,
            keepalive_expiry=15.0,
            network_backend=_Backend(),
        )


class _Pool(httpcore.ConnectionPool):
    def create_connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
        return _Connection(origin, self._ssl_context, keepalive_expiry=15.0, network_backend=self._network_backend)


class _Connection(httpcore.HTTPConnection):
    """Used again only where nothing came after the answer before: what is there already is no answer to a request that
    has not left (RFC 9112 §6.3). httpcore looks at the socket, not at what was read from it and not used."""

    def has_expired(self) -> bool:
        return super().has_expired() or (self.is_idle() and self._has_more())

    def _has_more(self) -> bool:
        inner = self._connection
        return isinstance(inner, httpcore.HTTP11Connection) and bool(inner._h11_state.trailing_data[0])


class _Backend(httpcore.NetworkBackend):
    """Sockets whose every wait ends at the deadline of the call, so that a dripping server cannot stretch it."""

    def __init__(self) -> None:
        self.inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> Any:
        """Tries the addresses of the host one after another, each with an equal share of the time that is left."""
        found = addresses(host, port, _left(timeout) or 60.0)
        for number, address in enumerate(found, start=1):
            left = _left(timeout)
            share = None if left is None else left / (len(found) - number + 1)
            try:
                return _Stream(self.inner.connect_tcp(address, port, share, local_address, socket_options), host)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(found):
                    raise
        raise httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        raise httpcore.ConnectError("unix sockets are not used")

    def sleep(self, seconds: float) -> None:
        self.inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, host: str) -> None:
        self.inner, self.host = inner, host

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self.inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))
        except httpcore.ReadError as error:
            # With TLS 1.3 the server refuses our certificate after the handshake, before it reads anything.
            if "CERTIFICATE" in str(getattr(error.__cause__, "reason", None) or ""):
                raise _tls_fault(self.host, error) from None
            raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = _left(timeout, httpcore.WriteTimeout)
        if (request := _wire.get(None)) is not None:
            request.has_sent = True
        self.inner.write(buffer, left)

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Any:
        left = _left(timeout, httpcore.ConnectTimeout)
        try:
            return _Stream(self.inner.start_tls(ssl_context, server_hostname, left), self.host)
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLError) and not isinstance(error.__cause__, ssl.SSLEOFError):
                raise _tls_fault(self.host, error) from None
            raise

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and (tls := self.inner.get_extra_info("ssl_object")) and tls.pending():
            return True  # deciphered and not read; the socket does not show it any more
        return self.inner.get_extra_info(info)


def addresses(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of a host, in the order in which the system prefers them. Raises ConnectionFault `name` where DNS
    knows no such host, and a connect timeout where it does not answer in time: `getaddrinfo` knows no deadline."""
    try:
        return [str(ipaddress.ip_address(host.strip("[]")))]
    except ValueError:
        pass
    answer: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.put(list(dict.fromkeys(str(one[4][0]) for one in found)))
        except (OSError, UnicodeError) as error:
            answer.put(error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, str(error)))

    threading.Thread(target=look_up, daemon=True, name="name resolution").start()
    try:
        found = answer.get(timeout=seconds)
    except queue.Empty:
        raise httpcore.ConnectTimeout(f"the name {host} was not resolved in time") from None
    if isinstance(found, socket.gaierror) and found.errno in _NO_SUCH_NAME:
        raise fault("name", f"DNS knows no host {host!r}")
    if isinstance(found, OSError):
        raise httpcore.ConnectError(f"the name {host} was not resolved ({found.strerror})")
    return found


def _tls_fault(host: str, error: Exception) -> ConnectionFault:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        wrong = _CERTIFICATE.get(cause.verify_code, f"is not accepted ({cause.verify_message})")
        return fault("certificate", f"The TLS certificate of {host} {wrong}")
    reason = str(getattr(cause, "reason", "") or cause)
    if "CERTIFICATE" in reason or "HANDSHAKE_FAILURE" in reason or "UNKNOWN_CA" in reason:
        return fault("certificate", f"{host} did not accept the TLS connection ({reason.lower().replace('_', ' ')})")
    return fault("address", f"{host} does not speak TLS as expected ({reason.lower().replace('_', ' ')})")


def _left(timeout: float | None, error: type[Exception] = httpcore.ConnectTimeout) -> float | None:
    request = _wire.get(None)
    if request is None:
        return timeout
    left = request.ends - time.monotonic()
    if left <= 0:
        raise error("the deadline has passed")
    return left if timeout is None else min(timeout, left)
