"""Policies: propose a version, preview its effect on open changes, put it into effect by an approved change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from catalog.selectors import domains, teams
from governance import permissions
from governance.domain import kinds, policy
from governance.domain.slots import SlotSpec
from governance.domain.subject import Subject
from governance.models import ChangeRequest, Policy
from governance.selectors import policies as selectors
from governance.selectors import sight, told_slots
from governance.services import changes, policy_names, revisions
from governance.services.assessment import assess
from kernel import audit, clock, outbox
from kernel.digest import digest_of
from kernel.errors import Conflict, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer


def digest_of_policy(level: str, version: int, document: Mapping[str, Any]) -> str:
    """The identity of a policy version; the same document written again is another version."""
    return digest_of({"level": level, "version": version, "document": dict(document)})


def write(*, level: str, document: Mapping[str, Any], author: User | None, summary: str = "") -> Policy:
    """A draft version. Raises Invalid `policy.invalid` with every finding."""
    _require_level(level)
    policy.validate(document, above=selectors.above(level))
    policy_names.require_known(document)
    with transaction.atomic():
        latest = Policy.objects.filter(level=level).aggregate(top=Max("version"))["top"] or 0
        try:
            with transaction.atomic():
                made = Policy.objects.create(
                    level=level,
                    version=latest + 1,
                    document=dict(document),
                    digest=digest_of_policy(level, latest + 1, document),
                    author=author,
                    summary=summary[:200],
                )
        except IntegrityError as error:
            raise Conflict(
                "policy.version_taken", "Somebody wrote a version of this policy at the same moment. Try again."
            ) from error
        audit.record(
            actor=author,
            verb="governance.policy_written",
            subject_kind="policy",
            subject_id=level,
            after={"version": made.version, "digest": made.digest},
        )
    return made


def propose(
    *,
    level: str,
    document: Mapping[str, Any],
    author: User,
    title: str,
    justification: str,
    environment: str,
    summary: str = "",
    **more: Any,
) -> ChangeRequest:
    """A draft version and the change request that would put it into effect."""
    permission = permissions.may_propose_policy(Viewer.of(author))
    changes.require_allowed(permission, "policy.not_allowed")
    with transaction.atomic():
        made = write(level=level, document=document, author=author, summary=summary)
        return changes.open_change(
            author=author,
            kind="policy.change",
            subjects=[Subject("policy", level, made.digest)],
            environment=environment,
            title=title,
            justification=justification,
            **more,
        )


def install(*, level: str, document: Mapping[str, Any], actor: User | None, summary: str = "") -> Policy:
    """The first policy of a level takes effect without a change; a trigger refuses this for later ones. Idempotent by
    document.
    """
    present = selectors.present(level)
    if present is not None:
        if present.document == dict(document):
            return present
        raise Conflict(
            "policy.exists", f"{level} has policy {present.version}; another one takes effect by an approved change."
        )
    with transaction.atomic():
        made = write(level=level, document=document, author=actor, summary=summary)
        _activate(made, actor)
    made.refresh_from_db()
    return made


def activate(level: str, digest: str, *, actor: User | None) -> Policy:
    """Put an approved version into effect. The same transaction voids decisions on open changes of that level."""
    with transaction.atomic():
        made = Policy.objects.select_for_update().filter(level=level, digest=digest, state=Policy.State.DRAFT).first()
        if made is None:
            raise NotFound("policy.unknown", f"There is no draft of {level} with this digest.")
        _activate(made, actor)
    return made


def _activate(made: Policy, actor: User | None) -> None:
    before = Policy.objects.select_for_update().filter(level=made.level, state=Policy.State.ACTIVE).first()
    if before is not None:
        before.state = Policy.State.SUPERSEDED
        before.save(update_fields=["state"])
    made.state, made.activated_at = Policy.State.ACTIVE, clock.now()
    made.save(update_fields=["state", "activated_at"])
    audit.record(
        actor=actor,
        verb="governance.policy_activated",
        subject_kind="policy",
        subject_id=made.level,
        before={"version": before.version, "digest": before.digest} if before else None,
        after={"version": made.version, "digest": made.digest},
    )
    outbox.emit(
        "governance.policy_activated",
        key=made.level,
        payload={"level": made.level, "version": made.version, "digest": made.digest},
    )
    for change_id in _open_at(made.level):
        changes.rederive(change_id, why=f"policy {made.level} {made.version} took effect")


def _open_at(level: str) -> list[int]:
    rows = ChangeRequest.objects.filter(
        state__in=[ChangeRequest.State.IN_REVIEW, ChangeRequest.State.APPROVED], policy_levels__contains=[level]
    )
    return list(rows.order_by("id").values_list("id", flat=True))


@dataclass(frozen=True, slots=True)
class Flip:
    """The effect of a new policy on one open change. Slots are `label × count`."""

    change: ChangeRequest
    added_slots: tuple[str, ...]
    dropped_slots: tuple[str, ...]
    added_checks: tuple[str, ...]
    dropped_checks: tuple[str, ...]
    voids: int

    @property
    def flips(self) -> bool:
        return bool(self.added_slots or self.dropped_slots or self.added_checks or self.dropped_checks)


def preview(level: str, document: Mapping[str, Any], *, viewer: Viewer) -> list[Flip]:
    """The open changes, of those that the viewer sees, that the document would affect if it took effect now, and the
    decisions it would void. Reads only.
    """
    _require_level(level)
    policy.validate(document, above=selectors.above(level))
    policy_names.require_known(document)
    found = []
    for change in sight.of_changes(viewer).filter(pk__in=_open_at(level)).order_by("id"):
        found.append(_flip(change, level, document, viewer))
    return found


def _flip(change: ChangeRequest, level: str, document: Mapping[str, Any], viewer: Viewer) -> Flip:
    active = [(p.level, document if p.level == level else p.document) for p in selectors.active(change.policy_levels)]
    if level not in dict(active):
        active.append((level, document))
    made = assess(
        kinds.kind(change.kind),
        changes.subjects_of(change),
        revisions.proposal_of(change),
        as_of=clock.now(),
        levels=active,
    )
    rows = [(s.key, s.label, s.group_ids) for s in change.slots.filter(revision=change.revision).order_by("number")]
    asked = [(spec.key, spec.label, spec.group_ids) for spec in made.slots for _ in range(spec.count)]
    told = told_slots.of(change, viewer, [(key, label) for key, label, _ in (*rows, *asked)])
    now, then = told.numbered(rows), told.numbered(asked)
    checks_now = set(change.check_results.filter(revision=change.revision).values_list("check_id", flat=True))
    checks_then = {check for check, _ in made.checks}
    return Flip(
        change=change,
        added_slots=tuple(sorted(then - now)),
        dropped_slots=tuple(sorted(now - then)),
        added_checks=tuple(sorted(checks_then - checks_now)),
        dropped_checks=tuple(sorted(checks_now - checks_then)),
        voids=change.decisions.filter(voided_at=None).count(),
    )


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer of the explain box."""

    slots: tuple[SlotSpec, ...]
    checks: tuple[str, ...]
    rules: tuple[Mapping[str, Any], ...]
    levels: tuple[str, ...]


