"""Which releases use which fields of an API version, and what a difference between two contracts does to them.

Derived from what is deployed or approved at the moment of the question, so a redeployment, a rollback and the end of a
deployment show at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from catalog.domain.contract_engine import Document
from catalog.domain.facts import VersionFacts
from catalog.selectors import contracts
from kernel.digest import short
from kernel.errors import DomainError
from kernel.viewer import Viewer
from runtime.mapping.places import FieldPlaces, SchemaPlaces
from runtime.selectors import pinning
from runtime.selectors.pinning import PinningRelease
from runtime.services import field_uses
from runtime.services.field_uses import ContractUse, UsedField

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class FlowUse:
    """One pinned contract of one release."""

    release: PinningRelease
    use: ContractUse

    @property
    def name(self) -> str:
        """ "Products and prices (release 8be83c21, runs in production)" """
        where = []
        if self.release.runs_in:
            where.append(f"runs in {', '.join(self.release.runs_in)}")
        if self.release.approved_in:
            where.append(f"approved for {', '.join(self.release.approved_in)}")
        return f"{self.release.title} (release {short(self.release.digest)}, {'; '.join(where)})"


def of_version(viewer: Viewer, version: VersionFacts) -> list[FlowUse]:
    """What deployed and approved releases use of a version, of every integration: `release.seen` says which of them
    the viewer may be told of."""
    return [
        FlowUse(release, use)
        for release in pinning.releases(viewer, version.id)
        for use in field_uses.of_manifest(release.manifest)
        if use.reference == version.reference
    ]


class ContractPlaces:
    """The schemas of one contract in which releases read and write, each walked through once."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def at(self, pointer: str) -> SchemaPlaces | None:
        """None where the contract has no schema there, or one that says nothing of fields."""
        schema = self.document.resolve(f"#{pointer}")
        found = SchemaPlaces(schema, pointer, self.document.resolve) if isinstance(schema, dict) else None
        return found if found is not None and found.readable else None

    @cached_property
    def references(self) -> dict[str, list[str]]:
        """Where each schema is referred to: reference → pointers."""
        found: dict[str, list[str]] = {}
        waiting: list[tuple[str, Any]] = [("", self.document.tree)]
        while waiting:
            at, node = waiting.pop()
            if isinstance(node, dict):
                if isinstance(node.get("$ref"), str):
                    found.setdefault(node["$ref"], []).append(at)
                waiting += [(f"{at}/{_escaped(name)}", inner) for name, inner in node.items()]
            elif isinstance(node, list):
                waiting += [(f"{at}/{number}", inner) for number, inner in enumerate(node)]
        return found

    def used(self, pointer: str) -> bool:
        """Whether anything beside the schema itself refers to it."""
        inside = f"{pointer}/"
        return any(not place.startswith(inside) for place in self.references.get(f"#{pointer}", ()))

    def renamed(self, pointer: str, after: ContractPlaces) -> str:
        """The schema that took the place of one that is gone by its name: every place that referred to it, and is
        still there, refers to that one. Empty where there is none."""
        named = set[str]()
        for place in self.references.get(f"#{pointer}", ()):
            node = after.document.resolve(f"#{place}")
            if isinstance(node, dict):
                named.add(str(node.get("$ref", "")))
        return named.pop().removeprefix("#") if len(named) == 1 else ""


def _escaped(name: Any) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")


def places_of(use: ContractUse, schema: SchemaPlaces) -> list[tuple[UsedField, FieldPlaces]]:
    return [(field, schema.find(field.steps, whole=field.whole)) for field in use.fields]


@dataclass(frozen=True, slots=True)
class TouchedFlow:
    """A release that a difference touches, by these of its fields; none: in what the difference is about as a whole."""

    flow: FlowUse
    fields: tuple[UsedField, ...]

    @property
    def in_words(self) -> str:
        """ "`lines[].sku`, `total` and 2 more" """
        paths = list(dict.fromkeys(field.path for field in self.fields))
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        return ", ".join(f"`{path}`" for path in paths[:_SHOWN]) + more


def touched(flows: Iterable[FlowUse], base: str, findings: Collection[Any]) -> list[tuple[Any, list[TouchedFlow]]]:
    """The differences that may hurt somebody and touch a field of these releases, in their order. `base` is the digest
    of the older contract, `findings` are those of a comparison."""
    before = contract_of(base)
    if before is None:
        return []
    known = [(flow, places_of(flow.use, schema)) for flow in flows if (schema := before.at(flow.use.schema))]
    made = []
    for finding in findings:
        if finding.level == "info":
            continue
        reached = [TouchedFlow(flow, fields) for flow, fields in _touched_by(finding, known)]
        if reached:
            made.append((finding, reached))
    return made


def _touched_by(
    finding: Any, known: Iterable[tuple[FlowUse, list[tuple[UsedField, FieldPlaces]]]]
) -> Iterator[tuple[FlowUse, tuple[UsedField, ...]]]:
    place = finding.base_pointer if finding.base_pointer is not None else finding.pointer
    added = finding.side == "revision" and finding.revision_pointer not in (None, place)
    for flow, fields in known:
        if not concerns(finding, flow.use) or (added and flow.use.role == "source"):
            continue
        hit = tuple(field for field, found in fields if found.touched_by(place))
        if hit:
            yield flow, hit


def concerns(finding: Any, use: ContractUse) -> bool:
    """Whether a difference is in the direction in which the release uses the contract: what it is answered, or what it
    sends. What is handed in to a source is the request of others."""
    if use.role == "target":
        return bool(finding.direction != "response")
    return use.handed_in or bool(finding.direction != "request")


def contract_of(digest: str) -> ContractPlaces | None:
    """None where the contract cannot be read."""
    try:
        return ContractPlaces(contracts.document(digest))
    except DomainError:
        return None
