"""The queue of webhooks for Prometheus; receivers are not told apart, since an address may carry a secret."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Min

from governance.models import WebhookDelivery
from kernel import clock
from kernel.measures import Found, reading

WAITING = reading("webhook_waiting_deliveries", "Webhook deliveries that are still tried.")
OLDEST = reading("webhook_oldest_waiting_age_seconds", "Time since the oldest of them was made; 0 without one.")


def read() -> Iterator[Found]:
    open_ones = WebhookDelivery.objects.filter(state=WebhookDelivery.State.OPEN)
    found = open_ones.aggregate(waiting=Count("id"), since=Min("created_at"))
    yield Found(WAITING, (), found["waiting"])
    yield Found(OLDEST, (), (clock.now() - found["since"]).total_seconds() if found["since"] else 0.0)
