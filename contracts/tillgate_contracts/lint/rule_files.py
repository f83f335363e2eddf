"""Rules in files, in the shape of Spectral rule files, and what of a Spectral file cannot be applied.

A rule has `given` (a JSONPath, or a list), `then` (`field`, `function`, `functionOptions`; or a list), `severity`,
`message` and `description`; and Tillgate's own keys `levels` (one letter per SLA tier, `eewi`), `layers` and
`data_classes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tillgate_contracts.errors import ContractError
from tillgate_contracts.lint.functions import FUNCTIONS, FunctionError, RuleFunction, function
from tillgate_contracts.lint.jsonpath import JsonPath, JsonPathError, JsonPathMatch, PathTree, compile_path
from tillgate_contracts.lint.rule import Condition, LintRule, SharedViolation, Violation, always, levels
from tillgate_contracts.lint.view import LintView
from tillgate_contracts.reading import MISSING, ReadingLimits, escape, split
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
    "oas2": ("openapi-2.",),
    "oas3": ("openapi-3.", "edmx-"),
    "oas3_0": ("openapi-3.0",),
    "oas3.0": ("openapi-3.0",),
    "oas3_1": ("openapi-3.1", "edmx-"),
    "oas3.1": ("openapi-3.1", "edmx-"),
    "oas3_2": ("openapi-3.2",),
    "oas3.2": ("openapi-3.2",),
    "aas2": ("asyncapi-2.",),
    **{f"aas2{mark}{minor}": (f"asyncapi-2.{minor}",) for mark in "_." for minor in range(7)},
    "aas3": ("asyncapi-3.",),
    "aas3_0": ("asyncapi-3.0",),
    "aas3.0": ("asyncapi-3.0",),
    "json_schema": ("jsonschema-",),
    "json-schema": ("jsonschema-",),
    "json-schema-loose": ("jsonschema-",),
    "json-schema-draft4": ("jsonschema-04",),
    "json-schema-draft6": ("jsonschema-06",),
    "json-schema-draft7": ("jsonschema-07",),
    "json-schema-2019-09": ("jsonschema-2019-09",),
    "json-schema-2020-12": ("jsonschema-2020-12",),
    "openapi": ("openapi-", "edmx-"),
    "asyncapi": ("asyncapi-",),
    "jsonschema": ("jsonschema-",),
}
"""Formats of rule files, and the beginnings of the formats of documents that they stand for."""
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
_KEYS = re.compile(r"\['(?:[^'\\]|\\.)*'|\[\"(?:[^\"\\]|\\.)*\"|[^.\[\]'\"]+")
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
    partly: tuple[UnmappedRule, ...] = ()
    """Rules that are applied, and in what they differ from the file."""


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
    partly: list[UnmappedRule] = []
    aliases = data.get("aliases") if isinstance(data.get("aliases"), Mapping) else {}
    for rule_id, body in data.get("rules", {}).items():
        try:
            if body is False or body == "off":
                off.append(str(rule_id))
                continue
            rule, differs = _rule(str(rule_id), body, aliases or {})
            rules.append(rule)
            partly += [UnmappedRule(rule.id, reason) for reason in differs]
        except (JsonPathError, FunctionError) as error:
            unmapped.append(UnmappedRule(str(rule_id), str(error)))
    return LoadedRules(tuple(rules), tuple(unmapped), tuple(off), tuple(partly))


def _rule(rule_id: str, body: Any, aliases: Mapping[str, Any]) -> tuple[LintRule, list[str]]:
    """The rule, and in what it differs from what the file says."""
    if isinstance(body, bool | str | int):
        raise FunctionError("it changes a rule of a set that is not loaded")
    if not isinstance(body, Mapping) or "given" not in body or "then" not in body:
        raise FunctionError("given or then is missing")
    strange = sorted(set(map(str, body)) - _KNOWN)
    if strange:
        raise FunctionError(f"the keys {', '.join(strange)} are not known")
    paths = [compile_path(path) for given in _list(body["given"]) for path in _expand(given, aliases)]
    tests = [_then(entry) for entry in _list(body["then"])]
    title = str(body.get("description") or body.get("message") or rule_id)
    message = str(body["message"]) if body.get("message") else ""
    prefixes = _prefixes(body.get("formats"))
    differs = [
        path.partly for path in [*paths, *(test[0] for test in tests)] if isinstance(path, JsonPath) and path.partly
    ]
    if prefixes == _FORMATS["oas2"]:
        differs.append("Swagger 2.0 is checked in its normal form, which is that of OpenAPI 3.0")
    rule = LintRule(
        id=rule_id,
        title=title,
        why=title,
        hint=str(body.get("hint") or ""),
        by_tier=_levels(body),
        check=_check(paths, tests, message, title, follow=body.get("resolved") is not False),
        families=_families(prefixes),
        condition=_condition(body, prefixes),
    )
    return rule, list(dict.fromkeys(differs))


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


def _prefixes(formats: Any) -> tuple[str, ...]:
    if formats is None:
        return ()
    names = [str(name) for name in _list(formats)]
    unknown = [name for name in names if name not in _FORMATS]
    if unknown:
        raise FunctionError(f"the format {unknown[0]} is not known")
    return tuple(dict.fromkeys(prefix for name in names for prefix in _FORMATS[name]))


def _families(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    kinds = (prefix.partition("-")[0] for prefix in prefixes)
    return tuple(dict.fromkeys("openapi" if kind == "edmx" else kind for kind in kinds))


def _condition(body: Mapping[str, Any], prefixes: tuple[str, ...]) -> Condition:
    wanted_layers, classes = _list(body.get("layers") or []), _list(body.get("data_classes") or [])
    if not wanted_layers and not classes and not prefixes:
        return always

    def condition(view: LintView) -> str:
        if prefixes and not view.document.format.startswith(prefixes):
            return f"for {' and '.join(map(str, _list(body['formats'])))} only"
        for name, value, wanted in (("layer", view.layer, wanted_layers), ("data class", view.data_class, classes)):
            if wanted and value not in wanted:
                return f"the {name} is {value or 'not known'}"
        return ""

    return condition


Test = tuple[str | JsonPath | None, RuleFunction]
"""The field that is looked at, or None for the match itself, and the function."""


def _then(entry: Any) -> Test:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("function"), str):
        raise FunctionError("then names no function")
    if entry["function"] not in FUNCTIONS:
        raise FunctionError(f"the function {entry['function']} is not among {', '.join(sorted(FUNCTIONS))}")
    options = entry.get("functionOptions") or {}
    if not isinstance(options, Mapping):
        raise FunctionError("functionOptions is not an object")
    target = entry.get("field")
    if target is not None and not isinstance(target, str):
        raise FunctionError("field is not a text")
    checked = function(entry["function"], options)
    return compile_path(target) if target and target.startswith(("$.", "$[")) else target, checked


def _check(
    paths: list[JsonPath], tests: list[Test], message: str, title: str, *, follow: bool
) -> Callable[[LintView], Iterator[Violation]]:
    def check(view: LintView) -> Iterator[Violation]:
        places = view.places(follow)
        found: dict[tuple[str, str], dict[str, list[str]]] = {}
        for match in (match for path in paths for match in path(places)):
            for target, checked in tests:
                for item in _fields(match, target, places):
                    value = places.whole(item.value, checked.depth) if checked.depth else item.value
                    problem = checked.test(value)
                    if problem:
                        said = _message(message, title, problem, item) if message else ""
                        faults = found.setdefault((item.leads_to or item.pointer, said), {})
                        faults.setdefault(item.pointer, []).append(f"{item.name or 'the value'} {problem}")
        for (_, said), faults in found.items():
            yield _violation(said, title, faults)

    return check


def _violation(said: str, title: str, faults: Mapping[str, list[str]]) -> Violation:
    """One finding, as Spectral counts them: several faults of one place, and the names that lead to one value, are one
    unless the rule's own message tells them apart. It stands at the first place, and says the others.
    """
    pointer, *others = faults
    problems = dict.fromkeys(problem for listed in faults.values() for problem in listed)
    return SharedViolation(pointer, said or f"{title}: {'; '.join(problems)}.", also=tuple(others))


def _fields(match: JsonPathMatch, target: str | JsonPath | None, places: PathTree) -> Iterator[JsonPathMatch]:
    """The values that a `field` means: the match, its keys (`@key`), a child, a path of children (`a.b`, `a['b']`), or
    what a path (`$…`) finds below the match. A match that holds nothing is its own field, as in Spectral. What is
    missing stands at the nearest place that is there.
    """
    if target is None or not isinstance(match.value, dict | list):
        yield match  # the value alone: a match that holds nothing has no fields
    elif isinstance(target, JsonPath):
        found = target(places, match)
        yield from found or [JsonPathMatch(match.pointer, MISSING, "the value")]
    elif target == "@key":
        yield from (places.name_of(item) for item in places.items(match))
    elif target == "*":
        for item in places.items(match):
            yield JsonPathMatch(*places.behind(item.pointer, item.value), item.name)
    else:
        yield _child(match, target, places)


def _child(match: JsonPathMatch, target: str, places: PathTree) -> JsonPathMatch:
    """A key of that name before a path of keys."""
    plain = isinstance(match.value, dict) and target in match.value
    tokens = [target] if plain else [part.strip("['\"") for part in _KEYS.findall(target)]
    pointer, value = match.pointer, match.value
    for token in tokens:
        if isinstance(value, dict) and token in value:
            pointer, value = places.behind(f"{pointer}/{escape(token)}", value[token])
        elif isinstance(value, list) and token.isascii() and token.isdecimal() and int(token) < len(value):
            pointer, value = places.behind(f"{pointer}/{int(token)}", value[int(token)])
        else:
            return JsonPathMatch(pointer, MISSING, target)
    return JsonPathMatch(pointer, value, tokens[-1] if tokens else "")


def _message(message: str, title: str, problem: str, item: JsonPathMatch) -> str:
    shown = "" if item.value is MISSING else str(item.value)[:80]
    path = ".".join(split(item.pointer))
    for key, text in (
        ("error", f"{item.name} {problem}"),
        ("description", title),
        ("property", item.name),
        ("path", path),
        ("value", shown),
    ):
        message = message.replace("{{" + key + "}}", text).replace("{{ " + key + " }}", text)
    return message


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
