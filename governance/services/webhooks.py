"""Outgoing webhooks to registered receivers: queued by the outbox, replayed with the same bytes. `webhook_delivery`
sends them."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction

from governance import permissions
from governance.domain import cloud_events
from governance.models import WebhookDelivery, WebhookEndpoint
from governance.selectors import event_sight
from governance.services import changes
from kernel import audit, clock, egress, measures
from kernel.errors import Conflict, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer

TRIES = measures.counter(
    "webhook_tries",
    "Tries to deliver a webhook by how they ended: delivered, again (tried later), failed for good.",
    ["outcome"],
)


_TOPIC = re.compile(r"(governance|catalog|runtime)\.([a-z0-9_.]*[a-z0-9_]|[a-z0-9_.]*\*)")


def register(*, actor: User, name: str, url: str, topics: Sequence[str]) -> tuple[WebhookEndpoint, str]:
    """A receiver and its signing key, which is shown this once. Raises Invalid for an address that is not allowed."""
    changes.require_allowed(permissions.may_run_webhooks(Viewer.of(actor)), "webhook.not_allowed")
    cloud_events.require_receiver(url)
    if refusal := egress.refusal(urlsplit(url).hostname or "", egress.receivers()):
        said = f"The receiver {refusal}; networks of receivers are named in EGRESS_RECEIVERS."
        raise Invalid("webhook.url", said, {"findings": [finding("/url", said)]})
    if not name.strip():
        raise Invalid(
            "webhook.name", "Give the receiver a name.", {"findings": [finding("/name", "Give the receiver a name.")]}
        )
    if not topics or not all(_TOPIC.fullmatch(topic) for topic in topics):
        raise Invalid(
            "webhook.topics",
            "Topics begin with governance., catalog. or runtime., and go on with a name or end in *.",
            {"findings": [finding("/topics", "unknown topic")]},
        )
    with transaction.atomic():
        try:
            with transaction.atomic():
                made = WebhookEndpoint.objects.create(
                    name=name.strip()[:80], url=url, topics=list(topics), salt=secrets.token_hex(16), created_by=actor
                )
        except IntegrityError as error:
            raise Conflict("webhook.name_taken", f"There is a receiver called {name!r} already.") from error
        audit.record(
            actor=actor,
            verb="governance.webhook_registered",
            subject_kind="webhook",
            subject_id=made.pk,
            after={"name": made.name, "url": url, "topics": list(topics)},
        )
    return made, key_of(made)


def key_of(endpoint: WebhookEndpoint) -> str:
    return cloud_events.secret(settings.SECRET_KEY, endpoint.salt)


def keys_of(endpoint: WebhookEndpoint) -> list[str]:
    """The key of now, then those of before while SECRET_KEY_FALLBACKS names theirs: a receiver checks with its own."""
    return [cloud_events.secret(key, endpoint.salt) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def deactivate(endpoint_id: int, *, actor: User) -> None:
    """Nothing is sent there any more. Idempotent."""
    changes.require_allowed(permissions.may_run_webhooks(Viewer.of(actor)), "webhook.not_allowed")
    with transaction.atomic():
        if WebhookEndpoint.objects.filter(pk=endpoint_id, active=True).update(active=False):
            audit.record(
                actor=actor, verb="governance.webhook_deactivated", subject_kind="webhook", subject_id=endpoint_id
            )


def enqueue(event: Mapping[str, Any]) -> None:
    """Handler of the outbox: one delivery per receiver that wants the topic, of what the person who registered it may
    see. Idempotent by the event's id."""
    for endpoint in WebhookEndpoint.objects.select_related("created_by").filter(active=True):
        told = _told(event, endpoint) if cloud_events.wants(endpoint.topics, event["topic"]) else None
        if told is not None:
            body = cloud_events.envelope(
                event_id=f"evt_{event['id']}",
                topic=event["topic"],
                subject=str(event["key"]),
                time=clock.now().isoformat(),
                source=settings.PUBLIC_URL,
                data=told["payload"],
            )
            WebhookDelivery.objects.get_or_create(
                endpoint=endpoint, event_id=f"evt_{event['id']}", defaults={"topic": event["topic"], "body": body}
            )


def is_told(delivery: WebhookDelivery) -> bool:
    """Whether the person who registered the receiver may see now what the stored event tells of, and may run one."""
    body = json.loads(delivery.body)
    event = {"topic": delivery.topic, "key": body["subject"], "payload": body["data"]}
    told = _told(event, delivery.endpoint)
    return told is not None and told["payload"] == event["payload"]


def _told(event: Mapping[str, Any], endpoint: WebhookEndpoint) -> dict[str, Any] | None:
    """What the receiver of somebody is told: nothing once they may not run receivers any more."""
    person = endpoint.created_by
    owner = Viewer.of(person)
    if person is None or not person.is_active or not permissions.may_run_webhooks(owner):
        return None
    return event_sight.told(event, owner)


def activate(endpoint_id: int, *, actor: User) -> None:
    """Sending begins again, with the same key; what was open and is due goes first. Idempotent."""
    changes.require_allowed(permissions.may_run_webhooks(Viewer.of(actor)), "webhook.not_allowed")
    with transaction.atomic():
        if WebhookEndpoint.objects.filter(pk=endpoint_id, active=False).update(active=True):
            audit.record(
                actor=actor, verb="governance.webhook_activated", subject_kind="webhook", subject_id=endpoint_id
            )


def replay(delivery_id: int, *, actor: User) -> WebhookDelivery:
    """Send the same bytes under the same id again, whatever became of it before."""
    changes.require_allowed(permissions.may_run_webhooks(Viewer.of(actor)), "webhook.not_allowed")
    with transaction.atomic():
        row = WebhookDelivery.objects.select_for_update().filter(pk=delivery_id).first()
        if row is None:
            raise NotFound("webhook.unknown_delivery", f"There is no delivery {delivery_id}.")
        row.state, row.attempts, row.next_at = WebhookDelivery.State.OPEN, 0, changes.database_clock()
        row.save(update_fields=["state", "attempts", "next_at"])
        audit.record(
            actor=actor,
            verb="governance.webhook_replayed",
            subject_kind="webhook",
            subject_id=row.endpoint_id,
            after={"delivery": row.pk},
        )
    return row
