"""How brokers are reached: registered ones alone, at addresses that were judged, signed in as the endpoint says."""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit
from weakref import WeakSet, WeakValueDictionary

import httpcore
from kafka import errors
from kafka.net.inet import KafkaNetSocket

from kernel import authorities, egress
from kernel.authorities import Authority
from kernel.egress import NoSuchHost, NotReached
from runtime.connectors.auth_settings import auth_settings
from runtime.connectors.kafka.settings import KafkaSettings
from runtime.connectors.outcomes import fault
from runtime.connectors.protocols import CallContext, CallError, FaultKind, Refused, Retriable
from runtime.connectors.settings import wrong_setting
from runtime.connectors.sockets import show_certificate, tls_context

logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what goes wrong is said by the connector, redacted
T = TypeVar("T")
_GRACE = 0.3  # seconds in which the library says itself that the time is over
RESOLUTION = 5.0  # seconds that a name may take
_CREDENTIALS = (
    errors.AuthorizationError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
)
_OF_MESSAGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.InvalidRecordError)
_open: WeakValueDictionary[str, KafkaSession] = WeakValueDictionary()


class KafkaSession:
    """`options(call)` are those of a consumer or producer of the library."""

    def __init__(self, settings: KafkaSettings) -> None:
        settings.examine()
        self.settings = settings
        self.auth = auth_settings(settings.auth or {"kind": "basic"})
        if self.auth.kind not in ("none", "basic"):
            raise wrong_setting("/auth/kind", "Brokers are signed in to by 'basic', or 'none' with a certificate.")
        self.name = uuid.uuid4().hex
        self.trouble: tuple[FaultKind, str] | None = None  # why a broker was not connected to
        self.sockets: WeakSet[socket.socket] = WeakSet()
        self.ended = False
        _open[self.name] = self

    def options(self, call: CallContext) -> dict[str, Any]:
        """Raises ConnectionFault."""
        first = self._authority()
        milliseconds = max(100, int(call.deadline * 1000))
        made: dict[str, Any] = {
            "bootstrap_servers": [f"{self._bracketed(first.host)}:{first.port}"],
            "client_id": "tillgate",
            "api_version": self.settings.api_version,
            "request_timeout_ms": milliseconds,
            "bootstrap_timeout_ms": milliseconds,
            "allow_auto_create_topics": False,
            "metrics_enabled": False,
            "proxy_url": f"{_JudgedSocket.SCHEMES[0]}://{self.name}",
            "security_protocol": "PLAINTEXT",
        }
        names = self.auth.secrets
        if first.scheme == "kafkas":
            verify = self.settings.verify
            context = tls_context(verify if isinstance(verify, str) else "")
            if self.auth.client_certificate:
                shown = [call.secrets[names.get(one, one)] for one in ("client_certificate", "client_key")]
                show_certificate(context, *shown)
            made |= {"security_protocol": "SSL", "ssl_context": context}
        elif self.auth.client_certificate:
            raise fault("address", f"{self.settings.base_url} shows no certificate: kafkas:// does")
        if self.auth.kind == "basic":
            made |= {
                "security_protocol": "SASL_SSL" if first.scheme == "kafkas" else "SASL_PLAINTEXT",
                "sasl_mechanism": self.settings.sasl,
                "sasl_plain_username": call.secrets[names.get("user", "user")],
                "sasl_plain_password": call.secrets[names.get("password", "password")],
            }
        return made

    def close(self, close: Callable[[], object]) -> None:
        """Closes a consumer or producer, and waits for that no longer than a moment. Whatever a thread of the library
        still does then, nothing is sent any more: its sockets are closed, and it gets no other. A session ends with its
        client."""
        self.ended = True
        with suppress(errors.KafkaError, OSError, Retriable):
            bounded(close, time.monotonic() + 1.0)
        for one in list(self.sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    @contextmanager
    def told(self, call: CallContext) -> Iterator[None]:
        """What goes wrong inside, as an error of a call."""
        self.trouble = None
        try:
            yield
        except (errors.KafkaError, OSError, Retriable) as error:
            if isinstance(error, Retriable) and self.trouble is None:
                raise
            raise self.said(error, call) from None

    def said(self, error: BaseException, call: CallContext) -> CallError:
        """What an error of the library means for a call that changes nothing, or that changed nothing."""
        words = call.secrets.redact(str(error))[:500] or type(error).__name__
        where = self.settings.base_url
        if self.trouble is not None:
            return fault(*self.trouble)
        if isinstance(error, _CREDENTIALS):
            return fault("credentials", f"The brokers at {where} refuse this account ({words})")
        if isinstance(error, errors.UnknownTopicOrPartitionError | errors.InvalidTopicError):
            return fault("address", f"There is no topic {self.settings.topic!r} at {where} ({words})")
        if isinstance(error, _OF_MESSAGE):
            return Refused("kafka.record", f"The broker does not take this record ({words})")
        if isinstance(error, errors.KafkaProtocolError):
            return fault("address", f"What answers at {where} does not speak Kafka as asked ({words}); see 'dialect'")
        return Retriable(f"the brokers at {where} cannot be asked ({words})")

    def judged(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """The addresses of a broker, as `getaddrinfo` gives them; none where it may not be connected to."""
        if self.ended:
            return []
        known = {(one.host, one.port) for one in self._known()}
        if (authorities.canonical_host(host), port) not in known:
            said = f"The cluster names a broker {host}:{port}, which is not registered for this system"
            self.trouble = ("address", f"{said}: add it to the further hosts of the system's endpoint")
            return []
        try:
            found = egress.addresses(host, port, RESOLUTION, egress.systems())
        except NoSuchHost as error:
            self.trouble = ("name", str(error))
        except NotReached as error:
            self.trouble = ("address", str(error))
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            pass
        else:
            return [
                (
                    socket.AF_INET6 if ":" in one else socket.AF_INET,
                    socket.SOCK_STREAM,
                    socket.IPPROTO_TCP,
                    "",
                    (one, port),
                )
                for one in found
            ]
        return []

    def _known(self) -> set[Authority]:
        further = set[Authority]()
        for host in self.settings.further_hosts:
            further.add(authorities.of_further_host(host))
        return {self._authority(), *further}

    def _authority(self) -> Authority:
        url = self.settings.base_url
        try:
            found = authorities.of_address(url)
        except authorities.NoAuthority as error:
            raise fault("address", f"{url[:200]!r} cannot be called: {error}") from None
        if found.scheme not in ("kafka", "kafkas"):
            raise fault("address", f"{url[:200]!r} begins with neither kafkas:// nor kafka://")
        return found

    @staticmethod
    def _bracketed(host: str) -> str:
        return f"[{host}]" if ":" in host else host


class _JudgedSocket(KafkaNetSocket):  # type: ignore[misc]
    """The library's own way to another kind of socket: a proxy's address chooses the class. There is no proxy; the
    address names the session that judges."""

    SCHEMES = ("registered-brokers",)

    def __init__(self, proxy_url: str) -> None:
        self.session = _open[urlsplit(proxy_url).netloc]

    def socket(self, family: int, kind: int, proto: int) -> socket.socket:
        if self.session.ended:
            raise OSError("the session has ended")
        made: socket.socket = super().socket(family, kind, proto)
        self.session.sockets.add(made)
        return made

    def dns_lookup(self, host: str, port: int, raise_error: bool = False) -> list[tuple[Any, ...]]:
        return self.session.judged(host, port)


def bounded(work: Callable[[], T], ends: float) -> T:
    """What `work` answers; Retriable where it has not by `ends` (monotonic seconds), for some calls of the library wait
    without an end. The caller closes then, which lets go of what waits."""
    answer: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer.put((work(), None))
        except BaseException as error:  # handed over to the thread that asked
            answer.put((None, error))

    threading.Thread(target=run, daemon=True, name="kafka").start()
    try:
        made, error = answer.get(timeout=max(0.0, ends - time.monotonic()) + _GRACE)
    except queue.Empty:
        raise Retriable("the deadline has passed before the brokers answered") from None
    if error is not None:
        raise error
    return cast(T, made)


def milliseconds_left(ends: float) -> int:
    """Until `ends` (monotonic seconds). Raises Retriable where nothing is left."""
    left = int((ends - time.monotonic()) * 1000)
    if left <= 0:
        raise Retriable("the deadline has passed before the brokers answered")
    return left


__all__ = ["KafkaSession", "bounded", "milliseconds_left"]
