"""The one way out over HTTP: total deadline, host allow-list, size cap, tracing headers, honest errors.

It speaks to httpx's transport directly: no redirects to follow by accident, no cookie jar shared between calls, no
proxy from the environment. Every connection goes to the base URL's host or to one that was listed beside it.
"""

from __future__ import annotations

import logging
import re
import ssl
import time
import zlib
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpcore
import httpx

from runtime.connectors.protocols import CallContext, Refused, Retriable, Unknown

MAX_RESPONSE = 64 * 1024 * 1024
MAX_WAIT = 3_600.0
USER_AGENT = "Tillgate/0.1"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")
_LOG = logging.getLogger("tillgate.connectors")
_deadline: ContextVar[float] = ContextVar("deadline")


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

    base_url       scheme, host, port and path prefix; the only host that is spoken to, besides `also_allowed` ("host"
                   or "host:port")
    verify         True, or the path of a CA file for a store server's own certificate; there is no way to switch TLS
                   checks off
    max_response   bytes, after decompression
    """

    def __init__(
        self,
        base_url: str,
        *,
        verify: bool | str = True,
        also_allowed: Iterable[str] = (),
        max_response: int = MAX_RESPONSE,
    ) -> None:
        self.base = httpx.URL(base_url)
        if self.base.scheme not in ("http", "https") or not self.base.host:
            raise Refused("egress.base_url", f"The base URL {base_url!r} is not an http or https URL.")
        if self.base.userinfo:
            raise Refused("egress.base_url", "The base URL must not hold a user or password; name a secret instead.")
        self.allowed = {_authority(self.base), *also_allowed}
        self.max_response = max_response
        if verify is False:
            raise Refused(
                "egress.tls", "TLS certificates are always checked; name a CA file under 'verify' instead of false."
            )
        # Loading the CA certificates takes longer than many calls; plain HTTP inside a store's network needs none.
        needed = self.base.scheme == "https" or isinstance(verify, str) or len(self.allowed) > 1
        context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None) if needed else None
        self.transport = _Transport(context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def close(self) -> None:
        self.transport.close()

    def url(self, target: str, params: Mapping[str, Any] | None = None, *, method: str = "GET") -> httpx.URL:
        """An absolute URL on an allowed host. Relative targets go below the base path, `/…` to the host's root."""
        if target.startswith(("http://", "https://")):
            url = httpx.URL(target)
        elif target.startswith("/"):
            url = self.base.copy_with(raw_path=_path(target))
        else:
            url = self.base.copy_with(raw_path=_path(self.base.path.rstrip("/") + "/" + target))
        if _authority(url) not in self.allowed or (self.base.scheme == "https" and url.scheme != "https"):
            raise Refused(
                "egress.host",
                f"The call to {url.host!r} was stopped: this connection may only reach {self.base.host!r}.",
            )
        if params:
            # Spaces as %20: OData services take a plus sign for a plus sign.
            pairs = [(quote(k, safe="$"), quote(str(v), safe="~()',:")) for k, v in params.items() if v is not None]
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
    ) -> Response:
        """One request within the deadline, whatever its status.

        `effect` says that the request may change something: a failure after the first byte was sent is then Unknown.
        For reads every transport failure is Retriable. `until` (monotonic seconds) lets several requests share one
        deadline. Raises Retriable, Refused (egress, size) or Unknown.
        """
        url = self.url(target, params, method=method)
        ends = until if until is not None else time.monotonic() + call.deadline
        request = httpx.Request(method, url, headers=self._headers(headers or {}, call, content), content=content)
        left = ends - time.monotonic()
        if left <= 0:
            raise Retriable("the deadline had passed before the call was made")
        request.extensions = {"timeout": {"connect": left, "read": left, "write": left, "pool": left}}
        token = _deadline.set(ends)
        started = time.monotonic()
        try:
            response = self._send(request, call, effect=effect, ends=ends)
        finally:
            _deadline.reset(token)
        _LOG.debug("%s %s%s -> %s in %.3f s", method, url.host, url.path, response.status, time.monotonic() - started)
        return response

    def _headers(self, given: Mapping[str, str], call: CallContext, content: bytes | None) -> dict[str, str]:
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        if call.correlation_id:
            headers["X-Correlation-ID"] = _header_text(call.correlation_id)
        if call.traceparent and _TRACEPARENT.match(call.traceparent):
            headers["traceparent"] = call.traceparent
        headers.update(given)
        return headers

    def _send(self, request: httpx.Request, call: CallContext, *, effect: bool, ends: float) -> Response:
        where = f"{request.method} {request.url.host}"
        try:
            raw = self.transport.handle_request(request)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.ProxyError,
            httpx.UnsupportedProtocol,
        ) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                cure = "name its CA file under 'verify' if it is the store's own"
                raise Refused(
                    "egress.certificate", f"{where}: the TLS certificate is not trusted; {cure} ({_words(error)})"
                ) from None
            raise Retriable(f"{where}: no connection ({_words(error)})") from None
        except (httpx.TransportError, OSError) as error:
            raise _lost(f"{where}: no answer ({_words(error)})", effect=effect) from None
        try:
            body = self._read(raw, ends)
        except _TooLarge:
            message = f"{where}: the answer is larger than {self.max_response} bytes"
            raise Unknown(message) if effect else Refused("response.too_large", message) from None
        except (httpx.TransportError, OSError, zlib.error) as error:
            raise _lost(f"{where}: the answer broke off ({_words(error)})", effect=effect) from None
        finally:
            raw.close()
        if 300 <= raw.status_code < 400 and "location" in raw.headers:
            place = httpx.URL(str(request.url)).join(raw.headers["location"])
            if _authority(place) not in self.allowed:
                raise Refused(
                    "egress.redirect", f"{where}: a redirect to another host ({place.host!r}) was not followed."
                )
        return Response(raw.status_code, raw.headers, body, str(request.url))

    def _read(self, raw: httpx.Response, ends: float) -> bytes:
        encoding = raw.headers.get("content-encoding", "").lower()
        if encoding not in ("", "identity", "gzip"):
            raise zlib.error(f"unexpected content encoding {encoding!r}")
        unpack = zlib.decompressobj(31) if encoding == "gzip" else None
        parts, size = [], 0
        stream: Any = raw.stream
        for chunk in stream:
            part = unpack.decompress(chunk, self.max_response - size + 1) if unpack else chunk
            size += len(part)
            if size > self.max_response or (unpack and unpack.unconsumed_tail):
                raise _TooLarge
            parts.append(part)
            if time.monotonic() > ends:
                raise httpx.ReadTimeout("the deadline has passed")
        if unpack and not unpack.eof and size:
            raise zlib.error("the compressed answer is incomplete")
        return b"".join(parts)


