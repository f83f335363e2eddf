"""What every tab of a change shows: head, tabs, rail, decision bar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode

from governance import permissions
from governance.domain import kinds
from governance.models import ChangeRequest, CheckResult, Decision, Waiver
from governance.selectors import freezes, rights, sight, slots, told_changes, waiver_standings
from governance.selectors.told_changes import ToldImpact
from governance.services import approvals, changes, reviews, unfillable
from governance.web import tones
from kernel import clock
from kernel.errors import DomainError
from kernel.ui import tones as kernel_tones
from kernel.ui.tones import Tone
from kernel.viewer import Permission, Viewer

State = ChangeRequest.State


@dataclass(frozen=True, slots=True)
class ChangeGate:
    """The first block of the rail: may it go live, and what is missing."""

    tone: Tone
    reasons: tuple[str, ...]
    why: str


def context(request: HttpRequest, change_id: int, tab: str) -> dict[str, Any]:
    """Everything that every tab of the change page shows; tabs add their own."""
    viewer = Viewer.of(request.user)
    change = sight.change(viewer, change_id)
    now = clock.now()
    results = told_changes.checks(change, change.check_results.filter(revision=change.revision), viewer)
    reached = told_changes.impact(change, viewer)
    blocking = rights.blocking_checks(change.pk) if change.state == State.IN_REVIEW else []
    groups = slots.of(change, viewer=viewer)
    decide = permissions.may_decide(viewer, change, now)
    kind = _kind(change)
    return {
        "change": change,
        "kind_label": kind.label if kind else change.kind,
        "subjects": list(change.subjects.all()),
        "state_tone": tones.state_of(change),
        "risk_tone": tones.risk_of(change) if change.state in (State.DRAFT, State.IN_REVIEW) else None,
        "tabs": _tabs(change, tab, results, reached),
        "tab": tab,
        "results": results,
        "check_counts": tones.tally(results),
        "slots": groups,
        "unfillable": unfillable.told(change, viewer) if change.state in (State.DRAFT, State.IN_REVIEW) else [],
        "slot_label": next((g.label for g in groups if g.you), ""),
        "gate": gate_of(change, groups, results, blocking, now),
        "may_decide": decide,
        "may_submit": permissions.may_submit(viewer, change),
        "may_revise": permissions.may_revise(viewer, change),
        "may_retract": change.state in (State.IN_REVIEW, State.APPROVED)
        and change.decisions.filter(person=viewer.user, voided_at=None).exists(),
        "may_apply": _may_apply(change, kind),
        "shows_bar": change.state == State.IN_REVIEW,
        "seen": reviews.Seen.of(change),
        "blast": blast(change, reached),
        "reached": reached,
        "bar_note": _bar_note(decide, results, blocking),
        "freezes": _freezes(change, now),
        "waivers": waivers_of(change, now),
        "links": [
            *change.links.filter(other__in=sight.of_changes(viewer)).select_related("other"),
            *change.linked_from.filter(change__in=sight.of_changes(viewer)).select_related("change"),
        ],
        "runs": change.checks_state in (ChangeRequest.ChecksState.QUEUED, ChangeRequest.ChecksState.RUNNING),
        "panel": _panel(kind, change),
        "now": now,
    }


def _kind(change: ChangeRequest) -> kinds.ChangeKind | None:
    try:
        return kinds.kind(change.kind)
    except DomainError:
        return None


def _panel(kind: kinds.ChangeKind | None, change: ChangeRequest) -> str:
    """The address of the owning room's fragment about the first subject at the digest that is judged, empty where it
    has none.
    """
    subject = change.subjects.first()
    if kind is None or not kind.panel or subject is None:
        return ""
    try:
        about = urlencode({"digest": subject.digest, "environment": change.environment})
        return f"{reverse(kind.panel, args=[subject.subject_id])}?{about}"
    except NoReverseMatch:
        return ""


def _tabs(
    change: ChangeRequest, tab: str, results: list[CheckResult], reached: ToldImpact | None
) -> list[dict[str, Any]]:
    counted = (change.difference or {}).get("counts", {})
    differences = sum(v or 0 for v in counted.values()) if counted else None
    failed = sum(1 for r in results if r.status == "failed")
    waiting = sum(1 for r in results if r.status == "not_run")
    checks: dict[str, Any] = {"count": len(results) or None}
    if failed:
        checks = {"count": f"{failed} failed", "tone": "stop"}
    elif waiting:
        checks = {"count": f"{waiting} not run", "tone": "wait"}
    listed: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        (
            "conversation",
            "Conversation",
            "governance:change",
            {"count": change.events.filter(kind="comment").count() or None},
        ),
        ("differences", "Differences", "governance:differences", {"count": differences}),
        ("checks", "Checks", "governance:checks", checks),
        ("impact", "Impact", "governance:impact", {"count": reached.number if reached else None}),
        ("evidence", "Evidence", "governance:evidence", {}),
    )
    return [
        {"label": label, "url": reverse(name, args=[change.pk]), "current": key == tab, **more}
        for key, label, name, more in listed
    ]


def gate_of(
    change: ChangeRequest,
    groups: list[slots.SlotGroup],
    results: list[CheckResult],
    blocking: list[tuple[str, str]],
    now: datetime,
) -> ChangeGate:
    if change.state == State.APPROVED:
        return _approved(change, now)
    if change.state == State.APPLIED:
        return ChangeGate(kernel_tones.ok("In effect", "gate-open"), (), "It was put into effect under this approval.")
    if change.state in (State.REJECTED, State.WITHDRAWN):
        return ChangeGate(kernel_tones.stop("Closed", "gate-shut"), (), "Open a new change to try again.")
    if change.state == State.DRAFT:
        return ChangeGate(
            kernel_tones.quiet("Not submitted", "gate-shut"),
            (),
            "Submit the draft to run its checks and ask for approvals.",
        )
    reasons = []
    failed = sum(1 for _, why in blocking if why == "failed")
    if failed:
        reasons.append(f"{failed} check{'s' if failed != 1 else ''} failed")
    if len(blocking) > failed:
        reasons.append(f"{len(blocking) - failed} {'have' if len(blocking) - failed != 1 else 'has'} not run")
    empty, needed = sum(g.needed - g.filled for g in groups), sum(g.needed for g in groups)
    if empty:
        reasons.append(f"{empty} of {needed} approvals missing")
    wants_changes = change.decisions.filter(voided_at=None).exclude(outcome=Decision.Outcome.APPROVE).exists()
    if wants_changes:
        reasons.append("changes were requested")
    blocked = failed or wants_changes
    return ChangeGate(
        kernel_tones.stop("Blocked" if blocked else "Waiting", "gate-shut"),
        tuple(reasons),
        "The gate opens when no check blocks and all approvals are given.",
    )


def _approved(change: ChangeRequest, now: datetime) -> ChangeGate:
    """An approved change as the door itself would judge it now: a seal does not outlive its waiver, its window or a
    right that is gone.
    """
    found = [u for subject in changes.subjects_of(change) for u in approvals.unmet(subject, change.environment, now)]
    stops = [u for u in found if u["code"] != "approval.before_window"]
    if stops:
        reasons = tuple(dict.fromkeys(str(u["message"]) for u in stops))
        return ChangeGate(kernel_tones.stop("Blocked", "gate-shut"), reasons, str(stops[0]["fix"]))
    problem = (change.apply_error,) if change.apply_error else ()
    note = "It goes live in its planned window." if found else "It may go live now."
    return ChangeGate(kernel_tones.ok("Approved", "gate-open"), problem, note)


def _may_apply(change: ChangeRequest, kind: kinds.ChangeKind | None) -> Permission | None:
    """None where the runtime pulls the approval itself and there is nothing to press here."""
    if change.state != State.APPROVED or kind is None or kind.apply is None:
        return None
    return Permission(True)


def blast(change: ChangeRequest, reached: ToldImpact | None) -> str:
    """Whom an approval reaches, in one sentence: repeated in the confirmation."""
    counted = (change.difference or {}).get("counts", {})
    breaking = counted.get("breaking", 0)
    differences = (
        "an unknown number of breaking differences"
        if breaking is None
        else f"{breaking} breaking difference{'s' if breaking != 1 else ''}"
    )
    if reached is None:
        return f"The affected consumers are unknown. {differences.capitalize()}."
    names = [row["application"] for row in reached.rows]
    uses = reached.number
    if not uses:
        return f"No known consumers{' that you may see' if reached.partial else ''}. {differences.capitalize()}."
    shown = ", ".join(dict.fromkeys(names[:4])) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    besides = f"{reached.hidden} that you may not see" if reached.hidden else ""
    told = ", and ".join(filter(None, (shown, besides)))
    return f"{uses} use{'s' if uses != 1 else ''}: {told}. {differences.capitalize()}."


def _bar_note(decide: Permission, results: list[CheckResult], blocking: list[tuple[str, str]]) -> str:
    if not decide:
        return decide.reason
    if blocking:
        settled = f"{len(blocking)} check{'s are' if len(blocking) != 1 else ' is'} settled"
        return f"Your approval counts. The gate stays closed until {settled}."
    return "Your approval counts. The gate opens with the last missing approval."


def _freezes(change: ChangeRequest, now: datetime) -> list[freezes.Occurrence]:
    scope = freezes.scope_of(change.environment, change.facts or {})
    return freezes.touching(scope, now, (change.planned_until or now) + timedelta(days=14))[:3]


def waivers_of(change: ChangeRequest, now: datetime) -> list[Waiver]:
    """Waivers in force that count for this change as it is now."""
    found: list[Waiver] = []
    for subject in change.subjects.all():
        found += Waiver.objects.filter(
            subject_kind=subject.kind,
            subject_id=subject.subject_id,
            environment=change.environment,
            state=Waiver.State.GRANTED,
            starts_at__lte=now,
            expires_at__gt=now,
        )
    standing = waiver_standings.standings(found, Viewer(user=None)) if found else {}
    return [waiver for waiver in found if not standing[waiver.pk].lapsed]
