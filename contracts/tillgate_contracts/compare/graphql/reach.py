"""Which operations of a GraphQL schema reach a type, and in which positions an enum or scalar stands."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.reading.graphql_form import ROLES
from tillgate_contracts.reading.graphql_names import named

_MAX_OPERATIONS = 200


class SchemaReach:
    """Answers for one schema."""

    def __init__(self, tree: dict[str, Any]) -> None:
        self.types: dict[str, Any] = tree["types"]
        self.roots: dict[str, str] = {name: role for role, name in tree.get("roots", {}).items() if role in ROLES}
        self.users: dict[str, set[tuple[str, str]]] = {}
        self.inputs: set[str] = set()
        self.outputs: set[str] = set()
        self._known: dict[str, dict[str, str]] = {}
        self._survey(tree)

    def _survey(self, tree: dict[str, Any]) -> None:
        for name, entry in self.types.items():
            for section in ("interfaces", "members"):
                for other in entry.get(section, {}):
                    # A request for the interface or the union may get the type.
                    user, used = (other, name) if section == "interfaces" else (name, other)
                    self.users.setdefault(used, set()).add((user, ""))
            side = self.inputs if entry["kind"] == "input" else self.outputs
            for field, value in entry.get("fields", {}).items():
                side.add(named(value["type"]))
                self.users.setdefault(named(value["type"]), set()).add((name, field))
                for one in value.get("args", {}).values():
                    self.inputs.add(named(one["type"]))
                    self.users.setdefault(named(one["type"]), set()).add((name, field))
        for entry in tree.get("directives", {}).values():
            self.inputs |= {named(one["type"]) for one in entry.get("args", {}).values()}

    def sent(self, name: str) -> bool:
        """Whether clients send values of an enum or scalar. One that nothing uses counts in both ways."""
        return name in self.inputs or name not in self.outputs

    def received(self, name: str) -> bool:
        return name in self.outputs or name not in self.inputs

    def operations(self, name: str, field: str = "") -> dict[str, str]:
        """Operations that reach a type (or one field of it): label to root field, at most 200."""
        if name in self.roots and field:
            return {self._label(name, field): field}
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._search(name)
        return known

    def _search(self, start: str) -> dict[str, str]:
        found: dict[str, str] = {}
        seen, todo = {start}, [start]
        while todo and len(found) < _MAX_OPERATIONS:
            for user, field in sorted(self.users.get(todo.pop(), ())):
                if user in self.roots and field:
                    found[self._label(user, field)] = field
                elif user not in seen:
                    seen.add(user)
                    todo.append(user)
        return dict(sorted(found.items()))

    def _label(self, root: str, field: str) -> str:
        return f"{self.roots[root].upper()} {field}"