def raise_for(response: Response, *, call: CallContext, effect: bool, code: str = "", message: str = "") -> None:
    """Turns a status that is not 2xx into the error it means. `code` and `message` come from the vendor's own error
    body.

    429 and 503 say that nothing was done. 500, 502 and 504 do not: for a write they are Unknown.
    """
    status = response.status
    if response.ok:
        return
    shown = call.secrets.redact(message or _excerpt(response.body))
    wait = retry_after(response.headers)
    if status in (425, 429, 503):
        raise Retriable(f"{status}: {shown}", after=wait)
    if status == 408 or status >= 500:
        raise _lost(f"{status}: {shown}", effect=effect, after=wait)
    raise Refused(code or f"http.{status}", shown or f"the answer was {status}", status=status)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait by `Retry-After`, written as seconds or as a date (RFC 9110 §10.2.3); at most an hour, None
    without."""
    value = headers.get("retry-after") or headers.get("Retry-After") or ""
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except (ValueError, TypeError):
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), MAX_WAIT) if seconds == seconds else None


class _TooLarge(Exception):
    pass


class _Transport(httpx.HTTPTransport):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=20,
            max_keepalive_connections=20,
            keepalive_expiry=15.0,
            network_backend=_Backend(),
        )


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
        return _Stream(self.inner.connect_tcp(host, port, _left(timeout), local_address, socket_options))

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        raise httpcore.ConnectError("unix sockets are not used")

    def sleep(self, seconds: float) -> None:
        self.inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self.inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Any:
        return _Stream(self.inner.start_tls(ssl_context, server_hostname, _left(timeout, httpcore.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


def _left(timeout: float | None, error: type[Exception] = httpcore.ConnectTimeout) -> float | None:
    ends = _deadline.get(None)
    if ends is None:
        return timeout
    left = ends - time.monotonic()
    if left <= 0:
        raise error("the deadline has passed")
    return left if timeout is None else min(timeout, left)


def _lost(reason: str, *, effect: bool, after: float | None = None) -> Retriable | Unknown:
    return Unknown(reason) if effect else Retriable(reason, after=after)


def _authority(url: httpx.URL) -> str:
    port = url.port
    return url.host if port is None else f"{url.host}:{port}"


def _path(target: str) -> bytes:
    """Percent-encodes what may not stand in a request line; what is already encoded stays."""
    return quote(target, safe="/:()',;=@$%&?~!*+-._").encode("ascii")


def _header_text(value: str) -> str:
    return re.sub(r"[^\x21-\x7e]", "_", value)[:200]


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _excerpt(body: bytes) -> str:
    return " ".join(body[:400].decode("utf-8", "replace").split())[:200]
