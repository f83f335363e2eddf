"""A correction of a fact takes effect after what it corrects, or instead of it: it has a key and a lane of its own, and
the target keeps one document of a name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel.errors import Conflict
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from runtime.models import ConflictCase
from runtime.services import cases, replays
from runtime.worker.delivery import serve_one
from tests.runtime.connectors.server import Server
from tests.runtime.test_who_is_asked import Site

pytestmark = pytest.mark.django_db(transaction=True)
FIELDS = [{"to": "doc", "from": "doc", "type": "string"}, {"to": "v", "from": "version", "type": "integer"}]


class Documents(Site):
    """The target keeps the last content of each document. `fates`: answers to the next calls, which do nothing."""

    def __init__(self, conn: Connection, server: Server, tmp_path: Path) -> None:
        super().__init__(conn, server, tmp_path, idempotency="N", immutable=True)
        self.held, self.calls, self.fates = dict[str, int](), list[int](), list[int]()
        self.flow.deploy(self.release({}, fields=FIELDS))
        self.target = self.flow.subscribe(vendor=self.vendor, idempotency="N", batch=1)

    def release(self, lookup: dict[str, Any], **more: Any) -> dict[str, Any]:
        made = super().release(lookup, **more)
        del made["targets"][0]["connection"]["settings"]["lookup"]
        made["targets"][0]["ask_by"] = "key"
        return made

    def _answer(self, seen: Any) -> Any:
        body = seen.json()
        self.calls.append(body["v"])
        if self.fates:
            return self.fates.pop(0), {}, {"message": "no"}
        self.held[body["doc"]] = body["v"]
        return 200, {}, {"id": "V"}

    def came(self, version: int) -> None:
        append(self.conn, self.flow.ref, [self.flow.item("c0", version, doc="d0")])

    def serve(self, rounds: int = 4) -> None:
        for _ in range(rounds):
            serve_one(self.conn, self.clients, owner="w")

    def correct(self) -> None:
        case = ConflictCase.objects.filter(state="open").earliest("pk")
        cases.settle_conflict(case.pk, keep=False, actor=None, note="the later one is right")


@pytest.fixture
def documents(ledger: Connection, tmp_path: Path) -> Iterator[Documents]:
    with Server(None) as server:
        made = Documents(ledger, server, tmp_path)
        yield made
        made.clients.close()


def test_what_waits_for_its_next_try_is_not_sent_over_its_correction(documents: Documents) -> None:
    documents.fates = [423]
    documents.came(1)
    documents.serve()
    documents.came(2)
    documents.correct()
    documents.serve()
    documents.flow.expire()
    documents.serve()
    assert documents.held == {"d0": 2}, documents.calls
    assert documents.waiting() == []
    outcome = documents.conn.execute("select detail from runtime_attempt where outcome = 'given_up'").fetchall()
    assert [detail.partition(" of conflict")[0] for (detail,) in outcome] == ["replaced by the correction"]


def test_a_dead_letter_is_replaced_as_well(documents: Documents) -> None:
    documents.fates = [422]
    documents.came(1)
    documents.serve()
    documents.came(2)
    documents.correct()
    assert documents.waiting() == []


@pytest.mark.parametrize("started", [False, True])
def test_a_correction_waits_for_a_decision_while_the_first_one_may_still_be_sent(
    documents: Documents, started: bool
) -> None:
    documents.conn.execute("update runtime_subscription set settle = 600")
    documents.fates = [503] * 3
    documents.came(1)
    documents.serve(4 if started else 0)
    documents.came(2)
    with pytest.raises(Conflict) as refused:
        documents.correct()
    assert refused.value.code == "conflict.under_way"
    assert "store" in refused.value.message
    assert ConflictCase.objects.get().state == "open"
    documents.fates = []
    for _ in range(3):
        documents.conn.execute("update runtime_vendorstate set open_until = 'epoch', probe_until = 'epoch'")
        documents.conn.execute("update runtime_quarantine set sent_at = sent_at - interval '1 hour'")
        documents.conn.execute("update runtime_progress set sent_at = sent_at - interval '1 hour'")
        documents.flow.expire()
        documents.serve()
    documents.correct()
    documents.serve()
    assert documents.held == {"d0": 2}, documents.calls


def test_a_replay_sends_the_newest_correction_alone(documents: Documents) -> None:
    for version in (1, 2, 3):
        documents.came(version)
        documents.serve()
    documents.correct()
    documents.serve()
    documents.correct()
    documents.serve()
    assert documents.calls == [1, 2, 3]
    replays.open_replay(
        documents.target, spans={0: (1, 3)}, dry=False, pace=None, actor=None, reason="the vendor lost it"
    )
    documents.serve(8)
    assert documents.calls == [1, 2, 3, 3]
