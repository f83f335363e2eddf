"""Pairs of types: what changed between them, and which pairs of types stand below them. Each pair is compared once."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.soap.changes import PairResult, XmlChange, value_constraints
from tillgate_contracts.compare.soap.components import Components, Tree, TypeRef
from tillgate_contracts.compare.soap.particles import ContentComparison
from tillgate_contracts.compare.soap.simple import Simple, compare_simple, simple_of, values_of
from tillgate_contracts.errors import ContractError

_MAX_PAIRS = 100_000


class TypePairs:
    """Compares types of two schema sets."""

    def __init__(self, old: Components, new: Components) -> None:
        self.old, self.new = old, new
        self._results: dict[tuple[str, str], PairResult] = {}

    def result(self, before: TypeRef, after: TypeRef) -> PairResult:
        key = (before.key, after.key)
        known = self._results.get(key)
        if known is None:
            if len(self._results) >= _MAX_PAIRS:
                raise ContractError(
                    "contract.comparison_too_large", "The schemas have too many pairs of types to compare.", {}
                )
            known = self._results[key] = PairResult()
            _PairComparison(self, before, after, known).run()
        return known


class _PairComparison:
    def __init__(self, pairs: TypePairs, before: TypeRef, after: TypeRef, found: PairResult) -> None:
        self.old, self.new = pairs.old, pairs.new
        self.before, self.after = before, after
        self.found = found
        self.subject = _subject(after)

    def add(
        self, kind: str, text: str, *, at: tuple[str | None, str | None] | None = None, old: Any = None, new: Any = None
    ) -> None:
        places = at or (self.before.pointer or None, self.after.pointer or None)
        self.found.changes.append(XmlChange(kind, text, *places, old, new))

    def run(self) -> None:
        before, after = self.before, self.after
        for side, ref in ((self.old, before), (self.new, after)):
            if not side.known(ref):
                self.add("reference-unresolved", f"The type {ref.name} is declared nowhere: not compared.")
                return
        if before.name != after.name and before.name and after.name and before.value and after.value:
            text = f"The type {_short(after.name)} stands where {_short(before.name)} stood; xsi:type names it."
            self.add("type-renamed", text, old=before.name, new=after.name)
        if {before.name, after.name} & {"xs:anyType"} and before.name != after.name:
            kind = "type-widened" if after.name == "xs:anyType" else "type-narrowed"
            self.add(
                kind, f"The type is {after.name or 'one of its own'} instead of {before.name or 'one of its own'}."
            )
            return
        texts = [_is_text(ref) for ref in (before, after)]
        if texts[0] != texts[1]:
            self.add("content-kind-changed", f"{self.subject} has {'text' if texts[1] else 'elements'} now.")
            return
        if texts[0]:
            self._simple()
        if any(ref.value and ref.value["kind"] == "complex" for ref in (before, after)):
            self._complex(with_content=not texts[0])

    def _simple(self) -> None:
        one, other = simple_of(self.old, self.before), simple_of(self.new, self.after)
        if one is None or other is None:
            self.add("reference-unresolved", f"The base of {self.subject} is declared nowhere: not compared.")
            return
        for kind, told, old, new in compare_simple(one, other):
            self.add(kind, f"{self.subject} {told}.", old=old, new=new)
        if one.item is not None and other.item is not None:
            self.found.children.append((one.item, other.item))
        if one.members is not None and other.members is not None:
            self._members(one, other)

    def _members(self, one: Simple, other: Simple) -> None:
        left, right = list(one.members or ()), list(other.members or ())
        for before in list(left):
            after = next((ref for ref in right if ref.name == before.name and ref.name), None)
            if after is None and not before.name:
                after = next((ref for ref in right if not ref.name), None)
            if after is not None:
                left.remove(before)
                right.remove(after)
                self.found.children.append((before, after))
        for before in list(left):
            # A member that was named and is written in place now, or the other way round.
            after = next((ref for ref in right if not (ref.name and before.name)), None)
            if after is not None:
                left.remove(before)
                right.remove(after)
                self.found.children.append((before, after))
        for ref in left:
            self.add("union-member-removed", f"{self.subject} no longer takes values of {_subject(ref)}.", old=ref.name)
        for ref in right:
            self.add("union-member-added", f"{self.subject} also takes values of {_subject(ref)}.", new=ref.name)

    def _complex(self, *, with_content: bool) -> None:
        before, after = self.before.value or {}, self.after.value or {}
        for key, gained, lost in (
            ("abstract", "type-became-abstract", "type-became-concrete"),
            ("mixed", "became-mixed", "became-not-mixed"),
        ):
            if before.get(key, False) != after.get(key, False):
                kind = gained if after.get(key) else lost
                self.add(kind, f"{self.subject} is {'' if after.get(key) else 'no longer '}{key}.")
        if any(before.get(key) != after.get(key) for key in ("block", "final")):
            self.add("derivation-control-changed", f"{self.subject} allows other derivations.")
        self.found.words = before.get("description") != after.get("description")
        self._attributes()
        self._derived()
        if with_content:
            ContentComparison(self.old, self.new, self.subject, self.found).run(self.before, self.after)

    def _derived(self) -> None:
        old, new = (side.derived.get(ref.name, []) for side, ref in ((self.old, self.before), (self.new, self.after)))
        for name in old:
            if name in new:
                pair = self.old.type(name, ""), self.new.type(name, "")
                self.found.children.append(pair)
            else:
                at: tuple[str | None, str | None] = (self.old.type(name, "").pointer, self.after.pointer or None)
                text = f"{_short(name)} may no longer stand for {self.subject} (xsi:type)."
                self.add("derived-type-removed", text, at=at, old=name)
        for name in new:
            if name not in old:
                at = (self.before.pointer or None, self.new.type(name, "").pointer)
                text = f"{_short(name)} may stand for {self.subject} (xsi:type)."
                self.add("derived-type-added", text, at=at, new=name)

    def _attributes(self) -> None:
        old, old_any = self.old.attributes_of(self.before)
        new, new_any = self.new.attributes_of(self.after)
        for name, (one, place) in old.items():
            if name in new:
                self._attribute(name, one, place, *new[name])
                continue
            must = one.get("use") == "required"
            kind = "required-attribute-removed" if must else "optional-attribute-removed"
            if new_any is not None:
                kind = "element-removed-beside-wildcard"
            text = f"{self.subject} no longer has the attribute {_short(name)}."
            self.add(kind, text, at=(place, self.after.pointer or None), old=name)
        for name, (one, place) in new.items():
            if name not in old:
                must = one.get("use") == "required"
                kind = "required-attribute-added" if must else "optional-attribute-added"
                text = f"{self.subject} has the new {'required' if must else 'optional'} attribute {_short(name)}."
                self.add(kind, text, at=(self.before.pointer or None, place), new=name)
        if old_any != new_any:
            kind = (
                "wildcard-added" if old_any is None else "wildcard-removed" if new_any is None else "wildcard-changed"
            )
            self.add(kind, f"{self.subject} allows other further attributes.", old=old_any, new=new_any)

    def _attribute(self, name: str, one: Tree, place: str, other: Tree, spot: str) -> None:
        whole, at = f"The attribute {_short(name)} of {self.subject}", (place, spot)
        if (one.get("use") == "required") != (other.get("use") == "required"):
            must = other.get("use") == "required"
            kind = "attribute-became-required" if must else "attribute-became-optional"
            self.add(kind, f"{whole} is {'required' if must else 'optional'} now.", at=at)
        pair = self.old.type(one["type"], f"{place}/type"), self.new.type(other["type"], f"{spot}/type")
        self.found.changes += value_constraints(whole, one, other, at, values_of(self.old, self.new, pair))
        self.found.children.append(pair)


def _is_text(ref: TypeRef) -> bool:
    """Whether a type holds text only: simple types, and complex ones with simple content."""
    if ref.value is None:
        return ref.name != "xs:anyType"
    return ref.value["kind"] == "simple" or bool(ref.value.get("simple"))


def _short(name: str) -> str:
    return f"`{name.rpartition('}')[2]}`"


def _subject(ref: TypeRef) -> str:
    if ref.name:
        return _short(ref.name)
    parts = [part for part in ref.pointer.split("/") if part not in ("", "type", "base")]
    names = [part.replace("~1", "/").rpartition("}")[2] for part in parts[2:3]]
    return f"the type inside `{names[0]}`" if names else "the type"
