"""YAML text to Python values with the YAML 1.2 core schema, from the event stream of the C parser.

Three habits of stock loaders spoil contracts: YAML 1.1 reads `no` as false, `2024-01-01` as a date and `=` as nothing
it can construct; integer keys (`200:`) stay integers; duplicate keys silently win. Here dates and words stay text,
keys are always their own text, duplicates are refused, and aliases are counted at their full size before they can
explode.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading.json_text import fit_float, fit_integer
from tillgate_contracts.reading.limits import Clock, ReadingLimits, refusal, too_deep, too_many
from tillgate_contracts.reading.pointers import escape
from tillgate_contracts.reading.positions import event_line

_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_A_NUMBER = frozenset(
    (".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "-.inf", "-.Inf", "-.INF", "+.inf", "+.Inf", "+.INF")
)
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_START = frozenset("0123456789+-.")
_CORE = "tag:yaml.org,2002:"
#: A line that is blank or a comment, with a tab before it.
_TABBED = re.compile(r"([ \t]*\t[ \t]*)(?:#|\r?\Z)")
_MOST_TABS = 100
_MERGE = "<<"


class _Frame:
    """One open collection."""

    __slots__ = ("anchor", "key", "key_line", "lines", "merges", "start", "token", "value")

    def __init__(self, value: Any, anchor: str | None, token: str, start: tuple[int, int]) -> None:
        self.value = value
        self.anchor = anchor
        self.token = token
        self.start = start
        self.key: str | None = None
        self.key_line = 0
        self.lines: dict[str, int] = {}
        self.merges: list[Any] = []


class _Builder:
    def __init__(self, limits: ReadingLimits, clock: Clock) -> None:
        self.limits = limits
        self.clock = clock
        self.stack: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int, int]] = {}  # value, values in it, characters in it
        self.open_anchors: set[str] = set()
        self.values = 0
        self.characters = 0
        self.root: Any = None
        self.done = False

    def pointer(self, *more: str) -> str:
        tokens = [frame.token for frame in self.stack[1:]]
        return "".join("/" + escape(token) for token in [*tokens, *more])

    def next_token(self) -> str:
        if not self.stack:
            return ""
        frame = self.stack[-1]
        return str(len(frame.value)) if type(frame.value) is list else str(frame.key)

    def grow(self, values: int, characters: int, line: int) -> None:
        self.values += values
        self.characters += characters
        if self.values > self.limits.max_values or self.characters > self.limits.max_bytes * 4:
            raise too_many(line, self.limits)

    def put(self, value: Any, line: int) -> None:
        if not self.stack:
            self.root = value
            self.done = True
            return
        frame = self.stack[-1]
        holder = frame.value
        if type(holder) is list:
            holder.append(value)
            return
        key = frame.key
        frame.key = None
        if key is None:
            raise refusal(
                "contract.yaml_key",
                f"A key at line {line} is itself a list or an object. JSON has text keys only.",
                line=line,
            )
        if key == _MERGE and frame.key_line < 0:
            frame.merges.append((value, line))
            return
        holder[key] = value

    def take_key(self, text: str, line: int, plain: bool) -> None:
        frame = self.stack[-1]
        if plain and text == _MERGE:
            frame.key, frame.key_line = text, -1
            return
        first = frame.lines.setdefault(text, line)
        if text in frame.value or first != line:
            pointer = self.pointer(text)
            raise refusal(
                "contract.duplicate_key",
                f"The key {text!r} stands twice in one object: at line {first} and at line {line} ({pointer}). "
                "Readers disagree on which one counts; keep one.",
                pointer=pointer,
                line=line,
                first_line=first,
            )
        frame.key, frame.key_line = text, line

    def expects_key(self) -> bool:
        return bool(self.stack) and type(self.stack[-1].value) is dict and self.stack[-1].key is None

    def scalar(self, event: yaml.ScalarEvent) -> None:
        line = event_line(event)
        text = event.value
        if self.expects_key():
            self.grow(0, len(text), line)
            self.take_key(text, line, bool(event.implicit[0]))
            return
        self.grow(1, len(text), line)
        value = self.value_of(event, text, line)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1, len(text))
        self.put(value, line)

    def value_of(self, event: yaml.ScalarEvent, text: str, line: int) -> Any:
        if event.implicit[0]:
            return self.plain(text, line)
        tag = event.tag
        if event.implicit[1] or tag in (None, "!", _CORE + "str", _CORE + "timestamp", _CORE + "binary"):
            return text
        kind = tag.removeprefix(_CORE)
        value = self.plain(text, line)
        fits = {
            "int": type(value) is int,
            "float": type(value) in (int, float),
            "bool": type(value) is bool,
            "null": value is None,
        }
        if not fits.get(kind, False):
            raise refusal(
                "contract.yaml_tag",
                f"The tag {tag} at line {line} ({self.pointer(self.next_token())}) "
                "means nothing in a contract. Remove it.",
                pointer=self.pointer(self.next_token()),
                line=line,
            )
        return float(value) if kind == "float" else value

    def plain(self, text: str, line: int) -> Any:
        """The value of an unquoted scalar, by the core schema of YAML 1.2.2 §10.3.2."""
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _NUMBER_START:
            return text
        if _INTEGER.match(text):
            return fit_integer(text)
        if _FLOAT.match(text):
            return fit_float(text)
        if _OCTAL.match(text):
            return fit_integer(str(int(text[2:], 8))) if len(text) < 400 else text
        if _HEXADECIMAL.match(text):
            return fit_integer(str(int(text[2:], 16))) if len(text) < 300 else text
        if text in _NOT_A_NUMBER:
            raise refusal(
                "contract.not_a_number",
                f"{text} at line {line} ({self.pointer(self.next_token())}) is not JSON. "
                "Leave the keyword out, or write a number.",
                pointer=self.pointer(self.next_token()),
                line=line,
            )
        return text

    def open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        line = event_line(event)
        if self.expects_key():
            raise refusal(
                "contract.yaml_key",
                f"A key at line {line} is itself a list or an object. JSON has text keys only.",
                line=line,
            )
        self.grow(1, 0, line)
        if len(self.stack) >= self.limits.max_depth:
            raise too_deep(self.pointer(), line, self.limits)
        tag = event.tag
        is_map = isinstance(event, yaml.MappingStartEvent)
        if tag not in (None, "!", _CORE + ("map" if is_map else "seq")):
            raise refusal(
                "contract.yaml_tag", f"The tag {tag} at line {line} means nothing in a contract. Remove it.", line=line
            )
        token = self.next_token()
        made: Any = {} if is_map else []
        if event.anchor:
            self.open_anchors.add(event.anchor)
        self.stack.append(_Frame(made, event.anchor, token, (self.values - 1, self.characters)))

    def close(self, line: int) -> None:
        frame = self.stack[-1]
        if frame.merges:
            self.merge(frame)
        self.stack.pop()
        if frame.anchor:
            self.open_anchors.discard(frame.anchor)
            self.anchors[frame.anchor] = (frame.value, self.values - frame.start[0], self.characters - frame.start[1])
        self.put(frame.value, line)

    def merge(self, frame: _Frame) -> None:
        """`<<: *base`: own keys win over merged ones, earlier merges over later ones (YAML 1.1 merge type)."""
        for value, line in frame.merges:
            for source in value if isinstance(value, list) else [value]:
                if not isinstance(source, dict):
                    raise refusal(
                        "contract.yaml_merge", f"The merge key << at line {line} does not name an object.", line=line
                    )
                for key, item in source.items():
                    frame.value.setdefault(key, item)

    def alias(self, event: yaml.AliasEvent) -> None:
        line = event_line(event)
        name = event.anchor
        if name in self.open_anchors or name not in self.anchors:
            what = "refers to the object that it stands in" if name in self.open_anchors else "has no anchor before it"
            raise refusal(
                "contract.yaml_alias", f"The alias *{name} at line {line} {what}. Use $ref instead.", line=line
            )
        value, values, characters = self.anchors[name]
        self.grow(values, characters, line)
        if self.expects_key():
            if isinstance(value, dict | list):
                raise refusal("contract.yaml_key", f"The key *{name} at line {line} is not text.", line=line)
            self.take_key(value if isinstance(value, str) else str(value), line, plain=False)
            return
        self.put(value, line)


def parse_yaml(text: str, limits: ReadingLimits, clock: Clock) -> Any:
    """The value of YAML text.

    A comment behind a tab is one (YAML 1.2.2 section 6.6), which the parser does not know: such lines are read as if
    blanks stood there. Raises ContractError: `contract.yaml_syntax`, `contract.duplicate_key`, …
    """
    for _ in range(_MOST_TABS):
        try:
            return _parse(text, limits, clock)
        except ContractError as error:
            repaired = _without_tabs(text, error)
            if repaired is None:
                raise
            text = repaired
    return _parse(text, limits, clock)


def _without_tabs(text: str, error: ContractError) -> str | None:
    """The text with blanks for the tabs before the comment at which the parser stopped; None where it is another
    fault."""
    line = next((one.get("line") for one in error.findings), None) if error.code == "contract.yaml_syntax" else None
    lines = text.split("\n") if isinstance(line, int) else []
    found = _TABBED.match(lines[line - 1]) if isinstance(line, int) and 0 < line <= len(lines) else None
    if found is None or line is None:
        return None
    lines[line - 1] = found[1].replace("\t", " ") + lines[line - 1][found.end(1) :]
    return "\n".join(lines)


def _parse(text: str, limits: ReadingLimits, clock: Clock) -> Any:
    builder = _Builder(limits, clock)
    steps = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.ScalarEvent):
                builder.scalar(event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                builder.open(event)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                builder.close(event_line(event))
            elif isinstance(event, yaml.AliasEvent):
                builder.alias(event)
            elif isinstance(event, yaml.DocumentStartEvent) and builder.done:
                line = event_line(event)
                raise refusal(
                    "contract.multiple_documents",
                    f"A second YAML document starts at line {line}. Upload one contract per file.",
                    line=line,
                )
            steps += 1
            if not steps % 4096:
                clock.check(event_line(event))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        broken_at: int | None = mark.line + 1 if mark is not None else None
        problem = getattr(error, "problem", None) or str(error).split("\n", 1)[0]
        where = f" at line {broken_at}, column {mark.column + 1}" if mark is not None else ""
        raise refusal("contract.yaml_syntax", f"The YAML is broken{where}: {problem}.", line=broken_at) from None
    return builder.root
