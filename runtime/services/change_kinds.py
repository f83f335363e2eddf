"""What governance knows of integrations: the kinds of change, facts about their subjects, and the checks.

Registered by `RuntimeConfig.ready()`; governance calls them and knows nothing of manifests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import CharField, QuerySet, Value
from django.db.models.functions import Cast, Concat

from catalog.selectors import consumers, contracts, systems, teams, versions
from catalog.selectors import destinations as known_destinations
from governance.domain import checks, kinds
from governance.domain.checks import Check, CheckContext, CheckOutcome
from governance.domain.kinds import ChangeKind
from governance.domain.subject import AffectedConsumer, Subject, SubjectFacts
from governance.selectors import loosened, sight
from governance.selectors.sight import SightRule
from governance.services import approvals
from kernel.errors import DomainError
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Manifest
from runtime.models import ApprovedDestination, Deployment, Integration, Release, Replay, TargetSubscription
from runtime.selectors import alerts, destinations
from runtime.services import lane_changes, manifest_checks

Finder = Callable[[Manifest, datetime], list[dict[str, Any]]]


def _keys(viewer: Viewer) -> QuerySet[Integration, str]:
    return permissions.visible(viewer).values_list("key", flat=True)


def _hidden_keys(viewer: Viewer) -> QuerySet[Integration, str]:
    rows = Integration.objects.exclude(pk__in=permissions.visible(viewer).values("pk"))
    return rows.values_list("key", flat=True)


def _hidden_destinations(viewer: Viewer) -> QuerySet[ApprovedDestination, str]:
    """What a change of a destination asks for follows from the flows over it, so who reads it learns of them."""
    rows = ApprovedDestination.objects.filter(
        approval__subject_kind="integration", approval__subject_id__in=_hidden_keys(viewer)
    )
    place = Concat("system_key", Value("/"), "environment", output_field=CharField())
    return rows.annotate(place=place).values_list("place", flat=True)


def _numbers(rows: QuerySet[Any]) -> QuerySet[Any, Any]:
    found: QuerySet[Any] = rows.model._default_manager.filter(pk__in=rows.order_by().values("pk"))
    numbers: QuerySet[Any, Any] = found.annotate(number=Cast("pk", CharField())).values_list("number", flat=True)
    return numbers


def register_all() -> None:
    sight.register("integration", _keys)
    approvals.register_unmet("integration", destinations.unmet)
    for kind in ("replay", "reading"):
        sight.register(kind, _keys, ends_with="/")
    sight.register("destination", _hidden_destinations, hides=True)
    sight.register_in_ledger("alert", SightRule(lambda viewer: _numbers(alerts.alerts(viewer))))
    sight.register_in_ledger(
        "alert_rule", SightRule(lambda viewer: alerts.rules(viewer).values_list("name", flat=True))
    )
    sight.register_in_ledger("silence", SightRule(lambda viewer: _numbers(alerts.silences(viewer, ended=True))))
    for kind in ("objective", "retention"):  # flow/<integration>/…, messages/<integration or "all">
        sight.register_in_ledger(kind, SightRule(_hidden_keys, starts_after="/", ends_with="/", hides=True))
    kinds.register(
        ChangeKind(
            key="integration.deploy",
            label="Deploy an integration",
            facts=_facts,
            checks=DEPLOY_CHECKS,
            panel="runtime:integration-panel",
            subject_kind="integration",
            around=_around,
            reaches_further=True,
        )
    )
    kinds.register(
        ChangeKind(
            key="integration.rollback",
            label="Roll an integration back",
            facts=_facts,
            checks=(*DEPLOY_CHECKS, _RAN_BEFORE),
            panel="runtime:integration-panel",
            subject_kind="integration",
            follows=False,
            around=_around,
            reaches_further=True,
        )
    )
    kinds.register(
        ChangeKind(
            key="replay.open",
            label="Send stored messages again",
            facts=_replay_facts,
            checks=(_REPLAY_SAFE,),
            panel="runtime:replay-panel",
            subject_kind="replay",
            follows=False,
        )
    )


# -- facts -------------------------------------------------------------------------------------------------------------


def _facts(subject: Subject) -> SubjectFacts | None:
    """Facts of an integration at a digest, or at its newest release where none is named.

    The present digest is the subject's own while its release is registered: a changed manifest is another release, and
    therefore another subject.
    """
    releases = Release.objects.select_related("integration").filter(integration__key=subject.id).order_by("-id")
    release = (releases.filter(digest=subject.digest) if subject.digest else releases).first()
    if release is None:
        return None
    manifest = manifests.load(release.manifest)
    before = (
        Deployment.objects.select_related("release")
        .filter(integration=release.integration, active=True)
        .exclude(release=release)
        .order_by("-id")
        .first()
    )
    entities = tuple(
        dict.fromkeys(
            f"{w.entity}/{w.attribute_group}" if w.attribute_group else w.entity
            for t in manifest.targets
            for w in t.writes
        )
    )
    system_keys = tuple(dict.fromkeys([s.system for s in manifest.sources] + [t.system for t in manifest.targets]))
    return SubjectFacts(
        title=manifest.title,
        digest=release.digest,
        tier=manifest.tier,
        data_class=data_class_of(manifest),
        owner_team_ids=(release.integration.owner_team_id,),
        record_owner_team_ids=record_owners_of(manifest),
        entities=entities,
        consumers_affected=_affected(manifest),
        domain_key=manifest.domain,
        base_digest=before.release.digest if before else None,
        revision_digest=release.digest,
        system_keys=system_keys,
        contributor_ids=(release.created_by_id,) if release.created_by_id else (),
        url=f"/runtime/integrations/{subject.id}/",
        old=before.release.manifest if before else None,
        new=release.manifest,
        extras={
            "release": release.pk,
            "called": sorted(
                {source.system for source in manifest.sources if source.connection}
                | {target.system for target in manifest.targets if target.connection}
            ),
            "integration": release.integration_id,
        },
    )


def _around(facts: SubjectFacts, environment: str) -> SubjectFacts:
    """The destinations of the systems that it calls there: an approval binds them with the digest."""
    called = facts.extras["called"]
    bound = {key: known_destinations.present(key, environment) or destinations.NOWHERE for key in called}
    if not bound:
        return facts
    before = destinations.bound_of(facts.extras["integration"], environment)
    old = facts.old if facts.old is None else {**facts.old, "destinations": before or bound}
    return replace(facts, bound=bound, old=old, new={**facts.new, "destinations": bound})


def data_class_of(manifest: Manifest) -> str | None:
    """The most sensitive class of the versions that are called; None where nobody has said."""
    order = ("public", "internal", "personal", "cardholder")
    found = [
        loosened.of(version.api_slug).data_class(version.data_class)
        for _, reference, _ in manifest.pins()
        if (version := versions.by_reference(reference)) is not None
    ]
    known = [name for name in found if name in order]
    return max(known, key=order.index) if known and len(known) == len(found) else None


def record_owners_of(manifest: Manifest) -> tuple[int, ...]:
    """Owners of the domains of what is written, and of the systems that are written to."""
    owners: list[int | None] = list(
        teams.owners_of_entities(write.entity for target in manifest.targets for write in target.writes)
    )
    owners += [
        facts.owner_team_id for target in manifest.targets if (facts := systems.by_key(target.system)) is not None
    ]
    return tuple(dict.fromkeys(owner for owner in owners if owner is not None))


def _affected(manifest: Manifest) -> tuple[AffectedConsumer, ...]:
    """Who uses the target APIs beside us: they feel what this integration writes."""
    found: dict[tuple[str, str], AffectedConsumer] = {}
    for target in manifest.targets:
        version = versions.by_reference(target.api) if target.api else None
        for one in consumers.of_version(version.id, limit=None) if version else []:
            before = found.get((one.application_key, one.environment))
            found[one.application_key, one.environment] = AffectedConsumer(
                one.application_key,
                one.name,
                one.team_id,
                one.team_key,
                one.environment,
                one.state,
                one.last_seen_at,
                apis=tuple({*(before.apis if before else ()), *([version.api_slug] if version else [])}),
            )
    return tuple(found[key] for key in sorted(found))


DECIDED = {"redrive": "again", "confirm": "did arrive"}


def _replay_facts(subject: Subject) -> SubjectFacts | None:
    """`<integration>/<target>[/<instance>|/redrive|/confirm]`; the digest names the exact messages."""
    key, _, rest = subject.id.partition("/")
    target, _, instance = rest.partition("/")
    found = TargetSubscription.objects.select_related("stream__integration", "deployment__release").filter(
        stream__integration__key=key, target=target, instance="" if instance in DECIDED else instance, replay_of=None
    )
    subscription = found.first()
    if subscription is None:
        return None
    plan = Replay.objects.filter(target=subscription, digest=subject.digest).first()
    if instance not in DECIDED and subject.digest and plan is None:
        return None  # nobody decides on messages that are not written down
    manifest = manifests.load(subscription.deployment.release.manifest)
    return SubjectFacts(
        title=f"{manifest.title}: {target} {DECIDED.get(instance, 'again')}",
        digest=subject.digest,
        tier=manifest.tier,
        data_class=data_class_of(manifest),
        owner_team_ids=(subscription.stream.integration.owner_team_id,),
        record_owner_team_ids=record_owners_of(manifest),
        entities=tuple(w.entity for w in manifest.target(target).writes),
        consumers_affected=(),
        domain_key=manifest.domain,
        revision_digest=subject.digest,
        system_keys=(manifest.target(target).system,),
        url=f"/runtime/replays/{plan.pk}/" if plan else f"/runtime/integrations/{key}/",
        old={},
        new=_replay_document(subject, plan),
        contributor_ids=(plan.planned_by_id,) if plan and plan.planned_by_id else (),
        extras={"idempotency": subscription.idempotency},
    )


def _replay_document(subject: Subject, plan: Replay | None) -> dict[str, Any]:
    """What approvers read in the difference: which messages, at what pace, and why."""
    if plan is None:
        return {"replay": subject.id}
    return {
        "replay": subject.id,
        "messages": plan.messages,
        "since": plan.since.isoformat(),
        "until": plan.until.isoformat(),
        "keys": [plan.key_from, plan.key_to],
        "positions": plan.spans,
        "pace": plan.pace,
        "reason": plan.reason,
    }


# -- checks ------------------------------------------------------------------------------------------------------------


def _manifest_of(context: CheckContext) -> Manifest | None:
    release = Release.objects.filter(integration__key=context.subject.id, digest=context.subject.digest).first()
    return manifests.load(release.manifest) if release else None


def _check(
    identity: str,
    title: str,
    find: Finder,
    *,
    fix: str,
    warn: Callable[[Manifest], list[dict[str, Any]]] = lambda manifest: [],
    tells_of_apis: bool = False,
    **more: Any,
) -> Check:
    def run(context: CheckContext) -> CheckOutcome:
        manifest = _manifest_of(context)
        if manifest is None:
            return checks.not_run("No release of this digest is registered.", ["Register the manifest."])
        found = find(manifest, context.as_of)
        noted = [
            checks.finding(f.get("code", identity), f["pointer"], f["message"], level="warning") for f in warn(manifest)
        ]
        if not found:
            return checks.passed(noted[0]["message"] if noted else "", noted)
        listed = []
        for f in found:
            apis: dict[str, Any] = {"apis": _apis_at(manifest, f["pointer"])} if tells_of_apis else {}
            listed.append(checks.finding(f.get("code", identity), f["pointer"], f["message"], **apis))
        return checks.failed(found[0]["message"], [*listed, *noted], [fix])

    return Check(identity, title, run, **more)


def _apis_at(manifest: Manifest, pointer: str) -> list[str]:
    """The APIs of which a finding at this place may tell something: a target's, and of what is mapped there."""
    side, _, rest = pointer.removeprefix("/").partition("/")
    number = rest.partition("/")[0]
    if not (number.isascii() and number.isdecimal()):
        return sorted({reference.partition("@")[0] for _, reference, _ in manifest.pins()})
    if side == "sources":
        named = [manifest.sources[int(number)].api]
    else:
        target = manifest.targets[int(number)]
        named = [target.api, manifest.source_of(target).api]
    return sorted({reference.partition("@")[0] for reference in named if reference})


