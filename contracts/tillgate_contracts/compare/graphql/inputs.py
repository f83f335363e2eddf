"""Arguments and input objects: what clients send. It may only widen.

GraphQL, September 2025: 3.10 Input Coercion (an unknown field of an input object is an error), 5.4 Arguments,
5.8.5 (a variable must be of the type of the place where it is used, so Int in the place of Float is refused).
"""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.graphql.report import GraphqlReport, Place
from tillgate_contracts.reading.graphql_names import is_required, wrapping

_MISSING = object()


class InputComparison:
    """Compares positions of input."""

    def __init__(self, report: GraphqlReport) -> None:
        self.report = report

    def arguments(self, place: Place, before: dict[str, Any], after: dict[str, Any], subject: str) -> None:
        """Arguments of a field or a directive."""
        self._members(place, before, after, "argument", "args", subject)

    def input_type(self, place: Place, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Fields of an input object, and whether exactly one of them is given (`@oneOf`)."""
        one, other = before.get("one_of", False), after.get("one_of", False)
        if other and not one:
            text = f"{place.type} takes exactly one of its fields now."
            self.report.add("graphql-one-of-added", text, place)
        elif one and not other:
            self.report.add("graphql-one-of-removed", f"{place.type} takes any of its fields now.", place)
        self._members(
            place, before.get("fields", {}), after.get("fields", {}), "input-field", "fields", f"`{place.type}`"
        )

    def _members(
        self, place: Place, before: dict[str, Any], after: dict[str, Any], word: str, section: str, subject: str
    ) -> None:
        shown = word.replace("-", " ")
        for name, old in before.items():
            spot = self._below(place, section, name)
            if name not in after:
                text = f"The {shown} `{name}` of {subject} was removed: requests that give it are refused."
                self.report.add(f"graphql-{word}-removed", text, spot.gone(), old=name)
                continue
            new = after[name]
            whole = f"The {shown} `{name}` of {subject}"
            self._type(spot, old, new, word, whole)
            self._default(spot, old, new, word, whole)
            self.report.deprecation(spot, old, new, whole)
            self.report.applied(spot, old, new, whole)
            if old.get("description") != new.get("description"):
                self.report.words(spot)
        for name, new in after.items():
            if name not in before:
                must = is_required(new)
                text = f"The {shown} `{name}: {new['type']}` of {subject} was added{', and it is required' * must}."
                rule = f"graphql-{'required' if must else 'optional'}-{word}-added"
                self.report.add(rule, text, self._below(place, section, name).fresh(), new=name)

    def _below(self, place: Place, section: str, name: str) -> Place:
        return place.below(section, name, place.field if section == "args" else None)

    def _type(self, place: Place, old: dict[str, Any], new: dict[str, Any], word: str, whole: str) -> None:
        before, after = old["type"], new["type"]
        if before == after:
            return
        left, right = wrapping(before), wrapping(after)
        if [level[0] for level in left] != [level[0] for level in right]:
            text = f"{whole} is of type {after} instead of {before}: variables of the old type are refused."
            self.report.add(f"graphql-{word}-type-changed", text, place, old=before, new=after)
            return
        if any(other[1] and not one[1] for one, other in zip(left, right, strict=True)):
            text = f"{whole} no longer takes null: {after} instead of {before}."
            self.report.add(f"graphql-{word}-became-non-null", text, place, old=before, new=after)
        if any(one[1] and not other[1] for one, other in zip(left, right, strict=True)):
            text = f"{whole} takes null now: {after} instead of {before}."
            self.report.add(f"graphql-{word}-became-nullable", text, place, old=before, new=after)

    def _default(self, place: Place, old: dict[str, Any], new: dict[str, Any], word: str, whole: str) -> None:
        one, other = old.get("default", _MISSING), new.get("default", _MISSING)
        if one is other or (one is not _MISSING and other is not _MISSING and _same(one, other)):
            return
        data = {"old": None if one is _MISSING else one, "new": None if other is _MISSING else other}
        if other is _MISSING and is_required(new):
            text = f"{whole} has no default any more, so it is required."
            self.report.add(f"graphql-{word}-became-required", text, place, **data)
        elif one is _MISSING and is_required(old):
            self.report.add(f"graphql-{word}-became-optional", f"{whole} has a default now.", place, **data)
        else:
            text = f"{whole} has another default: requests that leave it out mean something else."
            self.report.add(f"graphql-{word}-default-changed", text, place, **data)


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
