"""A source whose pages a test writes, and a feed of orders that reads it: for tests of how sources are read.

The source is scripted in memory and keeps a journal of what it was asked; the ledger and the checks are the real ones.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from bench.installation import TABLE
from bench.installation import manifest as order_feed
from bench.order_server import order
from catalog.models import Api
from governance.domain.subject import Subject
from governance.services import approvals
from runtime.connectors.protocols import CallContext, Page, Record, Secrets
from runtime.ledger import connections
from runtime.models import Run, Stream, StreamSource
from runtime.services import deployments, integrations, runs, system_connections
from runtime.worker import source_polling
from tests import kept_rows
from tests.runtime import make

FEED = "order-feed"
Step = Callable[[], Page]


class Scripted:
    """A source whose pages are written by the test. `cursor["at"]` is the number of the next page."""

    def __init__(self, pages: Sequence[Sequence[Any] | Exception | Page]) -> None:
        self.pages = list(pages)
        self.asked: list[int] = []
        self.before: Callable[[], Any] = lambda: None

    def read(self, cursor: dict[str, Any] | None, *, call: CallContext) -> Page:
        at = int((cursor or {}).get("at", 0))
        self.asked.append(at)
        self.before()
        if at >= len(self.pages):
            return Page([], {"at": at}, True)
        given = self.pages[at]
        if isinstance(given, Exception):
            raise given
        if isinstance(given, Page):
            return given
        records = [one if isinstance(one, Record) else record(one) for one in given]
        return Page(records, {"at": at + 1}, at + 1 >= len(self.pages))

    def close(self) -> None: ...


def record(document: Any, key: str | None = None) -> Record:
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Record(key or f"ORD-{document['id']:08}", payload, datetime.now(UTC))


class Feed:
    def __init__(self, conn: connections.Connection) -> None:
        self.conn = conn

    connection: dict[str, Any]

    def deploy(self, **source: Any) -> None:
        """The order feed, its source changed."""
        given = order_feed(lanes=2)["sources"][0] | source
        self.connection = given["connection"]
        self.deploy_with(sources=[given])

    def deploy_with(self, **changes: Any) -> None:
        _deployed(json.dumps(order_feed(lanes=2) | changes))()

    def start(self) -> Run:
        return runs.start(FEED, "production", trigger="manual")

    def claim(self, owner: str = "first") -> source_polling.PollClaim:
        taken = source_polling.claim(self.conn, owner=owner)
        assert taken is not None
        return taken

    def collect(self, taken: source_polling.PollClaim | None = None, **more: Any) -> Run:
        taken = taken or self.claim()
        source_polling.collect(self.conn, taken, **more)
        return Run.objects.get(pk=taken.run)

    def run(self) -> Run:
        self.start()
        return self.collect()

    def time_passes(self, seconds: float) -> None:
        """As if so many seconds had gone by for the lease of the source."""
        with connections.connected() as other:
            other.execute("update runtime_source set lease_until = lease_until - make_interval(secs => %s)", (seconds,))

    @property
    def stream(self) -> Stream:
        return Stream.objects.get()

    @property
    def source(self) -> StreamSource:
        return StreamSource.objects.get()


@functools.cache
def _deployed(manifest: str) -> Callable[[], None]:
    """This release of the order feed, deployed. In a database that holds nothing it is copied back after the first
    time."""

    @kept_rows.once
    def deploy() -> None:
        if not Api.objects.exists():
            make.catalog_of_orders()
        release = integrations.register(integrations.pinned(json.loads(manifest)), actor=None)
        with connections.connected(name="tillgate-test") as conn:
            make.approval(conn, subject_id=FEED, digest=release.digest)
        about = Subject("integration", FEED, release.digest)
        deployments.deploy(FEED, approval=approvals.require(about, release.digest, "production"), actor=None)

    return deploy


@pytest.fixture
def feed() -> Iterator[Feed]:
    with connections.connected(name="tillgate-test") as conn:
        conn.execute(TABLE)
        yield Feed(conn)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scripted]:
    def give(*pages: Any) -> Scripted:
        made = Scripted(pages)
        monkeypatch.setattr(system_connections, "open_source", lambda *_, **__: (made, Secrets()))
        return made

    return give


def wrong(number: int) -> dict[str, Any]:
    return {**order(number), "status": "lost"}
