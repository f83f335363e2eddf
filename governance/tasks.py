"""Reactions to the outbox. Each parses ids and calls one service; all are idempotent. `services.periodic_jobs` does
the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.services import applying, changes, checks, notices, webhooks


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
