"""Follow-up work of the catalog: handlers of outbox events and the Celery task that they start. Each calls one
service."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from celery import shared_task

from catalog.services import comparisons, importing, sunset_notices

log = logging.getLogger(__name__)


def version_added(event: Mapping[str, Any]) -> None:
    """Outbox handler for `catalog.version_added`, `catalog.version_contract_changed` and
    `catalog.version_contract_replaced`."""
    comparisons.compare_with_neighbour(int(event["payload"]["version_id"]))


def version_deprecated(event: Mapping[str, Any]) -> None:
    """Outbox handler for `catalog.version_deprecated`: the teams of its consumers learn of it at once."""
    sunset_notices.tell_due(version_id=int(event["payload"]["version_id"]))


def import_requested(event: Mapping[str, Any]) -> None:
    """Outbox handler for `catalog.import_requested`: wakes a worker, because an import may take minutes. Where the
    broker is away, the periodic look of the workers finds it."""
    try:
        execute_import.apply_async((int(event["payload"]["run_id"]),), retry=False)
    except Exception as error:  # whatever a broker can fail with
        log.info("no worker was woken for an import: %r", error)


@shared_task(name="catalog.execute_import")
def execute_import(run_id: int) -> None:
    importing.execute(run_id)
