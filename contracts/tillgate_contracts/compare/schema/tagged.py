"""Comparison of unions by tag. The tag chooses the schema, so branches are paired by it, and no other branch covers."""

from __future__ import annotations

from tillgate_contracts.compare.schema.branches import NAMES, covered_by, ref_of
from tillgate_contracts.compare.schema.change import BOTH, EXACT, NAMED, NARROWS, NONE, PLAIN, WIDENS
from tillgate_contracts.compare.schema.comparison import BESIDE, NodeComparison, is_odata
from tillgate_contracts.compare.schema.family import name_of
from tillgate_contracts.compare.schema.node import Node, SchemaUnion
from tillgate_contracts.compare.schema.source import DROP_ANY_OF, DROP_ONE_OF, HEAD, Parts
from tillgate_contracts.compare.schema.tags import Tags, TagTarget, read_tags
from tillgate_contracts.compare.schema.unions import CHOICE, Branches, pair_groups, refute


def tags_of(comparison: NodeComparison) -> tuple[Tags, Tags] | None:
    """The tags of both sides; None where they are not to be compared by tag."""
    old, new = comparison.old, comparison.new
    if (old.discriminator is None or new.discriminator is None) and not is_odata(comparison):
        return None
    left, right = read_tags(comparison.graph.old, old), read_tags(comparison.graph.new, new)
    if left is None and right is None:
        return None
    if is_odata(comparison) and (left is None or right is None):
        return left or _itself(old, right), right or _itself(new, left)
    if (left is None and not old.groups and new.groups) or (right is None and not new.groups and old.groups):
        return None  # a plain schema on one side, a union on the other
    return left or _untagged(old), right or _untagged(new)


def _untagged(node: Node) -> Tags:
    return Tags({}, None, node.groups, node.groups[0].kind if node.groups else "")


def _itself(node: Node, tags: Tags | None) -> Tags:
    """A type that nothing is derived from: it stands for itself alone, by the tag that it has on the other side."""
    name = name_of(node.refs[0]) if node.refs else ""
    known = tags.by_tag.items() if tags is not None else ()
    return Tags({tag: target._replace(parts=node.flat) for tag, target in known if target.name == name}, None, (), "")


