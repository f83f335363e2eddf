"""Sealing: when a different person fills every slot, nobody objects and no check blocks, the approval is written."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from governance.domain.matching import assign
from governance.models import Approval, ChangeEvent, ChangeRequest, Decision
from governance.selectors import rights
from governance.services import change_events, changes
from kernel import audit, clock, outbox

log = logging.getLogger(__name__)
OTHER_FACTS = ("approval_fits_manifest", "approval_counts_loosened_facts", "approval_fits_facts")
"""The constraints by which an approval is refused whose change was assessed by facts that ask for less: by a room
above, and by ours."""


@dataclass(frozen=True, slots=True)
class FilledSlot:
    """`decision` fills the slot by the right of `right_of`: the id of the person, or of the delegator."""

    decision: Decision
    right_of: int


def filled_slots(change: ChangeRequest) -> dict[int, FilledSlot]:
    """The largest assignment of live approving decisions to slots (by slot id), by rights as they are now."""
    decisions = {
        d.person_id: d
        for d in change.decisions.filter(voided_at=None, outcome=Decision.Outcome.APPROVE, revision=change.revision)
    }
    slots = list(change.slots.filter(revision=change.revision).values_list("id", flat=True))
    people = rights.eligible(change.pk, change.revision, changes.database_clock())
    exercised = {
        slot: [right for p in people.get(slot, []) if p.id in decisions for right in p.exercised] for slot in slots
    }
    scarce_first = dict(sorted(exercised.items(), key=lambda pair: (len(pair[1]), pair[0])))
    return {slot: FilledSlot(decisions[right.person], right.right_of) for slot, right in assign(scarce_first).items()}


def try_seal(change_id: int) -> list[int]:
    """Seal if complete. Returns the ids of the approvals, an empty list when something is still missing. Idempotent.

    The database judges again in the insert itself; when it finds something that changed meanwhile, nothing is sealed.
    Where what the change was judged by is other by now, a new revision begins: other people may have to decide.
    """
    try:
        with transaction.atomic():
            change = changes.locked(change_id)
            if change.state != ChangeRequest.State.IN_REVIEW or rights.blocking_checks(change_id):
                return []
            if change.decisions.filter(voided_at=None).exclude(outcome=Decision.Outcome.APPROVE).exists():
                return []
            filled = filled_slots(change)
            needed = change.slots.filter(revision=change.revision).count()
            if not needed or len(filled) < needed:
                return []
            return _seal(change, filled)
    except IntegrityError as error:
        log.info("change %s was not sealed: %s", change_id, str(error).splitlines()[0])
        if getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") in OTHER_FACTS:
            with transaction.atomic():
                changes.rederive(change_id, why="what the policies look at is other by now")
        return []


def entry_of(slot: int, filled: FilledSlot) -> dict[str, int]:
    """One element of `Approval.filled_slots`; only a delegate's names `right_of`."""
    decision = filled.decision
    entry = {"slot": slot, "decision": decision.pk, "person": decision.person_id}
    return entry if filled.right_of == decision.person_id else entry | {"right_of": filled.right_of}


def _seal(change: ChangeRequest, filled: dict[int, FilledSlot]) -> list[int]:
    listed = [entry_of(slot, one) for slot, one in sorted(filled.items())]
    people = sorted(entry["person"] for entry in listed)
    made = [
        Approval.objects.create(
            change=change,
            revision=change.revision,
            subject_kind=subject.kind,
            subject_id=subject.id,
            digest=subject.digest,
            environment=change.environment,
            subject_digest=change.subject_digest,
            diff_digest=change.diff_digest,
            impact_digest=change.impact_digest,
            policy_digest=change.policy_digest,
            filled_slots=listed,
            approver_ids=people,
            apply_from=change.planned_from,
            apply_until=change.planned_until,
        ).pk
        for subject in changes.subjects_of(change)
    ]
    change.state, change.decided_at = ChangeRequest.State.APPROVED, clock.now()
    change.save(update_fields=["state", "decided_at"])
    ChangeEvent.objects.create(
        change=change, kind="approved", at=clock.now(), data={"digest": change.subject_digest, "approvals": made}
    )
    audit.record(
        actor=None,
        verb="governance.change_approved",
        subject_kind="change",
        subject_id=change.pk,
        after={"approvals": made, "approvers": people, "digest": change.subject_digest},
    )
    outbox.emit(
        "governance.change_approved", key=change.pk, payload=change_events.payload(change) | {"approvals": made}
    )
    return made
