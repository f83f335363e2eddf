"""HTTP connections on which only what follows a request is taken for its answer. `egress` opens their sockets."""

from __future__ import annotations

import ssl

import httpcore
import httpx

CONNECTIONS = 20
KEPT_SECONDS = 15.0


class OneAnswerTransport(httpx.HTTPTransport):
    """No proxy of the environment is used. `backend` opens the sockets."""

    def __init__(self, context: ssl.SSLContext, backend: httpcore.NetworkBackend) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = _Pool(
            ssl_context=context,
            max_connections=CONNECTIONS,
            max_keepalive_connections=CONNECTIONS,
            keepalive_expiry=KEPT_SECONDS,
            network_backend=backend,
        )

    def came_behind(self, seconds: float) -> bool:
        """Whether more came behind an answer that was read to its end and is not closed yet. It waits `seconds` at most
        for the end of the connection by the other side, which proves that nothing does."""
        found = [one for one in self._pool.connections if isinstance(one, _Connection)]
        return any(one.has_more_within(seconds) for one in found)


class _Pool(httpcore.ConnectionPool):
    def create_connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
        return _Connection(
            origin, self._ssl_context, keepalive_expiry=KEPT_SECONDS, network_backend=self._network_backend
        )


class _Connection(httpcore.HTTPConnection):
    """Used again only where nothing came after the answer before: what is there already is no answer to a request that
    has not left (RFC 9112 §6.3). httpcore looks at the socket, not at what was read from it and not used, nor at what
    was deciphered."""

    def has_expired(self) -> bool:
        return super().has_expired() or (self.is_idle() and self._has_more())

    def has_more_within(self, seconds: float) -> bool:
        inner = self._connection
        if self._has_more() or not isinstance(inner, httpcore.HTTP11Connection):
            return self._has_more()
        if not seconds:
            return False
        try:
            return bool(inner._network_stream.read(1, timeout=seconds))
        except (httpcore.TimeoutException, httpcore.NetworkError):
            return False

    def _has_more(self) -> bool:
        inner = self._connection
        if not isinstance(inner, httpcore.HTTP11Connection):
            return False
        tls = inner._network_stream.get_extra_info("ssl_object")
        return bool(inner._h11_state.trailing_data[0]) or bool(tls and tls.pending())
