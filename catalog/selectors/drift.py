"""What was observed of the versions of an API: the newest report of each environment, told in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.domain.contract_engine import DriftFinding, speaks
from catalog.models import DriftReport

MOST = 20


@dataclass(frozen=True, slots=True)
class ToldDrift:
    """One report. `differences` contradict the contract, `unseen` is what merely was not seen; each has `message`,
    `operation`, `side`, `count` and `seen`. `bodies` is None where the observer did not count them. `present`: it is
    about the present contract of the version."""

    label: str
    version_id: int
    environment: str
    source: str
    observed_from: datetime
    observed_until: datetime
    exchanges: int
    skipped: int
    bodies: int | None
    unread_bodies: int | None
    operations_known: int
    operations_seen: int
    differences: tuple[DriftFinding, ...]
    unseen: tuple[DriftFinding, ...]
    left_out: int
    recorded_by: str
    recorded_at: datetime
    present: bool

    @property
    def is_evidence(self) -> bool:
        """Whether it speaks for the contract where it has no contradiction: most of the bodies were compared."""
        if self.bodies is None or self.unread_bodies is None:
            return False
        return speaks(self.exchanges, self.bodies, self.unread_bodies)


def newest(version_ids: Iterable[int], *, since: datetime | None = None) -> list[ToldDrift]:
    """The newest report of each version and environment, the latest first; `since` leaves out what ended before."""
    rows = (
        DriftReport.objects.filter(version_id__in=list(version_ids))
        .select_related("version", "environment", "recorded_by")
        .order_by("version_id", "environment_id", "-observed_until", "-id")
        .distinct("version_id", "environment_id")
    )
    found = [_told(row) for row in rows if since is None or row.observed_until >= since]
    return sorted(found, key=lambda one: one.observed_until, reverse=True)


def _told(row: DriftReport) -> ToldDrift:
    listed = [_finding(one) for one in row.differences]
    return ToldDrift(
        label=row.version.label,
        version_id=row.version_id,
        environment=row.environment.name,
        source=row.get_source_display(),
        observed_from=row.observed_from,
        observed_until=row.observed_until,
        exchanges=row.exchanges,
        skipped=row.skipped,
        bodies=row.bodies,
        unread_bodies=row.unread_bodies,
        operations_known=row.operations_known,
        operations_seen=row.operations_seen,
        differences=tuple(one for one in listed if one.contradicts),
        unseen=tuple(one for one in listed if not one.contradicts),
        left_out=row.left_out,
        recorded_by=row.recorded_by.get_full_name() or row.recorded_by.username,
        recorded_at=row.recorded_at,
        present=row.contract_id == row.version.contract_id,
    )


def _finding(one: dict[str, Any]) -> DriftFinding:
    return DriftFinding(**{**one, "what": tuple(one["what"])})
