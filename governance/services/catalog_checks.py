"""Checks on catalog changes. Each says its rule id, where, on what evidence, and the smallest set of actions that would flip it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import boundaries, consumers, contracts, dependencies, systems, tiers, versions
from governance.domain.checks import Check, CheckContext, CheckOutcome, Level, failed, finding, not_applicable, not_run, passed
from governance.domain.subject import SubjectFacts
from kernel.errors import DomainError, Invalid

Facts = SubjectFacts
MAX_FINDINGS = 500
REVENUE_ENTITIES = {"price", "order", "sale", "tender", "promotion", "loyalty-account", "loyalty account", "return", "payment"}


def _on_version(run: Callable[[CheckContext, Facts, VersionFacts], CheckOutcome]) -> Callable[[CheckContext], CheckOutcome]:
    """The check needs the version's facts; without them it has not run."""

    def check(context: CheckContext) -> CheckOutcome:
        facts = context.subject_facts
        version = facts.extras.get("version") if facts else None
        if facts is None or not isinstance(version, VersionFacts):
            return not_run(f"{context.subject.id} is not in the catalog.", [f"Register {context.subject.id}."])
        return run(context, facts, version)

    return check


@_on_version
def _readable(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    if facts.digest is None:
        return not_run(f"{version.reference} has no contract.", ["Upload a contract."])
    try:
        document = contracts.document(facts.digest)
    except Invalid as error:
        return failed(error.message, [finding("contract.readable", "", error.message)], ["Upload a contract that can be read."])
    problems = [
        finding("contract.readable", getattr(p, "pointer", ""), getattr(p, "message", str(p)), level="warning")
        for p in document.problems[:50]
    ]
    return passed(f"{document.format}, {len(document.operations)} operation(s), {len(document.schemas)} schema(s).", problems)


@_on_version
def _comparison(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    """Breaking findings block where somebody lives on the contract that changes; beside a living predecessor they inform."""
    if facts.base_digest is None:
        return not_applicable("It is the first version: there is nothing to compare it with.")
    if facts.digest is None:
        return not_run("There is no contract to compare.", ["Upload a contract."])
    try:
        compared = contracts.compare(facts.base_digest, facts.digest, as_of=context.as_of.date())
    except Invalid as error:
        return not_run(f"The two contracts cannot be compared: {error.message}", ["Upload a contract of a comparable kind."])
    replaces = context.change.kind == "contract.change"
    before = facts.extras.get("before")
    lives_on = not replaces and isinstance(before, VersionFacts) and before.state == "published" and before.sunset_at is None
    names = sorted({c.application for c in facts.consumers_affected or ()}) if facts.consumers_affected is not None else None
    listed = [
        finding(
            f"contract.{f.rule}",
            f.pointer,
            f.message,
            level="error" if f.level == "breaking" and not lives_on else "warning" if f.level != "info" else "info",
            breaking=f.level == "breaking",
            consumers=names,
            operations=list(f.operations),
            line=f.line,
        )
        for f in compared.findings
        if f.level != "info"
    ]
    if compared.breaking and not lives_on:
        if names == []:
            why = f"{compared.breaking} breaking difference(s), and nobody is known to use it: accept them as unused."
        else:
            why = f"{compared.breaking} breaking difference(s) for {len(names) if names is not None else 'an unknown number of'} consumer(s)."
        return failed(
            why, listed, ["Accept each breaking difference as what it is, or publish it as a new version beside the present one."]
        )
    beside = f" The breaking ones meet nobody: {before.reference} stays beside it." if compared.breaking and before else ""
    return passed(
        f"{compared.breaking} breaking, {compared.warnings} to look at, {compared.compatible} compatible.{beside}", listed
    )


@_on_version
def _lint(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    """The house rules, as strict as tier, layer and data class ask. A finding that the neighbour before had already only warns."""
    from catalog.contracts.lint import lint

    if facts.digest is None:
        return not_run("There is no contract to judge.", ["Upload a contract."])
    within: dict[str, Any] = {"tier": version.tier, "layer": version.layer or None, "data_class": version.data_class or None}
    report = lint(contracts.document(facts.digest), **within)
    known = (
        {(f.rule, f.pointer) for f in lint(contracts.document(facts.base_digest), **within).findings}
        if facts.base_digest
        else set()
    )
    listed = []
    for found in report.findings[:MAX_FINDINGS]:
        inherited = (found.rule, found.pointer) in known
        level: Level = "error" if found.level == "error" and not inherited else "info" if found.level == "info" else "warning"
        listed.append(
            finding(f"lint.{found.rule}", found.pointer, found.message, level=level, line=found.line, inherited=inherited)
        )
    errors = sum(1 for f in listed if f["level"] == "error")
    if errors:
        return failed(
            f"{errors} house rule finding(s) that are new.",
            listed,
            ["Correct the contract where the findings point, or ask for a waiver of the rule."],
        )
    return passed(f"No new finding of the house rules; {len(listed)} hint(s).", listed)


@_on_version
def _consumers(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    if facts.consumers_affected is None:
        return not_run("Nobody can say who uses it.", ["Report usage, or register that nobody does."])
    listed = [
        finding(
            "consumers.affected",
            "",
            f"{c.name} in {c.environment}: {c.state}, last seen {f'{c.last_seen_at:%d %b %Y}' if c.last_seen_at else 'never'}.",
            level="info",
            application=c.application,
            environment=c.environment,
            last_seen_at=c.last_seen_at.isoformat() if c.last_seen_at else "never",
        )
        for c in facts.consumers_affected
    ]
    homeless = sorted({c.name for c in facts.consumers_affected if c.team_id is None})
    if homeless:
        errors = [finding("consumers.owner", "", f"{name} has no owner team: nobody speaks for it.") for name in homeless]
        return failed(
            f"{len(homeless)} affected consumer(s) have no owner.",
            [*errors, *listed],
            [f"Name an owner team for {name}." for name in homeless],
        )
    seen = [c.last_seen_at for c in facts.consumers_affected if c.last_seen_at]
    if not listed:
        return passed("Nobody uses it, by subscription or by calls of the last 30 days.")
    return passed(
        f"{len(listed)} use(s), last seen {max(seen):%d %b %Y %H:%M} UTC."
        if seen
        else f"{len(listed)} use(s), none of them seen yet.",
        listed,
    )


@_on_version
def _record_direction(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    """An authoritative read or a command belongs to the system of record; a replica must not claim to be the truth."""
    touched = [use for use in version.entities if use.access in ("authoritative_read", "command")]
    if not version.entities:
        return not_run(
            f"{version.api_name} does not say which entities it exposes, and how.",
            ["Name its entities, and how it exposes each."],
        )
    if not touched:
        return not_applicable("It exposes copies and events only; neither claims to be the record.")
    if not version.system_key:
        return not_run(f"{version.api_name} does not say which system stands behind it.", ["Name the system behind the API."])
    wrong, unknown = [], []
    for use in touched:
        place = use.entity if use.attribute_group is None else f"{use.entity}/{use.attribute_group}"
        record = boundaries.record_of(use.entity, use.attribute_group, {}, context.as_of)
        if record is None:
            unknown.append(place)
        elif record.key != version.system_key and version.layer == "system":
            wrong.append(
                finding(
                    "sor.violation",
                    "",
                    f"{place} is offered as {use.access.replace('_', ' ')} by {version.system_key}; its record is {record.key}.",
                )
            )
    if wrong:
        return failed(
            f"{len(wrong)} entity use(s) stand against a system-of-record boundary.",
            wrong,
            ["Offer it as a copy, or move the boundary first."],
        )
    if unknown:
        return not_run(f"Nobody is the sole record of {', '.join(unknown)}.", ["Say which system is the record of it."])
    return passed(f"{len(touched)} use(s) agree with the systems of record.")


@_on_version
def _tier(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    if version.tier is None:
        return not_run(f"{version.api_name} has no SLA tier.", ["Choose a tier."])
    weaker = dependencies.weaker_dependencies(version.id)
    if weaker:
        listed = [
            finding(
                "tier.dependency_weaker",
                "",
                f"It needs {d.target_name} ({f'tier {d.target_tier}' if d.target_tier is not None else 'no tier'}).",
                target=d.target_key,
            )
            for d in weaker
        ]
        return failed(
            f"Tier {version.tier} depends on {len(weaker)} weaker promise(s).",
            listed,
            [f"Raise {d.target_name} to tier {version.tier}, or make the dependency soft." for d in weaker],
        )
    return passed(f"Nothing that it depends on is weaker than tier {version.tier}.")


@_on_version
def _security(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    """Personal and cardholder data need a declared security scheme on the contract, and no clear-text server."""
    if not version.data_class:
        return not_run(
            f"{version.api_name} has no data classification.", ["Classify its data: public, internal, personal or cardholder."]
        )
    if version.data_class not in ("personal", "cardholder"):
        return not_applicable(f"Its data is {version.data_class}: no field is classified personal or cardholder.")
    if facts.digest is None:
        return not_run("There is no contract to judge.", ["Upload a contract."])
    document = contracts.document(facts.digest)
    found = []
    if document.family == "openapi" and not document.security_schemes:
        found.append(
            finding(
                "security.scheme",
                "/components/securitySchemes",
                f"{version.data_class.title()} data is offered without any security scheme.",
            )
        )
    found += [
        finding("security.clear_text", "/servers", f"{url} is not encrypted.")
        for url in document.servers
        if url.startswith(("http://", "ws://", "amqp://", "mqtt://"))
    ]
    weak = [
        name
        for name, kind in document.security_schemes.items()
        if "basic" in kind.lower() or ("apikey" in kind.lower() and version.data_class == "cardholder")
    ]
    found += [
        finding("security.weak_scheme", "/components/securitySchemes", f"{name} is too weak for {version.data_class} data.")
        for name in weak
    ]
    if found:
        return failed(
            f"{len(found)} finding(s) on {version.data_class} data.",
            found,
            ["Declare OAuth 2, OpenID Connect or mutual TLS, and encrypted servers only."],
        )
    return passed(f"{version.data_class.title()} data: {', '.join(document.security_schemes.values()) or document.format}.")


@_on_version
def _observability(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    """A flow that moves revenue must be traceable: a correlation id in the contract, and a stated target to measure against."""
    revenue = sorted({use.entity for use in version.entities} & REVENUE_ENTITIES)
    if not version.entities:
        return not_run(f"{version.api_name} does not say which entities it exposes.", ["Name its entities."])
    if not revenue:
        return not_applicable("It moves nothing that revenue depends on.")
    if facts.digest is None:
        return not_run("There is no contract to judge.", ["Upload a contract."])
    found = []
    tier = tiers.by_level(version.tier) if version.tier is not None else None
    if tier is None or tier.availability is None or tier.p95_ms is None:
        found.append(
            finding("observability.target", "", "Its tier states no availability or no p95: there is nothing to measure against.")
        )
    if version.tier in (0, 1) and not _correlates(contracts.document(facts.digest).tree):
        found.append(
            finding(
                "observability.correlation",
                "",
                "No correlation or request id (header, field or trace context) is in the contract: a sale cannot be followed.",
            )
        )
    if found:
        return failed(
            f"{', '.join(revenue)} cannot be followed or measured.",
            found,
            ["Add a correlation id (for example the header traceparent) and a tier with targets."],
        )
    return passed(f"{', '.join(revenue)}: measured against tier {version.tier}.")


def _correlates(tree: Mapping[str, Any]) -> bool:
    wanted = {
        "traceparent",
        "x-correlation-id",
        "correlation-id",
        "correlation_id",
        "correlationid",
        "x-request-id",
        "request-id",
        "requestid",
        "x-trace-id",
    }
    todo: list[Any] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, Mapping):
            if str(node.get("name", "")).lower() in wanted or wanted & {str(k).lower() for k in node} or "correlationId" in node:
                return True
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)
    return False


@_on_version
def _integration_style(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    """Supported integration styles: a cloud ERP gives no access to its database (vendors.md); neither do we pretend."""
    if not version.system_key:
        return not_run(f"{version.api_name} does not say which system stands behind it.", ["Name the system behind the API."])
    system = systems.by_key(version.system_key)
    if system is None:
        return not_run(f"The system {version.system_key} is not known.", ["Register the system."])
    style = version.style.lower()
    if style in ("sql", "database", "db", "jdbc", "odbc"):
        if system.deployment == "cloud":
            found = [
                finding("style.unsupported", "", f"{system.name} runs in the vendor's cloud; its database is not an interface.")
            ]
            return failed(
                "Direct database access to a cloud system is not supported.",
                found,
                [f"Use an API that {system.name} offers: OData, REST, SOAP or files."],
            )
        found = [finding("style.discouraged", "", f"Reading {system.name} by SQL couples to its tables.", level="warning")]
        return passed("Direct database access to a system on our own premises: allowed, and discouraged.", found)
    return passed(f"{version.style} to {system.name} ({system.deployment}).")


@_on_version
def _notice(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    """Deprecation: a sunset far enough away for the tier, a successor that lives, a guide. RFC 9745, RFC 8594."""
    parameters = context.change.parameters
    sunset = _time(parameters.get("sunset_at"))
    tier = tiers.by_level(version.tier) if version.tier is not None else None
    if tier is None or tier.notice_days is None:
        return not_run(
            "The tier states no notice, so nobody can say whether this is enough.", ["Choose a tier that states its notice."]
        )
    found = []
    if sunset is None:
        found.append(finding("deprecation.sunset", "/parameters/sunset_at", "No sunset is named."))
    elif sunset < context.as_of + timedelta(days=tier.notice_days) and not parameters.get("earlier"):
        days = (sunset - context.as_of).days
        found.append(
            finding(
                "deprecation.notice",
                "/parameters/sunset_at",
                f"The sunset is {days} days away; tier {version.tier} promises {tier.notice_days}.",
                days=days,
            )
        )
    successor = str(parameters.get("successor") or "")
    if not successor:
        if facts.consumers_affected:
            found.append(finding("deprecation.successor", "/parameters/successor", "It has consumers and no successor is named."))
    else:
        target = versions.by_reference(successor)
        if target is None or target.state not in ("published",) or target.reference == version.reference:
            found.append(finding("deprecation.successor", "/parameters/successor", f"{successor} is no published other version."))
    if not str(parameters.get("guide") or version.migration_guide or "").strip() and facts.consumers_affected:
        found.append(finding("deprecation.guide", "/parameters/guide", "There is no guide for those who have to move."))
    if found:
        earliest = context.as_of + timedelta(days=tier.notice_days)
        return failed(
            f"{len(found)} thing(s) are missing for a fair deprecation.",
            found,
            [f"Name a published successor, a guide and a sunset not before {earliest:%d %b %Y}."],
        )
    return passed(
        f"The sunset is {(sunset - context.as_of).days if sunset else 0} days away; tier {version.tier} asks for {tier.notice_days}."
    )


@_on_version
def _sunset(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    """Dates agree with each other: deprecation before sunset, a promise never earlier than it was, no successor that dies first."""
    found = []
    sunset = _time(context.change.parameters.get("sunset_at")) or version.sunset_at
    if context.change.kind == "version.publish":
        if version.sunset_at and version.sunset_at <= context.as_of:
            found.append(
                finding("sunset.past", "", f"It would be published after its own sunset on {version.sunset_at:%d %b %Y}.")
            )
        if not found and version.sunset_at is None:
            return not_applicable("It has no sunset.")
    if sunset and version.deprecated_at and version.deprecated_at > sunset:
        found.append(finding("sunset.before_deprecation", "/parameters/sunset_at", "The sunset lies before the deprecation."))
    if sunset and version.sunset_at and sunset < version.sunset_at and not context.change.parameters.get("earlier"):
        found.append(
            finding(
                "sunset.earlier",
                "/parameters/sunset_at",
                f"{version.sunset_at:%d %b %Y} was promised; moving it earlier needs a quorum.",
            )
        )
    successor = versions.by_reference(str(context.change.parameters.get("successor") or version.successor_reference or "@"))
    if sunset and successor and successor.sunset_at and successor.sunset_at <= sunset:
        found.append(
            finding(
                "sunset.successor_first",
                "/parameters/successor",
                f"{successor.reference} has its own sunset no later than this one.",
            )
        )
    if found:
        return failed(
            "The dates do not agree.",
            found,
            ["Choose a sunset after the deprecation and the promise, and a successor that outlives it."],
        )
    return passed(f"Sunset {sunset:%d %b %Y}." if sunset else "No sunset.")


@_on_version
def _no_live_consumers(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    left = consumers.live_of_version(version.id)
    listed = [
        finding(
            "retire.live_consumer",
            f"/consumers/{c.application_key}",
            f"{c.name} still uses it in {c.environment}.",
            application=c.application_key,
        )
        for c in left
    ]
    if listed:
        return failed(
            f"{len(listed)} consumer(s) still use it.",
            listed,
            ["Move each consumer by a dated migration, or grant a waiver for it."],
        )
    return passed("Nobody uses it any more.")


@_on_version
def _sunset_reached(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    until = context.change.planned_from or context.as_of
    if version.sunset_at is None:
        return failed(
            "It was never deprecated.",
            [finding("retire.no_sunset", "", "It has no sunset: nobody was told.")],
            ["Deprecate it first."],
        )
    if version.sunset_at > until:
        found = finding("retire.before_sunset", "", f"It was promised until {version.sunset_at:%d %b %Y}.")
        return failed("Its promised time is not over.", [found], [f"Plan it after {version.sunset_at:%d %b %Y}."])
    return passed(f"Promised until {version.sunset_at:%d %b %Y}.")


@_on_version
def _upgrade_order(context: CheckContext, facts: Facts, version: VersionFacts) -> CheckOutcome:
    """Events and files: who has to move first. Requests and answers are judged by the comparison itself."""
    if version.style.lower() not in ("event", "file", "asyncapi"):
        return not_applicable(f"Order matters for events and files; {version.style} is judged by the comparison.")
    if facts.base_digest is None or facts.digest is None:
        return not_applicable("It is the first version.")
    from governance.services import upgrade_order

    try:
        relation = upgrade_order.relation(facts.base_digest, facts.digest)
    except DomainError as error:
        return not_run(f"The two contracts cannot be compared: {error.message}", ["Upload a comparable contract."])
    if relation == "breaking" and facts.consumers_affected:
        found = finding(
            "order.together",
            "",
            "Neither side can move first: old readers fail on new messages and new readers on old ones.",
            breaking=True,
            consumers=None,
        )
        return failed("There is no safe order.", [found], ["Split it into a compatible step and a later one."])
    words = {
        "backward": "consumers first",
        "forward": "producers first",
        "full": "any order",
        "none": "nothing to order",
        "breaking": "nobody is affected",
    }
    return passed(
        f"Upgrade order: {words[relation]}.", [finding("order.stated", "", words[relation], level="info", relation=relation)]
    )


def _boundary_known(context: CheckContext) -> CheckOutcome:
    facts = context.subject_facts
    if facts is None:
        return not_run("The place is not known.")
    if facts.extras.get("to") is None:
        found = finding("boundary.system", "/parameters/system", "There is no such system.")
        return failed("Nobody knows where it moves to.", [found], ["Name a registered system."])
    start = _time(context.change.parameters.get("valid_from"))
    if start is None:
        return failed(
            "Nobody knows from when.",
            [finding("boundary.from", "/parameters/valid_from", "A time with its zone.")],
            ["Say from when it holds."],
        )
    present = {b.system.key for b in facts.extras.get("in_force", [])}
    if present == {facts.extras["to"].key}:
        found = finding("boundary.same", "/parameters/system", "It is the record already.")
        return failed("Nothing would move.", [found], ["Withdraw the change."])
    return passed(f"From {', '.join(sorted(present)) or 'nobody'} to {facts.extras['to'].key}, from {start:%d %b %Y %H:%M} UTC.")


def _tier_proposed(context: CheckContext) -> CheckOutcome:
    facts = context.subject_facts
    if facts is None:
        return not_run("The API is not known.")
    wanted = facts.extras.get("wanted")
    if wanted is None:
        found = finding("tier.unknown", "/parameters/tier", "There is no such tier.")
        return failed("The tier is not known.", [found], ["Choose tier 0, 1, 2 or 3."])
    needs = [
        d
        for d in dependencies.of_api(context.subject.id)
        if d.target_kind == "api" and d.criticality == "hard" and (d.target_tier is None or d.target_tier > wanted)
    ]
    relied = [
        d
        for d in dependencies.dependents_of_api(context.subject.id)
        if d.criticality == "hard" and d.api_tier is not None and d.api_tier < wanted
    ]
    listed = [
        finding("tier.dependency_weaker", "", f"It needs {d.target_name}, which promises less.", target=d.target_key)
        for d in needs
    ]
    listed += [
        finding("tier.dependency_weaker", "", f"{d.api_name} (tier {d.api_tier}) relies on it.", dependent=d.api_slug)
        for d in relied
    ]
    if listed:
        return failed(
            "A more critical thing would rest on a weaker promise.",
            listed,
            ["Change those tiers first, or make the dependencies soft."],
        )
    return passed(f"Nothing is weaker than tier {wanted} below it, and nothing more critical above it.")


def _time(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


CONTRACT_READABLE = Check("contract.readable", "The contract can be read", _readable)
COMPARISON = Check("contract.comparison", "No live consumer breaks unawares", _comparison)
LINT = Check("contract.lint", "The house rules for contracts hold", _lint)
CONSUMERS = Check("consumers.affected", "Consumers affected are known, with when they were last seen", _consumers)
RECORD_DIRECTION = Check("sor.direction", "Systems of record are respected", _record_direction)
TIER = Check("tier.coherence", "Nothing that it depends on promises less", _tier)
SECURITY = Check("data.security", "Personal and cardholder data are protected", _security)
OBSERVABILITY = Check("flow.observability", "What moves revenue can be followed and measured", _observability)
INTEGRATION_STYLE = Check("style.supported", "The integration style is supported by the system behind it", _integration_style)
NOTICE = Check("deprecation.notice", "Consumers get notice, a successor and a guide", _notice)
SUNSET = Check("sunset.coherence", "The dates agree with each other", _sunset)
NO_LIVE_CONSUMERS = Check("retire.consumers", "Nobody uses it any more", _no_live_consumers)
SUNSET_REACHED = Check("retire.sunset", "Its promised time is over", _sunset_reached)
UPGRADE_ORDER = Check("order.upgrade", "There is a safe order of upgrades", _upgrade_order)
BOUNDARY_KNOWN = Check("boundary.move", "It is known what moves where, and from when", _boundary_known)
TIER_PROPOSED = Check("tier.coherence", "The new tier agrees with what depends on what", _tier_proposed)
