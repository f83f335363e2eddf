"""Waivers: asked for as a change, granted by its approval, visible wherever they count, gone after at most
`limits.WAIVER_DAYS` days.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from catalog.selectors import consumers
from governance import permissions
from governance.domain import gate_rules, limits
from governance.domain.subject import Subject, SubjectFacts
from governance.domain.waiver_documents import document
from governance.models import ChangeRequest, Waiver
from governance.selectors import sight
from governance.selectors.waiver_standings import present_facts
from governance.services import changes, identity, waiver_bindings
from kernel import audit, clock, outbox
from kernel.digest import digest_of
from kernel.errors import Conflict, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Permission, Viewer


def propose(
    *,
    actor: User,
    rule: str,
    pointer: str,
    subject: Subject,
    environment: str,
    reason: str,
    expires_at: datetime,
    starts_at: datetime | None = None,
    application: str = "",
    submit: bool = True,
) -> ChangeRequest:
    """Ask to waive `rule` at `pointer` for one subject in one environment: opens (and submits) a `waiver.grant` change.

    A rule of the gate is waived for one application, at the place that the verdict's reason names, and for what the
    subject is now: the version with its present contract, the integration at the digest of `subject` (or the newest).
    A finding of changes is waived for the content that has it, as the check says it (`waiver_bindings`).

    Raises Invalid with findings: no reason, no rule, an end in the past or too far away, other content than there is.
    """
    starts = starts_at or clock.now()
    _require_usable(rule, reason, starts, expires_at, _gate_findings(rule.strip(), pointer, application, subject))
    _require_seen(actor, subject)
    identity.require_proof(actor, "a waiver")
    if rule.strip() in gate_rules.DENIALS:
        bound = waiver_bindings.of_gate(subject)
    else:
        bound = waiver_bindings.of_finding(Viewer.of(actor), subject, rule.strip(), pointer, environment)
    with transaction.atomic():
        waiver = Waiver(
            rule=rule.strip(),
            pointer=pointer,
            subject_kind=subject.kind,
            subject_id=subject.id,
            subject_digest=bound.digest,
            seen_findings=bound.findings,
            application=application,
            environment=environment,
            reason=reason.strip(),
            starts_at=starts,
            expires_at=expires_at,
            requested_by=actor,
        )
        waiver.digest = digest_of(document(waiver))
        waiver.save()
        change = changes.open_change(
            author=actor,
            kind="waiver.grant",
            subjects=[Subject("waiver", str(waiver.pk), waiver.digest)],
            environment=environment,
            title=_title(waiver)[:200],
            justification=reason.strip(),
            rollback_plan="Revoking the waiver puts the rule back in force at once.",
            planned_from=min(starts, clock.now()),
            planned_until=expires_at,
        )
        return changes.submit(change, actor=actor) if submit else change


def _title(waiver: Waiver) -> str:
    about = f"{waiver.rule} for {waiver.subject_id}"
    return f"Waiver: {waiver.application} may pass {about}" if waiver.application else f"Waiver: {about}"


def _gate_findings(rule: str, pointer: str, application: str, subject: Subject) -> list[dict[str, Any]]:
    """What a waiver of a rule of the gate must name beside it."""
    found = []
    if rule in gate_rules.NEVER_WAIVED:
        message = (
            "No waiver sets this aside: have the new destination approved (a change of the kind system.destination)."
        )
        return [finding("/rule", message)]
    if rule in gate_rules.UNKNOWNS:
        return [finding("/rule", f"{rule} says that the gate does not know: no waiver sets that aside.")]
    if rule not in gate_rules.DENIALS and rule.casefold() in gate_rules.DENIALS:
        return [finding("/rule", f"There is no rule {rule}. Did you mean {rule.casefold()}?")]
    if application:
        near = consumers.application_near(application)
        if near != application:
            meant = f" Did you mean {near}?" if near else ""
            found.append(finding("/application", f"There is no application {application[:80]!r}.{meant}"))
    elif rule in gate_rules.DENIALS:
        message = "Name the application that may pass: a waiver of the gate is for one application."
        found.append(finding("/application", message))
    if not pointer and (application or rule in gate_rules.DENIALS):
        message = "Name the place that the reason of the verdict names, such as /consumed/items/price-api@v2."
        found.append(finding("/pointer", message))
    elif rule in gate_rules.DENIALS and not gate_rules.is_place_of(pointer, subject.kind, subject.id):
        message = f"No reason about the {subject.kind} {subject.id[:200]!r} stands there. Take both from the verdict."
        found.append(finding("/pointer", message))
    return found


def _require_usable(
    rule: str, reason: str, starts: datetime, expires_at: datetime, found: list[dict[str, Any]]
) -> None:
    if not rule.strip():
        found.append(finding("/rule", "Name the rule."))
    if len(reason.split()) < 3:
        found.append(finding("/reason", "Say in a sentence why the rule does not have to hold here."))
    if expires_at.tzinfo is None or not starts < expires_at:
        found.append(finding("/expires_at", "It ends after it starts."))
    elif expires_at <= clock.now() or expires_at - starts > timedelta(days=limits.WAIVER_DAYS):
        found.append(
            finding("/expires_at", f"It ends in the future, at most {limits.WAIVER_DAYS} days after it starts.")
        )
    if found:
        raise Invalid("waiver.invalid", f"The waiver cannot be asked for: {found[0]['message']}", {"findings": found})


def _require_seen(actor: User, subject: Subject) -> None:
    if not sight.sees(Viewer.of(actor), subject.kind, subject.id):
        message = f"There is no {subject.kind} {subject.id[:200]!r}."
        raise Invalid(
            "waiver.invalid",
            f"The waiver cannot be asked for: {message}",
            {"findings": [finding("/subject_id", message)]},
        )


def facts(subject: Subject) -> SubjectFacts | None:
    """The waiver with the tier, data class and owners of its subject: waiving a rule is as critical as the subject."""
    waiver = Waiver.objects.filter(pk=int(subject.id)).first() if subject.id.isdecimal() else None
    if waiver is None:
        return None
    about = present_facts(waiver.subject_kind, waiver.subject_id)
    return SubjectFacts(
        title=f"Waiver of {waiver.rule} for {waiver.subject_id}",
        digest=waiver.digest,
        tier=about.tier if about else None,
        data_class=about.data_class if about else None,
        owner_team_ids=about.owner_team_ids if about else (),
        record_owner_team_ids=about.record_owner_team_ids if about else (),
        entities=about.entities if about else (),
        consumers_affected=(),
        domain_key=about.domain_key if about else None,
        system_keys=about.system_keys if about else (),
        contributor_ids=(waiver.requested_by_id,),
        least_risk=gate_rules.risk_of_waiving(waiver.rule),
        url=f"/waivers/#w{waiver.pk}",
        new=document(waiver),
    )


def grant(waiver_id: int, *, approval_id: int, actor: User | None) -> Waiver:
    """From proposed to granted; a trigger requires an approval of exactly this waiver."""
    with transaction.atomic():
        waiver = _locked(waiver_id)
        if waiver.state != Waiver.State.PROPOSED:
            raise Conflict("waiver.state", f"Waiver {waiver_id} is {waiver.get_state_display().lower()}.")
        waiver.state, waiver.granted_at = Waiver.State.GRANTED, clock.now()
        waiver.save(update_fields=["state", "granted_at"])
        audit.record(
            actor=actor,
            verb="governance.waiver_granted",
            subject_kind="waiver",
            subject_id=waiver_id,
            after=document(waiver) | {"approval": approval_id},
        )
        outbox.emit("governance.waiver_granted", key=waiver_id, payload=document(waiver) | {"waiver": waiver_id})
    return waiver


def revoke(waiver_id: int, *, actor: User, reason: str = "") -> Waiver:
    """End the waiver at once. Idempotent. Raises Forbidden `waiver.not_allowed`."""
    with transaction.atomic():
        waiver = _locked(waiver_id)
        if not sight.waivers(Viewer.of(actor)).filter(pk=waiver_id).exists():
            raise NotFound("waiver.unknown", f"There is no waiver {waiver_id}.")
        changes.require_allowed(may_revoke(Viewer.of(actor), waiver), "waiver.not_allowed")
        if waiver.state == Waiver.State.REVOKED:
            return waiver
        waiver.state, waiver.revoked_at, waiver.revoked_by = Waiver.State.REVOKED, clock.now(), actor
        waiver.save(update_fields=["state", "revoked_at", "revoked_by"])
        audit.record(
            actor=actor, verb="governance.waiver_revoked", subject_kind="waiver", subject_id=waiver_id, reason=reason
        )
    return waiver


def may_revoke(viewer: Viewer, waiver: Waiver) -> Permission:
    about = present_facts(waiver.subject_kind, waiver.subject_id)
    return permissions.may_revoke_waiver(viewer, waiver, about.owner_team_ids if about else ())


_RETIRING = """
select f ->> 'application'
  from governance_approval a
  join governance_changerequest c on c.id = a.change_id
  join governance_checkresult r on r.change_id = c.id and r.revision = c.revision and r.status = 'failed'
 cross join jsonb_array_elements(r.findings) f
 where a.id = %s
   and f ->> 'rule' = 'retire.live_consumer'
 group by 1
having bool_and(governance_finding_settled(c.id, f))
"""


def applications_waived(approval_id: int) -> frozenset[str]:
    """Applications whose continued use is waived for the retirement that this approval permits: those whose findings
    are all settled, by what settles them for the approval itself."""
    with connection.cursor() as cursor:
        cursor.execute(_RETIRING, [approval_id])
        return frozenset(application for (application,) in cursor.fetchall())


def _locked(waiver_id: int) -> Waiver:
    waiver = Waiver.objects.select_for_update().filter(pk=waiver_id).first()
    if waiver is None:
        raise NotFound("waiver.unknown", f"There is no waiver {waiver_id}.")
    return waiver
