"""Reading GraphQL schemas (SDL): text to a normal form in which extensions are part of what they extend.

The grammar and the names are those of the GraphQL specification, September 2025, chapter 3 (Type System).
"""

from __future__ import annotations

import re
from typing import Any

from graphql import GraphQLSyntaxError, TokenKind, parse, print_ast
from graphql.language import ast

from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading.forms import OwnReading
from tillgate_contracts.reading.graphql_names import BUILT_IN, FEDERATION, named
from tillgate_contracts.reading.limits import Clock, ReadingLimits, measure, refusal
from tillgate_contracts.reading.pointers import join

MAX_TOKENS = 600_000
_MAX_BRACKETS = 60
#: Directives of the specification that the normal form holds in words of its own.
_TOLD = frozenset({"deprecated", "specifiedBy", "oneOf"})
_KINDS = {
    "scalar": "scalar",
    "object": "object",
    "interface": "interface",
    "union": "union",
    "enum": "enum",
    "input_object": "input",
}
NO_REASON = "No longer supported"
Node = Any


def read_sdl(text: str, limits: ReadingLimits, clock: Clock) -> OwnReading:
    """The normal form of a schema.

    Raises ContractError `contract.graphql_syntax`, `contract.duplicate_key`, `contract.not_a_contract` or a bound.
    """
    _check_brackets(text)
    try:
        document = parse(text, max_tokens=min(MAX_TOKENS, limits.max_values))
    except GraphQLSyntaxError as error:
        raise _syntax(error) from None
    clock.check()
    reading = _Reading(clock).run(document)
    measure(reading.tree, limits, clock)
    return reading


def _check_brackets(text: str) -> None:
    """Brackets inside brackets: the parser would go down with them."""
    depth = line = 0
    for found in re.finditer(r'"""(?:\\"""|[^"]|"(?!""))*+"""|"(?:\\.|[^"\\\r\n])*+"|#[^\r\n]*|[\[{(\])}]', text):
        mark = found.group()
        if mark in "[{(":
            depth += 1
            if depth > _MAX_BRACKETS:
                line = text.count("\n", 0, found.start()) + 1
                raise refusal(
                    "contract.too_deep",
                    f"Line {line} nests brackets deeper than {_MAX_BRACKETS} levels. Name the inner types.",
                    line=line,
                )
        elif mark in "]})":
            depth -= 1


def _syntax(error: GraphQLSyntaxError) -> ContractError:
    line = error.locations[0].line if error.locations else None
    if "tokens" in error.message and "aborted" in error.message:
        return refusal(
            "contract.too_many_values",
            "The schema has more words and marks than are read at once. Leave examples out, or split it.",
            line=line,
        )
    told = error.message.removeprefix("Syntax Error: ").rstrip(".")
    return refusal("contract.graphql_syntax", f"The GraphQL is broken at line {line}: {told}.", line=line)


