"""Written types of GraphQL: `[Order!]!`."""

from __future__ import annotations

#: Types that every schema has (GraphQL, September 2025, 3.5).
BUILT_IN = frozenset({"Int", "Float", "String", "Boolean", "ID"})
#: Types that composition adds to a subgraph (Apollo Federation 2).
FEDERATION = frozenset({"_Any", "_Entity", "_Service", "_FieldSet", "FieldSet", "federation__FieldSet", "link__Import"})


def named(written: str) -> str:
    """The name inside a written type: `Order` of `[Order!]!`."""
    return written.replace("[", "").replace("]", "").replace("!", "")


def is_required(value: dict[str, object]) -> bool:
    """Whether an argument or input field has to be given: non-null, and without a default (5.4.3, 5.6.4)."""
    return str(value["type"]).endswith("!") and "default" not in value


def wrapping(written: str) -> list[tuple[str, bool]]:
    """The levels from outside in: (`list` or the name, non-null)."""
    levels: list[tuple[str, bool]] = []
    while True:
        strict = written.endswith("!")
        inner = written.removesuffix("!")
        if not inner.startswith("["):
            return [*levels, (inner, strict)]
        levels.append(("list", strict))
        written = inner[1:-1]
