"""Which operation of a contract a recorded call or message belongs to, and which schemas it has there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tillgate_contracts.errors import ContractError
from tillgate_contracts.messages import other_languages, payloads
from tillgate_contracts.reading import Document
from tillgate_contracts.reading.pointers import MISSING, resolve

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_HOLE = re.compile(r"\{[^{}]*\}")


@dataclass(slots=True)
class Operation:
    """One operation: its label, the schemas of what goes in, and those of answers by status ("200", "2XX",
    "default")."""

    label: str
    request: list[Any] = field(default_factory=list)
    answers: dict[str, list[Any]] = field(default_factory=dict)
    parameters: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    literal: int = 0

    def answer(self, status: int) -> list[Any] | None:
        """The schemas of an answer; None where the contract does not list its status."""
        for name in (str(status), f"{status // 100}XX", f"{status // 100}xx", "default"):
            if name in self.answers:
                return self.answers[name]
        return None


class Operations:
    """The operations of one contract. Raises ContractError `observe.format` for formats that carry no JSON."""

    def __init__(self, document: Document) -> None:
        self._tree = document.tree
        self.by_label: dict[str, Operation] = {}
        if document.family == "openapi":
            self._bases = sorted({_base(url) for url in document.servers} | {""}, key=len, reverse=True)
            for operation in self._calls():
                self.by_label.setdefault(operation.label, operation)
        elif document.family == "asyncapi":
            hidden = other_languages(document)
            for name, (pointer, _) in payloads(document).items():
                if name not in hidden:
                    self.by_label[name] = Operation(name, [{"$ref": "#" + pointer}])
        elif document.family == "jsonschema":
            self.by_label[""] = Operation("", [document.tree])
        else:
            raise ContractError(
                "observe.format",
                f"Traffic is compared with OpenAPI, OData, AsyncAPI and JSON Schema, not with {document.format}.",
            )
        self._calls_by_method: dict[str, list[Operation]] = {}
        for operation in sorted(self.by_label.values(), key=lambda one: -one.literal):
            self._calls_by_method.setdefault(operation.label.partition(" ")[0], []).append(operation)

    def of_call(self, method: str, path: str) -> Operation | None:
        """The operation of a call; of several, the one with the most literal text."""
        for base in self._bases:
            if base and not (path == base or path.startswith(f"{base}/")):
                continue
            rest = path[len(base) :] or "/"
            for operation in self._calls_by_method.get(method, ()):
                if operation.pattern is not None and operation.pattern.fullmatch(rest):
                    return operation
        return None

    def of_message(self, name: str) -> Operation | None:
        """The operation of an event's message; a contract of one schema takes every message."""
        return self.by_label.get("") or self.by_label.get(name)

    def _calls(self) -> Iterator[Operation]:
        paths = self._tree.get("paths")
        for path, found in paths.items() if isinstance(paths, dict) else ():
            item = self._follow(found)
            for method in _METHODS:
                operation = item.get(method)
                if isinstance(operation, dict):
                    yield self._call(path, method, item, operation)

    def _call(self, path: str, method: str, item: dict[str, Any], operation: dict[str, Any]) -> Operation:
        answers = operation.get("responses")
        listed = [*_list(item.get("parameters")), *_list(operation.get("parameters"))]
        parameters = [self._follow(one) for one in listed]
        free = any(one.get("style") == "deepObject" or "content" in one for one in parameters)
        names = frozenset(str(one.get("name")) for one in parameters if one.get("in") == "query")
        return Operation(
            f"{method.upper()} {path}",
            self._schemas(self._follow(operation.get("requestBody"))),
            {str(code): self._schemas(self._follow(one)) for code, one in answers.items()}
            if isinstance(answers, dict)
            else {},
            frozenset() if free else names or frozenset({""}),
            re.compile("".join(re.escape(part) if n % 2 == 0 else "[^/]+" for n, part in enumerate(_parts(path)))),
            len(_HOLE.sub("", path)),
        )

    def _schemas(self, holder: dict[str, Any]) -> list[Any]:
        content = holder.get("content")
        for media, one in content.items() if isinstance(content, dict) else ():
            kind = media.partition(";")[0].strip().lower()
            if (kind.endswith(("/json", "+json")) or kind in ("*/*", "application/*")) and isinstance(one, dict):
                return [one["schema"]] if "schema" in one else []
        return []

    def _follow(self, value: Any) -> dict[str, Any]:
        for _ in range(20):
            if not isinstance(value, dict):
                return {}
            if not isinstance(value.get("$ref"), str):
                return value
            value = resolve(self._tree, value["$ref"])
            if value is MISSING:
                return {}
        return {}


def _parts(path: str) -> list[str]:
    """Literal text and holes of a template in turn, literal text first."""
    parts, last = list[str](), 0
    for hole in _HOLE.finditer(path):
        parts += [path[last : hole.start()], hole[0]]
        last = hole.end()
    return [*parts, path[last:]]


def _base(url: str) -> str:
    try:
        return urlsplit(url).path.rstrip("/")
    except ValueError:
        return ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