def _compare_before(context: CheckContext) -> CheckOutcome:
    """What changed in the contracts since the release that runs now; a breaking change needs a mapping that was made
    for it.
    """
    manifest = _manifest_of(context)
    if manifest is None:
        return checks.not_run("No release of this digest is registered.", ["Register the manifest."])
    running = (
        Deployment.objects.select_related("release")
        .filter(integration__key=context.subject.id, environment=context.environment, active=True)
        .first()
    )
    if running is None:
        return checks.not_applicable("Nothing runs in this environment yet.")
    before = manifests.load(running.release.manifest)
    held = {role: (reference, digest) for role, reference, digest in before.pins()}
    findings: list[dict[str, Any]] = []
    for role, reference, digest in manifest.pins():
        if role not in held or held[role][1] == digest:
            continue
        try:
            comparison = contracts.compare(held[role][1], digest, as_of=context.as_of.date())
        except DomainError as error:
            return checks.not_run(f"{reference} cannot be compared: {error.message}")
        findings += _differences(comparison, role, reference, mapping_changed=_mapping_changed(before, manifest, role))
    if manifest.event.version and before.event.version != manifest.event.version:
        said = (
            "stored states keep the version that they came with; a state whose new version is lower than that is "
            "answered `older`"
        )
        findings.append(checks.finding("event.version_moved", "/event/version", said, level="warning"))
    told = lane_changes.told(running.integration_id, context.environment, manifest.lanes)
    if told is not None:
        findings.append(checks.finding("lanes.changed", "/lanes", told, level="warning"))
    failed = [f for f in findings if f["level"] == "error"]
    if failed:
        return checks.failed(
            failed[0]["message"],
            findings,
            ["Adapt the mapping to the new contract, or keep the version that is pinned now."],
        )
    return checks.passed(
        f"{len(findings)} differences, none of which breaks what runs."
        if findings
        else "The pinned contracts are the same.",
        findings,
    )


