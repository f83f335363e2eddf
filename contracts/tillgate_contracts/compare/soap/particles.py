"""Content models: sequences, choices, all groups, elements and wildcards (part 1 of the standard, 3.8 to 3.10)."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.soap.changes import PairResult, XmlChange, value_constraints
from tillgate_contracts.compare.soap.components import Components, Tree, TypeRef
from tillgate_contracts.compare.soap.kinds import XML_KINDS
from tillgate_contracts.compare.soap.languages import Language, UndecidedError, allows
from tillgate_contracts.compare.soap.simple import values_of

_MAX_DEPTH = 60
_MAX_CELLS = 250_000
Item = tuple[Tree, str]
#: Kinds of change that say how elements are arranged. What an element itself says is compared apart.
_ARRANGEMENT = frozenset(
    kind
    for kind in XML_KINDS
    if kind.startswith(
        (
            *("required-element", "optional-element", "min-occurs", "max-occurs", "choice-", "content-changed"),
            *("group-", "optional-group", "element-order", "sequence-became", "all-became"),
        )
    )
)
_PROCESS = {"strict": 0, "lax": 1, "skip": 2}


class ContentComparison:
    """Compares the content of two complex types. An alignment of items is always a sound one: whatever the pairing,
    a finding that is harmless in a direction proves that direction."""

    def __init__(self, old: Components, new: Components, subject: str, found: PairResult) -> None:
        self.old, self.new = old, new
        self.subject = subject
        self.found = found

    def run(self, before: TypeRef, after: TypeRef) -> None:
        left, whole_left = self.old.content(before)
        right, whole_right = self.new.content(after)
        if not (whole_left and whole_right):
            self.add("reference-unresolved", f"A base of {self.subject} is declared nowhere: not compared.", None, None)
        one: Tree = {"kind": "sequence", "items": []}
        sides: list[Item] = []
        for side, parts in ((self.old, left), (self.new, right)):
            items = [item for part, place in parts for item in self._flat(side, part, place, 0)]
            only = items[0] if len(items) == 1 and items[0][0]["kind"] == "all" else None
            sides.append(only or ({**one, "flat": items}, parts[0][1] if parts else ""))
        whole = self.found
        self.found = PairResult()
        self._particle(sides[0], sides[1], 0)
        aligned, self.found = self.found, whole
        if any(change.kind in _ARRANGEMENT for change in aligned.changes):
            aligned = self._as_languages(left, right, aligned)
        self.found.changes += aligned.changes
        self.found.children += aligned.children

    def _as_languages(self, left: list[Item], right: list[Item], aligned: PairResult) -> PairResult:
        """What changed where one model allows every sequence of elements that the other one does; else `aligned`.

        An alignment of parts finds changes where the same sequences are written with other groups (3.8.4).
        """
        try:
            old, new = Language(self.old, left), Language(self.new, right)
            wider = allows(new.expression, old.expression, self.old.spent)
            narrower = allows(old.expression, new.expression, self.old.spent)
        except UndecidedError:
            return aligned
        effect = NONE if wider and narrower else WIDENS if wider else NARROWS if narrower else BOTH
        effects = {XML_KINDS[change.kind].effect for change in aligned.changes if change.kind in _ARRANGEMENT}
        if effect == BOTH or effects == {effect}:
            return aligned
        whole, self.found = self.found, PairResult()
        if effect != NONE:
            told = "everything that it allowed, and more" if wider else "a part of what it allowed"
            text = f"{self.subject} is arranged in another way, which allows {told}."
            at = (left[0][1] if left else None, right[0][1] if right else None)
            self.add(f"content-{'widened' if wider else 'narrowed'}", text, None, None, at)
        for letter, (before, place) in old.declared.items():
            if letter in new.declared:
                after, spot = new.declared[letter]
                text = f"`{after['name']}` of {self.subject}"
                self.element_pair(before, place, after, spot, text, (place, spot))
                self._substitutes(before, after, text, (place, spot))
        made, self.found = self.found, whole
        return made

    def add(self, kind: str, text: str, old: Any, new: Any, at: tuple[str | None, str | None] = (None, None)) -> None:
        self.found.changes.append(XmlChange(kind, text, at[0] or None, at[1] or None, old, new))

    def _flat(self, side: Components, item: Tree, place: str, depth: int) -> list[Item]:
        """A particle with groups resolved; a sequence that stands once in a sequence is part of it."""
        item, place = side.group(item, place)
        if item["kind"] != "sequence" or _occurs(item) != (1, 1) or depth > _MAX_DEPTH:
            return [(item, place)]
        return [
            part
            for number, one in enumerate(item.get("items", ()))
            for part in self._flat(side, one, f"{place}/items/{number}", depth + 1)
        ]

    def _items(self, side: Components, item: Tree, place: str) -> list[Item]:
        if "flat" in item:
            flat: list[Item] = item["flat"]
            return flat
        if item["kind"] == "sequence":
            return self._flat(side, {**item, "min": 1, "max": 1}, place, 0)
        return [
            part
            if len(parts := self._flat(side, one, f"{place}/items/{number}", 0)) == 1 and (part := parts[0])
            else ({"kind": "sequence", "flat": parts}, f"{place}/items/{number}")
            for number, one in enumerate(item.get("items", ()))
        ]

    def _particle(self, before: Item, after: Item, depth: int) -> None:
        (one, place), (other, spot) = before, after
        at = (place, spot)
        if depth > _MAX_DEPTH:
            self.add("content-changed", f"{self.subject} is nested too deeply to be compared.", None, None, at)
            return
        kinds = one["kind"], other["kind"]
        if "missing" in kinds:
            self.add("reference-unresolved", f"A group of {self.subject} is declared nowhere.", None, None, at)
            return
        if kinds != ("element", "element"):
            self._occurrence(one, other, f"A part of {self.subject}", at)
        if kinds == ("element", "element"):
            self._element(one, place, other, spot)
        elif kinds == ("any", "any"):
            self._wildcard(one, other, at)
        elif kinds == ("sequence", "sequence"):
            self._sequence(self._items(self.old, one, place), self._items(self.new, other, spot), depth)
        elif kinds == ("all", "all"):
            self._by_name(self._items(self.old, one, place), self._items(self.new, other, spot), depth)
        elif kinds in (("sequence", "all"), ("all", "sequence")):
            self._order(before, after, depth)
        elif "choice" in kinds:
            self._choice(before, after, depth)
        else:
            text = f"{self.subject} is arranged in another way: {other['kind']} instead of {one['kind']}."
            self.add("content-changed", text, one["kind"], other["kind"], at)

    def _order(self, before: Item, after: Item, depth: int) -> None:
        left, right = self._items(self.old, *before), self._items(self.new, *after)
        at = (before[1], after[1])
        free = after[0]["kind"] == "all"
        if any(item["kind"] != "element" for item, _ in (left if free else right)):
            self.add("content-changed", f"{self.subject} is arranged in another way.", None, None, at)
            return
        kind = "sequence-became-all" if free else "all-became-sequence"
        self.add(
            kind, f"Elements of {self.subject} {'may' if free else 'no longer'} stand in any order.", None, None, at
        )
        self._by_name(left, right, depth)

    def _choice(self, before: Item, after: Item, depth: int) -> None:
        sides = [
            self._items(side, *item) if item[0]["kind"] == "choice" else [_once(item)]
            for side, item in ((self.old, before), (self.new, after))
        ]
        left, right = list(sides[0]), list(sides[1])
        for test in (_same_key, _same_kind):
            for one in list(left):
                found = next(
                    (other for other in right if test(self._key(self.old, one), self._key(self.new, other))), None
                )
                if found is not None:
                    left.remove(one)
                    right.remove(found)
                    self._particle(one, found, depth + 1)
        for one in left:
            text = f"{self._named(self.old, one)} is no longer an alternative in {self.subject}."
            self.add("choice-removed", text, self._key(self.old, one)[1], None, (one[1], after[1]))
        for other in right:
            text = f"{self._named(self.new, other)} is a new alternative in {self.subject}."
            self.add("choice-added", text, None, self._key(self.new, other)[1], (before[1], other[1]))

    def _by_name(self, left: list[Item], right: list[Item], depth: int) -> None:
        waiting = list(right)
        for one in left:
            key = self._key(self.old, one)
            found = next((other for other in waiting if self._key(self.new, other) == key), None)
            if found is None:
                self._gone(one, right)
            else:
                waiting.remove(found)
                self._particle(one, found, depth + 1)
        for other in waiting:
            self._come(other)

    def _sequence(self, left: list[Item], right: list[Item], depth: int) -> None:
        keys = [self._key(self.old, item) for item in left], [self._key(self.new, item) for item in right]
        pairs = _aligned(*keys)
        if (len(left) - len(pairs)) * (len(right) - len(pairs)) > _MAX_CELLS:
            at = (left[0][1], right[0][1])
            self.add("content-changed", f"{self.subject} has too many elements in another order.", None, None, at)
            for one, other in pairs:
                self._particle(left[one], right[other], depth + 1)
            return
        lost = [left[n] for n in range(len(left)) if n not in {one for one, _ in pairs}]
        came = [right[n] for n in range(len(right)) if n not in {other for _, other in pairs}]
        for one, other in pairs:
            self._particle(left[one], right[other], depth + 1)
        for test in (_same_key, _same_kind, _overlap):
            for item in list(lost):
                found = next((o for o in came if test(self._key(self.old, item), self._key(self.new, o))), None)
                if found is None:
                    continue
                if test is _same_key:
                    lost.remove(item)
                    came.remove(found)
                    text = f"{self._named(self.old, item)} stands at another place in {self.subject}."
                    self.add("element-order-changed", text, None, None, (item[1], found[1]))
                    self._particle(item, found, depth + 1)
                elif self._gap(left, right, item, found, pairs):
                    lost.remove(item)
                    came.remove(found)
                    self._particle(item, found, depth + 1)
        for item in lost:
            self._gone(item, right)
        for item in came:
            self._come(item)

    def _gap(self, left: list[Item], right: list[Item], one: Item, other: Item, pairs: list[tuple[int, int]]) -> bool:
        """Whether two items stand between the same neighbours."""
        here, there = left.index(one), right.index(other)
        return all((a < here) == (b < there) for a, b in pairs)

    def _gone(self, item: Item, right: list[Item]) -> None:
        value, place = item
        must = _least(value) > 0
        if value["kind"] == "element":
            kind = "required-element-removed" if must else "optional-element-removed"
            if any(other["kind"] == "any" for other, _ in right):
                kind = "element-removed-beside-wildcard"
        elif value["kind"] == "any":
            kind = "wildcard-removed"
        else:
            kind = "group-removed" if must else "optional-group-removed"
        name = self._named(self.old, item)
        self.add(kind, f"{self.subject} no longer has {name}.", self._key(self.old, item)[1], None, (place, None))

    def _come(self, item: Item) -> None:
        value, place = item
        must = _least(value) > 0
        if value["kind"] == "element":
            kind = "required-element-added" if must else "optional-element-added"
        elif value["kind"] == "any":
            kind = "wildcard-added" if not must else "group-added"
        else:
            kind = "group-added" if must else "optional-group-added"
        name = self._named(self.new, item)
        word = "required" if must else "optional"
        self.add(kind, f"{self.subject} has {name}, which is new and {word}.", None, name, (None, place))

    def _key(self, side: Components, item: Item) -> tuple[str, str]:
        value = item[0]
        if value["kind"] == "element":
            return "element", side.element(value, "")[0].get("name", "")
        if value["kind"] == "any":
            return "any", ""
        names = [self._key(side, one)[1] for one in self._items(side, *item)[:50]] if value["kind"] != "missing" else []
        return value["kind"], " ".join(names)

    def _named(self, side: Components, item: Item) -> str:
        kind, names = self._key(side, item)
        if kind == "element":
            return f"the element `{names}`"
        return "the wildcard" if kind == "any" else f"the {kind} of {names or 'nothing'}"

    def _element(self, one: Tree, place: str, other: Tree, spot: str) -> None:
        before, declared = self.old.element(one, place)
        after, redeclared = self.new.element(other, spot)
        whole = f"`{after['name']}` of {self.subject}"
        at = (place, spot)
        self._occurrence(one, other, whole, at)
        if before.get("missing") or after.get("missing"):
            self.add("reference-unresolved", f"{whole} is declared nowhere: not compared.", None, None, at)
            return
        if before.get("ns", "") != after.get("ns", ""):
            text = f"{whole} is in the namespace {after.get('ns') or 'none'} instead of {before.get('ns') or 'none'}."
            self.add("element-namespace-changed", text, before.get("ns"), after.get("ns"), at)
        self.element_pair(before, declared, after, redeclared, whole, at)
        self._substitutes(before, after, whole, at)

    def element_pair(
        self, before: Tree, place: str, after: Tree, spot: str, whole: str, at: tuple[str | None, str | None]
    ) -> None:
        """Everything of two declarations but their names and occurrences."""
        for key, gained, lost in (
            ("nillable", "became-nillable", "became-not-nillable"),
            ("abstract", "element-became-abstract", "element-became-concrete"),
        ):
            if before.get(key, False) != after.get(key, False):
                kind = gained if after.get(key) else lost
                self.add(kind, f"{whole} is {'' if after.get(key) else 'no longer '}{key}.", None, None, at)
        pair = self.old.type(before["type"], f"{place}/type"), self.new.type(after["type"], f"{spot}/type")
        self.found.changes += value_constraints(whole, before, after, at, values_of(self.old, self.new, pair))
        if any(before.get(key) != after.get(key) for key in ("block", "final")):
            self.add("derivation-control-changed", f"{whole} allows other derivations and substitutes.", None, None, at)
        if before.get("identity") != after.get("identity"):
            self.add("identity-changed", f"Keys of {whole} changed.", None, None, at)
        self.found.children.append(pair)

    def _substitutes(self, before: Tree, after: Tree, whole: str, at: tuple[str | None, str | None]) -> None:
        old = self.old.substitutes.get(before.get("global", ""), [])
        new = self.new.substitutes.get(after.get("global", ""), [])
        for name in old:
            if name in new:
                one, other = self.old.elements[name], self.new.elements[name]
                pair = self.old.type(one["type"], ""), self.new.type(other["type"], "")
                self.found.children.append(pair)
            else:
                text = f"`{name.rpartition('}')[2]}` may no longer stand for {whole}."
                self.add("substitution-removed", text, name, None, at)
        for name in new:
            if name not in old:
                text = f"`{name.rpartition('}')[2]}` may stand for {whole}."
                self.add("substitution-added", text, None, name, at)

    def _occurrence(self, one: Tree, other: Tree, whole: str, at: tuple[str | None, str | None]) -> None:
        (least, most), (low, high) = _occurs(one), _occurs(other)
        if least != low:
            kind = "min-occurs-increased" if low > least else "min-occurs-decreased"
            told = f"occurs at least {low} times instead of {least}"
            if (least, low) in ((0, 1), (1, 0)):
                told = "is required now" if low else "is optional now"
            self.add(kind, f"{whole} {told}.", least, low, at)
        if most != high:
            more = high is None or (most is not None and high > most)
            kind = "max-occurs-increased" if more else "max-occurs-decreased"
            shown = ["any number of" if value is None else str(value) for value in (most, high)]
            self.add(kind, f"{whole} occurs at most {shown[1]} times instead of {shown[0]}.", most, high, at)

    def _wildcard(self, one: Tree, other: Tree, at: tuple[str | None, str | None]) -> None:
        old, new = one["namespace"], other["namespace"]
        text = f"The wildcard of {self.subject} allows {' '.join(new)} instead of {' '.join(old)}."
        if old != new:
            if new == ["##any"]:
                kind = "wildcard-widened"
            elif old == ["##any"]:
                kind = "wildcard-narrowed"
            elif set(old) < set(new):
                kind = "wildcard-widened"
            elif set(new) < set(old):
                kind = "wildcard-narrowed"
            else:
                kind = "wildcard-changed"
            self.add(kind, text, old, new, at)
        if one["process"] != other["process"]:
            looser = _PROCESS.get(other["process"], 0) > _PROCESS.get(one["process"], 0)
            text = f"The wildcard of {self.subject} is checked {other['process']} instead of {one['process']}."
            self.add("wildcard-widened" if looser else "wildcard-narrowed", text, one["process"], other["process"], at)


def _occurs(item: Tree) -> tuple[int, int | None]:
    return item.get("min", 1), item.get("max", 1)


def _once(item: Item) -> Item:
    value = {key: one for key, one in item[0].items() if key not in ("min", "max")}
    return (value, item[1])


def _least(item: Tree) -> int:
    """How many elements a particle demands at least."""
    if item["kind"] in ("element", "any", "missing"):
        return int(item.get("min", 1))
    inner = [_least(one) for one in item.get("items", ())] + [_least(one) for one, _ in item.get("flat", ())]
    whole = (min(inner) if inner else 0) if item["kind"] == "choice" else sum(inner)
    return int(item.get("min", 1)) * whole


def _same_key(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return one == other


def _same_kind(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return one[0] == other[0] != "element"


def _overlap(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether an element became a choice that has it, or the other way round."""
    shared = set(one[1].split()) & set(other[1].split())
    return one[0] != other[0] and "choice" in (one[0], other[0]) and bool(shared)


def _aligned(left: list[tuple[str, str]], right: list[tuple[str, str]]) -> list[tuple[int, int]]:
    """The longest common subsequence: index pairs."""
    start = 0
    while start < len(left) and start < len(right) and left[start] == right[start]:
        start += 1
    pairs = [(n, n) for n in range(start)]
    end = 0
    while end < min(len(left), len(right)) - start and left[-1 - end] == right[-1 - end]:
        end += 1
    pairs += [(len(left) - n, len(right) - n) for n in range(end, 0, -1)]
    one, other = left[start : len(left) - end], right[start : len(right) - end]
    if len(one) * len(other) > _MAX_CELLS:
        return pairs
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i in range(len(one) - 1, -1, -1):
        for j in range(len(other) - 1, -1, -1):
            table[i][j] = table[i + 1][j + 1] + 1 if one[i] == other[j] else max(table[i + 1][j], table[i][j + 1])
    i = j = 0
    while i < len(one) and j < len(other):
        if one[i] == other[j]:
            pairs.append((start + i, start + j))
            i, j = i + 1, j + 1
        elif table[i + 1][j] >= table[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs
