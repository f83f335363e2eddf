"""Who may do what with a change; the reason is shown beside the disabled button. Separation of duties itself is a constraint."""

from __future__ import annotations

from datetime import datetime

from governance.models import ChangeRequest
from governance.selectors import rights
from kernel.models import User
from kernel.viewer import Permission, Viewer

State = ChangeRequest.State


def may_author(viewer: Viewer, change: ChangeRequest) -> Permission:
    """Submit, revise, amend, withdraw: the author, the submitter, or a member of an owner team."""
    if viewer.user is None:
        return Permission(False, "Sign in first.")
    if viewer.id in (change.author_id, change.submitter_id) or viewer.team_ids & set(change.owner_team_ids):
        return Permission(True)
    return Permission(False, "Only its author or a member of the owner team may move this change along.")


def may_submit(viewer: Viewer, change: ChangeRequest) -> Permission:
    if change.state != State.DRAFT:
        return Permission(False, f"It is {change.get_state_display().lower()}, not a draft.")
    return may_author(viewer, change)


def may_revise(viewer: Viewer, change: ChangeRequest) -> Permission:
    if change.state not in (State.DRAFT, State.IN_REVIEW, State.APPROVED):
        return Permission(False, f"It is {change.get_state_display().lower()}; open a new change.")
    return may_author(viewer, change)


def may_decide(viewer: Viewer, change: ChangeRequest, at: datetime) -> Permission:
    """Whether this person can fill any slot of the present revision, and has not decided already."""
    if viewer.user is None:
        return Permission(False, "Sign in first.")
    if change.state != State.IN_REVIEW:
        return Permission(False, f"This change is {change.get_state_display().lower()}; there is nothing to decide.")
    if viewer.user.kind != User.Kind.PERSON:
        return Permission(False, "Decisions are for people, not for service accounts.")
    if rights.is_party(change.pk, viewer.user.pk):
        return Permission(False, "You had a hand in this change; somebody else decides.")
    if change.decisions.filter(person=viewer.user, voided_at=None).exists():
        return Permission(False, "You have decided on this revision. Take your decision back to decide anew.")
    if not any(p.id == viewer.user.pk for people in rights.eligible(change.pk, change.revision, at).values() for p in people):
        return Permission(False, "None of the seats of this change is yours to fill.")
    return Permission(True)


def may_comment(viewer: Viewer) -> Permission:
    return Permission(viewer.user is not None, "" if viewer.user else "Sign in first.")


def in_team(viewer: Viewer, *keys: str) -> bool:
    """Whether the viewer is, right now, a member of one of these role teams."""
    from catalog.selectors import teams

    return bool(viewer.user) and any((team := teams.by_key(key)) is not None and team.id in viewer.team_ids for key in keys)


def may_plan_freezes(viewer: Viewer) -> Permission:
    allowed = in_team(viewer, "release-managers", "architects")
    return Permission(allowed, "" if allowed else "Release managers and architects plan freezes.")


def may_propose_policy(viewer: Viewer) -> Permission:
    allowed = bool(viewer.user) and viewer.user.kind == User.Kind.PERSON and bool(viewer.team_ids)
    return Permission(allowed, "" if allowed else "A member of a team proposes a policy; it takes effect by an approved change.")


def may_break_glass(viewer: Viewer, owner_team_ids: list[int]) -> Permission:
    allowed = (
        bool(viewer.user)
        and viewer.user.kind == User.Kind.PERSON
        and (bool(viewer.team_ids & set(owner_team_ids)) or in_team(viewer, "release-managers"))
    )
    return Permission(allowed, "" if allowed else "A member of the owner team or a release manager breaks the glass.")


def may_confirm_break_glass(viewer: Viewer) -> Permission:
    allowed = bool(viewer.user) and viewer.user.kind == User.Kind.PERSON and in_team(viewer, "release-managers", "architects")
    return Permission(allowed, "" if allowed else "A release manager or an architect confirms.")


def may_run_webhooks(viewer: Viewer) -> Permission:
    allowed = bool(viewer.user) and (viewer.user.is_superuser or in_team(viewer, "release-managers"))
    return Permission(allowed, "" if allowed else "Release managers register receivers of webhooks.")
