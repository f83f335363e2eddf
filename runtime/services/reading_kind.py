"""What governance knows of what is read again and judged again: one kind of change, for what is above the limits."""

from __future__ import annotations

from typing import Any

from governance.domain import checks, kinds
from governance.domain.checks import Check, CheckContext, CheckOutcome
from governance.domain.kinds import ChangeKind
from governance.domain.subject import Subject, SubjectFacts
from runtime.domain import manifest as manifests
from runtime.models import Deployment, ReadAgain
from runtime.services.change_kinds import data_class_of, record_owners_of


def register() -> None:
    kinds.register(
        ChangeKind(
            key="reading.open",
            label="Read a source again, or judge its rejected messages again",
            facts=_facts,
            checks=(_DEPLOYED,),
            subject_kind="reading",
            follows=False,
        )
    )


def _facts(subject: Subject) -> SubjectFacts | None:
    """`<integration>/<source|all>`: the digest names a plan; `<integration>/rejected`: it names messages."""
    key, _, rest = subject.id.partition("/")
    deployment = (
        Deployment.objects.select_related("integration", "release")
        .filter(integration__key=key, active=True)
        .order_by("-id")
        .first()
    )
    if deployment is None:
        return None
    plan = ReadAgain.objects.filter(stream__integration__key=key, digest=subject.digest).first()
    if rest != "rejected" and subject.digest and plan is None:
        return None  # nobody decides on a plan that is not written down
    manifest = manifests.load(deployment.release.manifest)
    return SubjectFacts(
        title=f"{manifest.title}: {'rejected messages' if rest == 'rejected' else rest} again",
        digest=subject.digest,
        tier=manifest.tier,
        data_class=data_class_of(manifest),
        owner_team_ids=(deployment.integration.owner_team_id,),
        record_owner_team_ids=record_owners_of(manifest),
        entities=(),
        consumers_affected=(),
        domain_key=manifest.domain,
        revision_digest=subject.digest,
        system_keys=tuple(dict.fromkeys(source.system for source in manifest.sources)),
        url=f"/runtime/readings/{plan.pk}/" if plan else f"/runtime/integrations/{key}/",
        old={},
        new=_document(subject, plan),
        contributor_ids=(plan.planned_by_id,) if plan and plan.planned_by_id else (),
    )


def _document(subject: Subject, plan: ReadAgain | None) -> dict[str, Any]:
    """What approvers read in the difference: which source, from where, and why."""
    if plan is None:
        return {"reading": subject.id}
    return {
        "reading": subject.id,
        "source": plan.source or "all",
        "since": plan.since.isoformat() if plan.since else "the start",
        "messages": plan.messages,
        "reason": plan.reason,
    }


def _deployed(context: CheckContext) -> CheckOutcome:
    key = context.subject.id.partition("/")[0]
    if Deployment.objects.filter(integration__key=key, environment=context.environment, active=True).exists():
        return checks.passed("What is known already is stored once only, so a repetition has no second effect.")
    finding = checks.finding("reading.not_deployed", "", f"It is not deployed in {context.environment}.")
    return checks.failed("Nothing would read it.", [finding], ["Deploy the integration first."])


_DEPLOYED = Check("reading.deployed", "Deployed integration", _deployed)
