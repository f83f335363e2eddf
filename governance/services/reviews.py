"""What reviewers do: approve, request changes, reject, retract a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db import IntegrityError, transaction

from governance import permissions
from governance.models import ChangeEvent, ChangeRequest, Decision
from governance.models.decision import RETRACTED
from governance.services import change_events, changes, identity, sealing
from kernel import audit, clock, outbox
from kernel.errors import Conflict, Forbidden, Invalid, finding
from kernel.models import User
from kernel.viewer import Viewer

State = ChangeRequest.State


@dataclass(frozen=True, slots=True)
class Seen:
    """The four digests that the page showed to the person who decides."""

    subject_digest: str
    diff_digest: str
    impact_digest: str
    policy_digest: str

    @classmethod
    def of(cls, change: ChangeRequest) -> Seen:
        return cls(change.subject_digest, change.diff_digest, change.impact_digest, change.policy_digest)


def approve(change: ChangeRequest, *, actor: User, seen: Seen, note: str = "") -> Decision:
    """Fill a slot. Seals the change when it was the last empty one. Errors as `decide`."""
    return decide(change, actor=actor, outcome="approve", seen=seen, note=note)


def request_changes(change: ChangeRequest, *, actor: User, seen: Seen, note: str) -> Decision:
    """The author has to revise; until then nothing is sealed. Needs a reason."""
    return decide(change, actor=actor, outcome="request_changes", seen=seen, note=note)


def reject(change: ChangeRequest, *, actor: User, seen: Seen, note: str) -> Decision:
    """Closes the change. Needs a reason."""
    return decide(change, actor=actor, outcome="reject", seen=seen, note=note)


def decide(change: ChangeRequest, *, actor: User, outcome: str, seen: Seen, note: str = "") -> Decision:
    """One person's decision on the present revision.

    Raises Conflict `change.stale_page` with `data["changed"]` when any digest is another one than the person saw;
    Forbidden `decision.not_allowed` when the person can fill no slot, contributed to the change or is a service
    account, `decision.sign_in_again` and `decision.second_factor` as `identity.require_proof`; Invalid without a
    reason.
    """
    if outcome != Decision.Outcome.APPROVE and not note.strip():
        raise Invalid(
            "decision.needs_a_reason",
            "Say why: the author reads this first.",
            {"findings": [finding("/note", "Say why: the author reads this first.")]},
        )
    proved = identity.require_proof(actor)
    changes.refresh(change.pk)
    with transaction.atomic():
        change = changes.locked(change.pk)
        _require_present(change, seen)
        permission = permissions.may_decide(Viewer.of(actor), change, changes.database_clock())
        if not permission:
            raise Forbidden("decision.not_allowed", permission.reason)
        made = _insert(change, actor, outcome, note.strip())
        _say(change, outcome, actor, note.strip(), made, proved)
        if outcome == Decision.Outcome.REJECT:
            change.state, change.decided_at = State.REJECTED, clock.now()
            change.save(update_fields=["state", "decided_at"])
            changes.tell_closed(change, "rejected", actor)
            outbox.emit(
                "governance.change_rejected", key=change.pk, payload=change_events.payload(change) | {"actor": actor.pk}
            )
        else:
            outbox.emit(
                "governance.change_decided",
                key=change.pk,
                payload=change_events.payload(change) | {"actor": actor.pk, "outcome": outcome},
            )
    if outcome == Decision.Outcome.APPROVE:
        sealing.try_seal(change.pk)
    return made


def retract(change: ChangeRequest, *, actor: User) -> None:
    """Retract the person's live decision; an unused approval that rests on it is void. Idempotent."""
    with transaction.atomic():
        change = changes.locked(change.pk)
        rows = Decision.objects.filter(change=change, person=actor, voided_at=None)
        if change.state in (State.IN_REVIEW, State.APPROVED) and rows.update(
            voided_at=clock.now(), void_reason=RETRACTED[0]
        ):
            ChangeEvent.objects.create(
                change=change, kind="taken_back", actor=actor, at=clock.now(), data={"digest": change.subject_digest}
            )
            audit.record(
                actor=actor, verb="governance.decision_taken_back", subject_kind="change", subject_id=change.pk
            )


def _require_present(change: ChangeRequest, seen: Seen) -> None:
    present = Seen.of(change)
    words = {
        "subject_digest": "the subject",
        "diff_digest": "the difference",
        "impact_digest": "the affected consumers",
        "policy_digest": "the policy",
    }
    moved = [words[key] for key, value in asdict(present).items() if value != getattr(seen, key)]
    if moved:
        raise Conflict(
            "change.stale_page",
            f"This change was edited after you opened it: {', '.join(moved)}. "
            "Nothing was decided. Look at what changed, then decide again.",
            {"changed": moved, "revision": change.revision, "present": asdict(present), "seen": asdict(seen)},
        )


_REFUSALS = {  # by the constraint of the database that refused the decision
    "decision_needs_a_review": "The change is not in review any more. Load the page again.",
    "decision_binds_what_is_present": "The change was altered meanwhile. Load the page again, then decide.",
    "decision_separation_of_duties": "You are the author, the submitter or a contributor of this change, "
    "so another person must decide.",
    "one_live_decision_per_person": "You, or another account of yours, have already decided on this change. Retract "
    "that decision first.",
    "refusing_needs_a_reason": "Give a reason in the note.",
    "decision_needs_a_right": "None of your groups may give an approval that this change needs.",
}


def _insert(change: ChangeRequest, actor: User, outcome: str, note: str) -> Decision:
    try:
        with transaction.atomic():
            return Decision.objects.create(
                change=change,
                revision=change.revision,
                person=actor,
                outcome=outcome,
                note=note,
                subject_digest=change.subject_digest,
                diff_digest=change.diff_digest,
                impact_digest=change.impact_digest,
                policy_digest=change.policy_digest,
            )
    except IntegrityError as error:
        name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or "decision"
        message = _REFUSALS.get(name) or f"{str(error).splitlines()[0]}."
        raise Forbidden("decision.not_allowed", message, {"constraint": name}) from error


def _say(
    change: ChangeRequest, outcome: str, actor: User, note: str, made: Decision, proved: Mapping[str, Any]
) -> None:
    ChangeEvent.objects.create(
        change=change,
        kind=outcome,
        actor=actor,
        text=note,
        at=clock.now(),
        data={"digest": change.subject_digest, "decision": made.pk},
    )
    verbs = {"approve": "approved", "request_changes": "changes_requested", "reject": "rejected"}
    audit.record(
        actor=actor,
        verb=f"governance.decision_{verbs[outcome]}",
        subject_kind="change",
        subject_id=change.pk,
        after=asdict(Seen.of(change)) | dict(proved),
        reason=note,
    )
