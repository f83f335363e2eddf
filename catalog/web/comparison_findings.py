"""Comparison verdicts as people read them, and findings grouped for the tree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from catalog.domain import contract_engine
from catalog.domain.contract_engine import FindingGroup
from catalog.selectors.touched import KnownConsumers, Touched
from kernel.ui import tones

LEVELS: Final[dict[str, tones.Tone]] = {
    "breaking": tones.stop("Breaking", "alert"),
    "warning": tones.wait("Review"),
    "info": tones.ok("Compatible"),
}
SHOWS: Final = ("all", "breaking", "warning", "info")


def tone_of(verdict: str, breaking: int = 0, warnings: int = 0) -> tones.Tone:
    """ "3 breaking", "4 to review", "Compatible", "No change of meaning"; None of them is "Not compared"."""
    if verdict == "breaking":
        return tones.stop(f"{breaking} breaking", "alert")
    if verdict == "warning":
        return tones.wait(f"{warnings} to review")
    if verdict == "compatible":
        return tones.ok("Compatible")
    if verdict == "none":
        return tones.ok("No change of meaning")
    return tones.quiet("Not compared")


@dataclass(frozen=True, slots=True)
class ToldDifference:
    """Differences of one schema and rule as a page shows them: a tone, one sentence, whom they touch, and each of
    them."""

    told: FindingGroup
    tone: tones.Tone
    touched: Touched | None
    findings: tuple[Any, ...]

    @property
    def weight(self) -> tuple[int, int]:
        """For sorting: the graver first, and among them what surely touches a consumer, then what may."""
        reach = self.touched
        nearness = 2 if reach is None else 0 if reach.surely else 1 if reach.perhaps else 2
        return (SHOWS.index(self.told.level), nearness)

    @property
    def anchor(self) -> str:
        return f"f-{self.findings[0].fingerprint}"


def told(findings: list[Any], known: KnownConsumers | None) -> list[ToldDifference]:
    """The findings of a comparison as people read them: the worst first, and among them what touches known consumers.
    `known`: the consumers of the older version."""
    made = [
        ToldDifference(
            one,
            LEVELS[one.level],
            known.touched(one.operations) if known and one.level != "info" else None,
            tuple(findings[number] for number in one.indexes),
        )
        for one in contract_engine.groups_of(findings)
    ]
    return sorted(made, key=lambda one: one.weight)


def broken(told: list[ToldDifference], known: KnownConsumers) -> str:
    """Whom the breaking differences touch together, in words; empty where none breaks or no consumer is known."""
    breaking = [one.told for one in told if one.told.level == "breaking"]
    if not breaking:
        return ""
    everywhere = any(not one.operations for one in breaking)
    return known.touched(() if everywhere else {name for one in breaking for name in one.operations}).in_words


@dataclass(slots=True)
class ComponentFindings:
    """One component or operation of the tree with the findings in it."""

    section: str
    name: str
    uses: list[str] = field(default_factory=list)
    findings: list[Any] = field(default_factory=list)

    @property
    def others(self) -> list[str]:
        """The operations that use it, without itself."""
        return [use for use in self.uses if use != self.name]

    @property
    def tone(self) -> tones.Tone:
        for level, word in (("breaking", "breaking"), ("warning", "to review"), ("info", "compatible")):
            n = sum(1 for f in self.findings if f.level == level)
            if n:
                return tones.Tone(LEVELS[level].tone, f"{n} {word}", LEVELS[level].icon)
        return tones.quiet("nothing")


_SECTIONS: Final = {
    "schemas": "Schemas",
    "parameters": "Parameters",
    "responses": "Answers",
    "requestBodies": "Request bodies",
    "headers": "Headers",
    "messages": "Messages",
    "securitySchemes": "Security",
}


def place_of(pointer: str) -> tuple[str, str]:
    """(section, name) of the part of a document that a pointer leads into: ("Schemas", "Price"), ("Operations", "GET
    /orders"), …"""
    tokens = [
        t.replace("~1", "/").replace("~0", "~")
        for t in pointer.partition("#")[2 if "#" in pointer else 0].split("/")[1:]
    ]
    if len(tokens) >= 3 and tokens[0] == "components":
        return _SECTIONS.get(tokens[1], tokens[1]), tokens[2]
    if len(tokens) >= 2 and tokens[0] in ("definitions", "$defs"):
        return "Schemas", tokens[1]
    if len(tokens) >= 2 and tokens[0] in ("paths", "webhooks"):
        return "Operations", f"{tokens[2].upper()} {tokens[1]}" if len(tokens) > 2 and tokens[2].isalpha() and len(
            tokens[2]
        ) < 8 else tokens[1]
    if len(tokens) >= 2 and tokens[0] in ("channels", "operations"):
        return "Channels", tokens[1]
    if tokens and ":" in tokens[0]:
        named = [t for t in tokens if "[" in t]
        return "Metadata", named[0] if named else tokens[-1]
    return "Document", tokens[0] if tokens else "the whole"


def grouped(findings: Iterable[Any]) -> list[tuple[str, list[ComponentFindings]]]:
    """Sections with their groups, the worst first inside each."""
    sections: dict[str, dict[str, ComponentFindings]] = {}
    for found in findings:
        section, name = place_of(found.pointer)
        group = sections.setdefault(section, {}).setdefault(name, ComponentFindings(section, name))
        group.findings.append(found)
        group.uses += [o for o in found.operations if o not in group.uses]
    order = {"stop": 0, "wait": 1, "ok": 2, "quiet": 3, "accent": 4}
    return [(s, sorted(groups.values(), key=lambda g: (order[g.tone.tone], g.name))) for s, groups in sections.items()]
