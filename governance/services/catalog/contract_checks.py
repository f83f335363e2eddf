"""Checks on the contract of an API version: can it be read, does it break anybody, does it keep the rules of the house.

Each says its rule id, where, on what evidence, and the smallest set of actions that would flip it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.domain import contract_engine
from catalog.domain.facts import VersionFacts
from catalog.selectors import contracts, tiers
from governance.domain.checks import (
    Check,
    CheckContext,
    CheckOutcome,
    Level,
    failed,
    finding,
    not_applicable,
    not_run,
    passed,
)
from governance.domain.subject import SubjectFacts
from governance.services.catalog.subject_facts import on_version
from kernel.errors import DomainError, Invalid

MAX_FINDINGS = 500
REVENUE_ENTITIES = {
    "price",
    "order",
    "sale",
    "tender",
    "promotion",
    "loyalty-account",
    "loyalty account",
    "return",
    "payment",
}


@on_version
def _readable(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    if facts.digest is None:
        return not_run(f"{version.reference} has no contract.", ["Upload a contract."])
    try:
        document = contracts.document(facts.digest)
    except Invalid as error:
        return failed(
            error.message, [finding("contract.readable", "", error.message)], ["Upload a contract that can be read."]
        )
    problems = [
        finding("contract.readable", getattr(p, "pointer", ""), getattr(p, "message", str(p)), level="warning")
        for p in document.problems[:50]
    ]
    return passed(
        f"{document.format}, {len(document.operations)} operation(s), {len(document.schemas)} schema(s).", problems
    )


@on_version
def _comparison(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """Breaking findings block where somebody lives on the contract that changes; beside a living predecessor they inform."""
    if facts.base_digest is None:
        return not_applicable("It is the first version: there is nothing to compare it with.")
    if facts.digest is None:
        return not_run("There is no contract to compare.", ["Upload a contract."])
    try:
        compared = contracts.compare(facts.base_digest, facts.digest, as_of=context.as_of.date())
    except Invalid as error:
        return not_run(
            f"The two contracts cannot be compared: {error.message}", ["Upload a contract of a comparable kind."]
        )
    replaces = context.change.kind == "contract.change"
    before = facts.extras.get("before")
    lives_on = (
        not replaces and isinstance(before, VersionFacts) and before.state == "published" and before.sunset_at is None
    )
    names = (
        sorted({c.application for c in facts.consumers_affected or ()})
        if facts.consumers_affected is not None
        else None
    )
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
            why,
            listed,
            ["Accept each breaking difference as what it is, or publish it as a new version beside the present one."],
        )
    beside = (
        f" The breaking ones meet nobody: {before.reference} stays beside it." if compared.breaking and before else ""
    )
    return passed(
        f"{compared.breaking} breaking, {compared.warnings} to look at, {compared.compatible} compatible.{beside}",
        listed,
    )


@on_version
def _lint(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """The house rules, as strict as tier, layer and data class ask. A finding that the neighbour before had already only warns."""
    if facts.digest is None:
        return not_run("There is no contract to judge.", ["Upload a contract."])
    within: dict[str, Any] = {
        "tier": version.tier,
        "layer": version.layer or None,
        "data_class": version.data_class or None,
    }
    report = contract_engine.lint(contracts.document(facts.digest), **within)
    known = (
        {(f.rule, f.pointer) for f in contract_engine.lint(contracts.document(facts.base_digest), **within).findings}
        if facts.base_digest
        else set()
    )
    listed = []
    for found in report.findings[:MAX_FINDINGS]:
        inherited = (found.rule, found.pointer) in known
        level: Level = (
            "error" if found.level == "error" and not inherited else "info" if found.level == "info" else "warning"
        )
        listed.append(
            finding(
                f"lint.{found.rule}", found.pointer, found.message, level=level, line=found.line, inherited=inherited
            )
        )
    errors = sum(1 for f in listed if f["level"] == "error")
    if errors:
        return failed(
            f"{errors} house rule finding(s) that are new.",
            listed,
            ["Correct the contract where the findings point, or ask for a waiver of the rule."],
        )
    return passed(f"No new finding of the house rules; {len(listed)} hint(s).", listed)


@on_version
def _security(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """Personal and cardholder data need a declared security scheme on the contract, and no clear-text server."""
    if not version.data_class:
        return not_run(
            f"{version.api_name} has no data classification.",
            ["Classify its data: public, internal, personal or cardholder."],
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
        finding(
            "security.weak_scheme", "/components/securitySchemes", f"{name} is too weak for {version.data_class} data."
        )
        for name in weak
    ]
    if found:
        return failed(
            f"{len(found)} finding(s) on {version.data_class} data.",
            found,
            ["Declare OAuth 2, OpenID Connect or mutual TLS, and encrypted servers only."],
        )
    return passed(
        f"{version.data_class.title()} data: {', '.join(document.security_schemes.values()) or document.format}."
    )


@on_version
def _observability(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
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
            finding(
                "observability.target",
                "",
                "Its tier states no availability or no p95: there is nothing to measure against.",
            )
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
            if (
                str(node.get("name", "")).lower() in wanted
                or wanted & {str(k).lower() for k in node}
                or "correlationId" in node
            ):
                return True
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)
    return False


@on_version
def _upgrade_order(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
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
        f"Upgrade order: {words[relation]}.",
        [finding("order.stated", "", words[relation], level="info", relation=relation)],
    )


CONTRACT_READABLE = Check("contract.readable", "The contract can be read", _readable)
COMPARISON = Check("contract.comparison", "No live consumer breaks unawares", _comparison)
LINT = Check("contract.lint", "The house rules for contracts hold", _lint)
SECURITY = Check("data.security", "Personal and cardholder data are protected", _security)
OBSERVABILITY = Check("flow.observability", "What moves revenue can be followed and measured", _observability)
UPGRADE_ORDER = Check("order.upgrade", "There is a safe order of upgrades", _upgrade_order)
