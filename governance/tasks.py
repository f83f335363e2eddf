"""Reactions to the outbox and periodic tasks. Each parses ids and calls one service; all are idempotent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import shared_task

from governance.services import applying, changes, checks, freezes, notices, webhooks


def on_change_submitted(event: Mapping[str, Any]) -> None:
    """`governance.change_submitted` → run the checks of its present revision."""
    checks.run_checks(int(event["payload"]["change"]))


def on_change_approved(event: Mapping[str, Any]) -> None:
    """`governance.change_approved` → carry it out at once if its window is open."""
    applying.apply_due()


def on_any(event: Mapping[str, Any]) -> None:
    """`governance.*` → notices and e-mail."""
    notices.tell(event)


def on_webhook(event: Mapping[str, Any]) -> None:
    """Any topic → deliveries to registered receivers."""
    webhooks.enqueue(event)


def on_version_changed(event: Mapping[str, Any]) -> None:
    """`catalog.*` about a version → open changes look at the world again, and follow a new contract."""
    changes.refresh_about("version", str(event["key"]))


@shared_task(name="governance.apply_due")
def apply_due() -> None:
    applying.apply_due()


@shared_task(name="governance.deliver_webhooks")
def deliver_webhooks() -> None:
    while webhooks.deliver_due(limit=20) == 20:
        pass


@shared_task(name="governance.compile_freezes")
def compile_freezes() -> None:
    freezes.compile_all()


@shared_task(name="governance.run_checks")
def run_checks(change_id: int) -> None:
    checks.run_checks(change_id)
