"""Which operation of a contract a recorded call or message belongs to, and which schemas it has there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tillgate_contracts.errors import ContractError
from tillgate_contracts.messages import other_languages, payloads
from tillgate_contracts.reading import Document
from tillgate_contracts.reading.pointers import MISSING, resolve

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_MOST_SERVERS, _MOST_OF_PATH = 50, 8_000
_HOLE = re.compile(r"\{[^{}]*\}")


@dataclass(slots=True)
class Operation:
    """One operation: its label, the schemas of what goes in, and those of answers by status ("200", "2XX",
    "default"). `demands`: it has no call without a body. `bases`: what the servers put before its path."""

    label: str
    request: list[Any] = field(default_factory=list)
    answers: dict[str, list[Any]] = field(default_factory=dict)
    parameters: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    literal: int = 0
    demands: bool = False
    bases: tuple[str, ...] = ()

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
            self._bases = _bases(self._tree.get("servers")) or ("",)
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
        for operation in self._calls_by_method.get(method, ()) if len(path) <= _MOST_OF_PATH else ():
            if operation.pattern is not None and operation.pattern.fullmatch(path):
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
        bases = _bases(operation.get("servers")) or _bases(item.get("servers")) or self._bases
        before = f"(?:{'|'.join(bases)})"
        own = "".join(re.escape(part) if n % 2 == 0 else "[^/]+" for n, part in enumerate(_parts(path)))
        body = self._follow(operation.get("requestBody"))
        free = any(one.get("style") == "deepObject" or "content" in one for one in parameters)
        names = frozenset(str(one.get("name")) for one in parameters if one.get("in") == "query")
        return Operation(
            f"{method.upper()} {path}",
            self._schemas(body),
            {str(code): self._schemas(self._follow(one)) for code, one in answers.items()}
            if isinstance(answers, dict)
            else {},
            frozenset() if free else names or frozenset({""}),
            re.compile(before + ("/?" if path == "/" else own)),
            len(_HOLE.sub("", path)),
            body.get("required") is True,
            bases,
        )

    def _schemas(self, holder: dict[str, Any]) -> list[Any]:
        content = holder.get("content")
        for media, one in content.items() if isinstance(content, dict) else ():
            kind = media.partition(";")[0].strip().lower()
            if (kind.endswith(("/json", "+json")) or kind in ("*/*", "application/*")) and isinstance(one, dict):
                return [one["schema"]] if "schema" in one else []
        return []

    def written(self, schema: Any) -> Iterator[dict[str, Any]]:
        """A schema, and those that it refers to by `$ref`."""
        for _ in range(20):
            if not isinstance(schema, dict):
                return
            yield schema
            if not isinstance(schema.get("$ref"), str):
                return
            schema = resolve(self._tree, schema["$ref"])

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


def _bases(servers: Any) -> tuple[str, ...]:
    """What servers put before a path, as patterns; a variable stands for each of its values, or for any part of a path.
    Empty where none is listed."""
    found: dict[str, None] = {}
    for server in _list(servers)[:_MOST_SERVERS]:
        url = server.get("url") if isinstance(server, dict) else None
        if isinstance(url, str):
            found[_base(url, server.get("variables"))] = None
    return tuple(found)


def _base(url: str, variables: Any) -> str:
    """The path of a server's URL, which may begin with a host or a variable, or be relative to the document's own."""
    known = variables if isinstance(variables, dict) else {}
    absolute = re.match(r"(?:[^/{}]*:)?//", url)
    host, slash, path = url[absolute.end() if absolute else 0 :].partition("/")
    if host and not absolute:
        return ".*"
    path = path.partition("?")[0].partition("#")[0].rstrip("/")
    written = "".join(re.escape(part) if n % 2 == 0 else _values(part, known) for n, part in enumerate(_parts(path)))
    return f"/{written}" if slash and written else ""


def _values(hole: str, variables: dict[str, Any]) -> str:
    """A variable of a server's URL as a pattern: its values where they are listed, else anything."""
    told = variables.get(hole[1:-1])
    values = _list(told.get("enum")) if isinstance(told, dict) else []
    texts = [value for value in values if isinstance(value, str)]
    return f"(?:{'|'.join(map(re.escape, texts))})" if texts else ".*"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
