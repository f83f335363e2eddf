"""Who asks, so that no one client takes what others need: a person or a service account once a token or session of
theirs was good, and an address before that. A cookie or a token that anybody can make up counts for nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.front.proxies import Proxies

CALLER = "tillgate.caller"
"""In the environ of a request, after its answer: whose it was. The front alone reads it."""
KNOWN = 20_000  # credentials that are remembered, the last ones used


def note(request: HttpRequest) -> None:
    """Whose request it was, where that is known without asking anybody."""
    told = vars(request)
    user = told.get("_cached_user") or told.get("user")
    if not isinstance(user, SimpleLazyObject) and (key := getattr(user, "pk", None)) is not None:
        request.META[CALLER] = key


@dataclass(slots=True)
class Callers:
    """Used by one event loop."""

    proxies: Proxies = field(default_factory=Proxies)
    cookie: str = "sessionid"
    known: OrderedDict[bytes, Hashable] = field(default_factory=OrderedDict)

    def credential(self, headers: Mapping[bytes, bytes]) -> bytes:
        """What names the caller, as a digest: the token, else the session. Empty where there is neither."""
        given = headers.get(b"authorization") or self._session(headers.get(b"cookie", b""))
        return blake2b(given, digest_size=16).digest() if given else b""

    def _session(self, cookies: bytes) -> bytes:
        begin = self.cookie.encode() + b"="
        for one in cookies.split(b";"):
            if one.strip().startswith(begin):
                return one.strip()
        return b""

    def session_key(self, headers: Mapping[bytes, bytes]) -> str:
        return self._session(headers.get(b"cookie", b"")).partition(b"=")[2].decode("latin-1")

    def caller(self, credential: bytes, headers: Mapping[bytes, bytes], host: str) -> Hashable:
        """Known, or an address."""
        found = self.known.get(credential) if credential else None
        return self.address(headers, host) if found is None else found

    def address(self, headers: Mapping[bytes, bytes], host: str) -> str:
        return self.proxies.client(host, headers.get(b"x-forwarded-for", b"").decode("latin-1"))

    def learn(self, credential: bytes, environ: Mapping[str, object]) -> None:
        """After an answer."""
        caller = environ.get(CALLER)
        if not credential or caller is None:
            return
        self.known[credential] = caller
        self.known.move_to_end(credential)
        if len(self.known) > KNOWN:
            self.known.popitem(last=False)