class TaggedUnions:
    """Two unions (or parents with children) with their tags, after the keywords beside them were compared."""

    def __init__(self, comparison: NodeComparison, old: Tags, new: Tags) -> None:
        self.comparison = comparison
        self.old, self.new = old, new
        self.lost = self.gained = False

    def compare(self, *, first: int) -> None:
        """`first`: index of the first change of the keywords beside the unions."""
        own = len(self.comparison.pair.changes)
        gone = [tag for tag in self.old.by_tag if tag not in self.new.by_tag]
        come = [tag for tag in self.new.by_tag if tag not in self.old.by_tag]
        for tag, before in self.old.by_tag.items():
            if tag in self.new.by_tag:
                self._both(tag, before, self.new.by_tag[tag])
        self._renamed(gone, come)
        for tag in gone:
            if self.new.default is not None:
                self._both(tag, self.old.by_tag[tag], self.new.default)
        for tag in come:
            if self.old.default is not None:
                self._both(tag, self.old.default, self.new.by_tag[tag])
        self._gone([] if self.new.default is not None else gone)
        self._come([] if self.old.default is not None else come)
        self._default()
        self._listed()
        self._loose()
        self._plain()
        self._refute(first, own)

    def _both(self, tag: str, before: TagTarget, after: TagTarget) -> None:
        """A tag on both sides: the same schema, the same one under another name, or another one."""
        comparison = self.comparison
        self._say_how(tag, before, after)
        self._beside(before, after)
        if before.key == after.key or before.name == after.name:
            comparison.child(before.parts, after.parts)
            return
        places = _places(before, after)
        if self._is_new_name(before, after):
            comparison.child(before.parts, after.parts)
        elif self._differ(before, after):
            comparison.add("discriminator-mapping-changed", BOTH, before.name, after.name, "discriminator", name=tag)
            self.lost = self.gained = True
            return
        comparison.add("discriminator-mapping-renamed", NONE, before.name, after.name, name=tag, **places)

    def _beside(self, before: TagTarget, after: TagTarget) -> None:
        """What a schema says of a property that stands beside the union."""
        comparison = self.comparison
        key = comparison.graph.link(before.parts, after.parts, comparison.direction)
        effect = comparison.named_beside(key) & ~comparison.graph.relation(key)
        if effect and (comparison.old.groups or comparison.new.groups):
            comparison.add(
                f"{NAMES[self.new.kind or self.old.kind]}-coverage-undecided",
                effect,
                name=after.name,
                undecided=True,
                data={"reason": BESIDE},
                **_places(before, after),
            )

    def _say_how(self, tag: str, before: TagTarget, after: TagTarget) -> None:
        """A tag of the mapping that only follows from the values of its schema now, or the reverse."""
        if before.how == "mapping" and after.how == "values":
            self.comparison.add(
                "discriminator-mapping-implied",
                BOTH,
                before.name,
                None,
                "discriminator",
                name=tag,
                undecided=True,
                data={
                    "reason": "Cannot tell automatically whether readers find the schema by the values that it lists."
                },
            )
        elif before.how == "values" and after.how == "mapping":
            self.comparison.add("discriminator-mapping-declared", NONE, None, after.name, "discriminator", name=tag)

    def _is_new_name(self, before: TagTarget, after: TagTarget) -> bool:
        """True where the old schema is gone from the document and the new one was not there."""
        graph = self.comparison.graph
        mine, theirs = ref_of(before.parts), ref_of(after.parts)
        return bool(
            mine
            and theirs
            and graph.new.source.resolve(mine) is None
            and graph.old.source.resolve(theirs) is None
            and graph.old.source.resolve(mine) is not None
            and graph.new.source.resolve(theirs) is not None
        )

    def _differ(self, before: TagTarget, after: TagTarget) -> int:
        """Effect of going from one schema to the other, everything counted."""
        graph = self.comparison.graph
        return graph.relation(graph.link(before.parts, after.parts, self.comparison.direction), EXACT)

    def _renamed(self, gone: list[str], come: list[str]) -> None:
        """Another tag for the same schema. Takes what it finds out of the two lists."""
        kept = {target.name for tag, target in self.old.by_tag.items() if tag not in gone}
        for tag in list(gone):
            before = self.old.by_tag[tag]
            if before.name in kept:
                continue  # one of several tags of a schema that keeps another one
            for other in come:
                after = self.new.by_tag[other]
                if self._is_same(before, after):
                    self.comparison.add(
                        "discriminator-mapping-respelled", BOTH, tag, other, "discriminator", name=after.name
                    )
                    self.comparison.child(before.parts, after.parts)
                    self.lost = self.gained = True
                    gone.remove(tag)
                    come.remove(other)
                    break

    def _is_same(self, before: TagTarget, after: TagTarget) -> bool:
        if before.name == after.name:
            return True
        if not self._is_new_name(before, after):
            return False
        graph = self.comparison.graph
        return not graph.relation(graph.link(before.parts, after.parts, self.comparison.direction))

    def _gone(self, tags: list[str]) -> None:
        still = {target.name for target in self.new.by_tag.values()}
        said: set[str] = set()
        for tag in tags:
            target = self.old.by_tag[tag]
            self.lost = True
            if target.name in still or (target.place is None and self.old.kind):
                self._say("discriminator-mapping-deleted", NARROWS, tag, None, name=tag)
            elif target.key not in said:
                said.add(target.key)
                kind = f"{NAMES[self.old.kind]}-removed" if self.old.kind else "subtype-removed"
                self.comparison.add(kind, NARROWS, target.name, None, old_pointer=target.parts[0].pointer)

    def _come(self, tags: list[str]) -> None:
        before = {target.name for target in self.old.by_tag.values()}
        said: set[str] = set()
        for tag in tags:
            target = self.new.by_tag[tag]
            self.gained = True
            tolerated = is_odata(self.comparison)
            if target.name in before or self.new.kind == "anyOf" or (target.place is None and self.new.kind):
                self._say("discriminator-mapping-added", WIDENS, None, tag, name=tag, tolerated=tolerated)
            elif target.key not in said:
                said.add(target.key)
                kind = f"{NAMES[self.new.kind]}-added" if self.new.kind else "subtype-added"
                place = target.parts[0].pointer
                self.comparison.add(kind, WIDENS, None, target.name, new_pointer=place, tolerated=tolerated)

    def _listed(self) -> None:
        """Branches that the union no longer lists, or lists now, while their tags stay: the mapping alone admits
        nothing."""
        if not (self.old.kind and self.new.kind):
            return
        for tag, before in self.old.by_tag.items():
            after = self.new.by_tag.get(tag)
            if after is None or (before.place is None) == (after.place is None):
                continue
            gone = after.place is None
            pointer = (before if gone else after).parts[0].pointer
            if gone:
                self.lost = True
                kind = f"{NAMES[self.old.kind]}-removed"
                self.comparison.add(kind, NARROWS, before.name, None, old_pointer=pointer)
            else:
                self.gained = True
                kind = f"{NAMES[self.new.kind]}-added"
                self.comparison.add(kind, WIDENS, None, after.name, new_pointer=pointer)

    def _default(self) -> None:
        """`defaultMapping`: the schema for values without a tag, or with one that nothing else chooses."""
        before, after = self.old.default, self.new.default
        if before is not None and after is not None:
            self._both("(default)", before, after)
        elif before is not None:
            self.lost = True
            self._say("discriminator-default-removed", NARROWS, before.name, None)
        elif after is not None:
            self.gained = True
            self._say("discriminator-default-added", WIDENS, None, after.name)

    def _say(
        self, kind: str, effect: int, old: str | None, new: str | None, *, name: str = "", tolerated: bool = False
    ) -> None:
        self.comparison.add(kind, effect, old, new, "discriminator", name=name, tolerated=tolerated)

    def _loose(self) -> None:
        """Branches that no tag chooses: null, or schemas without a name."""
        pairs, removed, added = pair_groups(self.old.loose, self.new.loose)
        empty = SchemaUnion("oneOf", (), self.comparison.old.pointer, 0)
        pairs += [(group, empty._replace(kind=group.kind)) for group in removed]
        pairs += [(empty._replace(kind=group.kind), group) for group in added]
        for left, right in pairs:
            Branches(self.comparison, left, right, tagged=True).compare()

    def _plain(self) -> None:
        """One side is no alternative: its values must be those of one that the other side can choose."""
        comparison = self.comparison
        for plain, tags, harm, inward in (
            (comparison.old, self.new, NARROWS, True),
            (comparison.new, self.old, WIDENS, False),
        ):
            own = self.old if inward else self.new
            if own.by_tag or own.default or own.loose or plain.groups or tags.default or not tags.by_tag:
                continue
            side, builder = (comparison.new, comparison.graph.new) if inward else (comparison.old, comparison.graph.old)
            name = str((side.discriminator or {}).get("propertyName", ""))
            chosen = [(*target.parts, builder.source.tag_slice(name, (tag,))) for tag, target in tags.by_tag.items()]
            if covered_by(comparison, [plain.flat], chosen, inward=inward)[0] is None:
                comparison.add(
                    "subtypes-coverage-undecided",
                    harm,
                    keyword="discriminator",
                    undecided=True,
                    data={"reason": CHOICE},
                )

    def _refute(self, first: int, own: int) -> None:
        """What changed beside the unions may be made up for in every branch: a property that moved into all of them."""
        comparison = self.comparison
        for harm, moved in ((NARROWS, self.lost), (WIDENS, self.gained)):
            changes = comparison.pair.changes[first:own]
            if (
                moved
                or not self.old.by_tag
                or self.old.loose
                or self.new.loose
                or not any(change.effect | change.unproven for change in changes)
            ):
                continue
            if all(not self._whole(tag) & harm for tag in self.old.by_tag):
                named = all(not self._whole(tag, NAMED) & harm for tag in self.old.by_tag)
                refute(comparison, harm, first, own, named=named)

    def _whole(self, tag: str, proof: int = PLAIN) -> int:
        """Effect on the values of one tag: the keywords beside the union together with its schema."""
        before, after = self.old.by_tag[tag], self.new.by_tag.get(tag, self.new.default)
        if after is None:
            return BOTH
        graph = self.comparison.graph
        left, right = _around(self.comparison.old, before), _around(self.comparison.new, after)
        return graph.relation(graph.link(left, right, self.comparison.direction), proof)


def _around(node: Node, target: TagTarget) -> Parts:
    """A schema together with what stands beside the union that lists it."""
    owners = {group.owner for group in node.groups}
    rest = tuple(
        part._replace(mask=(part.mask | (DROP_ANY_OF | DROP_ONE_OF if id(part.raw) in owners else 0)) & ~HEAD)
        for part in node.flat
    )
    return (*rest, *target.parts)


def _places(before: TagTarget, after: TagTarget) -> dict[str, str]:
    return {"old_pointer": before.parts[0].pointer, "new_pointer": after.parts[0].pointer}
