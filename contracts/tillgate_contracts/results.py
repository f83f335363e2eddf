"""From documents to results, for the command line and its batches."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading import Document
from tillgate_contracts.report import ReportItem, Result, RuleText
from tillgate_contracts.report.result import SEVERITY, FurtherPlace

if TYPE_CHECKING:
    from tillgate_contracts.compare import ComparisonPolicy, Finding
    from tillgate_contracts.lint import LintFinding, LintReport, LintRule


def policy_from(given: Path | Mapping[str, Any] | None) -> ComparisonPolicy:
    """A policy from a file, from a mapping, or the defaults. Raises ContractError `policy.…`."""
    from tillgate_contracts.compare import ComparisonPolicy

    if given is None:
        return ComparisonPolicy()
    if isinstance(given, Path):
        return ComparisonPolicy.load(given)
    return ComparisonPolicy.from_mapping(given)


def compare_result(
    base: Document, revision: Document, *, policy: ComparisonPolicy, as_of: dt.date | None, names: tuple[str, str]
) -> Result:
    """The comparison of two documents. `names` are the files, for people and for the places of findings."""
    from tillgate_contracts.compare import compare, iter_rules

    day = as_of or dt.datetime.now(dt.UTC).date()
    comparison = compare(base, revision, policy=policy, as_of=day)
    return Result(
        command="compare",
        verdict=comparison.verdict,
        items=_items(comparison.findings, names),
        told=_told(comparison.findings, names),
        data={
            **comparison.as_dict(),
            "findings": comparison.merged,
            "groups": comparison.told_groups,
            "base": names[0],
            "revision": names[1],
            "problems": _problems(base, revision),
        },
        rule_pack=comparison.rule_pack,
        facts={"base": names[0], "revision": names[1], "as of": day.isoformat()},
        rules=tuple(RuleText(rule.id, rule.title, SEVERITY[rule.level], rule.why) for rule in iter_rules()),
    )


def _items(findings: Sequence[Finding], names: tuple[str, str]) -> tuple[ReportItem, ...]:
    """The findings, equal ones once."""
    from tillgate_contracts.compare.groups import merge

    made = []
    for equal in merge(findings):
        places = (
            FurtherPlace(names[0] if place.side == "base" else names[1], place.pointer, place.line)
            for place in equal.places[1:]
        )
        item = _item(equal.first, names)
        made.append(replace(item, operations=equal.operations, count=len(equal.places), further=tuple(places)))
    return tuple(made)


def _told(findings: Sequence[Finding], names: tuple[str, str]) -> tuple[ReportItem, ...]:
    """The findings for people: those of one schema and rule are one."""
    from tillgate_contracts.compare.findings import text_of
    from tillgate_contracts.compare.groups import group

    return tuple(
        replace(
            _item(findings[one.indexes[0]], names),
            message=one.message,
            hint=one.hint,
            operations=one.operations,
            count=one.count,
        )
        for one in group(text_of(finding) for finding in findings)
    )


def _item(finding: Finding, names: tuple[str, str]) -> ReportItem:
    return ReportItem(
        rule=finding.rule,
        level=finding.level,
        message=finding.message,
        hint=finding.hint,
        file=names[0] if finding.side == "base" else names[1],
        pointer=finding.pointer,
        line=finding.line,
        path=finding.path,
        operations=tuple(finding.operations),
        fingerprint=finding.fingerprint,
    )


def _problems(*documents: Document) -> list[dict[str, Any]]:
    return [
        {"code": problem.code, "pointer": document.origin(problem.pointer), "message": problem.message}
        for document in documents
        for problem in document.problems
    ]


def compat_result(
    documents: Sequence[Document], names: Sequence[str], *, direction: str, content_model: str
) -> tuple[Result, bool | None]:
    """Compatibility of the last document with its predecessor, or with all before it; for events per message."""
    from tillgate_contracts.compare import RULE_PACK
    from tillgate_contracts.compare.findings import merged_findings
    from tillgate_contracts.messages import check_documents

    compat = check_documents(documents, direction=direction, content_model=content_model)
    pair = (names[-2], names[-1])
    result = Result(
        command="compat",
        verdict={True: "compatible", False: "breaking", None: "warning"}[compat.compatible],
        items=_items(compat.findings, pair),
        told=_told(compat.findings, pair),
        data={
            "compatible": compat.compatible,
            "verdict": {True: "compatible", False: "breaking", None: "warning"}[compat.compatible],
            "direction": direction,
            "upgrade_order": compat.upgrade_order,
            "findings": merged_findings(compat.findings),
            "rule_pack": RULE_PACK,
        },
        rule_pack=RULE_PACK,
        facts={"old": names[-2], "new": names[-1], "direction": direction, "upgrade order": compat.upgrade_order},
    )
    return result, compat.compatible


def lint_result(
    document: Document,
    *,
    name: str,
    tier: int | None,
    layer: str | None,
    data_class: str | None,
    rule_files: Sequence[Path],
    only_own: bool,
    profile: str = "own",
    each: bool = True,
) -> Result:
    """The linter's report; without `each` people are told a rule that fails nearly everywhere once.

    Raises ContractError `lint.…` for rule files that cannot be used.
    """
    from tillgate_contracts.lint import grouped, lint

    rules, unmapped, partly = _lint_rules(rule_files, only_own=only_own)
    report = lint(document, tier=tier, layer=layer, data_class=data_class, profile=profile, rules=rules)
    groups = grouped(report)
    many = [group.as_dict() for group in groups if group.places]
    total = sum(outcome.total for outcome in report.outcomes)
    cut = f"{total:,} in {len(groups):,} findings: a rule that fails nearly everywhere is one; --all lists each place"
    return Result(
        command="lint",
        verdict=report.verdict,
        items=tuple(_lint_item(finding, name) for finding in report.findings),
        told=None if each else tuple(_lint_told(finding, name) for finding in groups),
        data={
            **report.as_dict(),
            "groups": many,
            "file": name,
            "unmapped": unmapped,
            "partly_mapped": partly,
            "problems": _problems(document),
        },
        rule_pack=report.rule_pack,
        facts={
            "file": name,
            "tier": "" if tier is None else str(tier),
            "layer": layer or "",
            "data class": data_class or "",
            "profile": profile if profile != "own" else "",
            "shown": cut if many and not each else _unlisted(report),
            "not run": ", ".join(
                f"{item.rule} ({item.reason})" for item in report.outcomes if item.status == "not_run"
            ),
            "not mapped": ", ".join(f"{item['rule']} ({item['reason']})" for item in unmapped),
            "mapped in part": ", ".join(f"{item['rule']} ({item['reason']})" for item in partly),
        },
        rules=tuple(
            RuleText(rule.id, rule.title, SEVERITY.get(rule.level(tier, profile), "note"), rule.why) for rule in rules
        ),
    )


def _unlisted(report: LintReport) -> str:
    """What the list of findings leaves out."""
    cut = [item for item in report.outcomes if item.total > item.listed]
    return ", ".join(f"{item.rule}: {item.listed:,} of {item.total:,} listed" for item in cut)


def _lint_rules(
    rule_files: Sequence[Path], *, only_own: bool
) -> tuple[list[LintRule], list[dict[str, str]], list[dict[str, str]]]:
    """The built-in rules with those of the files over them; what of the files is not applied, and what in part."""
    from tillgate_contracts.lint import built_in_rules, load_rules

    rules = [] if only_own else list(built_in_rules())
    unmapped: list[dict[str, str]] = []
    partly: list[dict[str, str]] = []
    for path in rule_files:
        loaded = load_rules(path)
        replaced = {rule.id for rule in loaded.rules} | set(loaded.off)
        rules = [rule for rule in rules if rule.id not in replaced] + list(loaded.rules)
        unmapped += [{"rule": item.rule, "reason": item.reason} for item in loaded.unmapped]
        partly += [{"rule": item.rule, "reason": item.reason} for item in loaded.partly]
    if only_own and not rule_files:
        raise ContractError("lint.rules", "--only-own needs --rules FILE: otherwise there is no rule at all.")
    return rules, unmapped, partly


def _lint_item(finding: LintFinding, name: str) -> ReportItem:
    return ReportItem(
        rule=finding.rule,
        level=finding.level,
        message=finding.message,
        hint=finding.hint,
        file=name,
        pointer=finding.pointer,
        line=finding.line,
        path=finding.path,
        operations=(finding.operation,) if finding.operation else (),
        fingerprint=finding.fingerprint,
    )


def _lint_told(finding: LintFinding, name: str) -> ReportItem:
    """A finding for people: one about many stands at the first of its places."""
    first, *others = finding.places or (finding,)
    item = _lint_item(first, name)
    further = tuple(FurtherPlace(name, other.pointer, other.line) for other in others)
    if not finding.places:
        return item
    return replace(item, message=finding.message, operations=(), path="", count=finding.count, further=further)


def rule_rows(which: str) -> list[dict[str, str]]:
    """Every rule as a row: id, of (compare or lint), level, title."""
    rows = []
    if which in ("compare", "all"):
        from tillgate_contracts.compare import iter_rules

        rows += [{"id": rule.id, "of": "compare", "level": rule.level, "title": rule.title} for rule in iter_rules()]
    if which in ("lint", "all"):
        from tillgate_contracts.lint import built_in_rules

        rows += [
            {
                "id": rule.id,
                "of": "lint",
                "level": rule.level(None),
                "tiers": " / ".join(rule.by_tier),
                "for": ", ".join(rule.families),
                "title": rule.title,
                "why": rule.why,
                "hint": rule.hint,
            }
            for rule in sorted(built_in_rules(), key=lambda rule: rule.id)
        ]
    return rows


def describe(document: Document, *, operations: bool) -> dict[str, Any]:
    """What is in a contract, as JSON."""
    facts: dict[str, Any] = {
        "format": document.format,
        "digest": document.digest,
        "title": document.title,
        "version": document.version_label,
        "operation_count": len(document.operations),
        "schema_count": len(document.schemas),
        "field_count": len(document.fields),
        "servers": list(document.servers),
        "security_schemes": dict(document.security_schemes),
        "problems": [
            {
                "code": problem.code,
                "pointer": document.origin(problem.pointer),
                "line": document.pointer_line(problem.pointer),
                "message": problem.message,
            }
            for problem in document.problems
        ],
    }
    if operations:
        facts["operations"] = [
            {
                "method": operation.method,
                "path": operation.path,
                "operation_id": operation.operation_id,
                "summary": operation.summary,
                "tags": list(operation.tags),
                "deprecated": operation.deprecated,
                "messages": list(operation.messages),
                "request": operation.request,
                "response": operation.response,
                "line": document.pointer_line(operation.pointer),
            }
            for operation in document.operations
        ]
    return facts


def describe_text(document: Document, facts: Mapping[str, Any]) -> str:
    """The same for a terminal."""
    lines = [
        f"{document.format}: {document.title or '(no title)'} {document.version_label or '(no version)'}",
        f"  digest      {document.digest}",
        f"  operations  {facts['operation_count']}",
        f"  schemas     {facts['schema_count']}",
        f"  fields      {facts['field_count']}",
    ]
    if document.servers:
        lines.append(f"  servers     {', '.join(document.servers[:5])}")
    if document.security_schemes:
        lines.append(
            "  security    " + ", ".join(f"{name}: {kind}" for name, kind in document.security_schemes.items())
        )
    for problem in facts["problems"]:
        place = f"line {problem['line']}, " if problem["line"] else ""
        lines.append(f"  problem     {problem['message']} ({place}{problem['pointer']}) [{problem['code']}]")
    for operation in facts.get("operations", []):
        mark = " (deprecated)" if operation["deprecated"] else ""
        types = f"({operation['request']})" if operation["request"] else ""
        types += f" → {operation['response']}" if operation["response"] else ""
        lines.append(f"  {operation['method']:8} {operation['path']}{types}{mark}")
    return "\n".join(lines) + "\n"
