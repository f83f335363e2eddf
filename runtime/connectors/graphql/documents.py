"""The text of a query or mutation, read by the grammar of GraphQL before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from graphql import GraphQLSyntaxError, parse
from graphql.language import ast

from runtime.connectors.settings import wrong_setting

MOST_CHARACTERS, MOST_TOKENS, MOST_BRACKETS = 50_000, 10_000, 40
_MARKS = re.compile(r'"""(?:\\"""|[^"]|"(?!""))*+"""|"(?:\\.|[^"\\\r\n])*+"|#[^\r\n]*|[\[{(\])}]')


class GraphQLText:
    """One operation. `root` is the name under which the answer has its first field. Raises Invalid, with `pointer`, for
    what is none, is of another kind, or is larger than is read."""

    def __init__(self, text: str, pointer: str, kind: str) -> None:
        if not text.strip():
            raise wrong_setting(pointer, f"{pointer.removeprefix('/')!r} is missing: the {kind} that is sent.")
        if len(text) > MOST_CHARACTERS or _depth(text) > MOST_BRACKETS:
            raise wrong_setting(
                pointer, f"At most {MOST_CHARACTERS:,} characters, and {MOST_BRACKETS} brackets inside one another."
            )
        try:
            document = parse(text, max_tokens=MOST_TOKENS)
        except GraphQLSyntaxError as error:
            line = error.locations[0].line if error.locations else "?"
            words = error.message.removeprefix("Syntax Error: ")
            raise wrong_setting(pointer, f"The {kind} is broken at line {line}: {words}") from None
        found = [one for one in document.definitions if isinstance(one, ast.OperationDefinitionNode)]
        if len(found) != 1 or found[0].operation.value != kind:
            said = ", ".join(one.operation.value for one in found) or "no operation"
            raise wrong_setting(pointer, f"One {kind} is expected; the text has {said}.")
        fields = [one for one in found[0].selection_set.selections if isinstance(one, ast.FieldNode)]
        if (kind == "mutation" and len(found[0].selection_set.selections) != 1) or not fields:
            raise wrong_setting(pointer, f"A {kind} has one field here, for an answer speaks of one effect.")
        self.text, self.pointer, self.document = text, pointer, document
        self.root = (fields[0].alias or fields[0].name).value
        self._fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, ast.FragmentDefinitionNode)
        }
        self._operation = found[0]
        self.variables = {one.variable.name.value for one in found[0].variable_definitions or ()}

    def needs_variable(self, name: str, pointer: str) -> None:
        """Raises Invalid where the operation does not declare a variable of this name."""
        if name not in self.variables:
            known = ", ".join(f"${one}" for one in sorted(self.variables)) or "none"
            raise wrong_setting(pointer, f"The operation declares no variable ${name}; it declares {known}.")

    def needs_field(self, path: str, pointer: str) -> None:
        """Raises Invalid where the operation does not ask for what stands at a dotted path of its answer."""
        those: list[ast.FieldNode] | None = None
        for step in path.split("."):
            sets = [self._operation.selection_set] if those is None else [one.selection_set for one in those]
            fields = [field for one in sets if one is not None for field in self._fields(one, MOST_BRACKETS)]
            those = [field for field in fields if (field.alias or field.name).value == step]
            if not those:
                raise wrong_setting(pointer, f"The operation does not ask for {path!r}: there is no {step!r} in it.")

    def _fields(self, of: ast.SelectionSetNode, deep: int) -> Iterator[ast.FieldNode]:
        for one in of.selections:
            if isinstance(one, ast.FieldNode):
                yield one
                continue
            inner: Any = one
            if isinstance(one, ast.FragmentSpreadNode):
                inner = self._fragments.get(one.name.value)
            if inner is not None and deep:
                yield from self._fields(inner.selection_set, deep - 1)


def _depth(text: str) -> int:
    depth = deepest = 0
    for found in _MARKS.finditer(text):
        mark = found.group()
        if mark in "[{(":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in "]})":
            depth -= 1
    return deepest


__all__ = ["GraphQLText"]
