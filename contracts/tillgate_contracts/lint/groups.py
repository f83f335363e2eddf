"""Findings for people: a rule that fails at many places is one finding, with its count and the first places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby

from tillgate_contracts.lint.rule import LintFinding, LintReport, RuleOutcome, fingerprint
from tillgate_contracts.lint.view import LintView
from tillgate_contracts.reading import METHODS, split

FEW = 10
"""Up to as many findings of one rule stand on their own."""
MANY = 20
"""More findings of one rule are one in any case."""
FIRST = 3
"""Places that a finding about many names."""

PLURALS = {
    "operation": "operations",
    "parameter": "parameters",
    "path": "paths",
    "property": "properties",
    "response": "responses",
    "schema": "schemas",
}


def kind_of(pointer: str) -> str:
    """What stands at a pointer into the normal form, as a word of PLURALS; "" for anything else."""
    tokens = split(pointer)
    if len(tokens) > 2 and "properties" in tokens[-3:-1]:
        return "property"
    if tokens[:1] == ["components"] and len(tokens) == 3:
        return {"schemas": "schema", "responses": "response", "parameters": "parameter"}.get(tokens[1], "")
    if tokens[:1] not in (["paths"], ["webhooks"]) or len(tokens) < 2:
        return ""
    if len(tokens) == 2:
        return "path"
    if len(tokens) == 3 or (len(tokens) == 4 and tokens[2] in METHODS):
        return "operation" if tokens[2] in METHODS else ""
    return {"responses": "response", "parameters": "parameter"}.get(tokens[-2], "") if len(tokens) <= 5 else ""


def sizes(view: LintView) -> dict[str, int]:
    """How many there are of each kind."""
    paths, schemas = view.tree.get("paths"), (view.tree.get("components") or {}).get("schemas")
    return {
        "operation": len(view.endpoints),
        "parameter": len({item.pointer for endpoint in view.endpoints for item in endpoint.parameters}),
        "path": len(paths) if isinstance(paths, dict) else 0,
        "property": len(view.properties),
        "response": len({item.pointer for endpoint in view.endpoints for _, item in view.responses(endpoint)}),
        "schema": len(schemas) if isinstance(schemas, dict) else 0,
    }


def grouped(report: LintReport, findings: Iterable[LintFinding] | None = None) -> tuple[LintFinding, ...]:
    """The findings of a report, or some of them, with those of a rule that fails nearly everywhere as one.

    A rule is one finding when it fails at more than FEW places that are at least half of their kind in the contract,
    or at more than MANY. Such a finding stands at the whole contract (pointer ""), has `count` and its first `places`.
    The order is kept: worst first.
    """
    outcomes = {outcome.rule: outcome for outcome in report.outcomes}
    made: list[LintFinding] = []
    for rule, listed in groupby(report.findings if findings is None else findings, key=lambda item: item.rule):
        found = list(listed)
        size = _size(found, report.sizes)
        if len(found) > MANY or (len(found) > FEW and size and 2 * len(found) >= size):
            made.append(_one(found, outcomes[rule], size))
        else:
            made += found
    return tuple(made)


def _size(found: list[LintFinding], sizes: Mapping[str, int]) -> int:
    """How many places of the kind of these findings there are; 0 where they are of several kinds, or it is unknown."""
    kinds = {item.of for item in found}
    size = sizes.get(kinds.pop(), 0) if len(kinds) == 1 else 0
    return size if size >= len(found) else 0


def _one(found: list[LintFinding], outcome: RuleOutcome, size: int) -> LintFinding:
    first = found[0]
    kind = first.of if size else ""
    count = max(len(found), outcome.total if len(found) == outcome.listed else 0)
    noun = PLURALS.get(kind, "places")
    many = f"{count:,} of {size:,} {noun}" if size and count <= size else f"{count:,} {noun}"
    return replace(
        first,
        message=f"{outcome.title}: not so at {many}.",
        pointer="",
        line=None,
        operation="",
        path="",
        fingerprint=fingerprint(first.rule, ""),
        count=count,
        places=tuple(found[:FIRST]),
    )
