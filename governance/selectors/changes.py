"""Changes for lists, the inbox and the API: those about things that the viewer sees, and those in which the viewer has
a part (`governance.selectors.sight`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from governance.models import ChangeRequest, CheckResult, Decision
from governance.selectors import sight
from kernel.viewer import Viewer

State = ChangeRequest.State


def listed(viewer: Viewer) -> QuerySet[ChangeRequest]:
    """Every change that the viewer may see, with its author and the counts of its check words at the present
    revision.
    """

    def words(status: str) -> Any:
        return Count("check_results", filter=Q(check_results__revision=F("revision"), check_results__status=status))

    return (
        sight.of_changes(viewer)
        .order_by("-id")
        .select_related("author", "submitter")
        .annotate(
            passed=words(CheckResult.Status.PASSED),
            failed=words(CheckResult.Status.FAILED),
            not_run=words(CheckResult.Status.NOT_RUN),
            not_applicable=words(CheckResult.Status.NOT_APPLICABLE),
        )
    )


_MAY_FILL_A_SLOT = """
exists (select from governance_slot s
         where s.change_id = governance_changerequest.id
           and s.revision = governance_changerequest.revision
           and governance_may_fill(s.group_ids, s.change_id, %s, %s))
"""


def _may_fill_a_slot(viewer: Viewer, at: datetime) -> RawSQL:
    return RawSQL(_MAY_FILL_A_SLOT, [viewer.id, at])  # noqa: S611 - a constant text with parameters


def waiting_for(viewer: Viewer, at: datetime) -> QuerySet[ChangeRequest]:
    """Changes in review with a slot that this person may fill and that no live decision of theirs has answered,
    nearest deadline first.
    """
    if viewer.user is None:
        return ChangeRequest.objects.none()
    fits = _may_fill_a_slot(viewer, at)
    decided = Decision.objects.filter(change=OuterRef("pk"), person=viewer.user, voided_at=None)
    rows = listed(viewer).filter(state=State.IN_REVIEW).annotate(fits=fits).filter(~Exists(decided), fits=True)
    return rows.order_by("due_at", "id")


def count_waiting(viewer: Viewer, at: datetime) -> int:
    """How many changes wait for this person; for the navigation, without the counts of checks."""
    if viewer.user is None:
        return 0
    decided = Decision.objects.filter(change=OuterRef("pk"), person=viewer.user, voided_at=None)
    fits = _may_fill_a_slot(viewer, at)
    return (
        ChangeRequest.objects.filter(state=State.IN_REVIEW)
        .annotate(fits=fits)
        .filter(~Exists(decided), fits=True)
        .count()
    )


def mine(viewer: Viewer) -> QuerySet[ChangeRequest]:
    """What this person wrote or submitted and what is still open."""
    if viewer.user is None:
        return ChangeRequest.objects.none()
    return (
        listed(viewer)
        .filter(
            Q(author=viewer.user) | Q(submitter=viewer.user), state__in=[State.DRAFT, State.IN_REVIEW, State.APPROVED]
        )
        .order_by("-id")
    )


def recently_decided(viewer: Viewer, limit: int = 10) -> list[ChangeRequest]:
    rows = (
        listed(viewer)
        .filter(decided_at__isnull=False)
        .exclude(state=State.IN_REVIEW)
        .prefetch_related("subjects", "decisions__person")
    )
    return list(rows.order_by("-decided_at")[:limit])


def of_subject(kind: str, identifier: str, *, viewer: Viewer, limit: int = 50) -> list[ChangeRequest]:
    """Every change about this thing, newest first: for the pages of other rooms."""
    return list(listed(viewer).filter(subjects__kind=kind, subjects__subject_id=identifier).order_by("-id")[:limit])


def count_open(viewer: Viewer) -> int:
    """Of the changes that the viewer may see: a number tells of a hidden one as well as its name."""
    return sight.of_changes(viewer).filter(state__in=[State.IN_REVIEW, State.APPROVED]).count()
