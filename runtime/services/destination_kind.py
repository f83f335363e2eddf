"""A change of where a system answers: the quick kind of change for what runs over it already.

What is judged is the destination as it would be, so its digest is the subject's. Once it is approved and in force, what
was approved for the old destination goes on (runtime/sql/36_destinations.sql)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from catalog.domain import endpoints as rules
from catalog.selectors import destinations as known
from catalog.selectors import systems
from catalog.services import endpoints
from governance.domain import kinds
from governance.domain.checks import Check, CheckContext, CheckOutcome, failed, finding, not_run, passed
from governance.domain.kinds import ApprovedSubject, ChangeKind
from governance.domain.subject import Subject, SubjectFacts
from governance.services import changes
from kernel import authorities
from kernel.digest import digest_of
from kernel.models import User
from runtime.domain import manifest as manifests
from runtime.selectors import destinations

KEY = "system.destination"
NOBODY = f"sha256:{'0' * 64}"
"""The digest of what is proposed takes its place."""


def register() -> None:
    endpoints.register_flows(destinations.number_of_flows, propose)
    kinds.register(
        ChangeKind(
            key=KEY,
            label="Move a system to another address",
            facts=_facts,
            checks=(Check("destination.sound", "Destination as it would be", _sound),),
            panel="runtime:destination-panel",
            apply=_apply,
            propose=_proposed,
            subject_kind="destination",
            parameters=endpoints.FIELDS,
            quorum=_quorum,
            digest_of=_digest,
        )
    )


def propose(system: str, environment: str, values: Mapping[str, Any], actor: User) -> int:
    """The number of a change, opened in the actor's name, by which the endpoint gets these values; of one that is open
    already where it says the same."""
    place, parameters = f"{system}/{environment}", dict(values)
    known = changes.open_one(KEY, place, environment, parameters)
    if known is not None:
        return known
    change = changes.open_change(
        author=actor,
        kind=KEY,
        subjects=[Subject("destination", place, NOBODY)],
        environment=environment,
        title=f"{system} answers elsewhere in {environment}"[:200],
        justification="A blueprint of the estate says so.",
        parameters=parameters,
    )
    return change.pk


def _quorum(parameters: Mapping[str, Any]) -> Mapping[str, int]:
    """Credentials go there: the owner of the system decides, and security. The database asks for both as well."""
    return {"owner": 1, "security": 1}


def _facts(subject: Subject) -> SubjectFacts | None:
    """`<system>/<environment>`. The most critical flow over it decides who is asked beside the quorum."""
    key, _, environment = subject.id.partition("/")
    system = systems.by_key(key) if "\x00" not in subject.id else None
    if system is None or environment not in {place for place, *_ in systems.environments()}:
        return None
    present = known.present(key, environment)
    elsewhere = destinations.approved_elsewhere(key, environment)
    approved = known.by_digest(elsewhere) if elsewhere is not None else present
    flows = [manifests.load(flow.release.manifest) for flow in destinations.flows_over(key, environment)]
    domains = {manifest.domain for manifest in flows}
    return SubjectFacts(
        title=f"Where {system.name} answers in {environment}",
        digest=digest_of(present) if present else None,
        tier=min((manifest.tier for manifest in flows), default=3),
        data_class="internal",
        owner_team_ids=(system.owner_team_id,) if system.owner_team_id else (),
        consumers_affected=(),
        base_digest=digest_of(approved) if approved else None,
        domain_key=domains.pop() if len(domains) == 1 else None,
        system_keys=(key,),
        url=f"/catalog/systems/{key}/{environment}/",
        old=approved,
        new=present,
        extras={"present": present, "flows": len(flows)},
    )


def _document(subject: Subject, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """The destination as it would be; what the change leaves out stays. None where it would be none."""
    key, _, environment = subject.id.partition("/")
    start = {"auth_kind": "none"} | (known.present(key, environment) or {})
    made = start | {name: parameters[name] for name in endpoints.FIELDS if name in parameters}
    made = made if rules.findings(made) else rules.normal(made)  # its check says what is wrong
    made |= {"system": key, "environment": environment}
    filled = {name: value for name, value in made.items() if value not in (None, "", [], {})}
    return filled if "base_url" in filled else None


def _digest(subject: Subject, parameters: Mapping[str, Any]) -> str | None:
    document = _document(subject, parameters)
    return digest_of(document) if document else None


def _proposed(subject: Subject, facts: SubjectFacts, parameters: Mapping[str, Any]) -> SubjectFacts:
    document = _document(subject, parameters)
    return replace(facts, new=document, digest=digest_of(document) if document else None)


def _sound(context: CheckContext) -> CheckOutcome:
    """It is about its own environment, something would be another than what was approved, and it can be called."""
    facts = context.subject_facts
    if facts is None or facts.new is None:
        return not_run("The system or its new address is not known.", ["Name a system, an environment, an address."])
    wrong = endpoints.findings(facts.new, facts.old or {})
    found = [finding("destination.sound", f"/parameters{one['pointer']}", one["message"]) for one in wrong]
    place = facts.new["environment"]
    if place != context.environment:
        found.append(finding("destination.sound", "/environment", f"Open the change for {place}."))
    if facts.new == facts.old == facts.extras["present"]:
        found.append(finding("destination.sound", "/parameters", "Nothing of the destination would change."))
    if found:
        return failed(found[0]["message"], found, ["Correct it, or open a new change."])
    if authorities.is_plain(str(facts.new["base_url"])):
        plain = "It is called without encryption: others on the way can read the credentials."
        return passed(plain, [finding("destination.plain", "/parameters/base_url", plain, level="warning")])
    return passed()


def _apply(approved: ApprovedSubject) -> None:
    key, _, environment = approved.subject.id.partition("/")
    document = _document(approved.subject, approved.parameters) or {}
    endpoints.move(key, environment, document, digest=approved.subject.digest, actor=approved.actor)
