"""What is told about a change: its history, which people read, and what the ledger and the outbox carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.models import ChangeEvent, ChangeRequest
from kernel import audit, clock, outbox
from kernel.models import User


def say(
    change: ChangeRequest, kind: str, actor: User | None, *, text: str = "", data: Mapping[str, Any] | None = None
) -> ChangeEvent:
    """One entry of the history of a change, at the present time."""
    return ChangeEvent.objects.create(
        change=change, kind=kind, actor=actor, text=text, data=dict(data or {}), at=clock.now()
    )


def payload(change: ChangeRequest) -> dict[str, Any]:
    """What events about a change carry."""
    return {
        "change": change.pk,
        "revision": change.revision,
        "kind": change.kind,
        "title": change.title,
        "environment": change.environment,
        "state": change.state,
        "digest": change.subject_digest,
        "subjects": [{"kind": s.kind, "id": s.subject_id, "digest": s.digest} for s in change.subjects.all()],
    }


def snapshot(change: ChangeRequest) -> dict[str, Any]:
    """What the ledger keeps of a change: the payload with every digest that a decision binds to."""
    return payload(change) | {
        "diff": change.diff_digest,
        "impact": change.impact_digest,
        "policy": change.policy_digest,
        "planned_from": change.planned_from.isoformat() if change.planned_from else None,
        "planned_until": change.planned_until.isoformat() if change.planned_until else None,
    }


def announce(change: ChangeRequest, actor: User | None, event: str, data: Mapping[str, Any] | None = None) -> None:
    """A revision is up for review: history, audit ledger, and `governance.change_submitted`, which runs the checks."""
    say(change, event, actor, data={"digest": change.subject_digest, "revision": change.revision, **(data or {})})
    audit.record(
        actor=actor,
        verb=f"governance.change_{event}",
        subject_kind="change",
        subject_id=change.pk,
        after=snapshot(change),
    )
    outbox.emit("governance.change_submitted", key=change.pk, payload=payload(change))
