"""Compatibility modes of schema registries for events and JSON Schemas, with the order in which both ends may move.

Backward: the new schema reads what the old one wrote, so readers move first. Forward: the old schema reads what the new
one writes, so writers move first. Full: both, in any order. The transitive modes ask the same of every earlier version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tillgate_contracts.compare.collector import FindingCollector, Where
from tillgate_contracts.compare.findings import Finding
from tillgate_contracts.compare.policy import ComparisonPolicy
from tillgate_contracts.compare.schema.change import Direction
from tillgate_contracts.compare.schema.graph import SchemaGraph
from tillgate_contracts.compare.schema.settings import Settings
from tillgate_contracts.compare.schema.source import Part, SchemaDialect, SchemaSource
from tillgate_contracts.errors import ContractError

MODES = ("backward", "forward", "full", "backward-transitive", "forward-transitive", "full-transitive", "none")
ContentModel = Literal["tolerant", "strict"]
_ORDERS = {
    "backward": "consumers first: readers move to the new schema before writers do",
    "forward": "producers first: writers move to the new schema before readers do",
    "full": "any order: readers and writers may move independently",
    "none": "together: nothing is promised, readers and writers must move at once",
}
_DRAFTS = {
    "draft-03": "jsonschema-03",
    "draft-04": "jsonschema-04",
    "draft-06": "jsonschema-06",
    "draft-07": "jsonschema-07",
    "2019-09": "jsonschema-2019-09",
    "2020-12": "jsonschema-2020-12",
}


class Compat(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of a compatibility question. `compatible` is None where it cannot be decided; the findings say why."""

    compatible: bool | None
    findings: list[Finding]
    upgrade_order: str
    direction: str = ""

    def as_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


class _Plain:
    """Places of a bare schema: pointers stay as they are, lines are unknown."""

    tree: dict[str, Any] = {}

    def origin(self, pointer: str) -> str:
        return pointer

    def pointer_line(self, pointer: str) -> int | None:
        return None


def check_compat(old: Any, new: Any, *, direction: str, content_model: ContentModel = "tolerant") -> Compat:
    """Compares two JSON Schemas (parsed: dictionaries or booleans).

    `direction` is one of MODES; for a single pair, the transitive ones mean the same as the plain ones. Raises
    ContractError `compat.direction` or `compat.content_model` for unknown words.
    """
    if direction not in MODES:
        raise ContractError("compat.direction", f"The direction is one of {', '.join(MODES)}, not {direction!r}.", {})
    if content_model not in {"tolerant", "strict"}:
        raise ContractError(
            "compat.content_model", f"The content model is tolerant or strict, not {content_model!r}.", {}
        )
    plain = direction.removesuffix("-transitive")
    if plain == "none":
        return Compat(compatible=True, findings=[], upgrade_order=_ORDERS["none"], direction=direction)
    findings: list[Finding] = []
    answers: list[bool | None] = []
    # Reading old data with the new schema: the new one may only widen. Reading new data with the old one: only narrow.
    for word, sent in (("backward", Direction("event-receive")), ("forward", Direction("event-send"))):
        if plain in {word, "full"}:
            found = _compare(old, new, sent, content_model)
            findings += found
            answers.append(_answer(found))
    return Compat(compatible=_both(answers), findings=findings, upgrade_order=_ORDERS[plain], direction=direction)


def check_transitive(versions: Sequence[Any], *, direction: str, content_model: ContentModel = "tolerant") -> Compat:
    """Compares the last of several versions (oldest first) with its predecessor, or, transitively, with all of them."""
    if len(versions) < 2:
        plain = direction.removesuffix("-transitive")
        return Compat(compatible=True, findings=[], upgrade_order=_ORDERS[plain], direction=direction)
    earlier = versions[:-1] if direction.endswith("-transitive") else versions[-2:-1]
    results = [
        check_compat(version, versions[-1], direction=direction, content_model=content_model) for version in earlier
    ]
    return Compat(
        compatible=_both([result.compatible for result in results]),
        findings=[finding for result in results for finding in result.findings],
        upgrade_order=results[0].upgrade_order,
        direction=direction,
    )


def _compare(old: Any, new: Any, sent: Direction, content_model: ContentModel) -> list[Finding]:
    try:
        return _findings(old, new, sent, content_model)
    except RecursionError:
        raise ContractError(
            "compat.too_deep", "The schemas are nested too deeply to be compared. Name the inner schemas.", {}
        ) from None


def _findings(old: Any, new: Any, sent: Direction, content_model: ContentModel) -> list[Finding]:
    left, right = SchemaSource(old, _dialect(old)), SchemaSource(new, _dialect(new))
    graph = SchemaGraph(left, right, Settings(strict=content_model == "strict", declared=False))
    collector = FindingCollector(
        _Plain(), _Plain(), graph, ComparisonPolicy(content_model=content_model), sets_only=True
    )
    collector.use(graph.link((Part(old, ""),), (Part(new, ""),), sent), "payload", Where())
    return collector.finish()


def _dialect(schema: Any) -> SchemaDialect:
    word = schema.get("$schema") if isinstance(schema, dict) else None
    for part, name in _DRAFTS.items():
        if isinstance(word, str) and part in word:
            return SchemaDialect.of(name)
    return SchemaDialect.of("jsonschema-2020-12")


def _answer(findings: list[Finding]) -> bool | None:
    levels = {finding.level for finding in findings}
    if "breaking" in levels:
        return False
    return None if "warning" in levels else True


def _both(answers: list[bool | None]) -> bool | None:
    if any(answer is False for answer in answers):
        return False
    return None if any(answer is None for answer in answers) else True
