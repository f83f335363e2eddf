"""Fast path for mappings that write flat table rows: one Python function turns many stored documents into COPY lines.

It decodes each document into a structure with only the members that the mapping reads, and writes the result as a line
of text at once. If a document does not fit, it raises and the caller uses the compiled mapping (compiler.py). Both give
the same result; only the compiled mapping can say why a document is rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, getcontext, setcontext
from typing import Any

import msgspec

from runtime.mapping.compiler import MappingWriter
from runtime.mapping.emitting import at_index, not_list, pick
from runtime.mapping.errors import Reject
from runtime.mapping.failure import FAILURES
from runtime.mapping.functions import EXACT, ROUNDING, equal, expect_boolean, expect_number, expect_text, less, total
from runtime.mapping.model import Field, Mapping
from runtime.mapping.paths import Path

Lines = Callable[[Sequence[bytes]], list[str]]
NEEDS_COMPILED_MAPPING = (*FAILURES, msgspec.MsgspecError)
"""The exceptions by which `Lines` says that the caller must use the compiled mapping."""
Cell = Callable[[Any], str]
_PLAIN = frozenset({"string", "integer", "decimal", "boolean", "date", "datetime"})  # str() of these is their text
_Tree = dict[str, Any]  # member name → tree of what is read inside it, None where the whole value is read


def compile_lines(mapping: Mapping, cell: Cell) -> Lines | None:
    """`lines(payloads)`: one line per JSON document, values in the order of the mapping's fields, tab between them, in
    PostgreSQL's COPY text format; `cell` writes one value of any kind in it. None when the mapping does not write a
    flat row or reads more than the document. `lines` raises one of NEEDS_COMPILED_MAPPING when a document does not fit.
    """
    if any(len(one.target) != 1 for one in mapping.fields) or any(one.correlation for one, _ in mapping.walk()):
        return None
    tree: _Tree = {}
    for path in _from_document(mapping):
        if not path.segments or not isinstance(path.segments[0], str):
            return None
        _plant(tree, path)
    try:
        rows: Any = list[_struct(tree)]  # type: ignore[misc]
        decode: Callable[[bytes], Any] = msgspec.json.Decoder(rows, float_hook=Decimal).decode
    except ValueError:  # a member's name that msgspec does not take
        return None
    writer = _RowWriter(mapping, tree, cell)
    source = writer.source()
    scope: dict[str, Any] = {"__builtins__": {"len": len}}
    exec(compile(source, "<mapping rows>", "exec"), scope)  # noqa: S102 - made from the checked tree only
    run: Callable[[Any], list[str]] = scope["make"](*writer.constants.values())
    return lambda payloads: run(decode(b"[" + b",".join(payloads) + b"]"))


def _from_document(mapping: Mapping) -> Iterator[Path]:
    """Every path of the mapping that starts at the document, not at an element of a list."""
    for one, around in mapping.walk():
        for path in one.sources():
            if not around or path.root:
                if one.each is not None and path != one.source and not path.root and not around:
                    continue  # a `when` starts at the element
                yield path


def _plant(tree: _Tree, path: Path) -> None:
    names = []
    for segment in path.segments:
        if not isinstance(segment, str):
            break
        names.append(segment)
    for name in names[:-1]:
        inner = tree.setdefault(name, {})
        if inner is None:
            return
        tree = inner
    tree[names[-1]] = None


def _struct(tree: _Tree) -> Any:
    fields = [
        (f"f{number}", Any if inner is None else _struct(inner) | None, None)
        for number, inner in enumerate(tree.values())
    ]
    return msgspec.defstruct("Part", fields, rename=dict(zip([name for name, _, _ in fields], tree, strict=True)))


class _RowWriter(MappingWriter):
    def __init__(self, mapping: Mapping, tree: _Tree, cell: Cell) -> None:
        super().__init__(mapping)
        self.tree, self.cell = tree, cell
        self.values: list[tuple[Field, str]] = []

    def source(self) -> str:
        self.constants |= {
            "getcontext": getcontext,
            "setcontext": setcontext,
            "EXACT": EXACT,
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
            "cell": self.cell,
            "NULL": "\\N",
        }
        self.scope(self.mapping.fields, ())
        body, self.lines = self.lines, []
        nullable = [name for one, name in self.values if not one.required and not self.whole(one)]
        nulls = " + ".join(f"({name} is None)" for name in nullable) or "0"
        text = "\\t".join(self.shown(one, name) for one, name in self.values)
        slow = ", ".join(f"cell({name})" for _, name in self.values)
        return "\n".join(
            [
                f"def make({', '.join(self.constants)}):",
                "  def run(docs):",
                "    out = []",
                "    put = out.append",
                "    before = getcontext()",
                "    setcontext(EXACT)",
                "    try:",
                "      for doc in docs:",
                *("    " + line for line in body),
                f'        text = f"{text}"',
                f'        if text.count("\\t") != {len(self.values) - 1} or "\\n" in text or "\\r" in text'
                f' or ("\\\\" in text and text.count("\\\\") != {nulls}):',
                f'          text = "\\t".join([{slow}])',
                "        put(text)",
                "    finally:",
                "      setcontext(before)",
                "    return out",
                "  return run",
                "",
            ]
        )

    @staticmethod
    def whole(one: Field) -> bool:
        """True when the value may be an object or a list."""
        kind = one.type
        return kind is None or not (
            kind.name in _PLAIN or (kind.name == "money" and kind.write in ("number", "text", "minor"))
        )

    def shown(self, one: Field, name: str) -> str:
        if self.whole(one):
            return f"{{cell({name})}}"
        assert one.type is not None
        text = "" if one.type.name in ("string", "integer", "date", "datetime") else "!s"
        return f"{{{name}{text}}}" if one.required else f"{{{name} if {name} is not None else NULL{text}}}"

    def emit(self, line: str) -> None:
        if not line.startswith("at = "):  # the compiled mapping finds the place of an error
            super().emit(line)

    def assemble(self, values: list[tuple[Field, str]], depth: int) -> str:
        if len(self.bases) > 1:
            return super().assemble(values, depth)
        self.values = values
        return ""

    def read(self, path: Path, *, must: bool = False) -> str:
        """Read a path: attributes as far as the decoded structures go, then members as in any decoded document."""
        base = "doc" if path.root else self.bases[-1]
        if base != "doc":
            return super().read(path, must=must)
        current = base
        tree: _Tree | None = self.tree
        for n, segment in enumerate(path.segments):
            place = -1
            if tree is not None:  # a structure has an attribute for each member
                assert isinstance(segment, str)
                place, tree = list(tree).index(segment), tree[segment]
            key = (base, path.segments[: n + 1])
            cached = next((level[key] for level in reversed(self.known) if key in level), None)
            if cached is not None:
                current = cached
                continue
            result = self.name()
            sure = current == base
            if place >= 0:
                self.emit(
                    f"{result} = {current}.f{place}" + ("" if sure or must else f" if {current} is not None else None")
                )
            else:
                self.emit(f"{result} = {self.step(current, segment, sure=sure, must=must)}")
            self.known[-1][key] = result
            current = result
        return current


__all__ = ["NEEDS_COMPILED_MAPPING", "Lines", "compile_lines"]
