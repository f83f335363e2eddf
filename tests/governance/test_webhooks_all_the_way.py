"""From the outbox over the delivery into the journal of the receiver: events about what its owner may see, and no
other."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import Client

from catalog.models import ApiVersion, Team
from governance.models import ChangeRequest, WebhookDelivery
from governance.selectors import event_sight
from governance.services import webhook_delivery, webhooks
from kernel import outbox
from kernel.models import User
from kernel.viewer import SYSTEM, Viewer
from runtime.models import Integration
from tests.catalog import make as catalog
from tests.governance import hidden_estate as estate

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
ROOMS = ["governance.*", "catalog.*", "runtime.*"]


@pytest.fixture
def journal() -> Iterator[list[dict[str, Any]]]:
    """What arrived at the receiver of rita, a release manager who may not see the restricted API."""
    arrived: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Nothing on the screen."""

        def do_POST(self) -> None:
            arrived.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    estate.build()
    WebhookDelivery.objects.all().delete()
    url = f"http://127.0.0.1:{server.server_port}/in"
    webhooks.register(actor=rita(), name="journal", url=url, topics=ROOMS)
    yield arrived
    server.shutdown()
    server.server_close()


def rita() -> User:
    return User.objects.get(username="rita")


def carried() -> None:
    """All that the scheduler does with events that were written."""
    while outbox.dispatch():
        pass
    WebhookDelivery.objects.exclude(endpoint__name="journal").delete()
    while webhook_delivery.deliver_due():
        pass


def topics(journal: list[dict[str, Any]], word: str = "") -> set[str]:
    """Topics of the room's own words that arrived, of events that hold the word."""
    return {one["type"].removeprefix("dev.tillgate.") for one in journal if word in json.dumps(one).lower()}


def put(client: Client, path: str, **body: Any) -> Any:
    """By PATCH to a thing, by POST to a list; what was made."""
    method = "PATCH" if "/apis/" in path else "POST"
    answer = client.generic(method, path, json.dumps(body), "application/json", headers={"If-Match": "*"})
    assert answer.status_code < 300, (path, answer.content)
    return answer.json() if answer.content else None


def _busy(slug: str, who: str) -> None:
    """What its owner's team does with an API in a morning."""
    client, reference = catalog.client(who), f"{slug}@v1" if slug == estate.SLUG else f"{slug}@v2"
    put(client, f"/api/v1/apis/{slug}", purpose="It is described better.")
    row = ApiVersion.objects.get(api__slug=slug, label=reference.partition("@")[2])
    subject = {"kind": "version", "id": reference, "digest": row.contract_id}
    ChangeRequest.objects.filter(subjects__subject_id=reference).update(state="withdrawn")
    made = put(
        client,
        "/api/v1/changes",
        kind="version.deprecate",
        title=f"End of {reference}",
        justification="It is time.",
        rollback_plan="Put it back.",
        environment="production",
        subjects=[subject],
        parameters={"sunset_at": "2027-12-01T00:00:00Z", "guide": "Go on."},
    )
    put(client, f"/api/v1/changes/{made['id']}/submit")
    put(client, f"/api/v1/changes/{made['id']}/events", text="Good bye.")
    put(client, f"/api/v1/changes/{made['id']}/withdraw")


def test_what_is_done_with_an_open_api_arrives_and_with_a_restricted_one_it_does_not(journal: list[dict[str, Any]]):
    _busy(estate.OPEN, "piet")
    _busy(estate.SLUG, "lea")
    carried()
    said = {"catalog.api_changed", "governance.change_submitted", "governance.change_commented"}
    assert said <= topics(journal, estate.OPEN), "the receiver is alive, and is told of what is open"
    assert topics(journal, estate.WORD) == set()


def test_who_sees_everything_is_told_everything(journal: list[dict[str, Any]]):
    User.objects.filter(username="rita").update(is_superuser=True)
    _busy(estate.SLUG, "lea")
    carried()
    assert {"catalog.api_changed", "governance.change_submitted"} <= topics(journal, estate.WORD)


def test_who_has_left_the_release_managers_is_told_nothing_more(journal: list[dict[str, Any]]):
    _busy(estate.OPEN, "piet")
    while outbox.dispatch():
        pass
    assert WebhookDelivery.objects.filter(endpoint__name="journal", state="open").exists()
    rita().groups.remove(Group.objects.get(team__key="release-managers"))
    _happen("runtime.run_failed", "prices-to-tills", {"run": 1, "error": "No answer."})
    carried()
    assert journal == []
    assert set(WebhookDelivery.objects.values_list("state", "last_error")) == {("failed", webhook_delivery.HIDDEN)}


