"""The one way out over HTTP: total deadline, host allow-list, size cap, tracing headers, honest errors.

It speaks to httpx's transport directly: no redirects to follow by accident, no cookie jar shared between calls, no
proxy from the environment. Every connection goes to the base URL's host or to one that was listed beside it.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx

from kernel import authorities, tracing
from kernel.authorities import Authority
from kernel.errors import Invalid
from kernel.tracing import TraceSpan
from runtime.connectors.answers import Answer
from runtime.connectors.outcomes import error_for, fault, meaning
from runtime.connectors.protocols import CallContext, Refused, Retriable, Unknown
from runtime.connectors.sockets import Transport, Wire, show_certificate, tls_context, wire
from runtime.connectors.unpacking import CODINGS, OverLimit, Unpacker
from runtime.domain.request_headers import NAME, VALUE, is_of_the_client

MAX_RESPONSE = 64 * 1024 * 1024
MAX_WAIT = 3_600.0
_SENSIBLE_WAIT = 86_400.0  # what names a longer one is no time that anybody waits for
USER_AGENT = "Tillgate/0.1"
_SECONDS = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?\Z")
_FOR_ITS_END = 0.2  # seconds that an answer over a connection of its own waits for the server to end it
_LONGEST_HEADER = 8_000  # what servers take at least
_LOG = logging.getLogger("tillgate.connectors")


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: httpx.Headers
    body: bytes
    url: str

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class HttpClient:
    """Connections to one system.

    base_url       scheme, host, port and path prefix; the only authority that is spoken to, besides `further_hosts`
    further_hosts  authorities that the system's registration or its vendor's profile names (`https://host:port`, or
                   `host:port`)
    token_hosts    more of them, which are asked for tokens and for nothing else
    verify         True, or certificates in PEM for a store server's own; there is no way to switch TLS checks off
    max_response   bytes, after decompression
    """

    def __init__(
        self,
        base_url: str,
        *,
        verify: bool | str = True,
        further_hosts: Iterable[str] = (),
        token_hosts: Iterable[str] = (),
        max_response: int = MAX_RESPONSE,
    ) -> None:
        try:
            authority = authorities.of_url(base_url)
            self.allowed = {authority, *(authorities.of_further_host(host) for host in further_hosts)}
            self.of_tokens = self.allowed | {authorities.of_further_host(host) for host in token_hosts}
        except authorities.NoAuthority as error:
            said = f"The base URL {base_url[:200]!r}, or one of the system's further hosts, cannot be called: {error}."
            raise Invalid("egress.base_url", said) from None
        self.base = httpx.URL(base_url)
        self.max_response = max_response
        if verify is False:
            raise Invalid(
                "egress.tls", "TLS certificates are always checked; name those that are believed (trust_ref)."
            )
        # Loading the CA certificates takes longer than many calls; plain HTTP inside a store's network needs none.
        needed = self.base.scheme == "https" or isinstance(verify, str) or len(self.of_tokens) > 1
        self.context = tls_context(verify if isinstance(verify, str) else "") if needed else None
        self.transport = Transport(self.context)
        self._shown = False

    def close(self) -> None:
        self.transport.close()

    def show(self, certificate: str, key: str) -> None:
        """Every connection from now on shows this certificate (PEM, with its key); a second time does nothing. Raises
        ConnectionFault."""
        if self._shown or self.context is None:
            return
        show_certificate(self.context, certificate, key)
        self._shown = True

    def url(self, target: str, params: Mapping[str, Any] | None = None, *, for_token: bool = False) -> httpx.URL:
        """An absolute URL on an allowed host. Relative targets go below the base path, `/…` to the host's root."""
        try:
            if target.startswith(("http://", "https://")):
                return self._with(self._further(httpx.URL(target), for_token), params)
            if target.startswith("/"):
                url = self.base.copy_with(raw_path=_path(target))
            else:
                url = self.base.copy_with(raw_path=_path(self.base.path.rstrip("/") + "/" + target))
        except httpx.InvalidURL as error:
            raise Refused("address", f"{target[:200]!r} is no address that can be called: {error}.") from None
        return self._with(url, params)

    def _further(self, url: httpx.URL, for_token: bool) -> httpx.URL:
        """A whole address, which may name any host there is. Raises ConnectionFault."""
        if _authority(url) not in (self.of_tokens if for_token else self.allowed):
            said = f"The call to {url.host!r} was stopped: it leaves the registered system"
            raise fault("address", f"{said}, and this connection may only reach {self.base.host!r}")
        return url

    def _with(self, url: httpx.URL, params: Mapping[str, Any] | None) -> httpx.URL:
        if params:
            # Spaces as %20: OData services take a plus sign for a plus sign.
            pairs = [
                (quote(name, safe="$"), quote(str(one), safe="~()',:"))
                for name, value in params.items()
                for one in (value if isinstance(value, list) else [value])
                if one is not None
            ]
            query = "&".join(f"{name}={value}" for name, value in pairs)
            glue = b"&" if b"?" in url.raw_path else b"?"
            url = url.copy_with(raw_path=url.raw_path + glue + query.encode("ascii"))
        return url

    def request(
        self,
        method: str,
        target: str,
        *,
        call: CallContext,
        effect: bool,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        until: float | None = None,
        for_token: bool = False,
        alone: bool = False,
    ) -> Response:
        """One request within the deadline, whatever its status.

        `effect` says that the request may change something: a failure after the first byte was sent is then Unknown.
        For reads every transport failure is Retriable. `until` (monotonic seconds) lets several requests share one
        deadline. `alone`: over a connection of its own, on which no answer to another request can come. Raises
        Retriable, Unknown, ConnectionFault (egress, DNS, certificate) or Refused (size).
        """
        url = self.url(target, params, for_token=for_token)
        ends = until if until is not None else time.monotonic() + call.deadline
        ends = ends if call.until is None else min(ends, call.until)
        with self._span(call, method, url) as span:
            own = span.traceparent and (call.traced or not call.traceparent)
            given = self._headers(headers or {}, call, content, span.traceparent if own else call.traceparent)
            _check_headers(given)
            given |= {"Connection": "close"} if alone else {}
            request = httpx.Request(method, url, headers=given, content=content)
            response = self._sent(request, effect=effect, ends=ends, alone=alone)
            span.set(**{"http.response.status_code": response.status})
            if response.status >= 500:
                span.fail(str(response.status))
        return response

    def _span(self, call: CallContext, method: str, url: httpx.URL) -> AbstractContextManager[TraceSpan]:
        """Of one call: in the trace of its message, or where this thread is."""
        values = {"http.request.method": method, "server.address": url.host}
        parent = call.traceparent if call.traced and call.traceparent else ""
        return tracing.span(f"vendor.{call.doing}", values, kind="client", parent=parent, links=call.links)

    def _sent(self, request: httpx.Request, *, effect: bool, ends: float, alone: bool) -> Response:
        left = ends - time.monotonic()
        if left <= 0:
            raise Retriable("the deadline had passed before the call was made")
        request.extensions = {"timeout": {"connect": left, "read": left, "write": left, "pool": left}}
        started = time.monotonic()
        with wire(ends) as on_wire, self._transport(alone) as transport:
            response = self._send(request, on_wire, effect=effect, ends=ends, alone=transport)
        took, url = time.monotonic() - started, request.url
        _LOG.debug("%s %s%s -> %s in %.3f s", request.method, url.host, url.path, response.status, took)
        return response

    def _headers(
        self, given: Mapping[str, str], call: CallContext, content: bytes | None, trace: str | None
    ) -> dict[str, str]:
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        if call.correlation_id:
            headers["X-Correlation-ID"] = _header_text(call.correlation_id)
        if tracing.valid(trace):
            headers["traceparent"] = trace or ""
        headers.update(given)
        return headers

    @contextlib.contextmanager
    def _transport(self, alone: bool) -> Iterator[Transport | None]:
        if not alone:
            yield None
            return
        with contextlib.closing(Transport(self.context)) as transport:
            yield transport

    def _send(
        self, request: httpx.Request, on_wire: Wire, *, effect: bool, ends: float, alone: Transport | None
    ) -> Response:
        where = f"{request.method} {request.url.host}"
        try:
            raw = (alone or self.transport).handle_request(request)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.ProxyError,
            httpx.UnsupportedProtocol,
        ) as error:
            raise Retriable(f"{where}: no connection ({_words(error)})") from None
        except (httpx.TransportError, OSError) as error:
            if on_wire.has_sent:
                raise _lost(f"{where}: no answer ({_words(error)})", effect=effect) from None
            if isinstance(error, httpx.LocalProtocolError):
                raise fault("settings", f"{where}: the request cannot be written ({_words(error)})") from None
            raise Retriable(f"{where}: nothing was sent ({_words(error)})") from None
        try:
            body = self._read(raw, ends)
            if alone is not None and alone.came_behind(_FOR_ITS_END):
                raise Unknown(f"{where}: more came behind the answer, so nobody can say which one is the answer")
        except OverLimit:
            message = f"{where}: the answer is larger than {self.max_response} bytes"
            raise Unknown(message) if effect else Refused("response.too_large", message) from None
        except (httpx.TransportError, OSError, zlib.error) as error:
            raise _lost(f"{where}: the answer broke off ({_words(error)})", effect=effect) from None
        finally:
            raw.close()
        if not effect and 300 <= raw.status_code < 400 and "location" in raw.headers:
            host = _other_host(request.url, raw.headers["location"], self.allowed)
            if host is not None:
                raise fault("redirect", f"{where}: a redirect to another host ({host!r}) was not followed")
        return Response(raw.status_code, raw.headers, body, str(request.url))

    def _read(self, raw: httpx.Response, ends: float) -> bytes:
        coding = raw.headers.get("content-encoding", "").strip().lower()
        if coding not in ("", "identity") and coding not in CODINGS:
            raise zlib.error(f"unexpected content encoding {coding!r}")
        unpack = Unpacker(coding, self.max_response) if coding in CODINGS else None
        parts, size = [], 0
        stream: Any = raw.stream
        for chunk in stream:
            part = unpack.feed(chunk) if unpack else chunk
            size += len(part)
            if size > self.max_response:
                raise OverLimit
            parts.append(part)
            if time.monotonic() > ends:
                raise httpx.ReadTimeout("the deadline has passed")
        if unpack:
            unpack.finish()
        return b"".join(parts)


