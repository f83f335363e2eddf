"""Sockets to brokers: to addresses that were judged and to no other, each wait within the deadline of the call."""

from __future__ import annotations

import socket
import ssl
import time

import httpcore

from kernel import egress
from kernel.authorities import Authority
from kernel.egress import NoSuchHost, NotReached
from runtime.connectors.outcomes import fault
from runtime.connectors.protocols import Retriable
from runtime.connectors.sockets import tls_fault


def connected(authority: Authority, ends: float, context: ssl.SSLContext | None = None) -> socket.socket:
    """A socket to this host, with TLS where a context is given. `ends` in monotonic seconds. Raises Retriable, or
    ConnectionFault for the name, the address or the certificate."""
    host = authority.host
    try:
        opened = egress.connected(host, authority.port, _left(ends), egress.systems())
    except NoSuchHost as error:
        raise fault("name", str(error)) from None
    except NotReached as error:
        raise fault("address", str(error)) from None
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
        raise Retriable(f"{authority} cannot be reached ({error})") from None
    return _encrypted(opened, host, ends, context) if context else opened


def _encrypted(opened: socket.socket, host: str, ends: float, context: ssl.SSLContext) -> ssl.SSLSocket:
    try:
        opened.settimeout(_left(ends))
        return context.wrap_socket(opened, server_hostname=host)
    except ssl.SSLError as error:
        opened.close()
        raise tls_fault(host, error) from None
    except OSError as error:
        opened.close()
        raise Retriable(f"{host} ended the TLS handshake ({error.strerror or error})") from None


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise Retriable("the deadline has passed")
    return left


__all__ = ["connected"]