def _happen(topic: str, key: str, payload: dict[str, Any]) -> None:
    with transaction.atomic():
        outbox.emit(topic, key=key, payload=payload)


def test_a_broken_handler_of_one_topic_keeps_no_event_from_the_receiver(
    journal: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    """The broker of wake-ups was away, and with it every `catalog.import_requested` was kept from receivers."""

    def broken(_event: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setitem(outbox._handlers, "catalog.import_requested", [broken])
    _happen("catalog.import_requested", "1", {"run_id": 1})
    carried()
    assert "catalog.import_requested" in topics(journal)


# -- each topic --------------------------------------------------------------------------------------------------------

HIDDEN_FLOW, OWN_FLOW = "points-to-loyalty", "prices-to-tills"


def _flows() -> None:
    for key, team in ((HIDDEN_FLOW, "loyalty"), (OWN_FLOW, "store-systems")):
        Integration.objects.create(key=key, title=key, owner_team=Team.objects.get(key=team).group)


ABOUT_AN_INTEGRATION = [
    "runtime.deployed",
    "runtime.rolled_back",
    "runtime.retired",
    "runtime.paused",
    "runtime.resumed",
    "runtime.release_registered",
    "runtime.run_failed",
    "runtime.run_succeeded",
    "runtime.source_late",
    "runtime.source_read_again",
]


@pytest.mark.parametrize("topic", ABOUT_AN_INTEGRATION)
def test_an_event_of_a_flow_is_for_those_who_see_the_flow(topic: str):
    catalog.estate()
    _flows()
    stan = Viewer.of(catalog.person("stan"))
    event = {"topic": topic, "key": HIDDEN_FLOW, "payload": {"environment": "production"}}
    assert event_sight.told(event, stan) is None
    assert event_sight.told(event | {"key": OWN_FLOW}, stan) is not None
    assert event_sight.told(event, SYSTEM) is not None
    assert event_sight.told(event | {"key": OWN_FLOW}, Viewer()) is None, "nobody is told nothing"


def test_an_alert_whose_signals_name_a_flow_is_for_those_who_see_it():
    catalog.estate()
    _flows()
    told = {"topic": "runtime.alert_opened", "key": "1", "payload": {"signals": [{"integration": HIDDEN_FLOW}]}}
    assert event_sight.told(told, Viewer.of(catalog.person("stan"))) is None


@pytest.mark.parametrize(
    ("topic", "key", "payload"),
    [
        ("governance.pipeline_fault", "github-retail", {"connection": "github-retail", "fault": "401"}),
        ("governance.pipeline_answered", "github-retail", {"connection": "github-retail", "verdicts": [1]}),
        ("governance.application_deployed", "till@7", {"application": "till", "record": 0}),
        ("governance.deployed_against_gate", "till@7", {"application": "till", "record": 0}),
        ("governance.release_ended", "till@7", {"application": "till", "record": 0}),
        ("governance.change_submitted", "999999", {"change": 999999}),
        ("governance.approval_voided", estate.REFERENCE, {"approval": 999999, "change": 999999}),
        ("something.new", "1", {}),
    ],
)
def test_what_the_owner_may_not_see_and_what_nobody_says_is_open_is_not_told(topic: str, key: str, payload: Any):
    estate.build()
    event = {"topic": topic, "key": key, "payload": payload}
    assert event_sight.told(event, Viewer.of(catalog.person("stan"))) is None


def test_of_every_topic_somebody_says_who_is_told():
    """Of topics in words; of those made up at run time their beginning."""
    left = [topic for topic in _topics() if topic.startswith(("catalog.", "governance.", "runtime."))]
    assert len(left) > 30
    assert [topic for topic in left if event_sight.rule_of(topic) is None] == []


def _topics() -> set[str]:
    found = set()
    for room in ("catalog", "governance", "runtime", "kernel", "portal"):
        for file in (ROOT / room).rglob("*.py"):
            text = file.read_text()
            if "emit(" in text or "_announce(" in text:
                found |= {node.value for node in _strings(ast.parse(text))}
        for file in (ROOT / room).rglob("sql/*.sql"):
            text = file.read_text()
            if "kernel_outboxevent" in text:
                found |= set(re.findall(r"'((?:catalog|governance|runtime)\.[a-z_]+)'", text))
    return found


def _strings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Words that look like a topic, but for those that are given to the ledger."""
    is_topic: Callable[[str], Any] = re.compile(r"(catalog|governance|runtime)\.[a-z]+_?[a-z_]*").fullmatch
    given = (n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "attr", "") == "record")
    verbs = {n for call in given for n in ast.walk(call)}
    found = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return (n for n in found if is_topic(n.value) and n not in verbs)
