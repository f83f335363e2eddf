"""A question is asked as the release of now says, whichever release has sent the message; and a question that is wrong
is said to be wrong, while everything else goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from catalog.models import Environment, System, SystemEndpoint
from kernel.digest import digest_of
from kernel.models import User
from kernel.viewer import Viewer
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from runtime.selectors import connection_faults
from runtime.worker.delivery import serve_one
from runtime.worker.target_clients import TargetClients
from tests.runtime import make
from tests.runtime.connectors.server import Server
from tests.runtime.make import Flow

pytestmark = pytest.mark.django_db(transaction=True)
RIGHT = {"path": "/lookup"}
WRONG = {"path": "/lokup"}


class Site:
    """A flow to a REST target that knows its documents by `ref`. `lost` keys are acted on without an answer."""

    def __init__(
        self, conn: Connection, server: Server, tmp_path: Path, *, idempotency: str = "L", immutable: bool = True
    ) -> None:
        self.conn, self.idempotency = conn, idempotency
        self.journal, self.lost, self.asked = list[str](), set[str](), list[tuple[str, list[str]]]()
        self.server, server.answer = server, self._answer
        secret = tmp_path / "secret"
        secret.write_text("right")
        self.flow = Flow(conn, lanes=1, immutable=immutable)
        self.system = System.objects.create(key=f"{self.flow.key}-erp", name="ERP", kind="erp")
        place, _ = Environment.objects.get_or_create(key="production", defaults={"name": "Production", "position": 1})
        SystemEndpoint.objects.create(
            system=self.system, environment=place, base_url=server.url, secret_ref=f"file:{secret}"
        )
        self.vendor = self.flow.vendor(self.system.key)
        self.clients = TargetClients(conn)

    def release(self, lookup: dict[str, Any], *, system: str = "", fields: Any = None, **target: Any) -> dict[str, Any]:
        made = [{"to": "ref", "from": "key", "type": "string"}] if fields is None else fields
        settings = {"path": "/sales", "idempotency": self.idempotency, "idempotency_field": "sent", "lookup": lookup}
        return {
            "integration": self.flow.key,
            "title": "Sales",
            "domain": "price",
            "owner": "flow-owners",
            "tier": 2,
            "sources": [{"name": "tills", "system": "pos"}],
            "event": {"name": "sale", "meaning": "fact", "key": "/key"},
            "targets": [
                {
                    "name": "store",
                    "system": system or self.system.key,
                    "idempotency": self.idempotency,
                    "writes": [{"entity": "sale", "kind": "command"}],
                    "mapping": {"mapping": "m", "version": "1", "fields": made},
                    "connection": {"protocol": "rest", "settings": settings | {"auth": {"kind": "bearer"}}},
                    "ask_by": "{ref}",
                }
                | target
            ],
        }

    def deployed(self, lookup: dict[str, Any], **more: Any) -> None:
        before = self.flow.deployment
        self.flow.deploy(self.release(lookup, **more))
        if self.conn.execute("select 1 from runtime_subscription").fetchone() is None:
            assert before
            self.flow.subscribe(vendor=self.vendor, idempotency=self.idempotency, batch=10)

    def put(self, *keys: str) -> None:
        append(self.conn, self.flow.ref, [self.flow.item(key) for key in keys])

    def _answer(self, seen: Any) -> Any:
        body = seen.json()
        if seen.path == "/sales":
            if self.idempotency == "L" or body["sent"] not in self.journal:
                self.journal.append(body["sent"] if self.idempotency == "K" else body["ref"])
            return (502, {}, b"bad gateway") if body["ref"] in self.lost else (201, {}, {"id": "V"})
        if seen.path == "/lookup":
            self.asked.append((seen.path, body["keys"]))
            return 200, {}, {"found": {name: {"id": "V"} for name in body["keys"] if name in self.journal}}
        return 404, {}, {"message": "no such path"}

    def rounds(self, count: int = 12) -> None:
        for _ in range(count):
            self.flow.expire()
            self.conn.execute("update runtime_vendorstate set open_until = 'epoch', probe_until = 'epoch'")
            serve_one(self.conn, self.clients, owner="w")

    def waiting(self) -> list[tuple[str, str, str]]:
        return self.conn.execute("select key, state, reason_class from runtime_quarantine order by position").fetchall()

    def vendor_state(self) -> Any:
        return self.conn.execute("select breaker, failures, fault from runtime_vendorstate").fetchone()


@pytest.fixture
def site(ledger: Connection, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    made: list[tuple[Server, Site]] = []

    def build(**more: Any) -> Site:
        server = Server(None)
        server.__enter__()
        made.append((server, Site(ledger, server, tmp_path, **more)))
        return made[-1][1]

    yield build
    for server, one in made:
        one.clients.close()
        server.__exit__(None, None, None)


def test_what_an_earlier_release_sent_is_asked_about_as_the_corrected_release_says(site: Callable[..., Site]) -> None:
    one = site()
    one.deployed(WRONG)
    one.lost = {"a"}
    one.put("a")
    one.rounds()
    assert one.waiting() == [("a", "sending", "question")]
    one.deployed(RIGHT)
    one.rounds()
    assert (one.waiting(), one.journal) == ([], ["a"])


def test_a_question_at_a_wrong_path_keeps_nothing_else_from_the_system(site: Callable[..., Site]) -> None:
    one = site()
    one.deployed(WRONG)
    one.lost = {"a"}
    one.put("a")
    one.rounds(8)
    one.put("b", "c", "d")
    for _ in range(4):
        one.rounds(2)
        assert one.vendor_state() == ("closed", 0, "")
    assert one.journal == ["a", "b", "c", "d"]
    assert one.waiting() == [("a", "sending", "question")]


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_question_whose_content_is_refused_is_a_wrong_question_too(site: Callable[..., Site], status: int) -> None:
    one = site()
    one.deployed(RIGHT | {"keys": "names"})  # the system wants `keys`
    refuses, real = True, one._answer

    def answer(seen: Any) -> Any:
        if seen.path == "/lookup" and refuses:
            return status, {}, {"code": "malformed_request", "message": "`keys` is missing"}
        return real(seen)

    one.server.answer = answer
    one.lost = {"a"}
    one.put("a")
    one.rounds(8)
    one.put("b")
    one.rounds(4)
    assert one.waiting() == [("a", "sending", "question")]
    assert (one.vendor_state(), one.journal) == (("closed", 0, ""), ["a", "b"])
    detail = one.conn.execute("select question_fault, question_fault_detail from runtime_subscription").fetchone()
    assert detail
    assert (detail[0], "`keys` is missing" in detail[1]) == ("settings", True)
    refuses = False
    one.deployed(RIGHT)
    one.rounds()
    assert (one.waiting(), one.journal) == ([], ["a", "b"])


def test_its_owner_is_told_of_a_wrong_question_once_and_when_it_is_right(site: Callable[..., Site]) -> None:
    one = site()
    one.deployed(WRONG)
    one.lost = {"a"}
    one.put("a")
    one.rounds(10)
    told = "select topic, payload ->> 'fault' from kernel_outboxevent where topic like 'runtime.question%' order by id"
    assert one.conn.execute(told).fetchall() == [("runtime.question_fault", "address")]
    detail = one.conn.execute("select question_fault_detail from runtime_subscription").fetchone()
    assert detail
    assert "/lokup was answered 404" in detail[0]
    viewer = Viewer.of(User.objects.create_superuser("root", password="x"))
    (shown,) = connection_faults.of_targets(viewer)
    assert (shown.question, shown.waiting, shown.title[:30]) == (True, 1, "Fault of the question: address")
    assert "The corrected release asks" in shown.to_do
    one.deployed(RIGHT)
    one.rounds()
    assert one.conn.execute(told).fetchall()[1:] == [("runtime.question_restored", "")]
    assert connection_faults.of_targets(viewer) == []


def test_a_key_that_holds_needs_no_question_that_is_wrong(site: Callable[..., Site]) -> None:
    one = site(idempotency="K")
    one.deployed(WRONG, ask_by="idempotency_key", key_kept=86_400)
    one.lost = {"a"}
    one.put("a")
    one.rounds(1)
    one.lost = set()
    one.rounds(4)
    assert (len(one.journal), one.waiting()) == (1, [])


def test_a_wrong_name_to_ask_by_is_corrected_by_the_next_release(site: Callable[..., Site]) -> None:
    one = site()
    one.deployed(RIGHT, ask_by="{other}")
    one.lost = {"a"}
    one.put("a")
    one.rounds(8)
    assert one.waiting()[0][:2] == ("a", "sending")
    one.deployed(RIGHT)
    one.rounds()
    assert (one.waiting(), one.journal) == ([], ["a"])


def test_a_document_under_the_name_of_the_earlier_release_alone_goes_to_a_person(site: Callable[..., Site]) -> None:
    """One of the two templates is wrong; to send again may be a second effect, to believe it a lost message."""
    one = site()
    one.deployed(WRONG)
    one.lost = {"a"}
    one.put("a")
    one.rounds()
    later = [{"to": "ref", "from": "key", "type": "string"}, {"to": "no", "constant": "x"}]
    one.deployed(RIGHT, fields=later, ask_by="new-{ref}")
    one.rounds()
    assert (one.waiting(), one.journal) == ([("a", "unknown", "differs")], ["a"])
    assert [names for _, names in one.asked] == [["new-a"], ["a"]]


def test_under_a_closed_gate_the_newest_approved_release_asks(site: Callable[..., Site]) -> None:
    one = site()
    one.deployed(WRONG)
    one.lost = {"a"}
    one.put("a")
    one.rounds()
    make.void(one.conn, one.flow.approval)
    one.rounds(2)
    assert one.waiting() == [("a", "sending", "question")]
    one.flow.deploy(one.release(RIGHT))
    one.conn.execute(
        "update runtime_deployment set paused = true, pause_reason = 'x' where id = %s", (one.flow.deployment,)
    )
    one.rounds(3)
    assert (one.waiting(), one.journal) == ([], ["a"])


def test_an_approved_release_that_nobody_has_deployed_yet_asks_for_one_whose_approval_is_void(
    site: Callable[..., Site],
) -> None:
    one = site()
    one.deployed(WRONG)
    one.lost = {"a"}
    one.put("a")
    one.rounds()
    make.void(one.conn, one.flow.approval)
    _registered(one, one.release(RIGHT))
    one.rounds(3)
    assert (one.waiting(), one.journal) == ([], ["a"])


def test_a_release_of_another_system_is_not_asked_about_what_was_sent_elsewhere(site: Callable[..., Site]) -> None:
    one = site()
    one.deployed(RIGHT)
    one.lost = {"a"}
    one.put("a")
    one.rounds(1)
    one.conn.execute("update runtime_quarantine set not_before = 'infinity'")
    one.deployed(WRONG, system="elsewhere")
    one.rounds(6)
    assert (one.waiting(), one.journal) == ([], ["a"])


def _registered(one: Site, manifest: dict[str, Any]) -> None:
    """A release that is approved and not deployed."""
    digest = digest_of(manifest)
    one.flow._id(
        "insert into runtime_release (integration_id, digest, manifest, tier) values (%s, %s, %s, 2) returning id",
        one.flow.integration,
        digest,
        Jsonb(manifest),
    )
    make.approval(one.conn, subject_id=one.flow.key, digest=digest)
