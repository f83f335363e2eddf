"""One connection to a broker, opened when it is needed, every wait of it within the deadline of the call."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp
from amqp.exceptions import (
    AccessRefused,
    AMQPError,
    ConsumerCancelled,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    ResourceLocked,
    UnexpectedFrame,
)
from amqp.transport import TCPTransport

from kernel import authorities
from kernel.authorities import Authority
from runtime.connectors.amqp.settings import AmqpSettings
from runtime.connectors.auth_settings import auth_settings
from runtime.connectors.broker_sockets import connected
from runtime.connectors.outcomes import fault
from runtime.connectors.protocols import CallContext, CallError, Retriable
from runtime.connectors.settings import wrong_setting
from runtime.connectors.sockets import show_certificate, tls_context

MOST_A_FRAME = 1024 * 1024  # bytes; brokers send 128 KiB at most unless they were told otherwise
_LOST = (OSError, AMQPError, UnexpectedFrame)


class AmqpSession:
    """`number` tells one connection from the next: what was given over another one is given again."""

    def __init__(self, settings: AmqpSettings) -> None:
        self.settings = settings
        self.auth = auth_settings(settings.auth or {"kind": "basic"})
        if self.auth.kind not in ("none", "basic"):
            raise wrong_setting("/auth/kind", "A broker is signed in to by 'basic', or 'none' with a certificate.")
        self.connection: Any = None
        self.transport: _Transport | None = None
        self.channel: Any = None
        self.number = 0
        self.blocked = ""

    def close(self) -> None:
        """Ends the connection without waiting for the broker's word: what it has given and was not told to forget, it
        gives again."""
        connection, self.connection, self.transport, self.channel = self.connection, None, None, None
        if connection is not None:
            with suppress(Exception):
                connection.collect()

    @contextmanager
    def within(self, call: CallContext) -> Iterator[Any]:
        """The channel, for one call. Raises Retriable or ConnectionFault; a connection on which something went wrong is
        not used again."""
        ends = time.monotonic() + call.deadline
        ends = ends if call.until is None else min(ends, call.until)
        try:
            if self.connection is None or not self._stands():
                self.close()
                self._open(call, ends)
            assert self.transport is not None
            self.transport.ends = ends
            yield self.channel
        except _LOST as error:
            self.close()
            raise self.said(error, call) from None
        except BaseException:
            self.close()
            raise

    def drain(self, seconds: float) -> bool:
        """Read what the broker sends next; False where it sends nothing for so long."""
        try:
            self.connection.drain_events(timeout=seconds)
        except TimeoutError:
            if self.transport is not None and time.monotonic() >= self.transport.ends:
                raise
            return False
        return True

    def said(self, error: Exception, call: CallContext) -> CallError:
        """What an error of the library means."""
        words = call.secrets.redact(str(getattr(error, "reply_text", None) or error) or type(error).__name__)[:500]
        where = self.settings.base_url
        if isinstance(error, AccessRefused):
            return fault("credentials", f"The broker at {where} refuses this account ({words})")
        if isinstance(error, NotFound | NotAllowed | ConsumerCancelled | PreconditionFailed | ResourceLocked):
            return fault("address", f"The broker at {where} has no such place ({words})")
        if isinstance(error, UnexpectedFrame):
            return fault("address", f"What answers at {where} does not speak AMQP 0-9-1 ({words})")
        if isinstance(error, ssl.SSLError):
            return fault("certificate", f"TLS with {where} failed ({words})")
        if isinstance(error, TimeoutError):
            return Retriable("the deadline has passed before the broker answered")
        return Retriable(f"the connection to the broker was lost ({words})")

    def _stands(self) -> bool:
        """Whether the connection is still there; reads what has come meanwhile (an end, an alarm)."""
        assert self.transport is not None
        self.transport.ends = time.monotonic() + 1.0
        try:
            while self.drain(0.0001):
                pass
        except _LOST:
            return False
        return bool(self.connection.connected) and bool(self.channel.is_open)

    def _open(self, call: CallContext, ends: float) -> None:
        authority, host = self._authority()
        context = self._context(call, authority)
        signing = {"login_method": "EXTERNAL"}
        if self.auth.kind == "basic":
            names = self.auth.secrets
            signing = {
                "login_method": "PLAIN",
                "userid": call.secrets[names.get("user", "user")],
                "password": call.secrets[names.get("password", "password")],
            }
        self.transport = _Transport(authority, context, ends)
        self.connection = _Connection(self.transport, virtual_host=host, on_blocked=self._block, **signing)
        self.connection.on_unblocked = self._unblock
        self.blocked = ""
        self.connection.connect()
        self.channel = amqp.Channel(self.connection, None, auto_decode=False)
        self.channel.open()
        self.number += 1

    def _authority(self) -> tuple[Authority, str]:
        """Where the broker is, and the virtual host. Raises ConnectionFault."""
        try:
            authority = authorities.of_address(self.settings.base_url)
        except authorities.NoAuthority as error:
            raise fault("address", f"{self.settings.base_url[:200]!r} cannot be called: {error}") from None
        if authority.scheme not in ("amqp", "amqps"):
            raise fault("address", f"{self.settings.base_url[:200]!r} begins with neither amqps:// nor amqp://")
        path = urlsplit(self.settings.base_url).path
        return authority, unquote(path[1:]) or "/"

    def _context(self, call: CallContext, authority: Authority) -> ssl.SSLContext | None:
        if authority.scheme != "amqps":
            if self.auth.client_certificate:
                raise fault("address", f"{self.settings.base_url} shows no certificate: amqps:// does")
            return None
        verify = self.settings.verify
        context = tls_context(verify if isinstance(verify, str) else "")
        if self.auth.client_certificate:
            names = self.auth.secrets
            shown = [call.secrets[names.get(one, one)] for one in ("client_certificate", "client_key")]
            show_certificate(context, *shown)
        return context

    def _block(self, reason: str) -> None:
        self.blocked = str(reason or "an alarm")[:200]

    def _unblock(self) -> None:
        self.blocked = ""


class _Connection(amqp.Connection):  # type: ignore[misc]
    """Over a socket of ours."""

    def __init__(self, transport: _Transport, **more: Any) -> None:
        self.given = transport
        super().__init__(heartbeat=0, connect_timeout=None, **more)

    def Transport(self, *_: Any, **__: Any) -> _Transport:  # noqa: N802 (the library's name)
        return self.given


class _Transport(TCPTransport):  # type: ignore[misc]
    """Waits until `ends` (monotonic seconds), however little comes at a time."""

    def __init__(self, authority: Authority, context: ssl.SSLContext | None, ends: float) -> None:
        super().__init__("broker:0")
        self.authority, self.context, self.ends = authority, context, ends
        self.opened: socket.socket

    def _connect(self, host: str, port: int, timeout: float | None) -> None:
        self.sock = self.opened = connected(self.authority, self.ends, self.context)

    def _setup_transport(self) -> None:
        self._read_buffer = b""
        self._write = self._send_all
        self._quick_recv = self._receive

    def _read(self, n: int, initial: bool = False, *more: Any) -> bytes:
        if n > MOST_A_FRAME:
            raise UnexpectedFrame(f"a frame of {n} bytes")
        made: bytes = super()._read(n, initial, *more)  # type: ignore[misc]  # of the library's class, not of its stub
        return made

    def _receive(self, most: int) -> bytes:
        self._wait_no_longer()
        return self.opened.recv(most)

    def _send_all(self, data: bytes) -> None:
        self._wait_no_longer()
        self.opened.sendall(data)

    def _wait_no_longer(self) -> None:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        now = self.opened.gettimeout()
        if now is None or now > left:
            self.opened.settimeout(left)


__all__ = ["AmqpSession"]
