"""A sealed approval as other rooms see it, and whether it covers what is to be put into effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from governance.domain.subject import Subject
from kernel.digest import short


@dataclass(frozen=True, slots=True)
class SealedApproval:
    """The outcome of a review or of break-glass. `valid_until` None: until it is voided. `apply_from` and
    `apply_until` are the planned window for putting it into effect.

    `approver_ids` are the people whose decisions it rests on; none of them may deploy it.
    """

    id: int
    origin: Literal["review", "break_glass"]
    change_id: int | None
    subject: Subject
    environment: str
    approver_ids: tuple[int, ...]
    sealed_at: datetime
    valid_from: datetime
    valid_until: datetime | None
    apply_from: datetime | None = None
    apply_until: datetime | None = None
    used_at: datetime | None = None
    voided_at: datetime | None = None
    void_reason: str = ""


def unmet_of(
    approval: SealedApproval, *, digest: str, at: datetime, actor_id: int | None, what_if: bool = False
) -> list[dict[str, Any]]:
    """Why this approval does not cover `digest` at `at`, each `{"code", "message", "fix"}`; empty when it does.
    `what_if`: `at` is not the present of any clock, so that nothing had begun that began later."""
    found: list[dict[str, Any]] = []

    def add(code: str, message: str, fix: str) -> None:
        found.append({"code": code, "message": message, "fix": fix, "approval": approval.id})

    if approval.subject.digest != digest:
        add(
            "approval.stale_digest",
            f"Approval {approval.id} is for {short(approval.subject.digest)}, not for {short(digest)}.",
            "Revise the change to the new digest and get it approved again.",
        )
    if approval.voided_at is not None:
        add(
            "approval.void",
            f"Approval {approval.id} is void: {approval.void_reason or 'no reason kept'}.",
            "Get the present revision approved.",
        )
    found += _untimely(approval, at, what_if=what_if)
    if actor_id is not None and actor_id in approval.approver_ids:
        add(
            "approval.deployer_approved",
            "A person who approved a change may not put it into effect.",
            "Ask a person who did not approve it.",
        )
    return found


def _untimely(approval: SealedApproval, at: datetime, *, what_if: bool) -> list[dict[str, Any]]:
    """Whether `at` is outside the validity, or outside the planned window of an approval that is not used yet."""
    found: list[dict[str, Any]] = []

    def add(code: str, message: str, fix: str) -> None:
        found.append({"code": code, "message": message, "fix": fix, "approval": approval.id})

    begins = max(approval.valid_from, approval.sealed_at) if what_if else approval.valid_from
    # One that was used has begun, whatever a clock says.
    if at < begins and (what_if or approval.used_at is None):
        add(
            "approval.not_yet_valid",
            f"Approval {approval.id} is valid from {begins:%Y-%m-%d %H:%M} UTC.",
            "Wait until then.",
        )
    if approval.valid_until is not None and at >= approval.valid_until:
        add(
            "approval.expired",
            f"Approval {approval.id} ended {approval.valid_until:%Y-%m-%d %H:%M} UTC.",
            "Open a new change.",
        )
    if approval.used_at is None:
        if approval.apply_from is not None and at < approval.apply_from:
            add(
                "approval.before_window",
                f"The planned window opens {approval.apply_from:%Y-%m-%d %H:%M} UTC.",
                "Wait for the planned window.",
            )
        if approval.apply_until is not None and at >= approval.apply_until:
            add(
                "approval.after_window",
                f"The planned window closed {approval.apply_until:%Y-%m-%d %H:%M} UTC.",
                "Open a new change with a new window.",
            )
    return found


def best(
    approvals: Sequence[tuple[SealedApproval, list[dict[str, Any]]]],
) -> tuple[SealedApproval | None, list[dict[str, Any]]]:
    """The newest approval with nothing unmet; otherwise what the closest one lacks: same digest first, then newest."""
    for approval, unmet in sorted(approvals, key=lambda pair: -pair[0].id):
        if not unmet:
            return approval, []
    if not approvals:
        return None, []
    nearest = max(
        approvals,
        key=lambda pair: (
            all(u["code"] != "approval.stale_digest" for u in pair[1]),
            pair[0].voided_at is None,
            pair[0].id,
        ),
    )
    return None, nearest[1]
