"""Mapping → one Python function.

The source text of that function is written here from the checked mapping alone: every name in it is made up by the
emitter (`t7`, `k3`), and every text, number and helper reaches it as a bound argument. Nothing that a user wrote is
ever part of the source. The fast lane is written in place (a class check, a `quantize`); whatever is not in the fast
lane goes to the full conversion, so the two cannot disagree about what is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, getcontext, setcontext
from typing import Any

import msgspec

from kernel.money import minor_digits
from runtime.mapping.conversions import ValueType, converter
from runtime.mapping.emitting import Emitter, at_index, not_list, pick
from runtime.mapping.errors import Reject
from runtime.mapping.failure import FAILURES, failure
from runtime.mapping.formula import FunctionCall
from runtime.mapping.functions import EXACT, ROUNDING, equal, expect_boolean, expect_number, expect_text, less, total
from runtime.mapping.model import Field, Mapping
from runtime.mapping.paths import Path

Compiled = Callable[..., dict[str, Any]]
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def decode(payload: bytes) -> Any:
    """JSON → Python with every fraction as Decimal. Raises ValueError (msgspec.DecodeError) on bad JSON."""
    return _DECODER.decode(payload)


def encode(document: Any) -> bytes:
    """The result of a mapping as JSON; decimals are written as numbers with their exact digits."""
    return _ENCODER.encode(document)


def compile_mapping(mapping: Mapping) -> Compiled:
    """`run(document, correlation_id=None) -> dict`.

    `document` is decoded JSON without floats (see `decode`); it is not changed. Raises MappingError, naming the field,
    the source path, the reason and an excerpt, and gives either the whole result or nothing. Thread-safe; keeps no
    state.
    """
    emitter = MappingWriter(mapping)
    source = emitter.source()
    scope: dict[str, Any] = {"__builtins__": {"len": len}}
    exec(compile(source, "<mapping>", "exec"), scope)  # noqa: S102 - made from the checked tree only
    make: Callable[..., Compiled] = scope["make"]
    return make(*emitter.constants.values())


class MappingWriter(Emitter):
    """Fields and lists: what is computed, in which order, and how the result is put together."""

    def source(self) -> str:
        for name, value in {
            "getcontext": getcontext,
            "setcontext": setcontext,
            "EXACT": EXACT,
            "FAILURES": FAILURES,
            "fail": failure(self.table),
            "Decimal": Decimal,
            "Reject": Reject,
            "HALF_UP": ROUND_HALF_UP,
            "HALF_EVEN": ROUND_HALF_EVEN,
            "ROUNDING": ROUNDING,
            "str": str,
            "int": int,
            "bool": bool,
            "list": list,
            "dict": dict,
            "expect_number": expect_number,
            "expect_text": expect_text,
            "expect_boolean": expect_boolean,
            "equal": equal,
            "less": less,
            "total": total,
            "at_index": at_index,
            "pick": pick,
            "not_list": not_list,
        }.items():
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
            self.emit(
                f"if correlation_id.__class__ is not str: raise Reject({self.const('no correlation id was given')})"
            )
            return "correlation_id"
        assert one.type is not None
        if one.source is not None:
            raw, maybe = (
                self.read(one.source, must=one.required and one.lookup is None and not one.empty_is_missing),
                True,
            )
        else:
            assert one.formula is not None
            raw, _, maybe = self.node(one.formula)
        if one.empty_is_missing:
            raw, source, maybe = self.name(), raw, True
            self.emit(f"{raw} = None if {source} == {self.const('')} else {source}")
        if one.lookup is not None:
            raw, maybe = self.find(raw, one.lookup)
        return self.convert(one, raw, maybe=maybe)

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
            rounded = self.rounded(raw, kind.scale, kind.rounding)
            self.emit(f"{result} = {rounded} if {raw}.__class__ is Decimal else {full}({raw})")
        else:
            self.emit(f"{result} = {full}({raw})")

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


def _rounds_to_type(one: Field) -> bool:
    """The formula ends in the rounding that the type would do again."""
    top, kind = one.formula, one.type
    if not isinstance(top, FunctionCall) or kind is None or top.name not in ("round_half_up", "round_half_even"):
        return False
    return (
        kind.name == "decimal" and kind.write == "number" and kind.scale == top.options[0] and not one.empty_is_missing
    )
