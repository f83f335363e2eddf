"""Rules in files, in the shape of Spectral rule files, and what of a Spectral file cannot be applied.

A rule has `given` (a JSONPath, or a list), `then` (`field`, `function`, `functionOptions`; or a list), `severity`,
`message` and `description`; and Tillgate's own keys `levels` (one letter per SLA tier, `eewi`), `layers` and
`data_classes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tillgate_contracts.errors import ContractError
from tillgate_contracts.lint.functions import FUNCTIONS, Function, FunctionError
from tillgate_contracts.lint.jsonpath import JsonPathError, JsonPathMatch, compile_path
from tillgate_contracts.lint.rule import Condition, LintRule, Violation, always, levels
from tillgate_contracts.lint.view import LintView
from tillgate_contracts.reading import MISSING, ReadingLimits, descend, escape, split
from tillgate_contracts.reading.document import parse_text

_SEVERITIES = {
    "error": "e",
    "warn": "w",
    "warning": "w",
    "info": "i",
    "hint": "i",
    "off": "-",
    0: "e",
    1: "w",
    2: "i",
    3: "i",
}
_FORMATS = {
    "oas2": "openapi",
    "oas3": "openapi",
    "oas3_0": "openapi",
    "oas3_1": "openapi",
    "oas3.0": "openapi",
    "oas3.1": "openapi",
    "aas2": "asyncapi",
    "aas3": "asyncapi",
    "json_schema": "jsonschema",
    "json-schema": "jsonschema",
    "json-schema-2020-12": "jsonschema",
    "openapi": "openapi",
    "asyncapi": "asyncapi",
    "jsonschema": "jsonschema",
}
_KNOWN = frozenset(
    (
        *(
            "given",
            "then",
            "severity",
            "message",
            "description",
            "formats",
            "enabled",
            "recommended",
            "documentationUrl",
        ),
        *("tags", "type", "resolved", "levels", "layers", "data_classes", "hint", "extensions"),
    )
)
_TIGHT = ReadingLimits(max_bytes=1024 * 1024, max_values=100_000, max_depth=40, seconds=5.0)


@dataclass(frozen=True, slots=True)
class UnmappedRule:
    """A part of a rule file that is not applied, and why."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class LoadedRules:
    """The rules of a file, the built-in ones that it switches off, and what of it is not applied."""

    rules: tuple[LintRule, ...]
    unmapped: tuple[UnmappedRule, ...] = ()
    off: tuple[str, ...] = field(default=())