def _mapping_changed(before: Manifest, after: Manifest, role: str) -> bool:
    """Whether every target that the contract of this role concerns has a new mapping."""
    concerned = [
        target
        for target in after.targets
        if role in (f"target {target.name}", f"source {after.source_of(target).name}")
    ]
    old = {target.name: target.mapping for target in before.targets}
    return all(old.get(target.name) != target.mapping for target in concerned)


def _differences(comparison: Any, role: str, reference: str, *, mapping_changed: bool) -> list[dict[str, Any]]:
    found = []
    for one in getattr(comparison, "findings", ()):
        level = str(getattr(one, "level", "attention"))
        breaking = level == "breaking" and not mapping_changed
        found.append(
            checks.finding(
                str(getattr(one, "rule", "contract.difference")),
                str(getattr(one, "pointer", "")),
                f"{role}, {reference}: {getattr(one, 'message', one)}",
                level="error" if breaking else "warning" if level == "breaking" else "info",
                apis=[reference.partition("@")[0]],
            )
        )
    return found


def _ran_before(context: CheckContext) -> CheckOutcome:
    ran = Deployment.objects.filter(
        integration__key=context.subject.id,
        environment=context.environment,
        release__digest=context.subject.digest,
        active=False,
    ).exists()
    if ran:
        return checks.passed()
    finding = checks.finding("integration.never_ran", "", f"This release never ran in {context.environment}.")
    return checks.failed("A rollback goes to a release that has run.", [finding], ["Deploy it instead."])


