"""JSON Schemas as validators. Whatever a schema refers to stands inside it: the library that makes validators of them
would read files of this machine and addresses of any host for a `$ref`, so this is the only place that calls it.
"""

from __future__ import annotations

from typing import Any, NoReturn


class UnusableSchema(ValueError):
    """This is no JSON Schema, or it refers to something that is not inside it. The text says which, and what to do."""


def validator_for(schema: dict[str, Any] | bool) -> Any:
    """A validator of `jsonschema_rs` for the schema's own draft, 2020-12 where it names none. Raises UnusableSchema."""
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(schema, retriever=_fetch_nothing)
    except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
        said = str(error).partition("\n")[0]
        if said.startswith("Resource '"):
            name = said.removeprefix("Resource '").partition("'")[0]
            said = f"it refers to {name[:120]!r}, which is not inside it, and nothing is fetched; put that below $defs"
        raise UnusableSchema(said[:300]) from None


def _fetch_nothing(address: str) -> NoReturn:
    raise UnusableSchema(address)
