"""The pages of webhooks: who sees them, the key that is shown once, deliveries and sending again."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from governance.models import WebhookDelivery, WebhookEndpoint
from governance.services import webhooks
from kernel import tokens
from kernel.models import AuditEntry, User
from tests.catalog.make import shown
from tests.governance import make

pytestmark = pytest.mark.django_db
FORM = {
    "name": "chat",
    "url": "https://chat.example/hook/s3cret",
    "rooms": ["governance.*"],
    "topics": "runtime.run_failed",
}


def signed_in(user: User, **more: object) -> Client:
    client = Client(**more)
    client.force_login(user)
    return client


def delivery(endpoint: WebhookEndpoint, number: int = 1, **more: object) -> WebhookDelivery:
    values = {"event_id": f"evt_{number}", "topic": "governance.change_approved", "body": "{}"} | more
    return WebhookDelivery.objects.create(endpoint=endpoint, **values)


def test_a_receiver_is_registered_and_its_key_is_shown_once(house: make.House):
    client, url = signed_in(house.releaser), reverse("governance:webhooks")
    assert "No receivers yet" in shown(client.get(url))
    answer = client.post(url, FORM)
    assert answer.status_code == 201
    made = WebhookEndpoint.objects.get()
    assert made.topics == ["governance.*", "runtime.run_failed"]
    key = webhooks.key_of(made)
    assert key in answer.content.decode()
    assert key not in client.get(url).content.decode()
    assert key not in client.get(reverse("governance:webhook", args=[made.pk])).content.decode()


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"url": "http://chat.example/"}, 422, "https address"),
        ({"rooms": [], "topics": ""}, 422, "Topics begin with"),
        ({"topics": "kernel.secret"}, 422, "Topics begin with"),
        ({"topics": "governance."}, 422, "Topics begin with"),
        ({"topics": "catalog.version_*x"}, 422, "Topics begin with"),
        ({"name": " "}, 422, "This field is required"),
        ({"name": "taken"}, 409, "already"),
    ],
)
def test_what_cannot_be_registered_comes_back_beside_its_field(house: make.House, change: dict, status: int, says: str):
    webhooks.register(actor=house.releaser, name="taken", url="https://chat.example/", topics=["governance.*"])
    answer = signed_in(house.releaser).post(reverse("governance:webhooks"), FORM | change)
    assert answer.status_code == status
    assert says in shown(answer)
    assert WebhookEndpoint.objects.count() == 1


def test_deliveries_show_their_answers_and_are_sent_again_with_the_same_bytes(house: make.House):
    endpoint, _ = webhooks.register(
        actor=house.releaser, name="chat", url="https://chat.example/", topics=["governance.*"]
    )
    client = signed_in(house.releaser)
    assert "Nothing was sent here yet" in shown(client.get(reverse("governance:webhook", args=[endpoint.pk])))
    failed = delivery(endpoint, state="failed", attempts=12, last_status=500, last_error="The receiver answered 500.")
    delivery(endpoint, 2, state="delivered", attempts=1, last_status=204)
    assert "1 did not arrive" in shown(client.get(reverse("governance:webhooks")))
    page = shown(client.get(reverse("governance:webhook", args=[endpoint.pk]) + "?state=failed"))
    assert "The receiver answered 500." in page
    assert "evt_2" not in page
    assert client.post(reverse("governance:replay-delivery", args=[failed.pk])).status_code == 302
    failed.refresh_from_db()
    assert (failed.state, failed.attempts, failed.body) == ("open", 0, "{}")
    for step, active in (("stop", False), ("start", True)):
        assert client.post(reverse("governance:webhook-switch", args=[endpoint.pk, step])).status_code == 302
        endpoint.refresh_from_db()
        assert endpoint.active is active
    assert AuditEntry.objects.filter(verb__startswith="governance.webhook_", subject_id=str(endpoint.pk)).count() == 4


def test_only_those_who_run_webhooks_see_or_touch_them(house: make.House):
    endpoint, _ = webhooks.register(actor=house.releaser, name="chat", url=FORM["url"], topics=["governance.*"])
    row = delivery(endpoint)
    client = signed_in(house.architect)
    page = shown(client.get(reverse("governance:webhooks")))
    assert "Only release managers may register" in page
    assert "s3cret" not in page
    assert client.get(reverse("governance:webhook", args=[endpoint.pk])).status_code == 404
    assert client.post(reverse("governance:webhooks"), FORM | {"name": "mine"}).status_code == 403
    assert client.post(reverse("governance:replay-delivery", args=[row.pk])).status_code == 403
    assert client.post(reverse("governance:webhook-switch", args=[endpoint.pk, "stop"])).status_code == 403
    _, secret = tokens.issue(actor=None, user=house.architect, name="t", scopes=["governance:read"])
    for path in ("webhooks", "webhooks/deliveries"):
        answer = Client(headers={"Authorization": f"Bearer {secret}"}).get(f"/api/v1/{path}")
        assert answer.json()["results"] == []
    assert WebhookEndpoint.objects.get().active


def test_every_form_of_webhooks_is_guarded_against_forgery(house: make.House):
    endpoint, _ = webhooks.register(actor=house.releaser, name="chat", url=FORM["url"], topics=["governance.*"])
    row = delivery(endpoint, state="failed")
    client = signed_in(house.releaser, enforce_csrf_checks=True)
    for name, arguments in (("webhooks", []), ("webhook-switch", [endpoint.pk, "stop"]), ("replay-delivery", [row.pk])):
        assert client.post(reverse(f"governance:{name}", args=arguments), FORM).status_code == 403
    assert WebhookDelivery.objects.get().state == "failed"