class _Reading:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.types: dict[str, Any] = {}
        self.directives: dict[str, Any] = {}
        self.roots: dict[str, str] = {}
        self.applied: list[Any] = []
        self.lines: dict[str, int] = {}
        self.problems: list[dict[str, str]] = []
        self.description = ""
        self.has_schema = False

    def run(self, document: ast.DocumentNode) -> OwnReading:
        extensions = []
        for node in document.definitions:
            self.clock.check()
            kind = node.kind
            if kind in ("operation_definition", "fragment_definition"):
                raise refusal(
                    "contract.not_a_contract",
                    f"Line {_line(node)} holds a GraphQL query. A contract is a schema: type, input, enum and so on.",
                    line=_line(node),
                )
            if kind.endswith("extension"):
                extensions.append(node)
            elif kind == "schema_definition":
                self._schema(node, extend=False)
            elif kind == "directive_definition":
                self._directive(node)
            else:
                self._type(node)
        for node in extensions:
            self._schema(node, extend=True) if kind_of(node) == "schema" else self._extend(node)
        if not self.types and not self.directives:
            raise refusal("contract.not_a_contract", "The GraphQL file defines no type. Give the schema of a service.")
        if not self.has_schema:
            for role in ("query", "mutation", "subscription"):
                if self.types.get(role.title(), {}).get("kind") == "object":
                    self.roots.setdefault(role, role.title())
        self._unresolved()
        tree: dict[str, Any] = {"graphql": "sdl", "roots": self.roots, "types": self.types}
        for key, value in (("directives", self.directives), ("applied", self.applied), ("problems", self.problems)):
            if value:
                tree[key] = value
        if self.description:
            tree["info"] = {"description": self.description}
        return OwnReading("graphql-sdl", tree, self.lines)

    def _schema(self, node: Node, *, extend: bool) -> None:
        if not extend:
            if self.has_schema:
                raise _twice("schema", "/roots", _line(node), self.lines.get("/roots"))
            self.has_schema = True
            self.lines["/roots"] = _line(node)
            self.description = node.description.value if node.description else ""
        for item in node.operation_types or ():
            role = item.operation.value
            if role in self.roots:
                raise _twice(f"root {role}", f"/roots/{role}", _line(item), self.lines.get(f"/roots/{role}"))
            self.roots[role] = item.type.name.value
            self.lines[f"/roots/{role}"] = _line(item)
        self.applied += self._directives(node)

    def _directive(self, node: Node) -> None:
        name = node.name.value
        pointer = join(("directives", name))
        self._once(self.directives, name, f"@{name}", pointer, node)
        found: dict[str, Any] = {"locations": sorted(item.value for item in node.locations)}
        if node.repeatable:
            found["repeatable"] = True
        self._describe(found, node)
        arguments = self._inputs(node.arguments, f"{pointer}/args")
        if arguments:
            found["args"] = arguments
        self.directives[name] = found

    def _type(self, node: Node) -> None:
        name = node.name.value
        pointer = join(("types", name))
        self._once(self.types, name, name, pointer, node)
        found: dict[str, Any] = {"kind": _KINDS[kind_of(node)]}
        self._describe(found, node)
        self.types[name] = found
        self._fill(found, node, pointer)

    def _extend(self, node: Node) -> None:
        name, kind = node.name.value, _KINDS[kind_of(node)]
        pointer = join(("types", name))
        known = self.types.get(name)
        if known is None:
            # A subgraph extends what another one defines; the extension is all that stands here.
            known = self.types[name] = {"kind": kind}
            self.lines[pointer] = _line(node)
        elif known["kind"] != kind:
            raise refusal(
                "contract.wrong_type",
                f"Line {_line(node)} extends {name} as {kind}, and it is {known['kind']}. Correct the extension.",
                pointer=pointer,
                line=_line(node),
            )
        self._fill(known, node, pointer)

    def _fill(self, found: dict[str, Any], node: Node, pointer: str) -> None:
        for section, items, read in (
            ("interfaces", getattr(node, "interfaces", None), None),
            ("members", getattr(node, "types", None), None),
            ("values", getattr(node, "values", None), self._value),
            ("fields", getattr(node, "fields", None), self._input if found["kind"] == "input" else self._field),
        ):
            for item in items or ():
                held = found.setdefault(section, {})
                name = item.name.value
                place = join((*pointer.split("/")[1:], section, name))
                self._once(held, name, f"{node.name.value}.{name}", place, item)
                held[name] = read(item, place) if read else {}
        applied = self._directives(node)
        for one in node.directives or ():
            if one.name.value == "oneOf":
                found["one_of"] = True
            elif one.name.value == "specifiedBy":
                found["specified_by"] = _argument(one, "url")
        if applied:
            found["directives"] = sorted([*found.get("directives", []), *applied], key=lambda item: str(item))

    def _field(self, node: Node, pointer: str) -> dict[str, Any]:
        found: dict[str, Any] = {"type": print_ast(node.type)}
        arguments = self._inputs(node.arguments, f"{pointer}/args")
        if arguments:
            found["args"] = arguments
        return self._marks(found, node)

    def _inputs(self, nodes: Node, pointer: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for node in nodes or ():
            place = f"{pointer}/{node.name.value}"
            self._once(found, node.name.value, node.name.value, place, node)
            found[node.name.value] = self._input(node, place)
        return found

    def _input(self, node: Node, pointer: str) -> dict[str, Any]:
        found: dict[str, Any] = {"type": print_ast(node.type)}
        if node.default_value is not None:
            found["default"] = literal(node.default_value)
        return self._marks(found, node)

    def _value(self, node: Node, pointer: str) -> dict[str, Any]:
        return self._marks({}, node)

    def _marks(self, found: dict[str, Any], node: Node) -> dict[str, Any]:
        self._describe(found, node)
        for one in node.directives or ():
            if one.name.value == "deprecated":
                found["deprecated"] = _argument(one, "reason") or NO_REASON
        applied = self._directives(node)
        if applied:
            found["directives"] = applied
        return found

    def _describe(self, found: dict[str, Any], node: Node) -> None:
        if node.description and node.description.value.strip():
            found["description"] = node.description.value

    def _directives(self, node: Node) -> list[str]:
        return sorted(_shown(one) for one in node.directives or () if one.name.value not in _TOLD)

    def _once(self, held: dict[str, Any], name: str, shown: str, pointer: str, node: Node) -> None:
        if name in held:
            raise _twice(shown, pointer, _line(node), self.lines.get(pointer))
        self.lines[pointer] = _line(node)

    def _unresolved(self) -> None:
        """Names that nothing defines. What they stand for cannot be compared."""
        known = self.types.keys() | BUILT_IN | FEDERATION
        for pointer, name in references(self.roots, self.types, self.directives):
            if name not in known:
                self.problems.append(
                    {
                        "code": "ref.unresolved",
                        "pointer": pointer,
                        "message": f"The type {name} is defined nowhere in this schema. Add its definition.",
                    }
                )


def references(roots: dict[str, str], types: dict[str, Any], directives: dict[str, Any]) -> list[tuple[str, str]]:
    """Every place that names a type: (pointer, name)."""
    found = [(f"/roots/{role}", name) for role, name in roots.items()]
    for name, entry in types.items():
        for section in ("interfaces", "members"):
            found += [(f"/types/{name}/{section}/{other}", other) for other in entry.get(section, {})]
        for field, value in entry.get("fields", {}).items():
            pointer = f"/types/{name}/fields/{field}"
            found.append((pointer, named(value["type"])))
            found += [(f"{pointer}/args/{key}", named(one["type"])) for key, one in value.get("args", {}).items()]
    for name, entry in directives.items():
        found += [(f"/directives/{name}/args/{k}", named(one["type"])) for k, one in entry.get("args", {}).items()]
    return found


def kind_of(node: Node) -> str:
    """`object` of `object_type_definition`, `schema` of `schema_extension`."""
    kind: str = node.kind
    return kind.removesuffix("_definition").removesuffix("_extension").removesuffix("_type")


def literal(node: Node) -> Any:
    """A constant as JSON. An enum value is `{"enum": NAME}`, so that it differs from the text; numbers by value."""
    kind = node.kind
    if kind in ("int_value", "float_value"):
        number = float(node.value)
        return int(number) if number.is_integer() and abs(number) < 2**53 else node.value
    if kind in ("string_value", "boolean_value"):
        return node.value
    if kind == "null_value":
        return None
    if kind == "enum_value":
        return {"enum": node.value}
    if kind == "list_value":
        return [literal(item) for item in node.values]
    return {"object": {item.name.value: literal(item.value) for item in node.fields}}


def _shown(node: Node) -> str:
    arguments = sorted(print_ast(item) for item in node.arguments or ())
    return f"@{node.name.value}" + (f"({', '.join(arguments)})" if arguments else "")


def _argument(node: Node, name: str) -> str:
    for item in node.arguments or ():
        if item.name.value == name and item.value.kind == "string_value":
            value: str = item.value.value
            return value
    return ""


def _line(node: Node) -> int:
    token = node.loc.start_token if node.loc else None
    while token is not None and token.kind in (TokenKind.BLOCK_STRING, TokenKind.STRING) and token.next is not None:
        token = token.next
    return token.line if token is not None else 0


def _twice(what: str, pointer: str, line: int, first: int | None) -> ContractError:
    return refusal(
        "contract.duplicate_key",
        f"{what} is defined twice: at line {first} and at line {line}. Keep one.",
        pointer=pointer,
        line=line,
        first_line=first,
    )
