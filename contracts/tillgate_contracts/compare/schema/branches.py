"""Branches of unions: taking a node apart, names of branches, coverage and exclusivity."""

from __future__ import annotations

from tillgate_contracts.compare.schema.change import NAMED
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.disjoint import disjoint
from tillgate_contracts.compare.schema.keywords import is_descriptive
from tillgate_contracts.compare.schema.node import Node
from tillgate_contracts.compare.schema.source import DROP_ANY_OF, DROP_ONE_OF, Parts
from tillgate_contracts.compare.schema.values import ALL_TYPES

NAMES = {"anyOf": "any-of", "oneOf": "one-of"}


def alternatives(node: Node) -> list[Parts]:
    """A node as a list of conjunctions: its first union taken apart, or else its types."""
    if node.groups:
        group = node.groups[0]
        mask = DROP_ANY_OF if group.kind == "anyOf" else DROP_ONE_OF
        rest = tuple(
            part._replace(mask=part.mask | mask) if id(part.raw) == group.owner else part
            for part in node.flat
            if id(part.raw) != group.owner or not all(is_descriptive(word) or word == group.kind for word in part.raw)
        )
        return [(*rest, *branch) for branch in group.branches]
    return [node.flat]


def slices(comparison: NodeComparison, node: Node, *, is_old: bool) -> list[Parts]:
    source = comparison.graph.old.source if is_old else comparison.graph.new.source
    types = ALL_TYPES if node.types is None else node.types
    return [(*node.flat, source.type_slice(name)) for name in sorted(types)]


def covered_by(
    comparison: NodeComparison, left: list[Parts], right: list[Parts], *, inward: bool, proof: int = NAMED
) -> list[int | None]:
    """For each conjunction of `left`, the index of one of `right` that accepts all of it (`proof`: how sure).

    `inward`: left is the base. Otherwise left is the revision and the question runs the other way.
    """
    found: list[int | None] = []
    for one in left:
        hit = None
        for index, other in enumerate(right):
            fits = (
                comparison.graph.fits(one, other, comparison.direction, proof)
                if inward
                else comparison.graph.covers(other, one, comparison.direction, proof)
            )
            if fits:
                hit = index
                break
        found.append(hit)
    return found


def is_exclusive(comparison: NodeComparison, node: Node, *, is_old: bool) -> bool:
    """True when no value can match two branches of a `oneOf` of the node (or there is none)."""
    builder = comparison.graph.old if is_old else comparison.graph.new
    for group in node.groups:
        if group.kind != "oneOf" or (node.discriminator is not None):
            continue
        branches = [builder.node(branch) for branch in group.branches]
        for index, branch in enumerate(branches):
            for other in branches[index + 1 :]:
                if not disjoint(branch, builder, other, builder):
                    return False
    return True


def ref_of(branch: Parts) -> str | None:
    raw = branch[0].raw
    return raw.get("$ref") if isinstance(raw, dict) else None


def title_of(branch: Parts) -> str | None:
    raw = branch[0].raw
    title = raw.get("title") if isinstance(raw, dict) else None
    return title if isinstance(title, str) else None


def label_of(branch: Parts, index: int) -> str:
    ref = ref_of(branch)
    return ref.rsplit("/", 1)[-1] if ref else title_of(branch) or f"branch {index + 1}"