def raise_for(response: Response, *, call: CallContext, effect: bool, code: str = "", message: str = "") -> None:
    """Turns a status that is not 2xx into the error it means (`outcomes.TABLE`), and a page to sign in. `code` and
    `message` come from the vendor's own error body."""
    answer = Answer(response.status, response.headers, response.body)
    found = meaning(response.status, "write" if effect else "read")
    if answer.is_sign_in and response.status < 500:
        where = call.secrets.redact(response.url)
        raise fault("redirect", f"{where} was answered by a page to sign in", status=response.status)
    if found == "answer":
        return
    shown = call.secrets.redact(message or answer.location or _excerpt(response.body))
    where = call.secrets.redact(response.url)
    raise error_for(found, response.status, where, shown, after=retry_after(response.headers), code=code)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait by `Retry-After`, written as seconds or as a date (RFC 9110 §10.2.3); at most an hour. None
    without, and for what is no sensible time: nobody waits for `Infinity`, less than nothing, or for days. A date is
    one of the target system's clock, so it counts from what that clock says (`Date`), where it says something."""
    value = (headers.get("retry-after") or headers.get("Retry-After") or "").strip()
    if _SECONDS.match(value):
        seconds = float(value)
    else:
        at = _date(value)
        if at is None:
            return None
        since = _date(headers.get("date") or headers.get("Date") or "") or now or datetime.now(UTC)
        seconds = max((at - since).total_seconds(), 0.0)
    return min(seconds, MAX_WAIT) if seconds <= _SENSIBLE_WAIT else None


