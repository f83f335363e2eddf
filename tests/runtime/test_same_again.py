"""A vendor that cannot be asked gets the same again under the same key: after its time, also from a later release that
sends the same to the same place; and every answer without an outcome counts as a round. Witness: the vendor's
journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.ledger.connections import Connection
from runtime.worker.target_clients import TargetClients
from tests.runtime.connectors.server import Server
from tests.runtime.test_who_is_asked import RIGHT, Site

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = (200, {"Content-Type": "text/html"}, b"<html><h1>Maintenance</h1></html>")
BATCH = {"batch": {"items": "items", "results": "results"}, "idempotency_field": "sent"}
FIELDS = [{"to": "ref", "from": "key", "type": "string"}]


class Unasked(Site):
    """A site whose target has no lookup. `pages`: how many writes are answered by a page before it works."""

    pages, writes = 0, 0

    def release(self, lookup: dict[str, Any], **more: Any) -> dict[str, Any]:
        settings, title = more.pop("settings", {}), more.pop("title", "Sales")
        made = super().release(lookup, **more) | {"title": title}
        target = made["targets"][0]
        if not lookup:
            del target["connection"]["settings"]["lookup"]
        target["connection"]["settings"] |= settings
        return made

    def _answer(self, seen: Any) -> Any:
        items = seen.json().get("items")
        said = super()._answer(seen) if items is None else (200, {}, {"results": []})
        if seen.path != "/lookup":
            self.writes += 1
            if self.writes <= self.pages:
                return PAGE
        return said

    def passes(self, seconds: float) -> None:
        moved = ", ".join(
            f"{name} = {name} - make_interval(secs => {seconds})" for name in ("first_sent_at", "sent_at")
        )
        self.conn.execute(f"update runtime_quarantine set {moved}")

    def settles_after(self, seconds: float) -> None:
        self.conn.execute("update runtime_subscription set settle = %s", (seconds,))


@pytest.fixture
def site(ledger: Connection, tmp_path: Path) -> Iterator[Callable[..., Unasked]]:
    made: list[tuple[Server, Unasked]] = []

    def build(**more: Any) -> Unasked:
        server = Server(None)
        server.__enter__()
        made.append((server, Unasked(ledger, server, tmp_path, **more)))
        return made[-1][1]

    yield build
    for server, one in made:
        one.clients.close()
        server.__exit__(None, None, None)


def sent_without_an_outcome(site: Callable[..., Unasked], idempotency: str, **more: Any) -> Unasked:
    """One message, acted on, and answered by a page; nothing can be asked."""
    one = site(idempotency=idempotency)
    one.pages = 1
    one.deployed({}, ask_by="key", **more)
    one.settles_after(40.0)
    one.put("a")
    one.rounds(3)
    assert ([place[:2] for place in one.waiting()], one.writes) == ([("a", "sending")], 1)
    return one


@pytest.mark.parametrize("idempotency", ["K", "N"])
def test_a_release_that_sends_the_same_sends_it_again_after_settle(
    site: Callable[..., Unasked], idempotency: str
) -> None:
    one = sent_without_an_outcome(site, idempotency)
    one.deployed({}, ask_by="key", title="Sales, nothing else changed")
    one.rounds(3)
    assert ([place[:2] for place in one.waiting()], one.writes) == ([("a", "sending")], 1), "not before settle"
    one.passes(41.0)
    one.rounds(3)
    assert (one.waiting(), one.writes, one.journal) == ([], 2, [one.journal[0]])


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"fields": [*FIELDS, {"to": "shop", "constant": "7"}]}, "another content"),
    ({"settings": {"path": "/sales2"}}, "another connection (path)"),
    ({"system": "elsewhere"}, "another system"),
]


@pytest.mark.parametrize(("change", "why"), CHANGES)
def test_a_release_that_sends_something_else_leaves_it_to_a_person_who_reads_why(
    site: Callable[..., Unasked], change: dict[str, Any], why: str
) -> None:
    one = sent_without_an_outcome(site, "K")
    one.deployed({}, **({"ask_by": "key"} | change))
    one.passes(41.0)
    one.rounds(3)
    row = one.conn.execute("select state, reason from runtime_quarantine").fetchone()
    assert row
    assert (row[0], one.writes) == ("unknown", 1)
    assert why in row[1]


def test_what_only_judges_or_asks_may_change(site: Callable[..., Unasked]) -> None:
    one = sent_without_an_outcome(site, "K")
    one.deployed({}, ask_by="key", settings={"success": {"absent": ["failed"]}})
    one.passes(41.0)
    one.rounds(3)
    assert (one.waiting(), one.writes) == ([], 2)


def test_a_key_that_is_forgotten_is_sent_by_no_later_release(site: Callable[..., Unasked]) -> None:
    one = sent_without_an_outcome(site, "K")
    one.conn.execute("update runtime_subscription set key_kept = 3600")
    one.deployed({}, ask_by="key", title="Sales, nothing else changed")
    one.passes(3_600.0)
    one.rounds(3)
    assert (one.waiting(), one.writes) == ([("a", "unknown", "forgotten")], 1)


# -- rounds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("idempotency", "batch"), [("K", False), ("N", False), ("K", True)])
def test_a_vendor_that_answers_each_try_without_an_outcome_brings_it_to_a_person_after_eight(
    site: Callable[..., Unasked], idempotency: str, batch: bool
) -> None:
    one = sent_without_an_outcome(site, idempotency, settings=BATCH if batch else {})
    one.pages, counted, pauses, reasons = 1_000, list[int](), list[float](), list[str]()
    for _ in range(8):
        one.passes(41.0)
        one.conn.execute("update runtime_subscription set settle = 1.5")
        one.rounds(1)
        row = one.conn.execute(
            "select rounds, extract(epoch from not_before - clock_timestamp())::float8, reason, state"
            "  from runtime_quarantine"
        ).fetchone()
        assert row
        counted.append(row[0])
        pauses.append(row[1])
        reasons.append(row[2])
    assert counted == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [round(pause) for pause in pauses[1:7]] == [4, 8, 16, 32, 64, 128]
    assert all("a page of HTML" in reason for reason in reasons), "what the vendor said"
    assert one.waiting() == [("a", "unknown", "unknown")]
    said = one.conn.execute("select detail, answer from runtime_attempt order by id").fetchall()
    assert len([one for one in said if "a page of HTML" in one[0] and "Maintenance" in (one[1] or "")]) == 9


def test_a_lookup_that_a_later_release_brings_is_asked_first(site: Callable[..., Unasked]) -> None:
    one = sent_without_an_outcome(site, "K")
    one.deployed(RIGHT, ask_by="idempotency_key", key_kept=86_400)
    one.rounds(3)
    assert (one.waiting(), one.writes) == ([], 1)
    assert isinstance(one.clients, TargetClients)