def _replay_safe(context: CheckContext) -> CheckOutcome:
    facts = context.subject_facts
    if facts is None:
        return checks.not_run("The target is not known.")
    if facts.extras.get("idempotency") == "U":
        finding = checks.finding(
            "replay.unsafe", "", "The target neither keeps keys nor can be asked: sending again could act twice."
        )
        return checks.failed(
            "Sending again could act twice.", [finding], ["Redrive single messages that a person has looked at."]
        )
    return checks.passed(
        "The target honours keys or can be asked. A message whose key it may have forgotten is asked about by its "
        "business reference; where it cannot be, the start is refused."
    )


_RAN_BEFORE = Check("integration.ran_before", "Earlier run in this environment", _ran_before)
_REPLAY_SAFE = Check("replay.safe", "Safe repetition", _replay_safe)
DEPLOY_CHECKS: tuple[Check, ...] = (
    _check(
        "integration.estate",
        "Known systems, domain and tier",
        lambda manifest, at: manifest_checks.systems_and_tier(manifest) + manifest_checks.domain(manifest),
        fix="Register the system or the domain, or correct its key.",
    ),
    _check(
        "integration.contracts",
        "Current, readable contracts",
        manifest_checks.pins,
        fix="Pin the contract that the version has now, and register the manifest again.",
        tells_of_apis=True,
    ),
    _check(
        "integration.direction",
        "Write direction",
        manifest_checks.writes,
        fix="Write to another target, or send a command to the API of the system of record.",
        about="systems_of_record",
        tells_of_apis=True,
    ),
    _check(
        "integration.mapping",
        "Mappings that fit both contracts",
        lambda manifest, at: manifest_checks.mappings(manifest),
        fix="Correct the mapping and register the manifest again.",
        tells_of_apis=True,
    ),
    _check(
        "integration.connections",
        "Connection profiles and settings",
        lambda manifest, at: manifest_checks.links(manifest),
        fix="Correct the connection and register the manifest again.",
        warn=manifest_checks.of_others,
    ),
    _check(
        "integration.safety",
        "Idempotency class and degraded mode",
        lambda manifest, at: manifest_checks.safety(manifest),
        fix="Declare what the vendor offers and how the integration runs degraded.",
        warn=manifest_checks.warnings,
    ),
    Check("integration.comparison", "Contract changes since the running release", _compare_before),
)

__all__ = ["DEPLOY_CHECKS", "register_all"]