def _date(value: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _lost(reason: str, *, effect: bool, after: float | None = None) -> Retriable | Unknown:
    return Unknown(reason) if effect else Retriable(reason, after=after)


def _authority(url: httpx.URL) -> Authority | None:
    try:
        return authorities.of_url(str(url))
    except authorities.NoAuthority:
        return None


def _other_host(url: httpx.URL, location: str, allowed: set[Authority]) -> str | None:
    """The host that a redirect leads to, where it is another one."""
    try:
        place = url.join(location)
    except (httpx.InvalidURL, ValueError):
        return location[:200]
    return None if _authority(place) in allowed else place.host


def _path(target: str) -> bytes:
    """Percent-encodes what may not stand in a request line; what is already encoded stays."""
    return quote(target, safe="/:()',;=@$%&?~!*+-._").encode("ascii")


def header_of(name: str, value: str, code: str, what: str) -> dict[str, str]:
    """A header with a value of the message's own, which it has to be able to hold. Raises Refused: the message is at
    fault, and no other one meets the same."""
    if VALUE.match(value) and 0 < len(value) <= _LONGEST_HEADER:
        return {name: value}
    if not value.isascii():
        why = "it has other characters than ASCII"
    elif value != value.strip() or not value:
        why = "it begins or ends with a blank" if value.strip() else "it is empty"
    elif len(value) > _LONGEST_HEADER:
        why = f"it has more than {_LONGEST_HEADER:,} characters"
    else:
        why = "it has characters that HTTP does not allow"
    raise Refused(code, f"{what} {value[:200]!r} cannot stand in the header {name}: {why}. Nothing was sent.")


def _check_headers(given: Mapping[str, str]) -> None:
    """Headers of the connection; those of a message are looked at before (`header_of`). Raises ConnectionFault."""
    for name, value in given.items():
        if not NAME.match(name):
            raise fault("settings", f"{name!r} is no name of a header")
        if is_of_the_client(name):
            raise fault("settings", f"The header {name} is written by the client alone")
        if not VALUE.match(value):
            raise fault("secret", f"The header {name} would hold characters that HTTP does not allow")


def _header_text(value: str) -> str:
    return re.sub(r"[^\x21-\x7e]", "_", value)[:200]


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _excerpt(body: bytes) -> str:
    return " ".join(body[:400].decode("utf-8", "replace").split())[:200]
