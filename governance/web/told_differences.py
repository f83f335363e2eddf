"""Differences of a change as its pages tell them: those of one schema and rule in one sentence, and whom they touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.urls import reverse

from catalog.domain import contract_engine
from catalog.domain.contract_engine import DESCRIPTIVE, FindingGroup, FindingText
from catalog.domain.facts import VersionFacts
from catalog.selectors import touched
from catalog.selectors.touched import KnownConsumers
from governance.domain import kinds
from governance.domain.subject import Subject
from governance.models import ChangeRequest
from governance.selectors.told_changes import ToldImpact
from governance.web import tones
from kernel.errors import DomainError
from kernel.ui.wording import counted

_LEVELS = {"breaking": "breaking", "attention": "warning", "compatible": "info", "error": "breaking"}


def grouped(found: Sequence[Mapping[str, Any]], *, prefix: str = "") -> list[FindingGroup]:
    """The groups of stored differences, in the order of their first ones. `prefix` is taken off the rules."""
    return contract_engine.group(
        FindingText(
            rule=str(one.get("rule", "")).removeprefix(prefix),
            level="breaking" if one.get("breaking") else _LEVELS.get(str(one.get("level")), str(one.get("level"))),
            message=str(one.get("message", "")),
            pointer=str(one.get("pointer", "")),
            hint=str(one.get("hint", "") or ""),
            operations=tuple(one.get("operations") or ()),
        )
        for one in found
    )


def told(change: ChangeRequest, found: Sequence[Mapping[str, Any]], reached: ToldImpact | None) -> list[dict[str, Any]]:
    """The stored differences of a change as `parts/finding.html` shows them; what only describes comes last."""
    groups = sorted(grouped(found), key=lambda one: one.rule in DESCRIPTIVE)
    known = known_of(change) if reached and reached.rows and groups else None
    address = reverse("governance:differences", args=[change.pk])
    return [_told(one, [found[number] for number in one.indexes], reached, known, address) for one in groups]


def known_of(change: ChangeRequest) -> KnownConsumers | None:
    """The consumers of the version that a change replaces or follows, with the operations that they call; None for
    changes of other things."""
    if (kind := kinds.kind(change.kind)).subject_kind != "version":
        return None
    names: dict[str, str] = {}
    called: dict[str, frozenset[str]] = {}
    for row in change.subjects.all():
        try:
            facts = kind.facts(Subject(row.kind, row.subject_id, row.digest))
        except DomainError:
            continue
        before = facts.extras.get("before") if facts else None
        if isinstance(before, VersionFacts):
            known = touched.known_consumers(before.id)
            names |= known.names
            called |= known.called
    return KnownConsumers(names, called)


def _told(
    one: FindingGroup,
    found: Sequence[Mapping[str, Any]],
    reached: ToldImpact | None,
    known: KnownConsumers | None,
    address: str,
) -> dict[str, Any]:
    said = [_touches(one, reached, known)] if one.level == "breaking" else []
    said.append(one.hint)
    if one.operations:
        more = len(one.operations) - 3
        said.append(f"Used by {', '.join(one.operations[:3])}" + (f" and {more} more." if more > 0 else "."))
    anchor = str(found[0]["anchor"])
    return {
        "tone": tones.FINDINGS.get(str(found[0]["level"])),
        "say": one.message,
        "affects": " ".join(text for text in said if text),
        "anchor": anchor,
        "url": f"{address}#{anchor}",
        "count": one.count,
        "each": [{"say": each["message"], "anchor": each["anchor"]} for each in found] if one.count > 1 else [],
    }


def _touches(one: FindingGroup, reached: ToldImpact | None, known: KnownConsumers | None) -> str:
    if reached is None or not reached.rows:
        return ""
    keys = list(dict.fromkeys(str(row["application"]) for row in reached.rows))
    if known is not None and (words := known.touched(one.operations, only=keys).in_words):
        return words
    listed = ", ".join(keys[:4]) + (" and more" if len(keys) > 4 else "")
    return f"May break {counted(len(keys), 'consumer')}: {listed}."
