"""Content models as regular languages: which sequences of elements a model allows, and whether one allows all of
another.

XML Schema 1.0, part 1, 3.8.4: a model group allows the sequences of elements that it can be expanded to, whatever the
groups they are written with. So `(a, b)` and `(a, (b))`, or a choice within a choice and the flat one, are one model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tillgate_contracts.compare.soap.components import Components, Tree

#: An expression: ("none",), ("empty",), ("one", letter), ("then", …), ("or", …), ("any order", …), ("times", x, n, m).
Expression = tuple[Any, ...]
Letter = tuple[str, str]
NONE: Expression = ("none",)
EMPTY: Expression = ("empty",)
#: Parts of a model, and parts of expressions that are written while two models are compared (some 50 ms).
_MAX_PARTS = 200
_MAX_STEPS = 250_000
_MAX_DEPTH = 40


class UndecidedError(Exception):
    """The model has parts that are no elements, or is too large."""


class Language:
    """What the content of one type allows: an expression over names of elements, and the declaration of each name.

    A name stands for one declaration (3.8.6, element declarations consistent), so a sequence of names says everything.
    """

    def __init__(self, side: Components, parts: list[tuple[Tree, str]]) -> None:
        self.declared: dict[Letter, tuple[Tree, str]] = {}
        self._side = side
        self._size = 0
        self.expression = _then(*(self._read(item, place, 0) for item, place in parts))

    def _read(self, item: Tree, place: str, depth: int) -> Expression:
        item, place = self._side.group(item, place)
        self._size += 1
        if item["kind"] in ("any", "missing") or depth > _MAX_DEPTH or self._size > _MAX_PARTS:
            raise UndecidedError
        least, most = item.get("min", 1), item.get("max", 1)
        if most == 0:
            return EMPTY
        if item["kind"] == "element":
            return _times(("one", self._letter(item, place)), least, most)
        inner = [self._read(one, f"{place}/items/{n}", depth + 1) for n, one in enumerate(item.get("items", ()))]
        if item["kind"] == "choice" and not inner:
            raise UndecidedError  # what an empty choice allows differs between 1.0 and 1.1
        join = {"sequence": _then, "choice": _or, "all": _shuffle}[item["kind"]]
        return _times(join(*inner), least, most)

    def _letter(self, item: Tree, place: str) -> Letter:
        declared, at = self._side.element(item, place)
        if declared.get("missing"):
            raise UndecidedError
        letter = (declared.get("ns") or "", declared["name"])
        kept = {key: value for key, value in declared.items() if key not in ("min", "max", "description")}
        known = self.declared.setdefault(letter, (kept, at))
        if known[0] != kept:
            raise UndecidedError  # one name, two declarations: which one stands where is not compared here
        return letter


def allows(whole: Expression, part: Expression, spent: list[int]) -> bool:
    """Whether `whole` allows every sequence that `part` allows. Raises UndecidedError past the bound on steps, of one
    pair and of all pairs that share `spent`."""
    todo, seen, steps = [(part, whole)], {(part, whole)}, 0
    while todo:
        one, other = todo.pop()
        if one == other:
            continue
        if _nullable(one) and not _nullable(other):
            return False
        for letter in _first(one):
            more = _size(one) + _size(other)
            steps, spent[0] = steps + more, spent[0] + more
            if steps > _MAX_STEPS or spent[0] > _MAX_STEPS * 40:
                raise UndecidedError
            pair = _after(one, letter), _after(other, letter)
            if pair in seen or pair[0] == NONE:
                continue
            if pair[1] == NONE:
                return False
            seen.add(pair)
            todo.append(pair)
    return True


def _size(one: Expression) -> int:
    return 1 + sum(_size(part) for part in one[1:] if isinstance(part, tuple) and isinstance(part[0], str)) + len(one)


def _then(*parts: Expression) -> Expression:
    flat: list[Expression] = []
    for part in parts:
        flat += part[1:] if part[0] == "then" else () if part == EMPTY else (part,)
    if NONE in flat:
        return NONE
    return EMPTY if not flat else flat[0] if len(flat) == 1 else ("then", *flat)


def _or(*parts: Expression) -> Expression:
    flat = {one for part in parts for one in (part[1:] if part[0] == "or" else (part,)) if one != NONE}
    if any(one[0] == "times" and one[2:] == (0, 1) for one in flat):
        # One optional alternative makes the choice optional.
        inner = (one[1] if one[0] == "times" and one[2:] == (0, 1) else one for one in flat)
        return _times(_or(*inner), 0, 1)
    if not flat:
        return NONE
    return next(iter(flat)) if len(flat) == 1 else ("or", *sorted(flat, key=repr))


def _shuffle(*parts: Expression) -> Expression:
    flat: list[Expression] = []
    for part in parts:
        flat += part[1:] if part[0] == "any order" else () if part == EMPTY else (part,)
    if NONE in flat:
        return NONE
    return EMPTY if not flat else flat[0] if len(flat) == 1 else ("any order", *sorted(flat, key=repr))


def _times(one: Expression, least: int, most: int | None) -> Expression:
    if one == EMPTY or most == 0:
        return EMPTY
    if one == NONE:
        return EMPTY if least == 0 else NONE
    least = 0 if _nullable(one) else least
    if one[0] == "times" and one[2] <= 1:
        # Every count from the one product to the other can be reached, since one round may be a single one.
        _, inner, fewest, many = one
        one, least, most = inner, fewest * least, None if None in (many, most) else many * most
    if (least, most) == (1, 1) or ((least, most) == (0, 1) and _nullable(one)):
        return one
    return ("times", one, least, most)


def _nullable(one: Expression) -> bool:
    kind = one[0]
    if kind == "or":
        return any(map(_nullable, one[1:]))
    if kind in ("then", "any order"):
        return all(map(_nullable, one[1:]))
    return kind == "empty" or (kind == "times" and (one[2] == 0 or _nullable(one[1])))


def _first(one: Expression) -> set[Letter]:
    kind = one[0]
    if kind == "one":
        return {one[1]}
    if kind in ("or", "any order"):
        return {letter for part in one[1:] for letter in _first(part)}
    if kind == "times":
        return _first(one[1])
    return {letter for part in _reached(one[1:]) for letter in _first(part)} if kind == "then" else set()


def _reached(parts: tuple[Expression, ...]) -> Iterator[Expression]:
    """The parts of a sequence that its first element may belong to."""
    for part in parts:
        yield part
        if not _nullable(part):
            return


def _after(one: Expression, letter: Letter) -> Expression:
    """What may follow the letter: the derivative of Brzozowski."""
    kind = one[0]
    if kind == "one":
        return EMPTY if one[1] == letter else NONE
    if kind == "or":
        return _or(*(_after(part, letter) for part in one[1:]))
    if kind == "times":
        _, inner, least, most = one
        left = _times(inner, max(least - 1, 0), None if most is None else most - 1)
        return _then(_after(inner, letter), left)
    if kind == "then":
        reached = list(_reached(one[1:]))
        return _or(*(_then(_after(part, letter), *one[n + 2 :]) for n, part in enumerate(reached)))
    if kind == "any order":
        parts = one[1:]
        return _or(*(_shuffle(_after(part, letter), *parts[:n], *parts[n + 1 :]) for n, part in enumerate(parts)))
    return NONE
