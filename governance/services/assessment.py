"""What a change needs, from the facts about its subjects: difference, impact, policy, slots, checks and digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from catalog.selectors import teams as catalog_teams
from governance.domain import impact, policy, slots
from governance.domain.freeze import FreezeScope
from governance.domain.kinds import ChangeKind, SubjectComparison
from governance.domain.subject import AffectedConsumer, Subject, SubjectFacts
from governance.selectors import policies
from governance.services.builtin_checks import BUILT_IN
from kernel.difference import differences
from kernel.digest import digest_of

MAX_STORED_FINDINGS = 2000


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything that a revision is derived from. An empty digest means missing evidence: it cannot be submitted."""

    subjects: tuple[tuple[Subject, SubjectFacts | None], ...]
    difference: dict[str, Any]
    diff_digest: str
    impact: list[dict[str, Any]] | None
    impact_digest: str
    consumers: tuple[AffectedConsumer, ...] | None
    levels: tuple[str, ...]
    policy_digest: str
    profile: policy.ChangeProfile
    requirements: policy.Requirements | None
    slots: tuple[slots.SlotSpec, ...]
    checks: tuple[tuple[str, str], ...]
    owner_team_ids: tuple[int, ...]
    contributor_ids: tuple[int, ...]
    risk: str
    scope: FreezeScope
    facts: dict[str, Any]


def proposal(
    *,
    environment: str,
    rollback_plan: str,
    planned_from: datetime | None,
    planned_until: datetime | None,
    parameters: Mapping[str, Any],
) -> dict[str, Any]:
    """What is proposed beside the subjects. It is part of the difference's digest, so changing it voids decisions."""
    return {
        "environment": environment,
        "rollback_plan": rollback_plan,
        "planned_from": planned_from.isoformat() if planned_from else None,
        "planned_until": planned_until.isoformat() if planned_until else None,
        "parameters": dict(parameters),
    }


def assess(
    kind: ChangeKind,
    subjects: Sequence[Subject],
    proposed: Mapping[str, Any],
    *,
    as_of: datetime,
    levels: Sequence[tuple[str, Mapping[str, Any]]] | None = None,
) -> Assessment:
    """Ask the owning room about each subject and derive what the change needs. Reads only.

    `levels` replaces the active policies for a preview; the policy digest remains that of the active ones.
    """
    place, chosen = str(proposed["environment"]), proposed["parameters"]
    known = tuple((subject, kind.proposed(subject, chosen, place)) for subject in subjects)
    facts = [f for _, f in known if f is not None]
    difference, diff_digest = _difference(kind, known, proposed, as_of)
    consumers = None if len(facts) < len(known) or any(f.consumers_affected is None for f in facts) else _merged(facts)
    reach = impact.impact_set(consumers)
    owners = tuple(sorted({team for f in facts for team in f.owner_team_ids}))
    records = tuple(sorted({team for f in facts for team in f.record_owner_team_ids}))
    environment = str(proposed["environment"])
    profile = _profile(kind.key, environment, facts, consumers, difference["counts"]["breaking"])
    teams = _teams(owners, records, consumers)
    level_keys = policies.levels_for(
        domain_keys=[key for f in facts for key in (f.domain_key, *f.more_domain_keys)],
        team_keys=[team.key for team in teams.owners],
    )
    active = policies.active(level_keys)
    documents = levels if levels is not None else [(p.level, p.document) for p in active]
    asked = _required(kind, documents, profile, proposed["parameters"])
    return Assessment(
        subjects=known,
        difference=difference,
        diff_digest=diff_digest,
        impact=reach,
        impact_digest=impact.digest(reach),
        consumers=consumers,
        levels=tuple(level_keys),
        policy_digest=policy.digest_of_levels({p.level: p.digest for p in active}),
        profile=profile,
        requirements=asked,
        slots=tuple(slots.derive(asked.slots, teams)) if asked else (),
        checks=_checks(kind, asked.checks if asked else ()),
        owner_team_ids=owners,
        contributor_ids=tuple(sorted({person for f in facts for person in f.contributor_ids})),
        risk=impact.risk(
            tier=profile.tier,
            breaking=profile.breaking,
            consumers=profile.consumers,
            data_class=profile.data_class,
            least=[f.least_risk for f in facts],
        ),
        scope=_scope(environment, profile.tier, facts),
        facts=_stored(profile, facts, asked) | {"teams": _ids(teams)},
    )


def _required(
    kind: ChangeKind,
    documents: Sequence[tuple[str, Mapping[str, Any]]],
    profile: policy.ChangeProfile,
    parameters: Mapping[str, Any],
) -> policy.Requirements | None:
    """What policies and the kind itself ask for; None without a policy of the organisation."""
    if not documents or documents[0][0] != policies.ORGANISATION:
        return None
    asked = policy.requirements_of(documents, profile)
    if kind.quorum is None:
        return asked
    return policy.with_quorum(asked, kind.quorum(parameters), kind=kind.key, why=f"'{kind.label}' always asks for it.")


def _profile(
    kind: str,
    environment: str,
    facts: Sequence[SubjectFacts],
    consumers: tuple[AffectedConsumer, ...] | None,
    breaking: int | None,
) -> policy.ChangeProfile:
    tiers = [f.tier for f in facts]
    return policy.ChangeProfile(
        kind=kind,
        environment=environment,
        tier=None if not tiers or None in tiers else min(t for t in tiers if t is not None),
        data_class=_gravest([f.data_class for f in facts]),
        entities=tuple(sorted({entity for f in facts for entity in f.entities})),
        consumers=None if consumers is None else len(consumers),
        breaking=breaking,
    )


def _scope(environment: str, tier: int | None, facts: Sequence[SubjectFacts]) -> FreezeScope:
    domains = {f.domain_key for f in facts}
    systems = tuple(sorted({system for f in facts for system in f.system_keys}))
    known = tuple(sorted({d for f in facts for d in (f.domain_key, *f.more_domain_keys) if d})) if all(domains) else ()
    return FreezeScope(environment, tier, None, systems, domains=known)


def _checks(kind: ChangeKind, by_policy: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Id and title of each check that the change needs; the policy may name one that does not exist."""
    always: dict[str, str] = {check.id: check.title for check in (*kind.checks, *BUILT_IN)}
    offered = {check.id: check.title for check in kind.offered}
    asked = {key: offered.get(key, f"{key}, required by policy") for key in by_policy if key not in always}
    return tuple((always | asked).items())


def _difference(
    kind: ChangeKind, known: Sequence[tuple[Subject, SubjectFacts | None]], proposed: Mapping[str, Any], as_of: datetime
) -> tuple[dict[str, Any], str]:
    """The stored difference and its digest; without a document to look at there is none, and the digest is empty."""
    parts: list[dict[str, Any]] = []
    counts: dict[str, int | None] = {"breaking": 0, "attention": 0, "compatible": 0}
    complete = bool(known)
    for subject, facts in known:
        if facts is None or facts.new is None:
            complete = False
            continue
        compared = _compared(kind, subject, facts, as_of)
        if compared is None:
            counts["breaking"] = None
            compared = SubjectComparison((), "cannot be compared")
        compared = replace(compared, findings=(*facts.loosened, *compared.findings))
        findings = [dict(found) for found in compared.findings[:MAX_STORED_FINDINGS]]
        for found in compared.findings:
            if (level := found["level"]) in counts and counts[level] is not None:
                counts[level] = (counts[level] or 0) + 1
        parts.append(
            {
                "subject": {"kind": subject.kind, "id": subject.id, "digest": subject.digest},
                "base_digest": facts.base_digest,
                "how": compared.how,
                "findings": findings,
            }
            | ({"bound": dict(facts.bound)} if facts.bound else {})
        )
    difference = {"parts": parts, "counts": counts}
    return difference, digest_of({"difference": difference, "proposal": dict(proposed)}) if complete else ""


def _compared(kind: ChangeKind, subject: Subject, facts: SubjectFacts, as_of: datetime) -> SubjectComparison | None:
    if kind.compare is not None:
        return kind.compare(subject, facts, as_of)
    if facts.old is None:
        return SubjectComparison((), "first version")
    listed = differences(facts.old, facts.new)
    return SubjectComparison(
        tuple(
            {
                "id": f"d{n}",
                "rule": f"document.{d.kind}",
                "level": "attention",
                "pointer": d.pointer,
                "message": _plain_words(d.kind, d.pointer, d.old, d.new),
            }
            for n, d in enumerate(listed, start=1)
        ),
        "compared place by place",
    )


def _plain_words(kind: str, pointer: str, old: Any, new: Any) -> str:
    place = pointer or "the document"
    if kind == "added":
        return f"`{place}` was added: `{_brief(new)}`"
    if kind == "removed":
        return f"`{place}` was removed; it was `{_brief(old)}`"
    return f"`{place}` changed from `{_brief(old)}` to `{_brief(new)}`"


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _merged(facts: Sequence[SubjectFacts]) -> tuple[AffectedConsumer, ...]:
    made: dict[tuple[str, str, str], AffectedConsumer] = {}
    for one in facts:
        for consumer in one.consumers_affected or ():
            made[consumer.application, consumer.environment, consumer.state] = consumer
    return tuple(made[key] for key in sorted(made))


def _gravest(classes: Sequence[str | None]) -> str | None:
    order = ("public", "internal", "personal", "cardholder")
    if not classes or any(c not in order for c in classes):
        return None
    return max((c for c in classes if c), key=order.index)


def _teams(
    owners: Sequence[int], records: Sequence[int], consumers: Sequence[AffectedConsumer] | None
) -> slots.InvolvedTeams:
    listed = [slots.SlotTeam(team.id, team.key, team.name) for team in catalog_teams.all_teams()]
    by_id = {team.id: team for team in listed}
    using = sorted({c.team_id for c in consumers or () if c.team_id is not None})

    def pick(ids: Sequence[int]) -> tuple[slots.SlotTeam, ...]:
        return tuple(by_id[i] for i in ids if i in by_id)

    return slots.InvolvedTeams(pick(owners), pick(records), pick(using), {team.key: team for team in listed})


def _ids(teams: slots.InvolvedTeams) -> dict[str, list[int]]:
    """By the slots that ask for them; the database counts by these."""
    return {
        "owner_of_record": [team.id for team in teams.record_owners],
        "consumer_owner": [team.id for team in teams.consumer_owners],
    }


def _stored(
    profile: policy.ChangeProfile, facts: Sequence[SubjectFacts], asked: policy.Requirements | None
) -> dict[str, Any]:
    return {
        "tier": profile.tier,
        "data_class": profile.data_class,
        "entities": list(profile.entities),
        "consumers": profile.consumers,
        "breaking": profile.breaking,
        "domain": next((f.domain_key for f in facts if f.domain_key), None),
        "domains": sorted({d for f in facts for d in (f.domain_key, *f.more_domain_keys) if d})
        if all(f.domain_key for f in facts)
        else [],
        "loosened": sorted({number for f in facts for number in f.loosened_ids}),
        "systems": sorted({s for f in facts for s in f.system_keys}),
        "rules": list(asked.matched) if asked else [],
        "titles": [f.title for f in facts],
        "base_digest": next((f.base_digest for f in facts if f.base_digest), None),
    }
