"""Receivers of webhooks and what was sent to them: for those who run them, since an address may carry a secret."""

from __future__ import annotations

from django.db.models import Count, Max, Q, QuerySet

from governance import permissions
from governance.models import WebhookDelivery, WebhookEndpoint
from kernel.viewer import Viewer

State = WebhookDelivery.State


def receivers(viewer: Viewer) -> QuerySet[WebhookEndpoint]:
    """Every receiver with how many deliveries are `open`, `failed` and `delivered`, and when the last one arrived."""
    rows = WebhookEndpoint.objects.all() if permissions.may_run_webhooks(viewer) else WebhookEndpoint.objects.none()
    return rows.select_related("created_by").annotate(
        open=Count("deliveries", filter=Q(deliveries__state=State.OPEN)),
        failed=Count("deliveries", filter=Q(deliveries__state=State.FAILED)),
        delivered=Count("deliveries", filter=Q(deliveries__state=State.DELIVERED)),
        last_at=Max("deliveries__delivered_at"),
    )


def deliveries(viewer: Viewer) -> QuerySet[WebhookDelivery]:
    """Every delivery, newest first."""
    if not permissions.may_run_webhooks(viewer):
        return WebhookDelivery.objects.none()
    return WebhookDelivery.objects.select_related("endpoint").order_by("-id")
