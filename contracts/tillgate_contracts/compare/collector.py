"""Collects findings: those of the structure, and those of the schema graph with every operation that they concern."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import orjson

from tillgate_contracts.compare.findings import LEVEL_ORDER, Finding, fingerprint
from tillgate_contracts.compare.kinds import SCHEMA_KINDS
from tillgate_contracts.compare.payloads.kinds import PAYLOAD_RULES
from tillgate_contracts.compare.policy import ComparisonPolicy
from tillgate_contracts.compare.rule import ComparisonRule
from tillgate_contracts.compare.rules import BREAKING, INFO, below, schema_level, schema_rule, why_kind
from tillgate_contracts.compare.schema.change import BOTH, NARROWS, WIDENS, Change, Direction, PairKey, flip
from tillgate_contracts.compare.schema.graph import SchemaGraph
from tillgate_contracts.compare.soap.kinds import XML_RULES
from tillgate_contracts.compare.structure_rules import STRUCTURE_RULES

_STRUCTURE = {rule.id: rule for rule in (*STRUCTURE_RULES, *XML_RULES, *PAYLOAD_RULES)}
#: Kinds of change that count only where accepted sets are compared strictly.
_SET_ONLY = frozenset({"required-property-added-schema", "property-schema-dropped"})
#: Stands in for a schema rule that the comparison of parameters records itself (a parameter became a list).
_SCHEMA_RULE = ComparisonRule("", INFO, "", "request", "", "")
_SHOWN = 160


class Places(Protocol):
    """What the collector needs of a document to name places in its source."""

    @property
    def tree(self) -> dict[str, Any]: ...

    def origin(self, pointer: str) -> str: ...

    def pointer_line(self, pointer: str) -> int | None: ...


class Where(NamedTuple):
    """An operation: its label ("POST /orders"), API path or channel, and its places in both normal forms."""

    label: str = ""
    path: str = ""
    old: str | None = None
    new: str | None = None


class SchemaUse(NamedTuple):
    """How an operation uses a pair of schemas: `place` decides the rule ids."""

    key: PairKey
    place: str
    header: bool
    skip_defaults: bool


class FindingCollector:
    """Findings of one comparison."""

    def __init__(
        self, base: Places, revision: Places, graph: SchemaGraph, policy: ComparisonPolicy, *, sets_only: bool = False
    ) -> None:
        """`sets_only`: levels follow from the accepted sets alone, as schema registries ask."""
        self.sets_only = sets_only
        self.base, self.revision = base, revision
        self.graph = graph
        self.policy = policy
        self._direct: dict[tuple[Any, ...], tuple[Finding, dict[str, str]]] = {}
        self._uses: dict[SchemaUse, dict[str, str]] = {}
        self._states: dict[tuple[Any, ...], set[tuple[int, int, bool]]] = {}

    def add(
        self,
        rule: str,
        message: str,
        *,
        where: Where | None = None,
        old: Any = None,
        new: Any = None,
        base: str | None = None,
        revision: str | None = None,
        level: str | None = None,
        hint: str = "",
    ) -> None:
        """Records a finding of the structure around schemas. Repeated ones of one place are grouped."""
        known = _STRUCTURE.get(rule, _SCHEMA_RULE)
        chosen = self.policy.level(rule, level or known.level)
        where = where or Where()
        if base is None and revision is None:
            base, revision = where.old, where.new
        finding = Finding(
            rule=rule,
            level=chosen,
            direction=known.direction,
            message=message,
            hint=hint or (_HINTS.get(chosen, "") if chosen != INFO else ""),
            base_pointer=base,
            revision_pointer=revision,
            old=_plain(old),
            new=_plain(new),
        )
        self._keep((rule, base, revision, message), finding, where)

    def _keep(self, key: tuple[Any, ...], finding: Finding, where: Where) -> None:
        known = self._direct.get(key)
        if known is None:
            known = self._direct[key] = (finding, {})
        if where.label:
            known[1].setdefault(where.label, where.path)

    def add_for(
        self,
        operations: Mapping[str, str],
        rule: str,
        message: str,
        *,
        old: Any = None,
        new: Any = None,
        base: str | None = None,
        revision: str | None = None,
        level: str | None = None,
    ) -> None:
        """The same for something that several operations use: labels to paths."""
        self.add(rule, message, old=old, new=new, base=base, revision=revision, level=level)
        known = self._direct[rule, base, revision, message][1]
        known.update((label, path) for label, path in operations.items() if label not in known)

    def use(
        self, key: PairKey | None, place: str, where: Where, *, header: bool = False, skip_defaults: bool = False
    ) -> None:
        """Notes that an operation uses a pair of schemas that differ."""
        if key is not None:
            self._uses.setdefault(SchemaUse(key, place, header, skip_defaults), {}).setdefault(where.label, where.path)

    def collect(self) -> None:
        """Turns the changes of the schema graph into findings, each with every operation that it concerns."""
        for use, operations in self._uses.items():
            for pair, negated, mask, root in self.graph.walk(use.key):
                for change in pair.changes:
                    self._schema_finding(change, use, negated=negated, mask=mask, root=root, operations=operations)
        self._uses.clear()

    def findings(self) -> list[Finding]:
        """What was found so far, with pointers into the two normal forms."""
        return [finding for finding, _ in self._direct.values()]

    def is_breaking(self) -> bool:
        return any(finding.level == BREAKING for finding, _ in self._direct.values())

    def finish(self) -> list[Finding]:
        """All findings, worst first."""
        self.collect()
        found = [self._complete(finding, operations) for finding, operations in self._direct.values()]
        return sorted(found, key=_sort_key)

    def _schema_finding(
        self, change: Change, use: SchemaUse, *, negated: bool, mask: int, root: bool, operations: dict[str, str]
    ) -> None:
        if change.kind in _SET_ONLY and not self.sets_only and self.policy.content_model != "strict":
            return
        if use.skip_defaults and root and change.kind.startswith("default-value"):
            return
        direction: Direction = use.key[2]
        place = use.place if root else below(use.place)
        effect = (flip(change.effect) if negated else change.effect) & mask
        loose = bool(change.data.get("format")) or change.new == "any"
        rule = schema_rule(change.kind, direction.name, place, loose=loose, header=use.header)
        key = (rule, change.old_pointer, change.new_pointer, change.name, _dump(change.old), _dump(change.new))
        refuted = (flip(change.refuted) if negated else change.refuted) | (BOTH & ~mask)
        state = (effect, refuted, negated)
        known = self._direct.get(key)
        if known is None or state not in self._states.setdefault(key, set()):
            self._states.setdefault(key, set()).add(state)
            finding = self._describe(change, rule, direction, place, effect, refuted=refuted, negated=negated)
            # One place, reached in several ways: the worst of them counts.
            if known is None or LEVEL_ORDER[finding.level] < LEVEL_ORDER[known[0].level]:
                known = self._direct[key] = (finding, {} if known is None else known[1])
        known[1].update((label, path) for label, path in operations.items() if label not in known[1])

    def _describe(
        self, change: Change, rule: str, direction: Direction, place: str, effect: int, *, refuted: int, negated: bool
    ) -> Finding:
        strict = self.policy.content_model == "strict"
        level = schema_level(
            change.kind,
            effect,
            direction.name,
            place,
            tolerated=change.tolerated,
            undecided=change.undecided,
            strict=strict,
            strict_enum=self.policy.strict_enum,
            sets_only=self.sets_only,
            refuted=refuted,
            negated=negated,
        )
        harmful = WIDENS if direction.outward else NARROWS
        level = self.policy.level(rule, level, settled=bool(refuted & harmful) or negated)
        name = ", ".join(change.data["words"]) if "words" in change.data else change.name
        kind = change.kind
        if change.old is None and kind.endswith(("-increased", "-decreased")):
            kind = f"{kind.rsplit('-', 1)[0]}-set"
        words = SCHEMA_KINDS[kind].phrase
        if kind == "keyword-without-effect" and (change.old is None) != (change.new is None):
            words = "declares {name} {new}" if change.old is None else "no longer declares {name} {old}"
        if "many" in change.data:
            words = words.replace("the value", f"{change.data['many']:,} values, among them")
        phrase = words.format(old=_show(change.old), new=_show(change.new), name=f"`{name}`")
        pointer = change.new_pointer if change.new_pointer is not None else change.old_pointer
        tree = self.base.tree if change.new_pointer is None else self.revision.tree
        message = f"{_subject(pointer or '', change, place, tree)} {phrase}."
        reason = "" if change.undecided and level == INFO else change.data.get("reason")
        if reason:
            message += f" {reason}"
        elif level != INFO:
            message += f" {why_kind(change.kind, direction.name, effect)}"
        return Finding(
            rule=rule,
            level=level,
            direction=direction.name,
            message=message,
            hint=_hint(change.kind, direction, level),
            base_pointer=change.old_pointer,
            revision_pointer=change.new_pointer,
            old=_plain(change.old),
            new=_plain(change.new),
        )

    def _complete(self, finding: Finding, operations: dict[str, str]) -> Finding:
        base = None if finding.base_pointer is None else self.base.origin(finding.base_pointer)
        revision = None if finding.revision_pointer is None else self.revision.origin(finding.revision_pointer)
        gone = revision is None or (base is not None and ("-removed" in finding.rule or "-deleted" in finding.rule))
        gone = gone and base is not None
        places: Places = self.base if gone else self.revision
        pointer = (base if gone else revision) or ""
        own = (finding.base_pointer if gone else finding.revision_pointer) or ""
        labels = tuple(operations)
        first = labels[0] if labels else ""
        line: Callable[[str], int | None] = places.pointer_line
        values = {
            "rule": finding.rule,
            "base": finding.base_pointer,
            "revision": finding.revision_pointer,
            "old": finding.old,
            "new": finding.new,
            "text": finding.message,
        }
        return Finding(
            rule=finding.rule,
            level=finding.level,
            direction=finding.direction,
            message=finding.message,
            hint=finding.hint,
            operation=first,
            path=operations.get(first, ""),
            operations=labels,
            pointer=pointer,
            side="base" if gone else "revision",
            line=line(own),
            base_pointer=base,
            revision_pointer=revision,
            old=finding.old,
            new=finding.new,
            fingerprint=fingerprint(*values.values()),
        )


def _sort_key(finding: Finding) -> tuple[Any, ...]:
    return (LEVEL_ORDER[finding.level], finding.path, finding.operation, finding.rule, finding.pointer, finding.message)


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)


def _plain(value: Any) -> Any:
    """A value as JSON can carry it."""
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return orjson.loads(_dump(value))


def _show(value: Any) -> str:
    if isinstance(value, str):
        text = value
    else:
        text = _dump(value).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


#: Keys whose next token is a name; a sentence does not name those in _PASSED as the owner of a schema.
_NAMED = frozenset(
    {"schemas", "definitions", "$defs", "messages", "parameters", "headers", "responses", "requestBodies"}
)
_PASSED = frozenset({"parameters", "headers", "responses", "requestBodies"})
_MEMBERS = frozenset({"properties", "patternProperties", "dependentSchemas"})


def _subject(pointer: str, change: Change, place: str, tree: Any) -> str:
    """Words for the schema at a pointer: "`currency` of `Amount`", "The body", "The query parameter `limit`"."""
    tokens = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]
    names: list[str] = []
    index = 0
    owner = ""
    while index < len(tokens):
        word = tokens[index]
        follower = tokens[index + 1] if index + 1 < len(tokens) else None
        if word in _NAMED and follower is not None:
            if word not in _PASSED:
                owner, names = follower, []
            index += 2
        elif word in _MEMBERS and follower is not None:
            names.append(follower)
            index += 2
        else:
            if word == "items" and names:
                names[-1] += "[]"
            elif word == "additionalProperties":
                names.append("*")
            index += 1
    if change.name and names and names[-1] == change.name:
        names.pop()
    if names:
        return f"`{'.'.join(names)}`" + (f" of `{owner}`" if owner else "")
    if owner:
        return f"`{owner}`"
    if place in ("parameter", "header"):
        return _named_in(tree, tokens, place)
    return {"body": "The body", "payload": "The payload"}.get(place, "The schema")


def _named_in(tree: Any, tokens: list[str], place: str) -> str:
    """ "The query parameter `limit`", "The header `X-Total`": the parameter or header that a pointer leads through."""
    node, passed = tree, ""
    for token in tokens:
        if isinstance(node, list) and token.isdecimal() and int(token) < len(node):
            node = node[int(token)]
        elif isinstance(node, dict) and token in node:
            node = node[token]
        else:
            break
        if passed in ("parameters", "headers") and isinstance(node, dict):
            name = node.get("name") if isinstance(node.get("name"), str) else token
            where = node.get("in") if isinstance(node.get("in"), str) and "schema" in node else ""
            return (
                f"The {where} parameter `{name}`".replace("  ", " ")
                if passed == "parameters"
                else (f"The header `{name}`")
            )
        passed = token
    return f"The {place}"


_HINTS = {
    BREAKING: "Publish it as a new major version, or keep the old form beside the new one until its sunset.",
    "warning": "Make sure that no consumer depends on it, and say so in the change request.",
}


def _hint(kind: str, direction: Direction, level: str) -> str:
    if level == INFO:
        return ""
    if kind.startswith(("required-property-added", "property-became-required")):
        return "Make the field optional, and let the provider fill it in."
    if kind.startswith("enum-value-added"):
        return "Tell consumers to expect unknown values, or mark the list as open with x-extensible-enum."
    if "property-removed" in kind:
        return "Deprecate it with a sunset first, and remove it after that date."
    if kind.endswith(("-set", "-added", "-increased", "-decreased", "-imposed")) and not direction.outward:
        return "Accept the old values as well, or introduce the tighter rule in a new major version."
    if kind in {"became-nullable", "property-became-optional"}:
        return "Go on sending a value always, or introduce the change in a new major version."
    return _HINTS.get(level, "")
