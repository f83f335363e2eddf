"""Definitions of directives, and directives on parts of a schema, whose meaning the schema does not say."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.graphql.inputs import InputComparison
from tillgate_contracts.compare.graphql.report import GraphqlReport, Place

#: Places in a client's request (GraphQL, September 2025, 3.13). The others are places in the schema itself.
EXECUTABLE = frozenset(
    (
        *("QUERY", "MUTATION", "SUBSCRIPTION", "FIELD", "FRAGMENT_DEFINITION", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"),
        "VARIABLE_DEFINITION",
    )
)


class DirectiveComparison:
    """Compares what clients may write, and what the schema says of itself."""

    def __init__(self, report: GraphqlReport, inputs: InputComparison) -> None:
        self.report = report
        self.inputs = inputs

    def definitions(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        for name, old in before.items():
            place = Place(f"/directives/{name}", f"/directives/{name}", name, name)
            written = bool(EXECUTABLE & set(old["locations"]))
            level = None if written else "info"
            if name not in after:
                text = f"The directive @{name} was removed{': requests that use it are refused' * written}."
                self.report.add("graphql-directive-removed", text, place.gone(), old=name, level=level)
                continue
            new = after[name]
            if written:
                self.inputs.arguments(place, old.get("args", {}), new.get("args", {}), f"@{name}")
                self._locations(place, name, old, new)
                if old.get("repeatable") and not new.get("repeatable"):
                    text = f"@{name} may stand only once at a place now."
                    self.report.add("graphql-directive-not-repeatable", text, place)
            elif old != new:
                self.report.add("graphql-schema-directive-changed", f"The definition of @{name} changed.", place)
        for name in after:
            if name not in before:
                place = Place(None, f"/directives/{name}", name, name)
                self.report.add("graphql-directive-added", f"The directive @{name} was added.", place, new=name)

    def _locations(self, place: Place, name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        for spot in sorted(set(old["locations"]) & EXECUTABLE - set(new["locations"])):
            text = f"@{name} may no longer stand on {spot}."
            self.report.add("graphql-directive-location-removed", text, place, old=spot)