def explain(change: ChangeRequest) -> Explanation:
    """Why this change needs these approvals: each rule of each level, whether it matched, and what it adds."""
    made = assess(
        kinds.kind(change.kind), changes.subjects_of(change), revisions.proposal_of(change), as_of=clock.now()
    )
    return Explanation(
        made.slots,
        tuple(check for check, _ in made.checks),
        made.requirements.explain if made.requirements else (),
        made.levels,
    )


def explain_profile(profile: policy.ChangeProfile, *, levels: list[str] | None = None) -> policy.Requirements:
    """The same for the values that a person enters on the policies page. Raises Conflict when no policy is active."""
    active = selectors.active(levels or [selectors.ORGANISATION])
    if not active or active[0].level != selectors.ORGANISATION:
        raise Conflict("policy.none", "No policy of the organisation is active.")
    return policy.requirements_of([(p.level, p.document) for p in active], profile)


def _require_level(level: str) -> None:
    """Raises Invalid `policy.level` for a level of another form, or of an unknown domain or team."""
    head, _, key = level.partition(":")
    known = {"domain": domains.by_key, "team": teams.by_key}
    if level == selectors.ORGANISATION or (head in known and len(level) <= 80 and known[head](key) is not None):
        return
    missing = head in known and bool(key)
    message = (
        f"There is no {head} {key!r}."
        if missing
        else f"A level is organisation, domain:<key> or team:<key>; not {level!r}."
    )
    raise Invalid("policy.level", message, {"findings": [finding("/level", message)]})
