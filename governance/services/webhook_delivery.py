"""Sends what is due to the receivers of webhooks. A receiver that hangs holds up nobody else."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import httpx
from django.db import connection
from django.db.models import F

from governance.domain import cloud_events
from governance.models import WebhookDelivery
from governance.services import changes, webhooks
from kernel import clock, egress
from kernel.errors import Invalid
from kernel.retry import RetryPolicy

log = logging.getLogger(__name__)
TIMEOUT = httpx.Timeout(5.0)
WEBHOOK_RETRY = RetryPolicy(base=5.0, ceiling=6 * 3600.0, attempts=12)  # counts from 1
LEASE_SECONDS = 60
AT_ONCE = 8  # receivers
OF_ONE = 4  # deliveries to one receiver in a turn
NOT_REACHED = "The receiver did not answer, or lies in a network to which webhooks do not go (EGRESS_RECEIVERS)."
"""For whatever keeps an answer from coming: who enters a receiver learns nothing of the network behind this server. Its
log says what it was."""
HIDDEN = "Not sent: who registered the receiver may not see any more what this event tells of."

# Each receiver's oldest few, so that the waiting ones of a silent receiver leave room for the others.
_CLAIM = """
with c as materialized (
  select w.id
    from governance_webhookendpoint e
    cross join lateral (
      select d.id from governance_webhookdelivery d
       where d.endpoint_id = e.id and d.state = 'open' and d.next_at <= clock_timestamp()
       order by d.id limit %(of_one)s for update skip locked) w
   where e.active
   order by w.id
   limit %(limit)s)
update governance_webhookdelivery d
   set attempts = d.attempts + 1, next_at = clock_timestamp() + %(lease)s * interval '1 second'
  from c
 where d.id = c.id
returning d.id
"""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a delivery. `silent`: no answer came at all, so the receiver's next ones were not tried."""

    delivery: WebhookDelivery
    status: int | None
    error: str
    silent: bool = False


def deliver_due(*, limit: int = 40) -> int:
    """Send what is due, to several receivers at once and to each in order. Returns how many were taken. The calls are
    outside any transaction and use no connection of the database."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"lease": LEASE_SECONDS, "limit": limit, "of_one": OF_ONE})
        claimed = [row[0] for row in cursor.fetchall()]
    if not claimed:
        return 0
    of: dict[int, list[WebhookDelivery]] = defaultdict(list)
    rows = WebhookDelivery.objects.select_related("endpoint__created_by").filter(pk__in=claimed).order_by("id")
    for delivery in rows:
        if webhooks.is_told(delivery):
            of[delivery.endpoint_id].append(delivery)
        else:
            WebhookDelivery.objects.filter(pk=delivery.pk).update(state=WebhookDelivery.State.FAILED, last_error=HIDDEN)
    if not of:
        return len(claimed)
    with (
        egress.client(egress.receivers(), TIMEOUT) as http,
        ThreadPoolExecutor(min(AT_ONCE, len(of)), thread_name_prefix="webhooks") as pool,
    ):
        for taken, tried in zip(
            of.values(), pool.map(lambda listed: _send_in_turn(listed, http), of.values()), strict=True
        ):
            _note_all(tried, untried=taken[len(tried) :])
    return len(claimed)


def _send_in_turn(deliveries: Iterable[WebhookDelivery], http: httpx.Client) -> list[Tried]:
    """To one receiver, until it is silent: what then was not tried is not in the answer."""
    tried: list[Tried] = []
    for delivery in deliveries:
        tried.append(_send(delivery, http))
        if tried[-1].silent:
            break
    return tried


def _send(delivery: WebhookDelivery, http: httpx.Client) -> Tried:
    timestamp = int(clock.now().timestamp())
    headers = {
        "content-type": cloud_events.CONTENT_TYPE,
        "user-agent": "tillgate-webhooks/1",
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            cloud_events.signature(key, event_id=delivery.event_id, timestamp=timestamp, body=delivery.body)
            for key in webhooks.keys_of(delivery.endpoint)
        ),
    }
    try:
        cloud_events.require_receiver(delivery.endpoint.url)
        with http.stream("POST", delivery.endpoint.url, content=delivery.body.encode(), headers=headers) as answer:
            status = answer.status_code
    except Invalid as problem:
        return Tried(delivery, None, problem.message[:500])
    except httpx.HTTPError as problem:
        log.warning("the receiver %s of webhooks was not reached: %r", delivery.endpoint_id, problem)
        return Tried(delivery, None, NOT_REACHED, silent=True)
    return Tried(delivery, status, "" if 200 <= status < 300 else f"The receiver answered {status}.")


def _note_all(tried: list[Tried], *, untried: list[WebhookDelivery]) -> None:
    pauses = [_note(one) for one in tried]
    if tried[-1].silent:
        _wait_with_it(tried[-1].delivery, untried, pauses[-1])


def _note(tried: Tried) -> timedelta:
    """Keep what came; returns the pause before the next try."""
    delivery, attempts = tried.delivery, tried.delivery.attempts
    pause = timedelta(seconds=WEBHOOK_RETRY.pause(attempts))
    rows = WebhookDelivery.objects.filter(pk=delivery.pk, attempts=attempts)
    if not tried.error:
        rows.update(
            state=WebhookDelivery.State.DELIVERED, last_status=tried.status, last_error="", delivered_at=clock.now()
        )
        webhooks.TRIES.labels("delivered").inc()
        return pause
    gone = WEBHOOK_RETRY.exhausted(attempts) or tried.status == 410
    webhooks.TRIES.labels("failed" if gone else "again").inc()
    rows.update(
        state=WebhookDelivery.State.FAILED if gone else WebhookDelivery.State.OPEN,
        last_status=tried.status,
        last_error=tried.error,
        next_at=changes.database_clock() + pause,
    )
    log.info("webhook %s to %s failed at attempt %s: %s", delivery.pk, delivery.endpoint.name, attempts, tried.error)
    return pause


def _wait_with_it(silent: WebhookDelivery, untried: list[WebhookDelivery], pause: timedelta) -> None:
    """The receiver gave no answer: what else waits for it waits as long. What was taken with it was not tried, and that
    is no try."""
    at = changes.database_clock() + pause
    open_ones = WebhookDelivery.objects.filter(endpoint=silent.endpoint_id, state=WebhookDelivery.State.OPEN)
    open_ones.filter(pk__in=[one.pk for one in untried]).update(next_at=at, attempts=F("attempts") - 1)
    open_ones.filter(pk__gt=silent.pk, next_at__lt=at).update(next_at=at)
