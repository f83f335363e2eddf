"""The rules: from a kind of change, a direction and a place to a rule id and a level.

Ids follow one scheme, `<direction>-<place>-<kind>`, and keep the names that architects know from the reference rule set
(https://github.com/oasdiff/oasdiff, Apache-2.0) wherever the meaning is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from tillgate_contracts.compare.kinds import SCHEMA_KINDS, is_undecided
from tillgate_contracts.compare.payloads.kinds import PAYLOAD_RULES
from tillgate_contracts.compare.rule import ComparisonRule
from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.soap.kinds import XML_RULES
from tillgate_contracts.compare.structure_rules import STRUCTURE_RULES

#: Goes up whenever the same two documents and policy could give another verdict.
RULE_PACK = "2026.11.25"

BREAKING, WARNING, INFO = "breaking", "warning", "info"
LEVELS = (BREAKING, WARNING, INFO)
REQUEST_LIKE = ("request", "event-receive")

#: Places of a schema, per direction: where it is used itself, and everything below it.
PLACES: dict[str, tuple[str, ...]] = {
    "request": ("body", "property", "parameter", "parameter-property"),
    "response": ("body", "property", "header", "header-property"),
    "event-send": ("payload", "property"),
    "event-receive": ("payload", "property"),
}
_BELOW = {"parameter": "parameter-property", "header": "header-property"}

#: Kinds that speak of a property of the schema, not of the schema itself.
_ABOUT_PROPERTY = re.compile(
    r"^(?!pattern-|property-names|discriminator-).*(?:-property-|property-(?:became|added|schema|changed|forbidden))"
)
_REQUEST_NAMES = {
    "required-property-added": "new-required-request-property",
    "required-property-added-with-default": "new-required-request-property-with-default",
    "optional-property-added": "new-optional-request-property",
    "required-property-removed": "request-property-removed",
    "optional-property-removed": "request-property-removed",
    "required-property-removed-and-refused": "request-required-property-removed-and-refused",
    "optional-property-removed-and-refused": "request-property-removed-and-refused",
    "required-property-removed-with-deprecation": "request-property-removed-with-deprecation",
    "optional-property-removed-with-deprecation": "request-property-removed-with-deprecation",
    "required-property-removed-before-sunset": "request-property-removed-before-sunset",
    "optional-property-removed-before-sunset": "request-property-removed-before-sunset",
}

#: Levels that hold whatever the effect on the accepted set: customs of the field.
_FORCED: dict[tuple[str, str], str] = {
    ("request", "required-property-removed"): WARNING,
    ("request", "optional-property-removed"): WARNING,
    ("request", "required-property-removed-with-deprecation"): INFO,
    ("request", "optional-property-removed-with-deprecation"): INFO,
    ("response", "required-property-removed-with-deprecation"): INFO,
    ("response", "optional-property-removed-with-deprecation"): INFO,
    ("request", "required-property-removed-before-sunset"): BREAKING,
    ("request", "optional-property-removed-before-sunset"): BREAKING,
    ("response", "required-property-removed"): BREAKING,
    ("response", "optional-property-removed"): WARNING,
    ("response", "items-ended"): WARNING,
    ("response", "entries-ended"): WARNING,
    ("response", "required-property-removed-and-refused"): BREAKING,
    ("response", "optional-property-removed-and-refused"): WARNING,
    ("response", "required-property-removed-before-sunset"): BREAKING,
    ("response", "optional-property-removed-before-sunset"): BREAKING,
    ("request", "required-property-became-read-only"): WARNING,
    ("request", "optional-property-became-read-only"): WARNING,
    ("response", "required-property-became-write-only"): WARNING,
    ("response", "optional-property-became-write-only"): WARNING,
    ("response", "required-property-became-not-write-only"): WARNING,
    ("request", "default-value-changed"): WARNING,
    ("parameter", "default-value-added"): BREAKING,
    ("parameter", "default-value-removed"): BREAKING,
    ("parameter", "default-value-changed"): BREAKING,
    **{
        (side, kind): BREAKING
        for side in ("request", "response")
        for kind in (
            "discriminator-property-name-changed",
            "discriminator-mapping-changed",
            "discriminator-mapping-respelled",
            "deprecated-sunset-missing",
            "deprecated-sunset-unreadable",
            "sunset-date-too-small",
            "sunset-date-changed-too-small",
            "sunset-deleted",
            "sunset-unreadable",
            "stability-decreased",
            "invalid-stability-level",
        )
    },
}
#: Levels where the effect is harmful but the document does not say enough, or the field tolerates it.
_SOFTENED: dict[tuple[str, str], str] = {
    **{
        ("request", f"{name}-set"): WARNING
        for name in ("min", "max", "exclusive-min", "exclusive-max", "max-length", "max-items")
    },
    ("request", "pattern-changed"): WARNING,
    ("event-receive", "pattern-changed"): WARNING,
    ("response", "pattern-changed"): WARNING,
    ("response", "pattern-removed"): WARNING,
    ("response", "pattern-generalized"): WARNING,
    ("parameter-property", "type-changed"): WARNING,
    ("response", "enum-value-added"): WARNING,
    # A tolerant reader ignores what it does not know, and one that checks the closed object refuses it.
    ("response", "property-added-to-closed-object"): WARNING,
    ("request", "condition-changed"): WARNING,
    ("request", "format-width-declared"): WARNING,
    ("event-receive", "format-width-declared"): WARNING,
    ("response", "format-width-dropped"): WARNING,
    ("response", "condition-changed"): WARNING,
}


def below(place: str) -> str:
    """Place of everything below a schema used at `place`."""
    return _BELOW.get(place, "property" if place in {"body", "payload"} else place)


def _side(direction: str) -> str:
    return "request" if direction in REQUEST_LIKE else "response"


@cache
def schema_rule(kind: str, direction: str, place: str, *, loose: bool = False, header: bool = False) -> str:
    """Rule id of a schema change. `loose`: a type or format was dropped altogether; `header`: a header parameter."""
    if kind == "invalid-stability-level":
        return "api-invalid-stability-level"
    if kind == "annotation-changed":
        return "annotation-changed"
    prefix = direction
    if kind == "min-length-unset":
        kind = "min-length-decreased"
    if kind == "deprecated-sunset-unreadable":
        kind = "deprecated-sunset-invalid"
    if (header and direction == "request" and place == "parameter-property") or (
        header and kind.endswith("required-property-added")
    ):
        special = {
            "required-property-added": "new-required-request-header-property",
            "property-became-required": "request-header-property-became-required",
            "became-enum": "request-header-property-became-enum",
        }.get(kind)
        if special:
            return special
    if header and kind == "property-became-required":
        return "request-header-property-became-required"
    if direction == "request":
        if place in {"parameter", "parameter-property"}:
            if _ABOUT_PROPERTY.search(kind):
                return f"request-parameter-{kind}"
        elif kind in _REQUEST_NAMES:
            return _REQUEST_NAMES[kind]
        if kind == "type-specialized" and place != "parameter-property":
            kind = "type-changed"
    elif direction == "response" and loose and kind == "type-generalized" and place in {"body", "property"}:
        kind = "type-changed"
    if _ABOUT_PROPERTY.search(kind):
        return f"{prefix}-{kind}"
    return f"{prefix}-{place}-{kind}"


def schema_level(
    kind: str,
    effect: int,
    direction: str,
    place: str,
    *,
    tolerated: bool = False,
    undecided: bool = False,
    strict: bool = False,
    strict_enum: bool = False,
    sets_only: bool = False,
    refuted: int = NONE,
    negated: bool = False,
) -> str:
    """Level of a schema change before the policy's own list is applied.

    `refuted`: effects that are proven not to happen in the whole. `negated`: it stands below a `not`, where customs of
    the field do not hold and the effect decides.
    """
    side = _side(direction)
    if sets_only:
        if not effect & (NARROWS if side == "request" else WIDENS) or (tolerated and not strict):
            return INFO
        return WARNING if undecided else BREAKING
    harmful = NARROWS if side == "request" else WIDENS
    if refuted & harmful:
        return INFO
    forced = (_FORCED.get(("parameter", kind)) if place == "parameter" else None) or _FORCED.get((side, kind))
    if forced is not None and not negated:
        return forced
    if not effect & harmful or (tolerated and not strict):
        return INFO
    if undecided:
        return WARNING
    if kind == "enum-value-added" and side == "response" and strict_enum:
        return BREAKING
    if strict and kind == "property-added-to-closed-object":
        return BREAKING
    return (
        _SOFTENED.get((place, kind))
        or _SOFTENED.get((direction, kind))
        or _SOFTENED.get(("response" if direction == "event-send" else direction, kind))
        or BREAKING
    )


_WHY = {
    ("request", NARROWS): "Callers that followed the old contract may be refused.",
    ("request", WIDENS): "Everything that callers send today is still accepted.",
    ("response", NARROWS): "Callers get a subset of what they were prepared for.",
    ("response", WIDENS): "Callers may receive what the old contract ruled out.",
    ("event-receive", NARROWS): "Messages written to the old contract may be refused.",
    ("event-receive", WIDENS): "Every message written to the old contract is still accepted.",
    ("event-send", NARROWS): "Consumers get a subset of what they were prepared for.",
    ("event-send", WIDENS): "Consumers may receive what the old contract ruled out.",
}
_AREAS = {
    "parameter": "parameters",
    "parameter-property": "parameters",
    "header": "headers",
    "header-property": "headers",
}


#: Reasons that do not follow from the accepted sets.
_WHY_KIND: tuple[tuple[str, str, str], ...] = (
    ("request", "-and-refused", "Callers that still send it are refused."),
    (
        "request",
        "-property-removed",
        "The contract does not say whether it is ignored or refused when it is still sent.",
    ),
    ("response", "-property-removed", "Readers may still look for it."),
    ("", "default-value-", "Callers that leave the value out get a different behaviour than before."),
    ("", "discriminator-", "The tag decides how both sides read a value."),
    ("", "sunset", "Others plan with this date."),
    ("", "stability", "Others rely on this level."),
    ("request", "became-read-only", "Attempts to set it are ignored or refused from now on."),
    ("response", "became-write-only", "The contract no longer promises it to readers."),
    ("response", "became-not-write-only", "Readers now get a field that they were not prepared for."),
)


def why_kind(kind: str, direction: str, effect: int) -> str:
    """Reason for the level of a kind of change in one sentence."""
    for side, part, text in _WHY_KIND:
        if part in kind and side in {"", _side(direction)} and not (effect and part.endswith("write-only")):
            return text
    return why(direction, effect)


def why(direction: str, effect: int) -> str:
    """Reason of a level in one sentence."""
    side = _side(direction)
    if effect == BOTH:
        effect = NARROWS if side == "request" else WIDENS
    if effect == NONE:
        return "The set of valid messages is the same."
    return _WHY[direction, effect]


def iter_rules() -> Iterator[ComparisonRule]:
    """Every rule of the pack, sorted by area and id, each id once."""
    return iter(_rules())


@cache
def _rules() -> tuple[ComparisonRule, ...]:
    seen: dict[str, ComparisonRule] = {rule.id: rule for rule in (*STRUCTURE_RULES, *XML_RULES, *PAYLOAD_RULES)}
    for direction, places in PLACES.items():
        for place in places:
            for name, kind in SCHEMA_KINDS.items():
                rule_id = schema_rule(name, direction, place)
                if rule_id in seen:
                    continue
                level = schema_level(name, kind.effect, direction, place, undecided=is_undecided(name))
                if name in {"required-property-added-schema", "optional-property-added", "property-schema-dropped"}:
                    level = INFO
                title = f"{place.replace('-', ' ')} of a {direction.replace('-', ' ')}: " + kind.phrase.format(
                    old="(old)", new="(new)", name="(name)"
                )
                seen[rule_id] = ComparisonRule(
                    rule_id,
                    level,
                    _AREAS.get(place, "schema"),
                    direction,
                    title,
                    why_kind(name, direction, kind.effect),
                )
    for name in ("required-property-added", "property-became-required", "became-enum"):
        rule_id = schema_rule(name, "request", "parameter-property", header=True)
        seen[rule_id] = ComparisonRule(
            rule_id,
            BREAKING,
            "parameters",
            "request",
            f"header parameter: {SCHEMA_KINDS[name].phrase}".format(old="(old)", new="(new)", name="(name)"),
            why("request", NARROWS),
        )
    return tuple(sorted(seen.values(), key=lambda rule: (rule.area, rule.id)))
