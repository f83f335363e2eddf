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


#: Steps back of one search by an expression with a look around or a back reference, before it ends undecided.
_STEPS = 10_000
#: Characters of a text that is searched: by an expression in linear time, and by one that may step back.
_LONGEST, _LONGEST_OF_STEPS = 100_000, 5_000


class TextPattern:
    """A regular expression of ECMA-262 as a schema means it, searched in time that the contract cannot stretch."""

    def __init__(self, pattern: str) -> None:
        """Raises UnusableSchema where the expression is not read, or would be too large."""
        import jsonschema_rs

        schema = {"pattern": pattern}
        steps = jsonschema_rs.FancyRegexOptions(backtrack_limit=_STEPS)
        self._longest = _LONGEST
        try:
            self._search = jsonschema_rs.validator_for(schema, pattern_options=jsonschema_rs.RegexOptions())
        except ValueError:
            self._longest = _LONGEST_OF_STEPS
            try:
                self._search = jsonschema_rs.validator_for(schema, pattern_options=steps)
            except ValueError as error:
                raise UnusableSchema(str(error).partition("\n")[0][:300]) from None

    def found_in(self, text: str) -> bool | None:
        """Whether the expression is found in a text; None where that is not decided within bounds."""
        if len(text) > self._longest:
            return None
        try:
            if self._search.is_valid(text):
                return True
            if self._longest == _LONGEST:
                return False
            return None if any(_too_many_steps(error) for error in self._search.iter_errors(text)) else False
        except ValueError:  # a lone surrogate is no text of JSON
            return None


def _too_many_steps(error: Any) -> bool:
    return type(error.kind).__name__.endswith(("BacktrackLimitExceeded", "RegexEngineFailure"))


def _fetch_nothing(address: str) -> NoReturn:
    raise UnusableSchema(address)
