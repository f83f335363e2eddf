"""Writing the source text of a compiled mapping: lines, bound values, walks along paths, formulas.

Every name in the text is made up here (`t7`, `k3`); every text, number and helper of the user's reaches it as a bound
argument.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from runtime.mapping.errors import MISSING, Reject
from runtime.mapping.formula import Aggregate, FormulaOperation, FunctionCall, Literal, Node, Read
from runtime.mapping.functions import FUNCTIONS, QUANTA
from runtime.mapping.model import Field, Mapping
from runtime.mapping.paths import Index, Path, PathMatch, Segment, show


class Emitter:
    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.lines: list[str] = []
        self.indent = 2
        self.fresh = 0
        self.constants: dict[str, Any] = {}
        self.shared: dict[Any, str] = {}
        self.table: list[tuple[Field, tuple[Field, ...]]] = []
        self.loops: list[tuple[str, str]] = []
        self.bases: list[str] = ["doc"]
        self.known: list[dict[tuple[str, tuple[Segment, ...]], str]] = [{}]

    # -- text ------------------------------------------------------------------------------------------------------

    def emit(self, line: str) -> None:
        self.lines.append("  " * self.indent + line)

    def name(self, prefix: str = "t") -> str:
        self.fresh += 1
        return f"{prefix}{self.fresh}"

    def const(self, value: Any) -> str:
        key: Any = (value.__class__, value) if isinstance(value, str | int | Decimal | bool) else id(value)
        if isinstance(value, Decimal):
            key = (Decimal, value.as_tuple())
        if key not in self.shared:
            self.shared[key] = self.name("k")
            self.constants[self.shared[key]] = value
        return self.shared[key]

    class _Block:
        def __init__(self, emitter: Emitter) -> None:
            self.emitter = emitter

        def __enter__(self) -> None:
            self.emitter.indent += 1
            self.emitter.known.append({})

        def __exit__(self, *_: object) -> None:
            self.emitter.indent -= 1
            self.emitter.known.pop()

    def block(self, line: str) -> _Block:
        self.emit(line)
        return self._Block(self)

    def constant(self, value: Any) -> str:
        """A container is built anew for every document: the result belongs to the caller."""
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.const(k)}: {self.constant(v)}" for k, v in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(self.constant(v) for v in value) + "]"
        return "None" if value is None else self.const(value)

    def find(self, raw: str, lookup: str) -> tuple[str, bool]:
        table = self.mapping.lookups[lookup]
        result, get = (
            self.name(),
            self.const(finder(table.name, table.version, dict(table.values), table.default, table.has_default)),
        )
        self.emit(f"{result} = {get}({raw}) if {raw} is not None else None")
        return result, True

    def rounded(self, raw: str, scale: int, rounding: str) -> str:
        """Unary plus, because a till knows no -0.00."""
        quantum = self.const(QUANTA[scale])
        if rounding == "exact":
            return f"+{raw}.quantize({quantum})"
        return f"+{raw}.quantize({quantum}, {'HALF_UP' if rounding == 'half_up' else 'HALF_EVEN'}, ROUNDING)"

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, path: Path, *, must: bool = False) -> str:
        """Emits the walk along a path; gives the name that holds the value, or None where it is missing."""
        base = "doc" if path.root else self.bases[-1]
        current = base
        for n, segment in enumerate(path.segments):
            key = (base, path.segments[: n + 1])
            cached = next((level[key] for level in reversed(self.known) if key in level), None)
            if cached is not None:
                current = cached
                continue
            result = self.name()
            self.emit(f"{result} = {self.step(current, segment, sure=current == base, must=must)}")
            if current != base or not must:
                self.known[-1][key] = result
            current = result
        return current

    def step(self, current: str, segment: Segment, *, sure: bool, must: bool) -> str:
        if isinstance(segment, str):
            if must:
                return f"{current}[{self.const(segment)}]"
            found = f"{current}.get({self.const(segment)})"
        elif isinstance(segment, Index):
            found = f"at_index({current}, {self.const(segment.position)})"
        else:
            found = f"pick({current}, {self.const(segment.key)}, {self.const(segment.literal)})"
        return found if sure else f"{found} if {current} is not None else None"

    # -- formulas --------------------------------------------------------------------------------------------------

    def node(self, node: Node) -> tuple[str, str, bool]:
        """Emits a formula; gives (name, kind, may be missing)."""
        if isinstance(node, Literal):
            return self.constant(node.value), node.kind, node.value is None
        if isinstance(node, Read):
            return self.read(node.path), "any", True
        if isinstance(node, Aggregate):
            return self.aggregate(node)
        if isinstance(node, FormulaOperation):
            if node.op in ("and", "or"):
                return self.logic(node)
            return self.operation(node)
        if node.name in ("if", "coalesce", "exists"):
            return getattr(self, f"call_{node.name}")(node)  # type: ignore[no-any-return]
        return self.call(node)

    def expect(self, name: str, kind: str, wanted: str) -> None:
        if kind != "any" or wanted == "any":
            return
        checks = {
            "number": "{0}.__class__ is not Decimal and {0}.__class__ is not int",
            "text": "{0}.__class__ is not str",
            "boolean": "{0}.__class__ is not bool",
        }
        self.emit(f"if {checks[wanted].format(name)} and {name} is not None: expect_{wanted}({name})")

    def guarded(self, args: list[tuple[str, str, bool]], expression: str) -> tuple[str, bool]:
        """`expression`, or missing when one of its arguments is."""
        result = self.name()
        tests = " or ".join(dict.fromkeys(f"{name} is None" for name, _, maybe in args if maybe))
        self.emit(f"{result} = None if {tests} else {expression}" if tests else f"{result} = {expression}")
        return result, bool(tests)

    def operation(self, node: FormulaOperation) -> tuple[str, str, bool]:
        args = [self.node(a) for a in node.args]
        compared = node.op in ("==", "!=", "<", "<=", ">", ">=")
        for name, kind, _ in args:
            if not compared:
                self.expect(name, kind, "boolean" if node.op == "not" else "number")
        names = [name for name, _, _ in args]
        if node.op in ("neg", "not"):
            expression = f"-{names[0]}" if node.op == "neg" else f"not {names[0]}"
        elif not compared:
            expression = f"{names[0]} {node.op} {names[1]}"
        else:
            a, b = names
            expression = {
                "==": f"equal({a}, {b})",
                "!=": f"not equal({a}, {b})",
                "<": f"less({a}, {b})",
                ">": f"less({b}, {a})",
                "<=": f"not less({b}, {a})",
                ">=": f"not less({a}, {b})",
            }[node.op]
        result, maybe = self.guarded(args, expression)
        return result, node.kind, maybe

    def logic(self, node: FormulaOperation) -> tuple[str, str, bool]:
        """Kleene: `false and unknown` is false, `true and unknown` is unknown. The right side is not looked at when the
        left decides."""
        decided = "False" if node.op == "and" else "True"
        result = self.name()
        left, kind, _ = self.node(node.args[0])
        self.expect(left, kind, "boolean")
        self.emit(f"{result} = {left}")
        with self.block(f"if {result} is not {decided}:"):
            right, kind, _ = self.node(node.args[1])
            self.expect(right, kind, "boolean")
            self.emit(f"if {right} is {decided} or {result} is not None: {result} = {right}")
        return result, "boolean", True

    def call_if(self, node: FunctionCall) -> tuple[str, str, bool]:
        result = self.name()
        test, kind, _ = self.node(node.args[0])
        self.expect(test, kind, "boolean")
        with self.block(f"if {test} is True:"):
            self.emit(f"{result} = {self.node(node.args[1])[0]}")
        with self.block(f"elif {test} is False:"):
            self.emit(f"{result} = {self.node(node.args[2])[0] if len(node.args) == 3 else 'None'}")
        with self.block("else:"):
            self.emit(f"{result} = None")
        return result, node.kind, True

    def call_coalesce(self, node: FunctionCall) -> tuple[str, str, bool]:
        result = self.name()
        self.emit(f"{result} = {self.node(node.args[0])[0]}")
        depth = 0
        for arg in node.args[1:]:
            self.emit(f"if {result} is None:")
            self.indent += 1
            self.known.append({})
            depth += 1
            self.emit(f"{result} = {self.node(arg)[0]}")
        self.indent -= depth
        del self.known[len(self.known) - depth :]
        return result, node.kind, True

    def call_exists(self, node: FunctionCall) -> tuple[str, str, bool]:
        result = self.name()
        self.emit(f"{result} = {self.node(node.args[0])[0]} is not None")
        return result, "boolean", False

    def call(self, node: FunctionCall) -> tuple[str, str, bool]:
        function = FUNCTIONS[node.name]
        args = [self.node(a) for a in node.args]
        for n, (name, kind, _) in enumerate(args):
            self.expect(name, kind, function.takes[min(n, len(function.takes) - 1)])
        names = [name for name, _, _ in args]
        if node.name == "lookup":
            result, maybe = self.find(names[0], node.options[0])
            return result, "any", maybe
        if node.name in ("round_half_up", "round_half_even"):
            value = self.name()
            self.emit(f"{value} = Decimal({names[0]}) if {names[0]}.__class__ is int else {names[0]}")
            expression = self.rounded(value, node.options[0], node.name.removeprefix("round_"))
            result, maybe = self.guarded([(value, "number", args[0][2])], expression)
            return result, "number", maybe
        options = [self.const(o) for o in node.options]
        result, maybe = self.guarded(args, f"{self.const(function.run)}({', '.join(names + options)})")
        return result, node.kind, maybe

    def aggregate(self, node: Aggregate) -> tuple[str, str, bool]:
        source, result = self.read(node.items), self.name()
        self.emit(f"if {source}.__class__ is not list and {source} is not None: not_list({source})")
        inner = f"len({source})" if node.name == "count" else f"total({source}, {self.const(node.rest)})"
        self.emit(f"{result} = None if {source} is None else {inner}")
        return result, "number", True


def finder(name: str, version: str, values: dict[str, Any], default: Any, has_default: bool) -> Callable[[Any], Any]:
    def find(value: Any) -> Any:
        key = value if value.__class__ is str else str(value) if value.__class__ is int else None
        if key is None:
            raise Reject(f"cannot be looked up in {name!r}: only text and whole numbers can")
        if key in values:
            return values[key]
        if has_default:
            return default
        raise Reject(f"has no entry in the lookup {name!r} (version {version})")

    return find


def at_index(value: Any, position: int) -> Any:
    if value.__class__ is not list:
        raise TypeError
    return value[position] if position < len(value) else None


def pick(value: Any, key: str, literal: str) -> Any:
    if value.__class__ is not list:
        raise TypeError
    hits = [v for v in value if v.__class__ is dict and v.get(key) == literal]
    if len(hits) > 1:
        raise Reject(f"is not unique: {len(hits)} elements have {show((PathMatch(key, literal),))}")
    return hits[0] if hits else None


def not_list(value: Any) -> None:
    raise Reject(MISSING if value is None else "is not a list")
