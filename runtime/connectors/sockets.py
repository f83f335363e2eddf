"""Sockets under the HTTP client: every wait ends at the deadline of the call, name resolution included, and what is
wrong with a name or a certificate is said as a fault of the connection.
"""

from __future__ import annotations

import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpcore

from kernel import egress
from kernel.egress import CheckedBackend, EgressTransport, NoSuchHost, NotReached
from runtime.connectors.outcomes import fault
from runtime.connectors.protocols import ConnectionFault

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


def tls_context(authorities: str = "") -> ssl.SSLContext:
    """What is believed: certificates in PEM, or without any those of the operating system. Raises ConnectionFault."""
    try:
        return ssl.create_default_context(cadata=authorities or None)
    except (ssl.SSLError, ValueError) as error:
        raise fault("certificate", f"The certificates that the connection believes cannot be read ({error})") from None


def show_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Connections show this certificate (PEM, with its key). OpenSSL reads files alone, so both lie in one for a
    moment, in a folder that nobody else can open. Raises ConnectionFault."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "client.pem")
        file.touch(mode=0o600)
        file.write_text(f"{certificate.strip()}\n{key.strip()}\n")
        try:
            context.load_cert_chain(file, password=lambda: b"")
        except (ssl.SSLError, ValueError, OSError) as error:
            said = f"The client certificate cannot be used with its key ({type(error).__name__})"
            raise fault("secret", said) from None


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


class Transport(EgressTransport):
    def __init__(self, context: ssl.SSLContext | None) -> None:
        reach = egress.systems()
        super().__init__(reach, context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), _Backend(reach))


class _Backend(CheckedBackend):
    """Sockets whose every wait ends at the deadline of the call, so that a dripping server cannot stretch it."""

    def left(self, timeout: float | None) -> float | None:
        return _left(timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        try:
            return _Stream(super().connect_tcp(host, port, timeout, local_address, socket_options), host)
        except NoSuchHost as error:
            raise fault("name", str(error)) from None
        except NotReached as error:
            raise fault("address", str(error)) from None


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, host: str) -> None:
        self.inner, self.host = inner, host

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self.inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))
        except httpcore.ReadError as error:
            # With TLS 1.3 the server refuses our certificate after the handshake, before it reads anything.
            if "CERTIFICATE" in str(getattr(error.__cause__, "reason", None) or ""):
                raise tls_fault(self.host, error.__cause__) from None
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
                raise tls_fault(self.host, error.__cause__) from None
            raise

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and (tls := self.inner.get_extra_info("ssl_object")) and tls.pending():
            return True  # deciphered and not read; the socket does not show it any more
        return self.inner.get_extra_info(info)


def tls_fault(host: str, cause: BaseException | None) -> ConnectionFault:
    """What an error of OpenSSL says about a connection."""
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
