"""What reviewers do: approve, request changes, reject, take a decision back, accept a breaking finding as what it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction

from catalog.selectors import teams
from governance import permissions
from governance.models import BreakAcceptance, ChangeEvent, ChangeRequest, CheckResult, Decision
from governance.services import change_events, changes, sealing
from kernel import audit, clock, outbox
from kernel.errors import Conflict, Forbidden, Invalid, finding
from kernel.models import User
from kernel.viewer import Viewer

State = ChangeRequest.State


@dataclass(frozen=True, slots=True)
class Seen:
    """The four digests that the person had on the page."""

    subject_digest: str
    diff_digest: str
    impact_digest: str
    policy_digest: str

    @classmethod
    def of(cls, change: ChangeRequest) -> Seen:
        return cls(change.subject_digest, change.diff_digest, change.impact_digest, change.policy_digest)


def approve(change: ChangeRequest, *, actor: User, seen: Seen, note: str = "") -> Decision:
    """Fill a seat. Seals the change when it was the last one that was missing. Errors as `decide`."""
    return decide(change, actor=actor, outcome="approve", seen=seen, note=note)


def request_changes(change: ChangeRequest, *, actor: User, seen: Seen, note: str) -> Decision:
    """The author has to revise; until then nothing is sealed. Needs a reason."""
    return decide(change, actor=actor, outcome="request_changes", seen=seen, note=note)


def reject(change: ChangeRequest, *, actor: User, seen: Seen, note: str) -> Decision:
    """Closes the change. Needs a reason."""
    return decide(change, actor=actor, outcome="reject", seen=seen, note=note)


def decide(change: ChangeRequest, *, actor: User, outcome: str, seen: Seen, note: str = "") -> Decision:
    """One person's word on the present revision.

    Raises Conflict `change.stale_page` with `data["changed"]` when any digest is another one than the person saw; Forbidden
    `decision.not_allowed` when the person has no seat, had a hand in the change or is a service account; Invalid without a reason.
    """
    if outcome != Decision.Outcome.APPROVE and not note.strip():
        raise Invalid(
            "decision.needs_a_reason",
            "Say why: the author reads this first.",
            {"findings": [finding("/note", "Say why: the author reads this first.")]},
        )
    changes.refresh(change.pk)
    with transaction.atomic():
        change = changes.locked(change.pk)
        _require_present(change, seen)
        permission = permissions.may_decide(Viewer.of(actor), change, changes.database_clock())
        if not permission:
            raise Forbidden("decision.not_allowed", permission.reason)
        made = _insert(change, actor, outcome, note.strip())
        _say(change, outcome, actor, note.strip(), made)
        if outcome == Decision.Outcome.REJECT:
            change.state, change.decided_at = State.REJECTED, clock.now()
            change.save(update_fields=["state", "decided_at"])
            changes.tell_closed(change, "rejected", actor)
            outbox.emit("governance.change_rejected", key=change.pk, payload=change_events.payload(change) | {"actor": actor.pk})
        else:
            outbox.emit(
                "governance.change_decided",
                key=change.pk,
                payload=change_events.payload(change) | {"actor": actor.pk, "outcome": outcome},
            )
    if outcome == Decision.Outcome.APPROVE:
        sealing.try_seal(change.pk)
    return made


def take_back(change: ChangeRequest, *, actor: User) -> None:
    """A person's own live decision no longer counts; an approval that rests on it and was not used is void. Idempotent."""
    with transaction.atomic():
        change = changes.locked(change.pk)
        rows = Decision.objects.filter(change=change, person=actor, voided_at=None)
        if change.state in (State.IN_REVIEW, State.APPROVED) and rows.update(voided_at=clock.now(), void_reason="taken back"):
            ChangeEvent.objects.create(
                change=change, kind="taken_back", actor=actor, at=clock.now(), data={"digest": change.subject_digest}
            )
            audit.record(actor=actor, verb="governance.decision_taken_back", subject_kind="change", subject_id=change.pk)


def _require_present(change: ChangeRequest, seen: Seen) -> None:
    present = Seen.of(change)
    words = {
        "subject_digest": "the subject",
        "diff_digest": "the difference",
        "impact_digest": "whom it reaches",
        "policy_digest": "the policy",
    }
    moved = [words[key] for key, value in asdict(present).items() if value != getattr(seen, key)]
    if moved:
        raise Conflict(
            "change.stale_page",
            f"The change has moved on since you looked: {', '.join(moved)}. Nothing was decided. Look at what changed, then decide again.",
            {"changed": moved, "revision": change.revision, "present": asdict(present), "seen": asdict(seen)},
        )


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
        raise Forbidden("decision.not_allowed", f"{str(error).splitlines()[0]}.", {"constraint": name}) from error


