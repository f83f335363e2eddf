"""The statement that everything that runs in an environment is recorded: made by an approved change only."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from catalog.models import Environment
from kernel import audit
from kernel.errors import Conflict, NotFound
from kernel.models import User


def declare_records(key: str, *, complete_since: datetime | None, approval_id: int, actor: User | None) -> None:
    """Everything that runs there is recorded since then (None: that is no longer so), by an approved change."""
    with transaction.atomic():
        row = Environment.objects.select_for_update().filter(key=key).first()
        if row is None:
            raise NotFound("environment.unknown", f"There is no environment {key[:60]!r}.")
        if row.records_approval_id is not None and approval_id <= row.records_approval_id:
            raise Conflict("environment.decided_meanwhile", f"A later approval decided about the record of {key}.")
        before = {"records_complete_since": _iso(row.records_complete_since)}
        row.records_complete_since, row.records_approval_id = complete_since, approval_id
        row.save(update_fields=["records_complete_since", "records_approval_id"])
        audit.record(
            actor=actor,
            verb="catalog.records_declared",
            subject_kind="environment",
            subject_id=key,
            before=before,
            after={"records_complete_since": _iso(complete_since), "approval": approval_id},
        )


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
