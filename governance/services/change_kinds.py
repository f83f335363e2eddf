"""The change kinds that governance registers: policies and waivers here, the catalog's in
`governance.services.catalog.change_kinds`."""

from __future__ import annotations

from datetime import datetime

from catalog.selectors import domains, teams
from catalog.services import boundary_proposals, governed_facts
from governance.domain import kinds, limits, policy
from governance.domain.checks import Check, CheckContext, CheckOutcome, failed, finding, not_run, passed
from governance.domain.kinds import ApprovedSubject, ChangeKind
from governance.domain.subject import Subject, SubjectFacts
from governance.selectors import policies as policies_in_force
from governance.selectors import told_slots
from governance.services import freeze_changes, policies, policy_names, waivers
from governance.services.catalog import change_kinds as catalog_kinds
from governance.services.catalog import freeze_guard, record_proposals
from kernel import clock
from kernel.digest import short
from kernel.errors import DomainError
from kernel.ui.wording import counted
from kernel.viewer import SYSTEM


def register_all() -> None:
    """Called once by `GovernanceConfig.ready()`."""
    catalog_kinds.register_all()
    kinds.register(
        ChangeKind(
            key="policy.change",
            label="Change a policy",
            facts=_policy_facts,
            checks=(
                Check("policy.sound", "Valid policy that only tightens", _policy_sound),
                Check("policy.flips", "Effect on open changes", _policy_flips),
            ),
            apply=_activate,
            subject_kind="policy",
            follows=False,
            parameters=(),
        )
    )
    kinds.register(
        ChangeKind(
            key="waiver.grant",
            label="Grant a waiver",
            facts=_waiver_facts,
            checks=(
                Check("waiver.bounded", f"One rule, one place, at most {limits.WAIVER_DAYS} days", _waiver_bounded),
            ),
            apply=_grant,
            subject_kind="waiver",
            follows=False,
            parameters=(),
            passes_freezes=True,
        )
    )

    freeze_changes.register_all()
    boundary_proposals.register(record_proposals.propose)
    governed_facts.register_freezes(freeze_guard.open_freezes, freeze_guard.recorded_apis)


def _role_team(key: str) -> tuple[int, ...]:
    team = teams.by_key(key)
    return (team.id,) if team else ()


# -- policies ------------------------------------------------------------------------------------------------------
def _policy_facts(subject: Subject) -> SubjectFacts | None:
    version = policies_in_force.by_digest(subject.id, subject.digest)
    if version is None:
        return None
    before = policies_in_force.present(subject.id)
    head, _, key = subject.id.partition(":")
    return SubjectFacts(
        title=f"Policy of the {subject.id.replace(':', ' ')}, version {version.version}",
        digest=version.digest,
        tier=0 if head == "organisation" else 1,
        data_class="internal",
        owner_team_ids=_owners(head, key),
        consumers_affected=(),
        domain_key=key if head == "domain" else None,
        base_digest=before.digest if before else None,
        contributor_ids=(version.author_id,) if version.author_id else (),
        url=f"/policies/{version.pk}/",
        old=before.document if before else None,
        new=version.document,
        extras={"policy": version.pk},
    )


def _owners(head: str, key: str) -> tuple[int, ...]:
    """The team owns its policy, the owner team of a domain the domain's, and the architects the organisation's."""
    if head != "domain":
        return _role_team(key if head == "team" else "architects")
    domain = domains.by_key(key)
    return (domain.owner_team_id,) if domain is not None and domain.owner_team_id is not None else ()


def _policy_sound(context: CheckContext) -> CheckOutcome:
    if context.subject_facts is None:
        return not_run("The version is not known.")
    try:
        policy.validate(context.subject_facts.new, above=policies_in_force.above(context.subject.id))
        policy_names.require_known(context.subject_facts.new)
    except DomainError as error:
        return failed(
            error.message,
            [finding("policy.sound", f["pointer"], f["message"]) for f in error.findings],
            ["Correct the document."],
        )
    return passed()


def _policy_flips(context: CheckContext) -> CheckOutcome:
    if context.subject_facts is None:
        return not_run("The version is not known.")
    flips = [
        flip
        for flip in policies.preview(context.subject.id, context.subject_facts.new, viewer=SYSTEM)
        if flip.change.pk != context.change.id
    ]
    listed = [
        finding(
            "policy.flips",
            "",
            f"Change {f.change.pk} would need "
            f"{', '.join(told_slots.without_names(f.added_slots)) or 'no other approvals'}; "
            f"{counted(f.voids, 'decision')} would be void.",
            level="info",
            change=f.change.pk,
            voids=f.voids,
        )
        for f in flips
        if f.flips or f.voids
    ]
    return passed(
        f"It affects {counted(len(listed), 'open change')}." if listed else "It affects no open change.", listed
    )


def _activate(approved: ApprovedSubject) -> None:
    policies.activate(approved.subject.id, approved.subject.digest, actor=approved.actor)


# -- waivers -------------------------------------------------------------------------------------------------------
def _waiver_facts(subject: Subject) -> SubjectFacts | None:
    return waivers.facts(subject)


def _waiver_bounded(context: CheckContext) -> CheckOutcome:
    facts = context.subject_facts
    if facts is None:
        return not_run("The waiver is not known.")
    expires = datetime.fromisoformat(facts.new["expires_at"])
    if expires <= clock.now():
        return failed(
            "It ended before it was granted.",
            [finding("waiver.bounded", "/expires_at", "This day is in the past.")],
            ["Ask for a new waiver."],
        )
    opens = f"{facts.new['rule']} at {facts.new['pointer'] or 'the whole document'}, until {expires:%d %b %Y}"
    whom, content = facts.new.get("application"), facts.new["subject"].get("digest")
    opens += f", for {short(content)} alone" if content else ""
    return passed(f"It lets {whom} pass {opens}." if whom else f"{opens}. It opens nothing at the gate.")


def _grant(approved: ApprovedSubject) -> None:
    waivers.grant(int(approved.subject.id), approval_id=approved.approval_id, actor=approved.actor)
