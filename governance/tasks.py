"""Handlers of outbox events. Each reads the ids of the event and calls one service; all are idempotent.

Work that no event starts is in `governance.services.periodic_jobs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.services import (
    applying,
    changes,
    checks,
    notices,
    pipeline_faults,
    pipeline_reviews,
    release_records,
    webhooks,
)


def on_change_submitted(event: Mapping[str, Any]) -> None:
    """`governance.change_submitted` → run the checks of its current revision."""
    checks.run_checks(int(event["payload"]["change"]))


def on_change_approved(event: Mapping[str, Any]) -> None:
    """`governance.change_approved` → apply it at once if its window is open."""
    applying.apply_due()


def on_any(event: Mapping[str, Any]) -> None:
    """`governance.*` → notices and e-mail."""
    notices.tell(event)


def on_deployed_against_gate(event: Mapping[str, Any]) -> None:
    """`governance.deployed_against_gate` → notices to the application's team and to who watches releases."""
    release_records.tell_against_gate(event)


def on_deployed_unasked(event: Mapping[str, Any]) -> None:
    """`governance.deployed_unasked` → a line in the inbox of the same people."""
    release_records.tell_unasked(event)


def on_webhook(event: Mapping[str, Any]) -> None:
    """Any topic → deliveries to registered receivers, but for what says that it is not for them."""
    if event["payload"].get("webhooks") is not False:
        webhooks.enqueue(event)


def on_version_changed(event: Mapping[str, Any]) -> None:
    """`catalog.*` about a version → refresh the open changes about that version: facts, digests and a new contract."""
    changes.refresh_about("version", str(event["key"]))


def on_gate_may_differ(event: Mapping[str, Any]) -> None:
    """`governance.*`, `catalog.*` → pipelines that wait for the gate ask it again soon."""
    pipeline_reviews.on_change(event["topic"])


def on_pipeline_fault(event: Mapping[str, Any]) -> None:
    """`governance.pipeline_fault` → notices to the owner team of the connection and to the release managers."""
    pipeline_faults.tell(event)
