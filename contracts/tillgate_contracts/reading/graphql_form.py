"""Questions about the normal form of a GraphQL schema: its operations, types and names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tillgate_contracts.reading.graphql_names import is_required
from tillgate_contracts.reading.summary import MAX_FIELDS, OperationSummary

ROLES = ("query", "mutation", "subscription")
_GROUPS = {"query": "Queries", "mutation": "Mutations", "subscription": "Subscriptions"}


class GraphqlForm:
    """An operation is a field of a root type: what a client can ask for."""

    def operations(self, tree: dict[str, Any]) -> tuple[OperationSummary, ...]:
        """Every root field: `QUERY order`, with the arguments as request and the type as response."""
        return tuple(self._operations(tree))

    def _operations(self, tree: dict[str, Any]) -> Iterator[OperationSummary]:
        for role in ROLES:
            name = tree.get("roots", {}).get(role, "")
            for field, value in tree["types"].get(name, {}).get("fields", {}).items():
                words = str(value.get("description", "")).strip().split("\n", 1)[0]
                given = sorted(value.get("args", {}).items(), key=lambda item: (not is_required(item[1]), item[0]))
                arguments = ", ".join(f"{key}: {one['type']}" for key, one in given)
                yield OperationSummary(
                    role.upper(),
                    field,
                    field,
                    words,
                    (_GROUPS[role],),
                    "deprecated" in value,
                    f"/types/{name}/fields/{field}",
                    request=arguments,
                    response=value["type"],
                )

    def schemas(self, tree: dict[str, Any]) -> tuple[str, ...]:
        return tuple(name for name in tree["types"] if name not in tree.get("roots", {}).values())

    def components(self, tree: dict[str, Any]) -> dict[str, Any]:
        return {f"/types/{name}": value for name, value in tree["types"].items()}

    def fields(self, tree: dict[str, Any]) -> tuple[str, ...]:
        seen: dict[str, None] = {}
        for entry in tree["types"].values():
            for field, value in entry.get("fields", {}).items():
                seen[field] = None
                seen.update(dict.fromkeys(value.get("args", {})))
        return tuple(list(seen)[:MAX_FIELDS])

    def servers(self, tree: dict[str, Any]) -> tuple[str, ...]:
        return ()

    def security_schemes(self, tree: dict[str, Any]) -> Mapping[str, str]:
        return {}

    def origins(self, tree: dict[str, Any]) -> dict[str, str]:
        """Schema coordinates (GraphQL, September 2025, 3.13): `Order.total`, `Query.order(id:)`, `@tag(name:)`."""
        found: dict[str, str] = {}
        for name, entry in tree["types"].items():
            found[f"/types/{name}"] = name
            for section in ("values", "interfaces", "members"):
                for item in entry.get(section, {}):
                    found[f"/types/{name}/{section}/{item}"] = f"{name}.{item}" if section == "values" else name
            for field, value in entry.get("fields", {}).items():
                found[f"/types/{name}/fields/{field}"] = f"{name}.{field}"
                for key in value.get("args", {}):
                    found[f"/types/{name}/fields/{field}/args/{key}"] = f"{name}.{field}({key}:)"
        for name, entry in tree.get("directives", {}).items():
            found[f"/directives/{name}"] = f"@{name}"
            for key in entry.get("args", {}):
                found[f"/directives/{name}/args/{key}"] = f"@{name}({key}:)"
        found.update({f"/roots/{role}": "schema" for role in tree.get("roots", {})})
        return found
