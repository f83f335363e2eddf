"""Mapping → one Python function.

The source text of that function is written here from the checked mapping alone: every name in it is made up by the
emitter (`t7`, `k3`), and every text, number and helper reaches it as a bound argument. Nothing that a user wrote is ever
part of the source. The fast lane is written in place (a class check, a `quantize`); whatever is not in the fast lane goes
to the full conversion, so the two cannot disagree about what is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, getcontext, setcontext
from typing import Any

import msgspec

from kernel.money import minor_digits
from runtime.mapping.conversions import ValueType, converter
from runtime.mapping.errors import MISSING, MappingError, Reject, excerpt_of
from runtime.mapping.formula import Aggregate, Call, Literal, Node, Operation, Read, reads
from runtime.mapping.functions import (
    EXACT,
    FUNCTIONS,
    QUANTA,
    ROUNDING,
    equal,
    expect_boolean,
    expect_number,
    expect_text,
    less,
    total,
)  # fmt: skip
from runtime.mapping.paths import Index, Match, Path, Segment, WalkError, show, walk
from runtime.mapping.spec import Field, Mapping

Compiled = Callable[..., dict[str, Any]]
_FAILURES = (Reject, KeyError, TypeError, AttributeError, ArithmeticError, ValueError, IndexError)
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def decode(payload: bytes) -> Any:
    """JSON → Python with every fraction as Decimal. Raises Reject-free ValueError (msgspec.DecodeError) on bad JSON."""
    return _DECODER.decode(payload)


def encode(document: Any) -> bytes:
    """The result of a mapping as JSON; decimals are written as numbers with their exact digits."""
    return _ENCODER.encode(document)


def compile_mapping(mapping: Mapping) -> Compiled:
    """`run(document, correlation_id=None) -> dict`.

    `document` is decoded JSON without floats (see `decode`); it is not changed. Raises MappingError, naming the field, the
    source path, the reason and an excerpt, and gives either the whole result or nothing. Thread-safe; keeps no state.
    """
    emitter = _Emitter(mapping)
    source = emitter.source()
    scope: dict[str, Any] = {"__builtins__": {"len": len}}
    exec(compile(source, f"<mapping {mapping.version}>", "exec"), scope)  # noqa: S102 - made from the checked tree only
    make: Callable[..., Compiled] = scope["make"]
    return make(*emitter.constants.values())


class _Emitter:
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

    def source(self) -> str:
        for name, value in {
            "getcontext": getcontext, "setcontext": setcontext, "EXACT": EXACT, "FAILURES": _FAILURES, "fail": self.failure(),
            "Decimal": Decimal, "Reject": Reject, "HALF_UP": ROUND_HALF_UP, "HALF_EVEN": ROUND_HALF_EVEN, "ROUNDING": ROUNDING,
            "str": str, "int": int, "bool": bool, "list": list, "dict": dict,
            "expect_number": expect_number, "expect_text": expect_text, "expect_boolean": expect_boolean,
            "equal": equal, "less": less, "total": total, "at_index": _at_index, "pick": _pick, "not_list": _not_list,
        }.items():  # fmt: skip
            self.constants[name] = value
        result = self.scope(self.mapping.fields, ())
        body, self.lines = self.lines, []
        loops = [name for pair in self.loops for name in pair]
        head = [f"def make({', '.join(self.constants)}):", "  def run(doc, correlation_id=None):", "    at = 0"]
        head += [f"    {' = '.join(loops)} = None"] if loops else []
        head += ["    before = getcontext()", "    setcontext(EXACT)", "    try:"]
        tail = [f"      return {result}", "    except FAILURES as error:"]
        tail += [f"      raise fail(at, doc, correlation_id, error, ({''.join(f'{n}, ' for n in loops)})) from None"]
        tail += ["    finally:", "      setcontext(before)", "  return run", ""]
        return "\n".join([*head, *("  " + line for line in body), *tail])

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
        def __init__(self, emitter: _Emitter) -> None:
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

    # -- fields ----------------------------------------------------------------------------------------------------

    def scope(self, fields: tuple[Field, ...], around: tuple[Field, ...]) -> str:
        """Emits every field, then the object that holds them; gives the name of that object."""
        values: list[tuple[Field, str]] = []
        for one in fields:
            self.emit(f"at = {len(self.table)}")
            self.table.append((one, around))
            values.append((one, self.field(one, around)))
        if len(fields) == 1 and fields[0].target == ():
            return values[0][1]
        return self.assemble(values, 0)

    def assemble(self, values: list[tuple[Field, str]], depth: int) -> str:
        groups: dict[str, list[tuple[Field, str]]] = {}
        for one, value in values:
            groups.setdefault(one.target[depth], []).append((one, value))
        entries: list[tuple[str, str, bool]] = []
        for key, members in groups.items():
            if len(members[0][0].target) == depth + 1:
                entries.append((key, members[0][1], members[0][0].always))
            else:
                entries.append((key, self.assemble(members, depth + 1), any(m.always for m, _ in members)))
        result = self.name("o")
        first = next((n for n, (_, _, always) in enumerate(entries) if not always), len(entries))
        shown = ", ".join(f"{self.const(key)}: {value}" for key, value, _ in entries[:first])
        self.emit(f"{result} = {{{shown}}}")
        nested = {key for key, members in groups.items() if len(members[0][0].target) > depth + 1}
        for key, value, always in entries[first:]:
            line = f"{result}[{self.const(key)}] = {value}"
            self.emit(line if always else f"if {value}: {line}" if key in nested else f"if {value} is not None: {line}")
        return result

    def field(self, one: Field, around: tuple[Field, ...]) -> str:
        if one.each is not None:
            return self.each(one, around)
        if one.has_constant:
            return self.constant(one.constant)
        if one.correlation:
            self.emit(f"if correlation_id.__class__ is not str: raise Reject({self.const('no correlation id was given')})")
            return "correlation_id"
        assert one.type is not None
        if one.source is not None:
            raw, maybe = self.read(one.source, must=one.required and one.lookup is None and not one.empty_is_missing), True
        else:
            assert one.formula is not None
            raw, _, maybe = self.node(one.formula)
        if one.empty_is_missing:
            raw, source, maybe = self.name(), raw, True
            self.emit(f"{raw} = None if {source} == {self.const('')} else {source}")
        if one.lookup is not None:
            raw, maybe = self.find(raw, one.lookup)
        return self.convert(one, raw, maybe=maybe)

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
            self.const(_finder(table.name, table.version, dict(table.values), table.default, table.has_default)),
        )
        self.emit(f"{result} = {get}({raw}) if {raw} is not None else None")
        return result, True

    def convert(self, one: Field, raw: str, *, maybe: bool) -> str:
        assert one.type is not None
        result = self.name("v")
        if one.required and maybe and _rounds_to_type(one):
            self.emit(f"{result} = {raw} if {raw} is not None else {self.const(converter(one.type))}({raw})")
            return result
        if maybe and not one.required:
            missing = self.constant(one.default) if one.has_default else "None"
            with self.block(f"if {raw} is None:"):
                self.emit(f"{result} = {missing}")
            with self.block("else:"):
                self.conversion(one.type, raw, result)
        else:
            self.conversion(one.type, raw, result)
        return result

    def conversion(self, kind: ValueType, raw: str, result: str) -> None:
        full = self.const(converter(kind))
        if kind.name == "money":
            self.money(kind, raw, result, full)
        elif kind.name == "string" and not kind.trim:
            limit = f" and len({raw}) <= {self.const(kind.max_length)}" if kind.max_length is not None else ""
            self.emit(f"{result} = {raw} if {raw}.__class__ is str{limit} else {full}({raw})")
        elif kind.name == "integer":
            self.emit(f"{result} = {raw} if {raw}.__class__ is int else {full}({raw})")
        elif kind.name == "boolean":
            self.emit(f"{result} = {raw} if {raw}.__class__ is bool else {full}({raw})")
        elif kind.name == "decimal" and kind.scale is not None and kind.write == "number":
            self.emit(
                f"{result} = {self.rounded(raw, kind.scale, kind.rounding)} if {raw}.__class__ is Decimal else {full}({raw})"
            )
        else:
            self.emit(f"{result} = {full}({raw})")

    def rounded(self, raw: str, scale: int, rounding: str) -> str:
        """Unary plus, because a till knows no -0.00."""
        quantum = self.const(QUANTA[scale])
        if rounding == "exact":
            return f"+{raw}.quantize({quantum})"
        return f"+{raw}.quantize({quantum}, {'HALF_UP' if rounding == 'half_up' else 'HALF_EVEN'}, ROUNDING)"

    def money(self, kind: ValueType, raw: str, result: str, full: str) -> None:
        if isinstance(kind.currency, Path):
            currency = self.read(kind.currency)
            self.emit(f"{result} = {full}({raw}, {currency})")
            return
        assert kind.currency is not None
        currency, fast = self.const(kind.currency), ""
        if kind.write in ("object", "number"):
            fast = self.rounded(raw, minor_digits(kind.currency) if kind.scale is None else kind.scale, kind.rounding)
            if kind.write == "object":
                fast = f"{{{self.const('amount')}: {fast}, {self.const('currency')}: {currency}}}"
            fast += f" if {raw}.__class__ is Decimal else "
        self.emit(f"{result} = {fast}{full}({raw}, {currency})")

    def each(self, one: Field, around: tuple[Field, ...]) -> str:
        assert one.source is not None
        source = self.read(one.source, must=one.required)
        result, item, items = self.name("l"), self.name("i"), self.name("n")
        self.loops.append((items, item))
        if one.required:
            self.emit(f"if {source}.__class__ is not list: not_list({source})")
            self.loop(one, around, source, result, item, items)
        else:
            with self.block(f"if {source} is None:"):
                self.emit(f"{result} = {'[]' if one.has_default else 'None'}")
            with self.block("else:"):
                self.emit(f"if {source}.__class__ is not list: not_list({source})")
                self.loop(one, around, source, result, item, items)
        return result

    def loop(self, one: Field, around: tuple[Field, ...], source: str, result: str, item: str, items: str) -> None:
        assert one.each is not None
        here = len(self.table) - 1
        self.emit(f"{items} = {source}")
        self.emit(f"{result} = []")
        with self.block(f"for {item} in {items}:"):
            self.bases.append(item)
            if one.when is not None:
                self.emit(f"at = {here}")
                chosen, kind, _ = self.node(one.when)
                self.expect(chosen, kind, "boolean")
                self.emit(f"if {chosen} is not True: continue")
            self.emit(f"{result}.append({self.scope(one.each, (*around, one))})")
            self.bases.pop()
        self.emit(f"{items} = {item} = None")

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
        if isinstance(node, Operation):
            if node.op in ("and", "or"):
                return self.logic(node)
            return self.operation(node)
        if node.name in ("if", "coalesce", "exists"):
            return getattr(self, f"call_{node.name}")(node)  # type: ignore[no-any-return]
        return self.call(node)

    def expect(self, name: str, kind: str, wanted: str) -> None:
        if kind != "any" or wanted == "any":
            return
        checks = {"number": "{0}.__class__ is not Decimal and {0}.__class__ is not int", "text": "{0}.__class__ is not str",
                  "boolean": "{0}.__class__ is not bool"}  # fmt: skip
        self.emit(f"if {checks[wanted].format(name)} and {name} is not None: expect_{wanted}({name})")

    def guarded(self, args: list[tuple[str, str, bool]], expression: str) -> tuple[str, bool]:
        """`expression`, or missing when one of its arguments is."""
        result = self.name()
        tests = " or ".join(dict.fromkeys(f"{name} is None" for name, _, maybe in args if maybe))
        self.emit(f"{result} = None if {tests} else {expression}" if tests else f"{result} = {expression}")
        return result, bool(tests)

    def operation(self, node: Operation) -> tuple[str, str, bool]:
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
            expression = {"==": f"equal({a}, {b})", "!=": f"not equal({a}, {b})", "<": f"less({a}, {b})",
                          ">": f"less({b}, {a})", "<=": f"not less({b}, {a})", ">=": f"not less({a}, {b})"}[node.op]  # fmt: skip
        result, maybe = self.guarded(args, expression)
        return result, node.kind, maybe

    def logic(self, node: Operation) -> tuple[str, str, bool]:
        """Kleene: `false and unknown` is false, `true and unknown` is unknown. The right side is not looked at when the left decides."""
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

    def call_if(self, node: Call) -> tuple[str, str, bool]:
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

    def call_coalesce(self, node: Call) -> tuple[str, str, bool]:
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

    def call_exists(self, node: Call) -> tuple[str, str, bool]:
        result = self.name()
        self.emit(f"{result} = {self.node(node.args[0])[0]} is not None")
        return result, "boolean", False

    def call(self, node: Call) -> tuple[str, str, bool]:
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

    # -- failure ---------------------------------------------------------------------------------------------------

    def failure(self) -> Callable[..., MappingError]:
        table = self.table
        places: dict[str, int] = {}

        def fail(at: int, doc: Any, correlation_id: Any, error: Exception, loops: tuple[Any, ...]) -> MappingError:
            one, around = table[at]
            if not places:
                places.update({f.pointer: n for n, f in enumerate(f for f, _ in table if f.each is not None)})
            item, target, prefix = doc, "", ""
            chain = [*around, one] if one.each is not None else list(around)
            for outer in chain:
                items, entry = loops[2 * places[outer.pointer]], loops[2 * places[outer.pointer] + 1]
                if items is None or (outer is one and entry is None):
                    break
                number = next((n for n, candidate in enumerate(items) if candidate is entry), 0)
                if outer is not one or one.when is not None:
                    item = entry
                    prefix = (
                        f"{prefix}{outer.source}[{number}]."
                        if not (outer.source and outer.source.root)
                        else f"{outer.source}[{number}]."
                    )
                    target += ".".join(outer.target) + f"[{number}]."
                if outer is one:
                    break
            deciding = one.each is not None and bool(chain) and loops[2 * places[one.pointer] + 1] is not None
            return _explain(one, doc, item, error, target, prefix, deciding=deciding)

        return fail


def _rounds_to_type(one: Field) -> bool:
    """The formula ends in the rounding that the type would do again."""
    top, kind = one.formula, one.type
    if not isinstance(top, Call) or kind is None or top.name not in ("round_half_up", "round_half_even"):
        return False
    return kind.name == "decimal" and kind.write == "number" and kind.scale == top.options[0] and not one.empty_is_missing


def _explain(one: Field, doc: Any, item: Any, error: Exception, target: str, prefix: str, *, deciding: bool) -> MappingError:
    """Walks the sources of the field again, slowly, to say what is wrong. `deciding`: its `when` failed on one element."""
    paths = list(reads(one.when)) if deciding and one.when is not None else list(one.sources())
    source = ", ".join(str(p) if p.root else f"{prefix}{p}".removesuffix("..").removesuffix(".") for p in paths)
    name = target.rstrip(".") if deciding else (target + ".".join(one.target)).rstrip(".") or "."
    reason = str(error) if isinstance(error, Reject) else ""
    excerpt: str | None = None
    absent: list[str] = []
    for path in paths:
        start = doc if path.root else item
        try:
            if path.segments and not isinstance(start, dict | list):
                raise WalkError("", f"{'the list element' if prefix else 'the document'} is not an object", start)
            value = walk(path.segments, start)
        except WalkError as bad:
            return MappingError(name, bad.reason, source=source, excerpt=excerpt_of(bad.value))
        if value is None:
            absent.append(str(path))
        elif excerpt is None:
            excerpt = excerpt_of(value)
    if absent and one.required and reason in ("", MISSING):
        shown = f" ({', '.join(absent)} has no value)" if one.formula is not None else ""
        return MappingError(name, MISSING + shown, source=source)
    if not reason:
        reason = f"has more than {one.type.scale} digits after the point or is out of range" if one.type and one.type.scale is not None else (
            "is out of range: a result has at most 38 digits" if isinstance(error, ArithmeticError) else "cannot be read"
        )  # fmt: skip
    return MappingError(name, reason, source=source, excerpt=excerpt)


def _finder(name: str, version: str, values: dict[str, Any], default: Any, has_default: bool) -> Callable[[Any], Any]:
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


def _at_index(value: Any, position: int) -> Any:
    if value.__class__ is not list:
        raise TypeError
    return value[position] if position < len(value) else None


def _pick(value: Any, key: str, literal: str) -> Any:
    if value.__class__ is not list:
        raise TypeError
    hits = [v for v in value if v.__class__ is dict and v.get(key) == literal]
    if len(hits) > 1:
        raise Reject(f"is not unique: {len(hits)} elements have {show((Match(key, literal),))}")
    return hits[0] if hits else None


def _not_list(value: Any) -> None:
    raise Reject(MISSING if value is None else "is not a list")
