"""Comparison of two GraphQL schemas, type by type.

A client's request is checked against the schema before it runs (specification, September 2025, chapter 5), so what a
request names must stay; answers may only narrow (3.6, covariance), inputs may only widen (3.10, Input Coercion).
"""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.collector import FindingCollector
from tillgate_contracts.compare.graphql.directives import DirectiveComparison
from tillgate_contracts.compare.graphql.inputs import InputComparison
from tillgate_contracts.compare.graphql.reach import SchemaReach
from tillgate_contracts.compare.graphql.report import GraphqlReport, Place
from tillgate_contracts.reading.graphql_form import ROLES
from tillgate_contracts.reading.graphql_names import BUILT_IN, FEDERATION, named, wrapping


class GraphqlComparison:
    """Compares an old and a new schema (normal forms)."""

    def __init__(self, old: dict[str, Any], new: dict[str, Any], collector: FindingCollector) -> None:
        self.old, self.new = old, new
        self.report = GraphqlReport(SchemaReach(old), SchemaReach(new), collector)
        self.inputs = InputComparison(self.report)
        self.directives = DirectiveComparison(self.report, self.inputs)

    def run(self) -> None:
        renamed = self._roots()
        types = self.old["types"], self.new["types"]
        for name, before in types[0].items():
            other = renamed.get(name, name)
            if other in types[1]:
                self._type(Place(f"/types/{name}", f"/types/{other}", name, other), before, types[1][other])
            else:
                self._removed(name)
        came = set(renamed.values())
        for name in types[1]:
            if name not in types[0] and name not in came:
                place = Place(None, f"/types/{name}", name, name)
                self.report.add("graphql-type-added", f"The type {name} was added.", place, new=name)
                if types[1][name]["kind"] == "object":
                    self._interfaces(Place(f"/types/{name}", f"/types/{name}", name, name), {}, types[1][name])
        self.directives.definitions(self.old.get("directives", {}), self.new.get("directives", {}))
        self.report.applied(Place("/roots", "/roots", "schema", "schema"), self.old, self.new, "The schema")
        self._words(Place("/roots", "/roots", "schema", "schema"), *(t.get("info", {}) for t in (self.old, self.new)))
        self._unresolved()

    def _roots(self) -> dict[str, str]:
        """Root types are paired by what they are for, whatever they are called."""
        renamed: dict[str, str] = {}
        old, new = self.old.get("roots", {}), self.new.get("roots", {})
        for role in ROLES:
            before, after = old.get(role), new.get(role)
            if before == after:
                continue
            place = Place(
                f"/roots/{role}" if before else None, f"/roots/{role}" if after else None, before or "", after or ""
            )
            if after is None:
                self.report.add("graphql-root-removed", f"There is no {role} any more.", place, old=before)
            elif before is None:
                self.report.add("graphql-root-added", f"A {role} root was added.", place, new=after)
            else:
                text = f"The root type of {role} is {after} instead of {before}: fragments on {before} are refused."
                self.report.add("graphql-root-type-renamed", text, place, old=before, new=after)
                if before not in self.new["types"] and after not in self.old["types"]:
                    renamed[before] = after
        return renamed

    def _removed(self, name: str) -> None:
        place = Place(f"/types/{name}", None, name, name)
        text = f"The type {name} was removed: requests that name it are refused."
        self.report.add("graphql-type-removed", text, place, old=name)

    def _type(self, place: Place, before: dict[str, Any], after: dict[str, Any]) -> None:
        name, kind = place.type, after["kind"]
        if before["kind"] != kind:
            text = f"{name} was {_an(before['kind'])} and is {_an(kind)}."
            self.report.add("graphql-type-kind-changed", text, place, old=before["kind"], new=kind)
            return
        self._words(place, before, after)
        self.report.applied(place, before, after, name)
        if kind == "input":
            self.inputs.input_type(place, before, after)
        elif kind == "enum":
            self._enum(place, before, after)
        elif kind == "union":
            self._members(place, before, after)
        elif kind == "scalar":
            self._scalar(place, before, after)
        else:
            self._interfaces(place, before, after)
            self._fields(place, before.get("fields", {}), after.get("fields", {}))

    def _scalar(self, place: Place, before: dict[str, Any], after: dict[str, Any]) -> None:
        one, other = before.get("specified_by"), after.get("specified_by")
        if one != other:
            text = f"The scalar {place.type} is specified by {other or 'nothing'} instead of {one or 'nothing'}."
            level = None if one and other else "info"
            self.report.add("graphql-scalar-specification-changed", text, place, old=one, new=other, level=level)

    def _fields(self, place: Place, before: dict[str, Any], after: dict[str, Any]) -> None:
        for name, old in before.items():
            spot = place.below("fields", name)
            if name not in after:
                gone = "deprecated" in old
                rule = "graphql-field-removed-with-deprecation" if gone else "graphql-field-removed"
                text = f"`{place.type}.{name}` was removed{', which was deprecated' if gone else ''}."
                self.report.add(rule, text, spot.gone(), old=name)
            else:
                self._field(spot, old, after[name])
        for name in after:
            if name not in before:
                text = f"`{place.type}.{name}` was added."
                self.report.add("graphql-field-added", text, place.below("fields", name).fresh(), new=name)

    def _field(self, place: Place, before: dict[str, Any], after: dict[str, Any]) -> None:
        subject = f"`{place.type}.{place.field}`"
        self._output(place, before["type"], after["type"], subject)
        self.inputs.arguments(place, before.get("args", {}), after.get("args", {}), subject)
        self.marks(place, before, after, subject)

    def _output(self, place: Place, before: str, after: str, subject: str) -> None:
        if before == after:
            return
        old, new = wrapping(before), wrapping(after)
        if [level[0] for level in old] != [level[0] for level in new]:
            text = f"{subject} is of type {after} instead of {before}."
            self.report.add("graphql-field-type-changed", text, place, old=before, new=after)
            return
        lost = any(one[1] and not other[1] for one, other in zip(old, new, strict=True))
        gained = any(other[1] and not one[1] for one, other in zip(old, new, strict=True))
        if lost:
            text = f"{subject} may now be null: {after} instead of {before}."
            self.report.add("graphql-field-became-nullable", text, place, old=before, new=after)
        if gained:
            text = f"{subject} is never null where it could be: {after} instead of {before}."
            self.report.add("graphql-field-became-non-null", text, place, old=before, new=after)

    def _interfaces(self, place: Place, before: dict[str, Any], after: dict[str, Any]) -> None:
        old, new = before.get("interfaces", {}), after.get("interfaces", {})
        for name in old:
            if name not in new:
                text = f"{place.type} no longer implements {name}: fragments on it are refused where {name} stands."
                self.report.add("graphql-interface-removed", text, place.below("interfaces", name, "").gone(), old=name)
        for name in new:
            if name not in old:
                text = f"{place.type} now implements {name}, so clients of {name} may get it."
                spot = place.below("interfaces", name, "").fresh()
                level = "info" if name not in self.old["types"] else None
                self.report.add("graphql-interface-added", text, spot, new=name, level=level)

    def _members(self, place: Place, before: dict[str, Any], after: dict[str, Any]) -> None:
        old, new = before.get("members", {}), after.get("members", {})
        for name in old:
            if name not in new:
                text = f"{name} is no longer a member of {place.type}: fragments on it are refused."
                spot = place.below("members", name, "").gone()
                self.report.add("graphql-union-member-removed", text, spot, old=name)
        for name in new:
            if name not in old:
                text = f"{name} is a new member of {place.type}, so clients may get it."
                self.report.add("graphql-union-member-added", text, place.below("members", name, "").fresh(), new=name)

    def _enum(self, place: Place, before: dict[str, Any], after: dict[str, Any]) -> None:
        old, new = before.get("values", {}), after.get("values", {})
        sides = (self.report.old, self.report.new)
        sent = any(side.sent(place.type) for side in sides)
        received = any(side.received(place.type) for side in sides)
        for name, value in old.items():
            spot = place.below("values", name, "")
            if name in new:
                self.marks(spot, value, new[name], f"`{place.type}.{name}`")
            elif sent:
                text = f"The value {name} of {place.type} was removed: requests with it are refused."
                self.report.add("graphql-enum-value-removed", text, spot.gone(), old=name)
            else:
                text = f"The value {name} of {place.type} is no longer sent."
                self.report.add("graphql-enum-value-no-longer-sent", text, spot.gone(), old=name)
        for name in new:
            if name in old:
                continue
            spot = place.below("values", name, "").fresh()
            if received:
                text = f"Clients may now get the value {name} of {place.type}."
                level = "breaking" if self.report.collector.policy.strict_enum else None
                self.report.add("graphql-enum-value-newly-sent", text, spot, new=name, level=level)
            else:
                text = f"{place.type} also takes the value {name}."
                self.report.add("graphql-enum-value-added", text, spot, new=name)

    def marks(self, place: Place, before: dict[str, Any], after: dict[str, Any], subject: str) -> None:
        """Deprecation, directives and words of a field, an argument or a value."""
        self.report.deprecation(place, before, after, subject)
        self.report.applied(place, before, after, subject)
        self._words(place, before, after)

    def _words(self, place: Place, before: dict[str, Any], after: dict[str, Any]) -> None:
        if before.get("description") != after.get("description"):
            self.report.words(place)

    def _unresolved(self) -> None:
        """A field whose type nothing defines: what stands behind it was not compared."""
        known = [tree["types"].keys() | BUILT_IN | FEDERATION for tree in (self.old, self.new)]
        for name, entry in self.new["types"].items():
            for field, value in entry.get("fields", {}).items():
                for written in (value["type"], *(one["type"] for one in value.get("args", {}).values())):
                    if named(written) not in known[1]:
                        spot = Place(f"/types/{name}", f"/types/{name}", name, name).below("fields", field)
                        text = f"`{name}.{field}` names the type {named(written)}, which nothing defines: not decided."
                        self.report.add("graphql-reference-unresolved", text, spot, new=named(written))
        for problem in self.old.get("problems", []):
            if not any(problem["message"] == item["message"] for item in self.new.get("problems", [])):
                place = Place(problem["pointer"], None, "", "")
                self.report.add("graphql-reference-unresolved", f"Before: {problem['message']}", place)


def _an(kind: str) -> str:
    word = {"input": "input object"}.get(kind, kind)
    return f"an {word}" if word[0] in "aeio" else f"a {word}"
