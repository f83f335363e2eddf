"""Accepting a breaking finding. If it truly breaks consumers, their owners must approve the change too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction

from catalog.selectors import teams
from governance.domain.acceptance import ACCEPTANCE_KINDS, AcceptanceKind
from governance.domain.slots import OF_CONSUMERS, OWNERLESS, ROLE_LABELS, ROLE_TEAMS
from governance.models import BreakAcceptance, ChangeEvent, ChangeRequest, ChangeSubject, CheckResult, Slot
from governance.services import change_events, changes, identity, revisions, sealing
from kernel import audit, clock, outbox
from kernel.errors import Conflict, Forbidden, Invalid, finding
from kernel.models import User

MAX_PLACES = 500


def accept_break(
    change: ChangeRequest,
    *,
    actor: User,
    rule: str,
    pointer: str,
    kind: str,
    reason: str,
    migrate_by: date | None = None,
    subject: str = "",
) -> BreakAcceptance:
    """Accept one breaking finding of a failed check as `benign`, `correction`, `no_consumers` or truly `breaking`
    (`domain.acceptance`).

    `subject` (`version price-api@v2`) may be left out where one subject alone has the finding. `migrate_by` is the day
    by which the consumers of a truly breaking difference have migrated. Raises Invalid when there is no such finding,
    no reason or no day in the future, `acceptance.which_subject` where several subjects have it; Conflict
    `acceptance.has_consumers` or `acceptance.unknown_impact`; Forbidden when the person may not accept it in this way.
    """
    (made,) = accept_breaks(
        change,
        actor=actor,
        rule=rule,
        pointers=[pointer],
        kind=kind,
        reason=reason,
        migrate_by=migrate_by,
        subject=subject,
    )
    return made


def accept_breaks(
    change: ChangeRequest,
    *,
    actor: User,
    rule: str,
    pointers: Sequence[str],
    kind: str,
    reason: str,
    migrate_by: date | None = None,
    subject: str = "",
) -> list[BreakAcceptance]:
    """Accept the findings of one rule at several places in the same way, as `accept_break` does each of them: all, or
    none where one is refused.

    Raises what `accept_break` raises, and Invalid `acceptance.too_many` for more than 500 places.
    """
    accepted_as = _required(kind, reason, migrate_by)
    places = list(dict.fromkeys(pointers))
    if len(places) > MAX_PLACES:
        raise Invalid("acceptance.too_many", f"Accept at most {MAX_PLACES} findings at once; these are {len(places)}.")
    proved = identity.require_proof(actor)
    made = []
    with transaction.atomic():
        change = changes.locked(change.pk)
        for pointer in places:
            values = {
                "rule": rule,
                "pointer": pointer,
                "kind": kind,
                "reason": reason.strip(),
                "migrate_by": migrate_by,
            }
            about, found = _open_finding(change, rule, pointer, subject)
            applications = _affected(change, found, kind, accepted_as)
            asked = _add_slots(change, accepted_as, rule, about, applications)
            made.append(_insert(change, actor, accepted_as, about, applications, values))
            _say(made[-1], asked, proved)
    sealing.try_seal(change.pk)
    return made


def _affected(change: ChangeRequest, found: dict[str, Any], kind: str, accepted_as: AcceptanceKind) -> set[str]:
    """The applications that the finding affects. Raises Conflict where this kind of acceptance contradicts them."""
    reached = None if change.impact is None else [row for row in change.impact if _reached(found, row)]
    if kind == BreakAcceptance.Kind.NO_CONSUMERS and (reached is None or reached):
        raise Conflict(
            "acceptance.has_consumers",
            "It has consumers, or its consumers are unknown: it cannot be accepted as unused.",
        )
    if accepted_as.needs_impact and reached is None:
        raise Conflict(
            "acceptance.unknown_impact",
            "The affected consumers are unknown, so it is unknown who must agree. Report its usage first.",
        )
    return {row["application"] for row in reached or ()}


def _say(made: BreakAcceptance, asked: list[str], proved: Mapping[str, Any]) -> None:
    change = made.change
    said = {"rule": made.rule, "pointer": made.pointer, "subject": made.about, "as": made.kind}
    ChangeEvent.objects.create(
        change=change,
        kind="accepted",
        actor=made.person,
        text=made.reason,
        at=clock.now(),
        data=said | {"migrate_by": made.migrate_by.isoformat() if made.migrate_by else None, "asks": asked},
    )
    if asked:
        outbox.emit("governance.seats_added", key=change.pk, payload=change_events.payload(change) | {"asks": asked})
    audit.record(
        actor=made.person,
        verb="governance.break_accepted",
        subject_kind="change",
        subject_id=change.pk,
        after=said | {"asks": asked} | dict(proved),
        reason=made.reason,
    )


def _required(kind: str, reason: str, migrate_by: date | None) -> AcceptanceKind:
    if kind not in ACCEPTANCE_KINDS:
        raise Invalid(
            "acceptance.kind", f"{kind!r} is not a way to accept a break. Choose one of: {', '.join(ACCEPTANCE_KINDS)}."
        )
    if not reason.strip():
        raise Invalid("acceptance.needs_a_reason", "Say why.", {"findings": [finding("/reason", "Say why.")]})
    if kind == BreakAcceptance.Kind.BREAKING and (migrate_by is None or migrate_by <= clock.now().date()):
        raise Invalid(
            "acceptance.needs_a_date",
            "Say by when its consumers have migrated: a day in the future.",
            {"findings": [finding("/migrate_by", "Give a day in the future.")]},
        )
    return ACCEPTANCE_KINDS[kind]


def _insert(
    change: ChangeRequest,
    actor: User,
    accepted_as: AcceptanceKind,
    about: ChangeSubject,
    applications: set[str],
    values: dict[str, Any],
) -> BreakAcceptance:
    try:
        with transaction.atomic():
            return BreakAcceptance.objects.create(
                change=change,
                revision=change.revision,
                subject_kind=about.kind,
                subject_id=about.subject_id,
                applications=sorted(applications),
                **values,
                person=actor,
                group_ids_needed=_groups(change, accepted_as.accepted_by),
                diff_digest=change.diff_digest,
            )
    except IntegrityError as error:
        raise Forbidden("acceptance.not_allowed", f"{str(error).splitlines()[0]}.") from error


def _add_slots(
    change: ChangeRequest, accepted_as: AcceptanceKind, rule: str, about: ChangeSubject, applications: set[str]
) -> list[str]:
    """The slots that this kind of acceptance adds and the change does not have yet; returns their labels. A consumer
    without an owner adds a slot that nobody can fill: the change stays unapproved until the consumer has an owner.
    """
    wanted: dict[str, tuple[str, list[int]]] = {}
    for key in accepted_as.slots:
        if key == "consumer_owner":
            wanted |= _consumer_slots(change, applications)
        else:
            team = teams.by_key(ROLE_TEAMS[key])
            wanted[key] = (ROLE_LABELS[key], [team.id] if team else [])
    present = set(change.slots.filter(revision=change.revision).values_list("key", flat=True))
    made = [
        Slot(
            change=change,
            revision=change.revision,
            key=key,
            label=label[:120],
            group_ids=groups,
            why=[f"{rule} of {about.subject_id} was accepted as truly breaking."],
            policy_digest=change.policy_digest,
            by_acceptance=True,
        )
        for key, (label, groups) in wanted.items()
        if key not in present
    ]
    Slot.objects.bulk_create(made)
    return [slot.label for slot in made]


def _consumer_slots(change: ChangeRequest, applications: set[str]) -> Mapping[str, tuple[str, list[int]]]:
    known = (
        revisions.assessed(change, changes.subjects_of(change), as_of=revisions.difference_time(change)).consumers or ()
    )
    found: dict[str, tuple[str, list[int]]] = {}
    owned = {consumer.application for consumer in known if consumer.team_id is not None}
    for consumer in known:
        team = (
            teams.by_id(consumer.team_id)
            if consumer.team_id is not None and consumer.application in applications
            else None
        )
        if team is not None:
            found[f"team:{team.key}"] = (OF_CONSUMERS.format(team.name), [team.id])
    if applications - owned:
        found["consumer_owner"] = (OWNERLESS.format(", ".join(sorted(applications - owned))), [])
    return found


def _open_finding(change: ChangeRequest, rule: str, pointer: str, subject: str) -> tuple[ChangeSubject, dict[str, Any]]:
    """The finding, and the subject that it is about."""
    subjects = {f"{row.kind} {row.subject_id}": row for row in change.subjects.all()}
    only = next(iter(subjects)) if len(subjects) == 1 else ""
    found: dict[str, dict[str, Any]] = {}
    for row in CheckResult.objects.filter(change=change, revision=change.revision, status="failed"):
        for one in row.findings:
            if one.get("rule") == rule and one.get("pointer", "") == pointer and one.get("level") == "error":
                about = only or str(one.get("subject", ""))
                if about in subjects and subject in ("", about):
                    found.setdefault(about, dict(one))
    if not found:
        of = f" of {subject}" if subject else ""
        raise Invalid(
            "acceptance.no_such_finding",
            f"No failed check of this revision has the finding {rule} at {pointer or 'the whole document'}{of}.",
        )
    if len(found) > 1:
        message = f"Several subjects have this finding; say which one: {', '.join(sorted(found))}."
        raise Invalid("acceptance.which_subject", message, {"findings": [finding("/subject", message)]})
    ((about, chosen),) = found.items()
    if not chosen.get("breaking"):
        raise Invalid("acceptance.not_a_break", f"{rule} is not a breaking difference; only a waiver sets it aside.")
    return subjects[about], chosen


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
