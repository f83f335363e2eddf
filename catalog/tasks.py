"""What the catalog does after the fact, for the outbox and for Celery. Each parses ids and calls one service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import shared_task

from catalog.services import comparisons, importing, search_index


def version_added(event: Mapping[str, Any]) -> None:
    """Outbox handler for `catalog.version_added`, `catalog.version_contract_changed` and
    `catalog.version_contract_replaced`."""
    comparisons.compare_with_neighbour(int(event["payload"]["version_id"]))


@shared_task(name="catalog.compare_with_neighbour")
def compare_with_neighbour(version_id: int) -> None:
    comparisons.compare_with_neighbour(version_id)


def import_requested(event: Mapping[str, Any]) -> None:
    """Outbox handler for `catalog.import_requested`: wakes a worker. An import may take minutes, which no outbox waits
    for."""
    carry_import.delay(int(event["payload"]["run_id"]))


@shared_task(name="catalog.carry_import")
def carry_import(run_id: int) -> None:
    importing.execute(run_id)


@shared_task(name="catalog.rebuild_search")
def rebuild_search() -> None:
    """After a day has passed, "calls in 30 days" has moved for everybody."""
    search_index.refresh_all()
