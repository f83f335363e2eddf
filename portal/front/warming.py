"""Before a web process says that it is ready, it has done once what its first callers would have to wait for."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Thread

from portal.front.places import ThreadPlaces
from portal.front.wsgi import WARMING, FrontAnswer, Wsgi, call, environ_of

log = logging.getLogger(__name__)
SECONDS = 60.0  # then it serves cold rather than not at all
THREADS = 4  # of each kind of caller; the others open their connection when they are needed
CALLS = (
    ("intake", "POST", "/api/v1/intake/warm-up/", b"application/json", b'{"items": []}'),
    ("intake", "POST", "/api/v1/intake/warm-up/", b"application/xml", b"<POSLog/>"),
    ("gate", "POST", "/api/v1/gate/verdicts", b"application/json", b"{}"),
    ("other", "GET", "/sign-in/", b"", b""),
)
"""Nobody's calls, which are refused for their token: on the way they load everything that a good one needs."""


class Warming:
    """`done()` begins it, is false for as long as it lasts, and true from then on, whether or not it went well."""

    def __init__(self, work: Callable[[], object], seconds: float = SECONDS) -> None:
        self.work, self.seconds = work, seconds
        self._began: float | None = None
        self._thread: Thread | None = None

    def done(self) -> bool:
        if self._thread is None or self._began is None:
            self._began = time.monotonic()
            self._thread = Thread(target=self._run, name="warming", daemon=True)
            self._thread.start()
        return not self._thread.is_alive() or time.monotonic() - self._began > self.seconds

    def _run(self) -> None:
        began = time.monotonic()
        try:
            self.work()
        except Exception as error:  # a caller finds out by itself, and is answered
            log.warning("this process serves its first callers more slowly: %s", error)
        else:
            log.info("loaded ahead what the first callers need, in %.1f s", time.monotonic() - began)


def call_all(django: Wsgi, places: Mapping[str, ThreadPlaces], host: str) -> None:
    """One call of each kind in some threads of each kind, which keep their connections. `host`: one that is served."""
    under_way: list[Future[FrontAnswer]] = []
    for name, method, path, kind, body in CALLS:
        headers = [(b"host", host.encode()), (b"authorization", b"Bearer tg_nobody"), (b"content-type", kind)]
        scope = {"method": method, "path": path, "headers": headers, "scheme": "https"}
        for _ in range(min(THREADS, places[name].count)):
            environ = environ_of(scope, io.BytesIO(body), len(body)) | {WARMING: True}
            under_way.append(places[name].threads.submit(call, django, environ))
    for one in under_way:
        one.result(SECONDS)
