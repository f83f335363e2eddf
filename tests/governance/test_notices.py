"""Telling people and systems; lending rights."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any

import pytest
from django.core import mail

from governance.domain import cloud_events
from governance.models import Absence, Notice, WebhookDelivery
from governance.services import changes, notices, people, periodic_jobs, reviews, webhook_delivery, webhooks
from kernel import clock, outbox
from kernel.errors import Forbidden, Invalid
from kernel.models import OutboxEvent
from tests.governance import make

pytestmark = pytest.mark.django_db


def event(topic: str) -> dict:
    row = OutboxEvent.objects.filter(topic=topic).latest("id")
    return {"id": row.pk, "topic": row.topic, "key": row.key, "payload": row.payload}


def test_who_can_fill_a_slot_is_told_once_and_the_absent_and_the_author_are_not(house: make.House):
    now = clock.now()
    Absence.objects.create(person=house.architect, starts_at=now - timedelta(days=1), ends_at=now + timedelta(days=1))
    second = make.person("alma", "architects")
    make.in_review(house.author)
    for _ in range(2):
        notices.tell(event("governance.change_submitted"))
    assert set(Notice.objects.values_list("person__username", flat=True)) == {"olaf", second.username}
    assert sorted(m.to[0] for m in mail.outbox) == ["alma@example.com", "olaf@example.com"]
    assert "Please review" in mail.outbox[0].subject
    assert "/changes/" in mail.outbox[0].body


def test_the_author_hears_of_the_seal_and_everybody_of_the_void(house: make.House):
    change = make.approved(house)
    notices.tell(event("governance.change_approved"))
    assert Notice.objects.get(person=house.author).text.startswith("Approved")
    changes.revise(change, subjects=[make.thing(content=[])], actor=house.author)
    notices.tell(event("governance.approval_voided"))
    told = Notice.objects.filter(kind="voided")
    assert {n.person_id for n in told} == {house.author.pk, house.owner.pk, house.architect.pk}
    assert "the subject changed" in told[0].text


class Receiver(BaseHTTPRequestHandler):
    answers: list[int] = []
    got: list[tuple[dict[str, str], bytes]] = []
    arrived: threading.Event | None = None

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        Receiver.got.append((dict(self.headers.items()), body))
        if Receiver.arrived is not None:
            Receiver.arrived.set()
        self.send_response(Receiver.answers.pop(0) if Receiver.answers else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def receiver():
    Receiver.answers, Receiver.got = [], []
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_webhook_is_a_signed_cloud_event_retried_and_replayed_with_the_same_bytes(house: make.House, receiver: str):
    endpoint, key = webhooks.register(actor=house.releaser, name="chat", url=receiver, topics=["governance.change_*"])
    make.approved(house)
    for _ in range(2):
        webhooks.enqueue(event("governance.change_approved"))
    webhooks.enqueue({"id": 1, "topic": "catalog.version_published", "key": "x", "payload": {}})
    assert WebhookDelivery.objects.count() == 1
    Receiver.answers = [500]
    assert webhook_delivery.deliver_due() == 1
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("open", 1, 500)
    assert webhook_delivery.deliver_due() == 0, "it waits before it tries again"
    webhooks.replay(delivery.pk, actor=house.releaser)
    assert webhook_delivery.deliver_due() == 1
    delivery.refresh_from_db()
    assert delivery.state == "delivered"
    webhooks.replay(delivery.pk, actor=house.releaser)
    webhook_delivery.deliver_due()
    (first, body), (_, second), (headers, third) = Receiver.got
    assert body == second == third
    document = json.loads(body)
    assert (document["specversion"], document["type"]) == ("1.0", "dev.tillgate.governance.change_approved")
    assert first["content-type"].startswith("application/cloudevents+json")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + third
    wanted = base64.b64encode(
        hmac.new(base64.b64decode(key.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    ).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    webhooks.deactivate(endpoint.pk, actor=house.releaser)
    webhooks.replay(delivery.pk, actor=house.releaser)
    assert webhook_delivery.deliver_due() == 0


def test_after_a_new_secret_key_a_receiver_goes_on_with_its_secret_while_the_old_one_is_a_fallback(
    house: make.House, receiver: str, settings: Any
):
    settings.SECRET_KEY = "the key of before"
    _, before = webhooks.register(actor=house.releaser, name="chat", url=receiver, topics=["governance.change_*"])
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the new key", ["the key of before"]
    make.approved(house)
    webhooks.enqueue(event("governance.change_approved"))
    webhook_delivery.deliver_due()
    headers, body = Receiver.got[-1]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(
        hmac.new(base64.b64decode(before.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    ).decode()
    signatures = headers["webhook-signature"].split(" ")
    assert len(signatures) == 2
    assert f"v1,{wanted}" in signatures


def test_a_receiver_that_is_gone_fails_and_one_that_is_silent_is_tried_again(house: make.House, receiver: str):
    webhooks.register(actor=house.releaser, name="gone", url=receiver, topics=["governance.*"])
    make.in_review(house.author)
    webhooks.enqueue(event("governance.change_submitted"))
    Receiver.answers = [410]
    webhook_delivery.deliver_due()
    assert WebhookDelivery.objects.get().state == "failed"


class Silent:
    """A receiver that takes a call and answers only when `until` is set; `waited` has what it saw of it."""

    def __init__(self, until: threading.Event) -> None:
        outer, self.waited = self, []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.waited.append(until.wait(3))
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Stray:
    """A receiver that accepts the first event twice over, in one packet, and refuses every other one."""

    def __init__(self) -> None:
        outer, self.count = self, 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                outer.count += 1
                accepted = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
                self.wfile.write(accepted * 2 if outer.count == 1 else accepted.replace(b"200 OK", b"500 No"))

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


def test_a_stray_second_answer_delivers_no_other_event(house: make.House) -> None:
    stray = Stray()
    try:
        webhooks.register(actor=house.releaser, name="stray", url=stray.url, topics=["governance.*"])
        make.in_review(house.author)
        told = event("governance.change_submitted")
        for number in range(2):
            webhooks.enqueue(told | {"id": told["id"] + number})
        assert webhook_delivery.deliver_due() == 2
        found = WebhookDelivery.objects.order_by("id").values_list("state", "last_status")
        assert list(found) == [("delivered", 200), ("open", 500)]
        assert stray.count == 2
    finally:
        stray.server.shutdown()
        stray.server.server_close()


def test_receivers_that_hang_hold_up_nobody_and_are_asked_once_and_not_once_for_each_event(house: make.House, receiver):
    arrived = threading.Event()
    Receiver.arrived = arrived
    silent = [Silent(arrived) for _ in range(3)]
    try:
        for number, one in enumerate(silent):
            webhooks.register(actor=house.releaser, name=f"silent {number}", url=one.url, topics=["governance.*"])
        webhooks.register(actor=house.releaser, name="good", url=receiver, topics=["governance.*"])
        make.in_review(house.author)
        told = event("governance.change_submitted")
        for number in range(3):
            webhooks.enqueue(told | {"id": told["id"] + number})
        assert webhook_delivery.deliver_due() == 12
        assert WebhookDelivery.objects.filter(endpoint__name="good", state="delivered").count() == 3
        assert [one.waited for one in silent] == [[True]] * 3, "the good one came while these hung"
        left = WebhookDelivery.objects.filter(endpoint__name="silent 0").order_by("id")
        assert [one.attempts for one in left] == [1, 0, 0]
        assert webhook_delivery.deliver_due() == 0, "the others of a silent receiver wait with the first"
    finally:
        Receiver.arrived = None
        for one in silent:
            one.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://chat.example/",
        "https://user@chat.example/",
        "ftp://chat.example/",
        "https://",
        "http://169.254.169.254/latest",
        "https://x/#y",
        "http://[::1",
    ],
)
def test_webhooks_go_only_to_proper_addresses(url: str):
    with pytest.raises(Invalid):
        cloud_events.require_receiver(url)


def test_the_outbox_reaches_checks_notices_and_webhooks_by_the_wiring(house: make.House, receiver: str):
    webhooks.register(actor=house.releaser, name="all", url=receiver, topics=["governance.change_submitted"])
    change = changes.submit(make.draft(house.author), actor=house.author)
    OutboxEvent.objects.exclude(topic="governance.change_submitted").delete()
    outbox.dispatch()
    change.refresh_from_db()
    assert change.checks_state == "done"
    assert Notice.objects.filter(kind="review").exists()
    assert WebhookDelivery.objects.count() == 1


def test_a_right_is_lent_only_by_who_has_it_with_dates_and_taken_back(house: make.House):
    now = clock.now()
    with pytest.raises(Forbidden):
        people.delegate(
            actor=house.stranger,
            to=house.releaser,
            team_key="architects",
            starts_at=now,
            ends_at=now + timedelta(days=2),
        )
    with pytest.raises(Invalid):
        people.delegate(
            actor=house.architect,
            to=house.stranger,
            team_key="architects",
            starts_at=now,
            ends_at=now + timedelta(days=200),
        )
    lent = people.delegate(
        actor=house.architect,
        to=house.stranger,
        team_key="architects",
        starts_at=now - timedelta(hours=1),
        ends_at=now + timedelta(days=2),
    )
    change = make.approve(make.in_review(house.author), house.owner, house.stranger)
    assert change.state == "approved"
    people.revoke_delegation(lent.pk, actor=house.architect)
    other = make.in_review(house.author, make.thing("other"))
    with pytest.raises(Forbidden):
        reviews.approve(other, actor=house.stranger, seen=reviews.Seen.of(other))


def test_the_periodic_jobs_apply_deliver_and_compile_and_do_nothing_twice(house: make.House, receiver: str):
    webhooks.register(actor=house.releaser, name="all", url=receiver, topics=["governance.change_approved"])
    change = make.approved(house)
    webhooks.enqueue(event("governance.change_approved"))
    assert periodic_jobs.GovernanceJobs().run_due() == 2
    change.refresh_from_db()
    assert change.state == "applied"
    assert len(Receiver.got) == 1
    assert periodic_jobs.GovernanceJobs().run_due() == 0