def load_rules(path: Path) -> LoadedRules:
    """Rules from a YAML or JSON file. Raises ContractError `lint.file` or `lint.rules`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ContractError("lint.file", f"The rule file {path} cannot be read: {error.strerror}.") from None
    return parse_rules(parse_text(data, path.name, _TIGHT), name=path.name)


def parse_rules(data: Any, *, name: str = "rules") -> LoadedRules:
    """Rules from parsed data. Raises ContractError `lint.rules` when it is no rule file at all."""
    if (
        not isinstance(data, Mapping)
        or not isinstance(data.get("rules", {}), Mapping)
        or not ({"rules", "extends"} & data.keys())
    ):
        raise ContractError("lint.rules", f"{name} is not a rule file: it has no object named rules.")
    rules: list[LintRule] = []
    unmapped = [
        UnmappedRule(key, reason)
        for key, reason in (
            ("extends", "other rule sets are not loaded; list the rules themselves"),
            ("functions", "custom functions are programs, and only data is loaded"),
            ("functionsDir", "custom functions are programs, and only data is loaded"),
            ("overrides", "rules by file or pointer are not supported; use a waiver"),
            ("except", "exceptions by file are not supported; use a waiver"),
        )
        if data.get(key)
    ]
    off: list[str] = []
    aliases = data.get("aliases") if isinstance(data.get("aliases"), Mapping) else {}
    for rule_id, body in data.get("rules", {}).items():
        try:
            if body is False or body == "off":
                off.append(str(rule_id))
                continue
            rules.append(_rule(str(rule_id), body, aliases or {}))
        except (JsonPathError, FunctionError) as error:
            unmapped.append(UnmappedRule(str(rule_id), str(error)))
    return LoadedRules(tuple(rules), tuple(unmapped), tuple(off))


def _rule(rule_id: str, body: Any, aliases: Mapping[str, Any]) -> LintRule:
    if isinstance(body, bool | str | int):
        raise FunctionError("it changes a rule of a set that is not loaded")
    if not isinstance(body, Mapping) or "given" not in body or "then" not in body:
        raise FunctionError("given or then is missing")
    strange = sorted(set(map(str, body)) - _KNOWN)
    if strange:
        raise FunctionError(f"the keys {', '.join(strange)} are not known")
    if body.get("resolved") is False:
        raise FunctionError("resolved: false is not supported, because references are followed by child steps only")
    paths = [compile_path(path) for given in _list(body["given"]) for path in _expand(given, aliases)]
    tests = [_then(entry) for entry in _list(body["then"])]
    title = str(body.get("description") or body.get("message") or rule_id)
    message = str(body["message"]) if body.get("message") else ""
    return LintRule(
        id=rule_id,
        title=title,
        why=title,
        hint=str(body.get("hint") or ""),
        by_tier=_levels(body),
        check=_check(paths, tests, message, title),
        families=_families(body.get("formats")),
        condition=_condition(body),
    )


def _expand(given: Any, aliases: Mapping[str, Any]) -> list[str]:
    if not isinstance(given, str):
        raise JsonPathError("given is not a text")
    if not given.startswith("#"):
        return [given]
    name = given[1:].partition(".")[0].partition("[")[0]
    rest = given[1 + len(name) :]
    found = aliases.get(name)
    if isinstance(found, Mapping):
        raise JsonPathError(f"the alias {name} depends on formats, which is not supported")
    if found is None:
        raise JsonPathError(f"the alias {name} is not defined")
    return [
        path + rest for one in _list(found) for path in _expand(one, {k: v for k, v in aliases.items() if k != name})
    ]


def _levels(body: Mapping[str, Any]) -> tuple[str, str, str, str]:
    given = body.get("levels")
    if given is not None:
        if not isinstance(given, str) or len(given) not in (1, 4) or set(given) - set("ewi-"):
            raise FunctionError("levels is one or four of the letters e, w, i and -")
        return levels(given)
    severity = body.get("severity", "warn")
    if severity not in _SEVERITIES:
        raise FunctionError(f"the severity {severity!r} is not known")
    return levels(_SEVERITIES[severity])


def _families(formats: Any) -> tuple[str, ...]:
    if formats is None:
        return ()
    names = [str(name) for name in _list(formats)]
    unknown = [name for name in names if name not in _FORMATS]
    if unknown:
        raise FunctionError(f"the format {unknown[0]} is not known")
    return tuple(dict.fromkeys(_FORMATS[name] for name in names))


def _condition(body: Mapping[str, Any]) -> Condition:
    wanted_layers, classes = _list(body.get("layers") or []), _list(body.get("data_classes") or [])
    if not wanted_layers and not classes:
        return always

    def condition(view: LintView) -> str:
        for name, value, wanted in (("layer", view.layer, wanted_layers), ("data class", view.data_class, classes)):
            if wanted and value not in wanted:
                return f"the {name} is {value or 'not known'}"
        return ""

    return condition


Test = tuple[str | None, Function]


def _then(entry: Any) -> Test:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("function"), str):
        raise FunctionError("then names no function")
    maker = FUNCTIONS.get(entry["function"])
    if maker is None:
        raise FunctionError(f"the function {entry['function']} is not among {', '.join(sorted(FUNCTIONS))}")
    options = entry.get("functionOptions") or {}
    if not isinstance(options, Mapping):
        raise FunctionError("functionOptions is not an object")
    target = entry.get("field")
    if target is not None and not isinstance(target, str):
        raise FunctionError("field is not a text")
    return target, maker(options)


def _check(
    paths: list[Callable[[Any], list[JsonPathMatch]]], tests: list[Test], message: str, title: str
) -> Callable[[LintView], Iterator[Violation]]:
    def check(view: LintView) -> Iterator[Violation]:
        for find in paths:
            for match in find(view.tree):
                for target, function in tests:
                    for pointer, name, value in _fields(match, target):
                        problem = function(value)
                        if problem:
                            yield Violation(pointer, _message(message, title, problem, pointer, name, value))

    return check


def _fields(match: JsonPathMatch, target: str | None) -> Iterator[tuple[str, str, Any]]:
    """The values that a `field` means: the match, its key (`@key`), a child, or a path of children (`a.b`, `a.*`)."""
    if target is None:
        yield match.pointer, match.name, match.value
    elif target == "@key":
        holder = match.value if isinstance(match.value, dict) else {}
        yield from ((f"{match.pointer}/{escape(key)}", key, key) for key in holder)
    elif target == "*":
        holder = match.value if isinstance(match.value, dict) else {}
        yield from ((f"{match.pointer}/{escape(key)}", key, value) for key, value in holder.items())
    else:
        tokens = [token for token in target.removeprefix("$.").replace("[", ".").replace("]", "").split(".") if token]
        found = descend(match.value, tokens)
        pointer = match.pointer + "".join("/" + escape(token) for token in tokens)
        yield pointer if found is not MISSING else match.pointer, tokens[-1] if tokens else "", found


def _message(message: str, title: str, problem: str, pointer: str, name: str, value: Any) -> str:
    if not message:
        return f"{title}: {name or 'the value'} {problem}."
    shown = "" if value is MISSING else str(value)[:80]
    path = ".".join(split(pointer))
    for key, text in (
        ("error", f"{name} {problem}"),
        ("description", title),
        ("property", name),
        ("path", path),
        ("value", shown),
    ):
        message = message.replace("{{" + key + "}}", text).replace("{{ " + key + " }}", text)
    return message


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
