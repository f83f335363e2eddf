"""What is wrong with a pipeline connection, for its owner: told once, until it works again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from governance.models import PipelineConnection
from governance.services import notices
from kernel import clock, outbox

TOPIC = "governance.pipeline_fault"


def note(row: PipelineConnection, text: str) -> None:
    """Keep it on the connection, and tell the owner where it is another one than before."""
    with transaction.atomic():
        rows = PipelineConnection.objects.filter(pk=row.pk).exclude(fault=text[:300])
        if rows.update(fault=text[:300], fault_at=clock.now()):
            outbox.emit(TOPIC, key=row.key, payload={"connection": row.key, "fault": text[:300]})


def clear(row: PipelineConnection) -> None:
    """It works again."""
    PipelineConnection.objects.filter(pk=row.pk).exclude(fault="").update(fault="", fault_at=None)


def tell(event: Mapping[str, Any]) -> None:
    """Handler of `governance.pipeline_fault`: the owner team and the release managers."""
    row = PipelineConnection.objects.filter(key=str(event["payload"].get("connection"))).first()
    if row is None:
        return
    people = notices.members(row.owner_team_id, "release-managers")
    text = f"Pipeline connection {row.name}: {event['payload'].get('fault', '')}"
    notices.write(event, people, "pipeline_fault", text, notices.address("governance:pipeline", row.key))
