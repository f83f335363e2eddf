"""Checks on the contract of an API version: is it readable, does it break consumers, does it follow the contract rules.

Each finding names its rule, its place in the document and the evidence; each outcome says what would fix it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.domain import contract_engine
from catalog.domain.facts import VersionFacts
from catalog.selectors import contracts, lint_reports, systems, tiers
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
from governance.services import upgrade_order
from governance.services.catalog.subject_facts import on_version
from kernel.errors import DomainError, Invalid
from kernel.ui.wording import counted

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
    # What was not read comes first: nothing can be said about it, so the check does not pass.
    problems = sorted(document.problems, key=lambda problem: not problem.unread)
    unread = sum(1 for problem in problems if problem.unread)
    listed = [
        finding("contract.readable", p.pointer, p.message, level="error" if p.unread else "warning")
        for p in problems[:50]
    ]
    if unread:
        return failed(
            f"{counted(unread, 'reference')} of the contract {'was' if unread == 1 else 'were'} not followed, "
            "so what is there is neither compared nor checked.",
            listed,
            ["Upload the contract bundled into one file, and correct references that name nothing."],
        )
    return passed(
        f"{document.format}, {counted(len(document.operations), 'operation')}, "
        f"{counted(len(document.schemas), 'schema')}.",
        listed,
    )


@on_version
def _comparison(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """Breaking findings block when consumers use the contract that changes; beside a live predecessor they only
    inform.
    """
    if facts.base_digest is None:
        return not_applicable("It is the first version: nothing to compare with.")
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
    listed = _differences(compared, names, blocking=not lives_on)
    if compared.breaking and not lives_on:
        broken = counted(compared.breaking, "breaking difference")
        if names == []:
            why = f"{broken}, and no consumer is known: accept them as unused."
        else:
            reach = "an unknown number of consumers" if names is None else counted(len(names), "consumer")
            why = f"{broken} for {reach}."
        return failed(
            why, listed, ["Accept each breaking difference, or publish it as a new version beside the present one."]
        )
    beside = (
        f" The breaking ones affect no consumer: {before.reference} stays available."
        if compared.breaking and before
        else ""
    )
    return passed(
        f"{compared.breaking} breaking, {compared.warnings} to review, {compared.compatible} compatible.{beside}",
        listed,
    )


def _differences(compared: Any, consumers: list[str] | None, *, blocking: bool) -> list[dict[str, Any]]:
    return [
        finding(
            f"contract.{f.rule}",
            f.pointer,
            f.message,
            level="error" if f.level == "breaking" and blocking else "warning" if f.level != "info" else "info",
            breaking=f.level == "breaking",
            consumers=consumers,
            operations=list(f.operations),
            line=f.line,
        )
        for f in compared.findings
        if f.level != "info"
    ]


@on_version
def _lint(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """The contract rules, as strict as tier, layer and data class require. Findings that the previous version had
    only warn, and a third party's contract is reported on.
    """
    if facts.digest is None:
        return not_run("There is no contract to check.", ["Upload a contract."])
    report = lint_reports.of_version(version, facts.digest)
    before = lint_reports.of_version(version, facts.base_digest).findings if facts.base_digest else ()
    known = {(found.rule, found.pointer) for found in before}
    listed, errors = [], 0
    for inherited in (False, True):
        findings = [found for found in report.findings if ((found.rule, found.pointer) in known) is inherited]
        for found in contract_engine.lint_groups(report, findings):
            level: Level = "info" if found.level == "info" else "warning"
            if found.level == "error" and not inherited:
                level, errors = "error", errors + found.count
            listed.append(_violation(found, level, inherited=inherited))
    listed.sort(key=lambda found: _LEVELS.index(found["level"]))
    more = len(listed) - MAX_FINDINGS
    rest = (
        f" {counted(more, 'finding')} more {'is' if more == 1 else 'are'} in the list of the version."
        if more > 0
        else ""
    )
    if errors:
        return failed(
            f"{counted(errors, 'new violation')} of the contract rules.{rest}",
            listed[:MAX_FINDINGS],
            ["Correct the contract where the findings point, or ask for a waiver of the rule."],
        )
    hints = counted(sum(found["count"] for found in listed), "hint")
    if version.third_party:
        return passed(f"A third party's contract, reported on only; {hints}.{rest}", listed[:MAX_FINDINGS])
    return passed(f"No new violation of the contract rules; {hints}.{rest}", listed[:MAX_FINDINGS])


_LEVELS: tuple[Level, ...] = ("error", "warning", "info")


def _violation(found: Any, level: Level, *, inherited: bool) -> dict[str, Any]:
    """One finding of the check. One about many places stands at the whole contract and names the first of them."""
    many = {"places": [place.as_place() for place in found.places]} if found.places else {}
    return finding(
        f"lint.{found.rule}",
        found.pointer,
        found.message,
        level=level,
        line=found.line,
        inherited=inherited,
        count=found.count,
        **many,
    )


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
        return not_run("There is no contract to check.", ["Upload a contract."])
    document = contracts.document(facts.digest)
    found = _weaknesses(document, version.data_class)
    if found:
        return failed(
            f"{counted(len(found), 'security finding')} on {version.data_class} data.",
            found,
            ["Declare OAuth 2, OpenID Connect or mutual TLS, and encrypted servers only."],
        )
    if document.family in _SAY_NO_SECURITY:
        return _by_endpoints(version, _SAY_NO_SECURITY[document.family])
    return passed(
        f"{version.data_class.title()} data: {', '.join(document.security_schemes.values()) or document.format}."
    )


_SAY_NO_SECURITY = {"graphql": "GraphQL", "wsdl": "WSDL", "xsd": "XML Schema", "jsonschema": "JSON Schema"}
"""Languages of contracts without a place for how callers are authenticated, by the family of the document."""


def _by_endpoints(version: VersionFacts, language: str) -> CheckOutcome:
    """What the catalog records of the API's system counts where the contract cannot say it; nothing recorded is no
    pass.
    """
    endpoints = systems.every_endpoint(version.system_key) if version.system_key else []
    if not endpoints:
        where = f"of {version.system_key}" if version.system_key else "of a system of this API"
        return not_run(
            f"{language} cannot say how callers are authenticated, and the catalog records no endpoint {where}.",
            ["Name the API's system, and record where it answers and how one signs in there."],
        )
    weak = {"none", "basic", *(("api_key", "header") if version.data_class == "cardholder" else ())}
    found = [
        finding("security.endpoint", "", f"At {one.base_url} one signs in by {one.auth_kind}: too weak.")
        for one in endpoints
        if one.auth_kind in weak
    ]
    found += [
        finding("security.clear_text", "", f"{one.base_url} is not encrypted.")
        for one in endpoints
        if not one.base_url.startswith("https://")
    ]
    if found:
        return failed(
            f"{counted(len(found), 'security finding')} on {version.data_class} data.",
            found,
            [f"Give the endpoints of {version.system_key} a stronger way to sign in, and encrypted addresses."],
        )
    ways = ", ".join(sorted({one.auth_kind for one in endpoints}))
    return passed(
        f"{version.data_class.title()} data: {language} says nothing of it; {version.system_key} is called with {ways}."
    )


def _weaknesses(document: Any, data_class: str) -> list[dict[str, Any]]:
    found = []
    if document.family in ("openapi", "asyncapi") and not document.security_schemes:
        found.append(
            finding(
                "security.scheme",
                "/components/securitySchemes",
                f"{data_class.title()} data needs a security scheme, and the contract declares none.",
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
        if "basic" in kind.lower() or ("apikey" in kind.lower() and data_class == "cardholder")
    ]
    found += [
        finding("security.weak_scheme", "/components/securitySchemes", f"{name} is too weak for {data_class} data.")
        for name in weak
    ]
    return found


@on_version
def _observability(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """Data that revenue depends on needs a correlation id in the contract and a tier with measurable targets."""
    revenue = sorted({use.entity for use in version.entities} & REVENUE_ENTITIES)
    if not version.entities:
        return not_run(f"{version.api_name} does not say which entities it exposes.", ["Name its entities."])
    if not revenue:
        return not_applicable("Revenue does not depend on its data.")
    if facts.digest is None:
        return not_run("There is no contract to check.", ["Upload a contract."])
    found = []
    tier = tiers.by_level(version.tier) if version.tier is not None else None
    if tier is None or tier.availability is None or tier.p95_ms is None:
        found.append(
            finding(
                "observability.target",
                "",
                "Its tier has no target for availability or for the 95th percentile of response time.",
            )
        )
    document = contracts.document(facts.digest)
    correlates = version.tier not in (0, 1) or _correlates(document.tree)
    if not correlates and not found and document.family in _SAY_NO_SECURITY:
        language = _SAY_NO_SECURITY[document.family]
        return not_run(
            f"{language} has no place for the headers of a call, and no field of the contract is a correlation id: "
            "whether a sale can be traced is not known.",
            ["Add a field, an argument or a header part for it, such as correlationId."],
        )
    if not correlates:
        found.append(
            finding(
                "observability.correlation",
                "",
                "The contract has no correlation or request id (header, field or trace context), "
                "so a sale cannot be traced.",
            )
        )
    if found:
        return failed(
            f"{', '.join(revenue)} cannot be traced or measured.",
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
                or wanted & {str(k).rpartition("}")[2].lower() for k in node}
                or "correlationId" in node
            ):
                return True
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)
    return False


@on_version
def _upgrade_order(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """Who has to upgrade first, for events and files. For requests and answers the comparison itself decides."""
    if version.style.lower() not in ("event", "file", "asyncapi"):
        return not_applicable(f"The order matters for events and files only, not for {version.style}.")
    if facts.base_digest is None or facts.digest is None:
        return not_applicable("It is the first version.")
    try:
        relation = upgrade_order.relation(facts.base_digest, facts.digest)
    except DomainError as error:
        return not_run(f"The two contracts cannot be compared: {error.message}", ["Upload a comparable contract."])
    if relation == "breaking" and facts.consumers_affected:
        found = finding(
            "order.together",
            "",
            "Neither side can upgrade first: old readers fail on new messages, and new readers on old ones.",
            breaking=True,
            consumers=sorted({c.application for c in facts.consumers_affected}),
        )
        return failed("No safe order of upgrades.", [found], ["Split it into a compatible step and a later one."])
    words = {
        "backward": "consumers first",
        "forward": "producers first",
        "full": "any order",
        "none": "nothing to order",
        "breaking": "no consumer is affected",
    }
    return passed(
        f"Upgrade order: {words[relation]}.",
        [finding("order.stated", "", words[relation], level="info", relation=relation)],
    )


CONTRACT_READABLE = Check("contract.readable", "Readable contract", _readable)
COMPARISON = Check("contract.comparison", "No breaking change for live consumers", _comparison)
LINT = Check("contract.lint", "Contract rules", _lint)
SECURITY = Check("data.security", "Data protection", _security)
OBSERVABILITY = Check("flow.observability", "Traceability", _observability)
UPGRADE_ORDER = Check("order.upgrade", "Upgrade order", _upgrade_order)
