"""Reading the text of a .proto file (proto2 and proto3): messages, enums and fields, bounded."""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/|"""
    r"""(?P<word>[A-Za-z_.][\w.]*|-?\d[\w.+-]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[^\s\w])""",
    re.DOTALL,
)
_MAX_TOKENS = 200_000
_MAX_DEPTH = 60
#: Options of a file that name packages and classes of generated code, or say how to generate it.
_FOR_GENERATORS = re.compile(
    r"(?:java_|go_|objc_|csharp_|php_|ruby_|swift_|cc_|py_|optimize_for\Z|deprecated\Z|allow_alias\Z)"
)
_OPTIONS = frozenset(("packed", "default", "deprecated", "json_name"))
#: What stands behind `=` of such an option: a word in capitals, true or false.
_VALUES = re.compile(r"(?:[A-Z][A-Z0-9_]*|true|false)\Z")
_LABELS = ("optional", "required", "repeated")
Tree = dict[str, Any]


class ProtoError(Exception):
    """The payload is no text of Protocol Buffers."""


def read_proto(text: str) -> Tree:
    """`{"syntax", "package", "messages": {full name: …}, "enums": {full name: …}, "first", "rest"}`.

    `rest` (of the file, of a message, an enum or a field): options and extensions, which are not compared by what they
    do, without options that only name things for generators. Raises ProtoError when the text cannot be read.
    """
    return _Reader(_tokens(text)).run()


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ProtoError(f"unreadable at line {text.count(chr(10), 0, position) + 1}")
        position = match.end()
        if match.group("word") is not None:
            found.append(match.group("word"))
            if len(found) > _MAX_TOKENS:
                raise ProtoError("too long")
    return found


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0
        self.found: Tree = {"syntax": "proto2", "package": "", "messages": {}, "enums": {}, "first": "", "rest": []}

    def next(self) -> str:
        if self.at >= len(self.tokens):
            raise ProtoError("ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def expect(self, word: str) -> None:
        found = self.next()
        if found != word:
            raise ProtoError(f"expected {word!r}, found {found!r}")

    def run(self) -> Tree:
        while self.peek():
            word = self.next()
            if word in ("syntax", "edition"):
                self.expect("=")
                value = self.next().strip("\"'")
                self.found["syntax"] = value if word == "syntax" else f"edition {value}"
                self.expect(";")
            elif word == "package":
                self.found["package"] = self.next()
                self.expect(";")
            elif word == "message":
                self.message("", 0)
            elif word == "enum":
                self.enum("")
            elif word == "import":
                self.skip()
            elif word == "option":
                self.option(self.found)
            elif word == "service":
                self.next()
                self.block()
            elif word == "extend":
                self.extend(self.found)
            elif word != ";":
                raise ProtoError(f"{word!r} is no definition")
        if not self.found["messages"]:
            raise ProtoError("defines no message")
        return self.found

    def skip(self) -> None:
        """Up to the end of a statement."""
        while (word := self.next()) != ";":
            if word == "{":
                self.at -= 1
                self.block()
                if self.peek() != ";":
                    return

    def block(self) -> None:
        self.expect("{")
        depth = 1
        while depth:
            word = self.next()
            depth += (word == "{") - (word == "}")

    def option(self, made: Tree) -> None:
        """An option: kept as words, unless it only names things for generators."""
        start = self.at
        self.skip()
        words = self.tokens[start : self.at]
        if not _FOR_GENERATORS.match(words[0]):
            made["rest"].append("option " + " ".join(words))

    def extend(self, made: Tree) -> None:
        start = self.at
        self.next()
        self.block()
        made["rest"].append("extend " + " ".join(self.tokens[start : self.at]))

    def message(self, outer: str, depth: int) -> str:
        if depth > _MAX_DEPTH:
            raise ProtoError("nested too deeply")
        name = f"{outer}.{self.next()}".lstrip(".")
        if name in self.found["messages"]:
            raise ProtoError(f"{name} is defined twice")
        made: Tree = {"fields": {}, "numbers": [], "names": [], "rest": []}
        self.found["messages"][name] = made
        self.found["first"] = self.found["first"] or name
        self.expect("{")
        self.body(made, name, "", depth)
        return name

    def body(self, made: Tree, name: str, oneof: str, depth: int) -> None:
        while (word := self.next()) != "}":
            if word == "message":
                self.message(name, depth + 1)
            elif word == "enum":
                self.enum(name)
            elif word == "oneof" and not oneof:
                inner = self.next()
                self.expect("{")
                self.body(made, name, inner, depth)
            elif word == "reserved":
                self.reserved(made)
            elif word == "option":
                self.option(made)
            elif word == "extensions":
                start = self.at
                self.skip()
                made["rest"].append("extensions " + " ".join(self.tokens[start : self.at]))
            elif word == "extend":
                self.extend(made)
            elif word != ";":
                self.field(word, made, name, oneof, depth)

    def field(self, word: str, made: Tree, name: str, oneof: str, depth: int) -> None:
        label = word if word in _LABELS and self.tokens[self.at + 1 : self.at + 2] != ["="] else ""
        kind = self.next() if label else word
        found: Tree = {"label": label, "type": kind}
        if kind == "map" and self.peek() == "<":
            self.expect("<")
            key = self.next()
            self.expect(",")
            found |= {"type": "map", "key": key, "value": self.next()}
            self.expect(">")
        if kind == "group":
            found["type"] = self.peek()
        found["name"] = self.next()
        self.expect("=")
        number = self.number(self.next())
        if oneof:
            found["oneof"] = oneof
        if self.peek() == "[":
            found |= self.options()
        if kind == "group":
            inner = f"{name}.{found['name']}"
            group: Tree = {"fields": {}, "numbers": [], "names": [], "rest": []}
            self.found["messages"][inner] = group
            self.expect("{")
            self.body(group, inner, "", depth + 1)
        else:
            self.expect(";")
        if number in made["fields"]:
            raise ProtoError(f"{name} has the number {number} twice")
        made["fields"][number] = found

    def number(self, text: str) -> int:
        try:
            return int(text, 0)
        except ValueError:
            raise ProtoError(f"{text!r} is no number") from None

    def options(self) -> Tree:
        """`packed`, `default` and `deprecated` of a field; the others are kept as words (`rest`)."""
        found: Tree = {}
        start = self.at
        depth = 0
        name, value = "", ""
        while True:
            word = self.next()
            if word in "[{(":
                depth += 1
            if word in "]})":
                depth -= 1
            if depth == 1 and word == "=":
                value = self.peek()
                if name in _OPTIONS:
                    found[name] = value.strip("\"'")
            elif depth == 1 and word not in "[,":
                name = word
            if depth == 0:
                words = self.tokens[start : self.at]
                others = [word for word in words if word[:1].isalpha() or word[:1] == "("]
                if any(word not in _OPTIONS and not _VALUES.match(word) for word in others):
                    found["rest"] = " ".join(words)
                return found

    def reserved(self, made: Tree) -> None:
        while (word := self.next()) != ";":
            if word == ",":
                continue
            if word[0] in "\"'" or not word.lstrip("-")[:1].isdecimal():
                made["names"].append(word.strip("\"'"))
                continue
            first = last = self.number(word)
            if self.peek() == "to":
                self.next()
                end = self.next()
                last = 536_870_911 if end == "max" else self.number(end)
            made["numbers"].append([first, last])

    def enum(self, outer: str) -> None:
        name = f"{outer}.{self.next()}".lstrip(".")
        made: Tree = {"values": {}, "numbers": [], "names": [], "rest": []}
        self.found["enums"][name] = made
        self.expect("{")
        while (word := self.next()) != "}":
            if word == "option":
                self.option(made)
            elif word == "reserved":
                self.reserved(made)
            elif word != ";":
                self.expect("=")
                made["values"][word] = self.number(self.next())
                if self.peek() == "[":
                    self.options()
                self.expect(";")