def _say(change: ChangeRequest, outcome: str, actor: User, note: str, made: Decision) -> None:
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
        after=asdict(Seen.of(change)),
        reason=note,
    )


# -- breaking findings, accepted as what they are ------------------------------------------------------------------------
NEEDED = {
    BreakAcceptance.Kind.BENIGN: ("architects",),
    BreakAcceptance.Kind.CORRECTION: ("owner",),
    BreakAcceptance.Kind.NO_CONSUMERS: ("owner", "architects"),
    BreakAcceptance.Kind.BREAKING: ("release-managers",),
}


def accept_break(
    change: ChangeRequest, *, actor: User, rule: str, pointer: str, kind: str, reason: str, migrate_by: date | None = None
) -> BreakAcceptance:
    """Accept one breaking finding of a failed check as `benign` (architects), `correction` of the document (owner team), `no_consumers`
    (owner or architects, and only while nobody uses it) or truly `breaking` (release managers, with the day by which consumers have moved).

    Raises Invalid when there is no such finding, Forbidden when the person may not accept in this way.
    """
    if kind not in BreakAcceptance.Kind.values:
        raise Invalid("acceptance.kind", f"A break is accepted as {', '.join(BreakAcceptance.Kind.values)}; not as {kind!r}.")
    if not reason.strip():
        raise Invalid("acceptance.needs_a_reason", "Say why.", {"findings": [finding("/reason", "Say why.")]})
    if kind == BreakAcceptance.Kind.BREAKING and (migrate_by is None or migrate_by <= clock.now().date()):
        raise Invalid(
            "acceptance.needs_a_date",
            "Say by when its consumers have moved: a day in the future.",
            {"findings": [finding("/migrate_by", "A day in the future.")]},
        )
    with transaction.atomic():
        change = changes.locked(change.pk)
        found = _open_finding(change, rule, pointer)
        if kind == BreakAcceptance.Kind.NO_CONSUMERS and (
            change.impact is None or any(_reached(found, row) for row in change.impact)
        ):
            raise Conflict(
                "acceptance.has_consumers", "Somebody uses it, or nobody can say who does: it cannot be accepted as unused."
            )
        groups = _groups(change, NEEDED[BreakAcceptance.Kind(kind)])
        try:
            with transaction.atomic():
                made = BreakAcceptance.objects.create(
                    change=change,
                    revision=change.revision,
                    rule=rule,
                    pointer=pointer,
                    kind=kind,
                    reason=reason.strip(),
                    migrate_by=migrate_by,
                    person=actor,
                    group_ids_needed=groups,
                    diff_digest=change.diff_digest,
                )
        except IntegrityError as error:
            raise Forbidden("acceptance.not_allowed", f"{str(error).splitlines()[0]}.") from error
        ChangeEvent.objects.create(
            change=change,
            kind="accepted",
            actor=actor,
            text=reason.strip(),
            at=clock.now(),
            data={"rule": rule, "pointer": pointer, "as": kind, "migrate_by": migrate_by.isoformat() if migrate_by else None},
        )
        audit.record(
            actor=actor,
            verb="governance.break_accepted",
            subject_kind="change",
            subject_id=change.pk,
            after={"rule": rule, "pointer": pointer, "as": kind},
            reason=reason,
        )
    sealing.try_seal(change.pk)
    return made


def _open_finding(change: ChangeRequest, rule: str, pointer: str) -> dict[str, Any]:
    for row in CheckResult.objects.filter(change=change, revision=change.revision, status="failed"):
        for found in row.findings:
            if found.get("rule") == rule and found.get("pointer", "") == pointer and found.get("level") == "error":
                if not found.get("breaking"):
                    raise Invalid("acceptance.not_a_break", f"{rule} is not a breaking difference; only a waiver sets it aside.")
                return dict(found)
    raise Invalid(
        "acceptance.no_such_finding",
        f"No failed check of this revision has the finding {rule} at {pointer or 'the whole document'}.",
    )


def _reached(found: dict[str, Any], row: dict[str, Any]) -> bool:
    consumers = found.get("consumers")
    return consumers is None or row["application"] in consumers


def _groups(change: ChangeRequest, keys: tuple[str, ...]) -> list[int]:
    groups: list[int] = []
    for key in keys:
        if key == "owner":
            groups += change.owner_team_ids
        elif (team := teams.by_key(key)) is not None:
            groups.append(team.id)
    return groups
