"""Outgoing webhooks to registered receivers: queued by the outbox, retried with a growing delay, replayed with the
same bytes.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from governance import permissions
from governance.domain import cloud_events
from governance.models import WebhookDelivery, WebhookEndpoint
from governance.services import changes
from kernel import audit, clock, measures
from kernel.errors import Conflict, Invalid, NotFound, finding
from kernel.models import User
from kernel.retry import RetryPolicy
from kernel.viewer import Viewer

log = logging.getLogger(__name__)
TRIES = measures.counter(
    "webhook_tries",
    "Tries to deliver a webhook by how they ended: delivered, again (tried later), failed for good.",
    ["outcome"],
)
TIMEOUT = httpx.Timeout(5.0)
WEBHOOK_RETRY = RetryPolicy(base=5.0, ceiling=6 * 3600.0, attempts=12)  # counts from 1
LEASE_SECONDS = 60


def register(*, actor: User, name: str, url: str, topics: Sequence[str]) -> tuple[WebhookEndpoint, str]:
    """A receiver and its signing key, which is shown this once. Raises Invalid for an address that is not allowed."""
    changes.require_allowed(permissions.may_run_webhooks(Viewer.of(actor)), "webhook.not_allowed")
    cloud_events.require_receiver(url)
    if not name.strip():
        raise Invalid(
            "webhook.name", "Give the receiver a name.", {"findings": [finding("/name", "Give the receiver a name.")]}
        )
    if not topics or not all(t.startswith(("governance.", "catalog.", "runtime.")) for t in topics):
        raise Invalid(
            "webhook.topics",
            "Topics begin with governance., catalog. or runtime.",
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


def deactivate(endpoint_id: int, *, actor: User) -> None:
    """Nothing is sent there any more. Idempotent."""
    changes.require_allowed(permissions.may_run_webhooks(Viewer.of(actor)), "webhook.not_allowed")
    with transaction.atomic():
        if WebhookEndpoint.objects.filter(pk=endpoint_id, active=True).update(active=False):
            audit.record(
                actor=actor, verb="governance.webhook_deactivated", subject_kind="webhook", subject_id=endpoint_id
            )


def enqueue(event: Mapping[str, Any]) -> None:
    """Handler of the outbox: one delivery per receiver that wants the topic. Idempotent by the event's id."""
    for endpoint in WebhookEndpoint.objects.filter(active=True):
        if cloud_events.wants(endpoint.topics, event["topic"]):
            body = cloud_events.envelope(
                event_id=f"evt_{event['id']}",
                topic=event["topic"],
                subject=str(event["key"]),
                time=clock.now().isoformat(),
                source=settings.PUBLIC_URL,
                data=event["payload"],
            )
            WebhookDelivery.objects.get_or_create(
                endpoint=endpoint, event_id=f"evt_{event['id']}", defaults={"topic": event["topic"], "body": body}
            )


# Materialized: a plan that runs the inner select again for each row would claim more than the limit.
_CLAIM = """
with c as materialized (
  select w.id from governance_webhookdelivery w join governance_webhookendpoint e on e.id = w.endpoint_id and e.active
   where w.state = 'open' and w.next_at <= clock_timestamp() order by w.id limit %(limit)s for update of w skip locked)
update governance_webhookdelivery d
   set attempts = d.attempts + 1, next_at = clock_timestamp() + %(lease)s * interval '1 second'
  from c
 where d.id = c.id
returning d.id
"""


def deliver_due(*, limit: int = 20, client: httpx.Client | None = None) -> int:
    """Send what is due. Returns how many were tried. The call itself is outside any transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"lease": LEASE_SECONDS, "limit": limit})
        claimed = [row[0] for row in cursor.fetchall()]
    if not claimed:
        return 0
    with client or httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as http:
        for delivery in WebhookDelivery.objects.select_related("endpoint").filter(pk__in=claimed).order_by("id"):
            _send(delivery, http)
    return len(claimed)


def _send(delivery: WebhookDelivery, http: httpx.Client) -> None:
    timestamp = int(clock.now().timestamp())
    headers = {
        "content-type": cloud_events.CONTENT_TYPE,
        "user-agent": "tillgate-webhooks/1",
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": cloud_events.signature(
            key_of(delivery.endpoint), event_id=delivery.event_id, timestamp=timestamp, body=delivery.body
        ),
    }
    status, error = None, ""
    try:
        cloud_events.require_receiver(delivery.endpoint.url)
        answer = http.post(delivery.endpoint.url, content=delivery.body.encode(), headers=headers)
        status = answer.status_code
        if not 200 <= status < 300:
            error = f"The receiver answered {status}."
    except (httpx.HTTPError, Invalid) as problem:
        error = f"{type(problem).__name__}: {problem}"[:500]
    _note(delivery, status, error)


def _note(delivery: WebhookDelivery, status: int | None, error: str) -> None:
    rows = WebhookDelivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts)
    if not error:
        rows.update(state=WebhookDelivery.State.DELIVERED, last_status=status, last_error="", delivered_at=clock.now())
        TRIES.labels("delivered").inc()
        return
    gone = WEBHOOK_RETRY.exhausted(delivery.attempts) or status == 410
    TRIES.labels("failed" if gone else "again").inc()
    delay = timedelta(seconds=WEBHOOK_RETRY.pause(delivery.attempts))
    rows.update(
        state=WebhookDelivery.State.FAILED if gone else WebhookDelivery.State.OPEN,
        last_status=status,
        last_error=error,
        next_at=changes.database_clock() + delay,
    )
    log.info("webhook %s to %s failed at attempt %s: %s", delivery.pk, delivery.endpoint.name, delivery.attempts, error)


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
