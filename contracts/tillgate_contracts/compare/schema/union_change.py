"""A plain schema that became a union, or a union that became a plain schema."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.schema.branches import (
    NAMES,
    alternatives,
    covered_by,
    is_exclusive,
    label_of,
    ref_of,
    slices,
)
from tillgate_contracts.compare.schema.change import EXACT, NARROWS, NONE, PLAIN, WIDENS
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.disjoint import disjoint
from tillgate_contracts.compare.schema.node import Node
from tillgate_contracts.compare.schema.source import Parts
from tillgate_contracts.compare.schema.tags import read_tags
from tillgate_contracts.compare.schema.unions import CHOICE, DOUBT, OVERLAP


class UnionChange:
    """One side plain, the other a union: `S` became `oneOf[S, T]`, or the reverse (`inward` False)."""

    def __init__(self, comparison: NodeComparison, *, plain: Node, union: Node, inward: bool) -> None:
        self.comparison = comparison
        self.plain, self.union, self.inward = plain, union, inward
        self.kind = union.groups[0].kind
        # From plain to union, `into` is what narrows and `beyond` what widens; from union to plain, the reverse.
        self.into, self.beyond = (NARROWS, WIDENS) if inward else (WIDENS, NARROWS)

    def compare(self) -> None:
        comparison = self.comparison
        branches = alternatives(self.union)
        whole = [self.plain.flat]
        home = covered_by(comparison, whole, branches, inward=self.inward)[0]
        effect = doubtful = NONE
        if home is None and not self._sliced(branches):
            home = covered_by(comparison, whole, branches, inward=self.inward, proof=PLAIN)[0]
            if home is None:
                effect |= self.into
            else:
                doubtful |= self.into
        elif not is_exclusive(comparison, self.union, is_old=not self.inward):
            others = [branch for index, branch in enumerate(branches) if index != home]
            if self._overlap(others):
                effect |= self.into
            elif not self._apart(others):
                self._say_overlap()
        outside = [
            index
            for index, hit in enumerate(covered_by(comparison, branches, whole, inward=not self.inward))
            if hit is None
        ]
        if outside:
            tolerated = covered_by(comparison, branches, whole, inward=not self.inward, proof=PLAIN)
            beyond = [index for index in outside if tolerated[index] is None]
            if beyond:
                effect |= self.beyond
                outside = beyond
            else:
                doubtful |= self.beyond
        if home is not None and not effect & self.into and not self._is_chosen(branches):
            comparison.add(
                "subtypes-coverage-undecided",
                self.into,
                keyword="discriminator",
                undecided=True,
                data={"reason": CHOICE},
            )
        likely = self._likeliest(branches) if effect & self.into else home
        if likely is not None and home is None and (len(branches) == 1 or self._named_alike(branches[likely])):
            # The plain schema became one branch and changed: record what changed inside it.
            mine, theirs = (self.plain.flat, branches[likely]) if self.inward else (branches[likely], self.plain.flat)
            inner = comparison.graph.relation(comparison.graph.link(mine, theirs, comparison.direction))
            if inner & effect:
                comparison.child(mine, theirs)
        self._say(effect, outside, branches)
        if doubtful & ~effect:
            pointer = self.union.groups[0].pointer
            comparison.add(
                f"{NAMES[self.kind]}-coverage-undecided",
                doubtful & ~effect,
                name=label_of(branches[home], home) if home is not None else self.kind,
                undecided=True,
                data={"reason": DOUBT},
                **({"new_pointer": pointer} if self.inward else {"old_pointer": pointer}),
            )

    def _is_chosen(self, branches: list[Parts]) -> bool:
        """True where the tag of every value of the plain schema chooses a branch that takes it. A plain schema without
        that discriminator has no tags yet, unless it lists their values: they begin with the union."""
        graph = self.comparison.graph
        builder = graph.new if self.inward else graph.old
        tags = read_tags(builder, self.union)
        name = str((self.union.discriminator or {}).get("propertyName", ""))
        if tags is None or tags.default is not None:
            return True
        mine = graph.old if self.inward else graph.new
        listed = self.plain.properties.get(name)
        if (self.plain.discriminator or {}).get("propertyName") != name and (
            not listed or mine.node(listed).enum is None
        ):
            return True
        asked = []
        for index, branch in enumerate(branches):
            own = tuple(tag for tag, target in tags.by_tag.items() if target.group == 0 and target.place == index)
            asked.append((*branch, builder.source.tag_slice(name, own)) if own else branch)
        whole = [self.plain.flat]
        return covered_by(self.comparison, whole, asked, inward=self.inward, proof=PLAIN)[0] is not None

    def _sliced(self, branches: list[Parts]) -> bool:
        """True when each type of the plain schema on its own fits some branch."""
        if self.plain.types is not None and len(self.plain.types) < 2:
            return False
        sliced = slices(self.comparison, self.plain, is_old=self.inward)
        return all(hit is not None for hit in covered_by(self.comparison, sliced, branches, inward=self.inward))

    def _apart(self, others: list[Parts]) -> bool:
        mine = self.comparison.graph.old if self.inward else self.comparison.graph.new
        theirs = self.comparison.graph.new if self.inward else self.comparison.graph.old
        return all(disjoint(self.plain, mine, theirs.node(other), theirs) for other in others)

    def _overlap(self, others: list[Parts]) -> bool:
        """True where values of the plain schema provably match twice: another branch lies inside it, or holds it."""
        graph, direction, plain = self.comparison.graph, self.comparison.direction, self.plain.flat
        if self.inward:
            return any(
                graph.covers(plain, other, direction, EXACT) or graph.fits(plain, other, direction) for other in others
            )
        return any(
            graph.fits(other, plain, direction, EXACT) or graph.covers(other, plain, direction) for other in others
        )

    def _say_overlap(self) -> None:
        pointer = self.union.groups[0].pointer
        self.comparison.add(
            "one-of-overlap-changed",
            self.into,
            undecided=True,
            data={"reason": OVERLAP},
            **({"new_pointer": pointer} if self.inward else {"old_pointer": pointer}),
        )

    def _likeliest(self, branches: list[Parts]) -> int | None:
        theirs = self.comparison.graph.new if self.inward else self.comparison.graph.old
        for index, branch in enumerate(branches):
            if set(self.plain.refs) & set(theirs.node(branch).refs):
                return index
        names = self.plain.properties.keys()
        best, score = None, 0.0
        for index, branch in enumerate(branches):
            other = theirs.node(branch)
            share = len(names & other.properties.keys()) / max(len(names | other.properties.keys()), 1)
            if other.types == self.plain.types and share >= score:
                best, score = index, share
        return best

    def _named_alike(self, branch: Parts) -> bool:
        theirs = self.comparison.graph.new if self.inward else self.comparison.graph.old
        return bool(set(self.plain.refs) & set(theirs.node(branch).refs))

    def _say(self, effect: int, outside: list[int], branches: list[Parts]) -> None:
        comparison, name = self.comparison, NAMES[self.kind]
        shown: Any = [
            label_of((part,), index) for index, part in enumerate(branch[0] for branch in self.union_branches())
        ]
        places = {}
        if self.inward:
            places["new_pointer"] = self.union.groups[0].pointer
        else:
            places["old_pointer"] = self.union.groups[0].pointer
        if self.plain.is_free:
            kind, shift = ("imposed", NARROWS) if self.inward else ("dropped", WIDENS)
            comparison.add(f"{name}-{kind}", shift if effect else NONE, *self._order(None, shown), **places)
            return
        if effect == NONE and comparison.settings.declared and self._named_beside():
            kind = f"{name}-added" if self.inward else f"{name}-removed"
            comparison.add(kind, self.beyond, *self._order(None, shown), inapplicable=True, **places)
        elif effect == NONE:
            comparison.add(f"{name}-rearranged", NONE, *self._order(None, shown), **places)
        elif effect == self.beyond and self.inward:
            comparison.add(f"{name}-added", effect, None, [shown[index] for index in outside], **places)
        elif effect == self.beyond:
            comparison.add(f"{name}-removed", effect, [shown[index] for index in outside], None, **places)
        else:
            comparison.add(
                f"{'wrapped-in' if self.inward else 'unwrapped-from'}-{name}",
                effect,
                *self._order(None, shown),
                **places,
            )

    def _named_beside(self) -> bool:
        """True where the union names further schemas beside the plain one."""
        return any(
            ref_of(branch) is not None and ref_of(branch) not in self.plain.refs for branch in self.union_branches()
        )

    def union_branches(self) -> list[Parts]:
        return list(self.union.groups[0].branches)

    def _order(self, plain: Any, union: Any) -> tuple[Any, Any]:
        return (plain, union) if self.inward else (union, plain)
