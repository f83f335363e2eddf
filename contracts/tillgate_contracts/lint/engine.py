"""Running rules over a document."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from tillgate_contracts.errors import ContractError
from tillgate_contracts.lint import (
    data,
    documentation,
    errors,
    events,
    graphql,
    naming,
    reliability,
    security,
    soap,
)  # registers the rules
from tillgate_contracts.lint.groups import kind_of, sizes
from tillgate_contracts.lint.jsonpath import TooManyMatches
from tillgate_contracts.lint.rule import (
    PROFILES,
    RULE_PACK,
    LintFinding,
    LintReport,
    LintRule,
    RuleOutcome,
    SharedViolation,
    Violation,
    fingerprint,
    registered,
)
from tillgate_contracts.lint.view import LintView
from tillgate_contracts.reading import Document

__all__ = ["LAYERS", "built_in_rules", "lint"]

LAYERS = ("experience", "process", "system")
DATA_CLASSES = ("public", "internal", "personal", "cardholder")
MAX_PER_RULE = 10_000
"""Findings of one rule that are listed; the rest is counted in its outcome."""

_ALSO = 3
"""Other places of one fault that its message names; the rest is counted."""

_ORDER = {"error": 0, "warning": 1, "info": 2}
_MODULES = (documentation, naming, errors, reliability, security, data, events, graphql, soap)


def built_in_rules() -> tuple[LintRule, ...]:
    """The rules that the product brings."""
    return registered()


def lint(
    document: Document,
    *,
    tier: int | None = None,
    layer: str | None = None,
    data_class: str | None = None,
    profile: str = "own",
    rules: Iterable[LintRule] | None = None,
) -> LintReport:
    """Check a document.

    `tier` is 0 (checkout-critical) to 3 (back office), `layer` experience, process or system, `data_class` public,
    internal, personal or cardholder; None is unknown. `profile` is own, or third-party for a contract that only its
    vendor can change: it is reported on, nothing is an error. `rules` replaces the built-in ones.

    Raises ContractError `lint.context` for an unknown tier, layer, class or profile.
    """
    _check_context(tier, layer, data_class)
    if profile not in PROFILES:
        raise ContractError("lint.context", f"The profile is one of {', '.join(PROFILES)}, not {profile!r}.")
    view = LintView(document, tier=tier, layer=layer, data_class=data_class)
    findings: list[LintFinding] = []
    outcomes: list[RuleOutcome] = []
    for rule in built_in_rules() if rules is None else rules:
        level = rule.level(tier, profile)
        reason = _not_applicable(rule, level, view)
        if reason:
            outcomes.append(RuleOutcome(rule.id, "not_applicable", reason, title=rule.title))
            continue
        try:
            violations = iter(rule.check(view))
            listed = list(islice(violations, MAX_PER_RULE))
            total = len(listed) + sum(1 for _ in violations)
        except TooManyMatches as error:
            outcomes.append(RuleOutcome(rule.id, "not_run", f"{error}", title=rule.title))
            continue
        status = "failed" if total else "passed"
        outcomes.append(RuleOutcome(rule.id, status, total=total, listed=len(listed), title=rule.title))
        findings += [_finding(rule, level, violation, document) for violation in listed]
    findings.sort(key=lambda item: (_ORDER[item.level], item.rule, item.line or 0, item.pointer))
    context = {
        "tier": tier,
        "layer": layer,
        "data_class": data_class,
        "profile": profile,
        "format": document.format,
        "digest": document.digest,
    }
    return LintReport(tuple(findings), tuple(outcomes), RULE_PACK, context, sizes(view))


def _finding(rule: LintRule, level: str, violation: Violation, document: Document) -> LintFinding:
    return LintFinding(
        rule=rule.id,
        level=level,
        message=violation.message + _also(violation, document),
        hint=rule.hint,
        pointer=document.origin(violation.pointer),
        line=document.pointer_line(violation.pointer),
        operation=violation.operation,
        path=violation.path,
        fingerprint=fingerprint(rule.id, violation.pointer),
        of=kind_of(violation.pointer),
    )


def _also(violation: Violation, document: Document) -> str:
    """The other places of one fault, for its message."""
    if not isinstance(violation, SharedViolation) or not violation.also:
        return ""
    more = len(violation.also) - _ALSO
    rest = f" and {more} more {'place' if more == 1 else 'places'}" if more > 0 else ""
    return f" Also at {', '.join(document.origin(pointer) for pointer in violation.also[:_ALSO])}{rest}."


def _not_applicable(rule: LintRule, level: str, view: LintView) -> str:
    if level == "off":
        return "off for this tier"
    if rule.families and view.document.family not in rule.families:
        return f"for {' and '.join(rule.families)} only"
    return rule.condition(view)


def _check_context(tier: int | None, layer: str | None, data_class: str | None) -> None:
    if tier is not None and (isinstance(tier, bool) or tier not in (0, 1, 2, 3)):
        raise ContractError("lint.context", f"The tier is 0, 1, 2 or 3, not {tier!r}.")
    if layer is not None and layer not in LAYERS:
        raise ContractError("lint.context", f"The layer is one of {', '.join(LAYERS)}, not {layer!r}.")
    if data_class is not None and data_class not in DATA_CLASSES:
        raise ContractError("lint.context", f"The data class is one of {', '.join(DATA_CLASSES)}, not {data_class!r}.")
