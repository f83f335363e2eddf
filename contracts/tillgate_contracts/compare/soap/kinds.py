"""Kinds of change of XML Schema, each with its effect on the set of valid documents.

Section numbers are those of XML Schema 1.0, part 1 (Structures) and part 2 (Datatypes).
"""

from __future__ import annotations

from dataclasses import dataclass

from tillgate_contracts.compare.rule import ComparisonRule
from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS

DIRECTIONS = ("request", "response")


@dataclass(frozen=True, slots=True)
class XmlKind:
    """`soft` is the level of a harmful change in one direction, where it is less than breaking."""

    effect: int
    title: str
    undecided: bool = False
    soft: tuple[tuple[str, str], ...] = ()


#: Readers made from a schema pass over elements and values that they do not know; those that validate refuse them.
_TOLERANT = (("response", "warning"),)

XML_KINDS: dict[str, XmlKind] = {
    "required-element-added": XmlKind(BOTH, "a required element was added (3.8)", soft=_TOLERANT),
    "optional-element-added": XmlKind(WIDENS, "an optional element was added (3.8)", soft=_TOLERANT),
    "required-element-removed": XmlKind(BOTH, "a required element was removed (3.8)"),
    "optional-element-removed": XmlKind(NARROWS, "an optional element was removed (3.8)"),
    "element-removed-beside-wildcard": XmlKind(BOTH, "an element was removed where a wildcard stands (3.10)", True),
    "element-order-changed": XmlKind(BOTH, "elements of a sequence changed their order (3.8)"),
    "element-namespace-changed": XmlKind(BOTH, "an element is in another namespace (3.3, elementFormDefault)"),
    "min-occurs-increased": XmlKind(NARROWS, "minOccurs went up (3.9)"),
    "min-occurs-decreased": XmlKind(WIDENS, "minOccurs went down (3.9)"),
    "max-occurs-increased": XmlKind(WIDENS, "maxOccurs went up (3.9)"),
    "max-occurs-decreased": XmlKind(NARROWS, "maxOccurs went down (3.9)"),
    "group-added": XmlKind(BOTH, "a required group was added to a sequence (3.8)"),
    "optional-group-added": XmlKind(WIDENS, "an optional group was added to a sequence (3.8)", soft=_TOLERANT),
    "group-removed": XmlKind(BOTH, "a group was removed from a sequence (3.8)"),
    "optional-group-removed": XmlKind(NARROWS, "an optional group was removed from a sequence (3.8)"),
    "choice-added": XmlKind(WIDENS, "a choice has a new alternative (3.8)"),
    "choice-removed": XmlKind(NARROWS, "a choice lost an alternative (3.8)"),
    "sequence-became-all": XmlKind(WIDENS, "elements may stand in any order now (3.8)"),
    "all-became-sequence": XmlKind(NARROWS, "elements must stand in an order now (3.8)"),
    "content-changed": XmlKind(BOTH, "the content is arranged in another way (3.8)", True),
    "content-widened": XmlKind(WIDENS, "the content allows everything that it allowed, and more (3.8.4)"),
    "content-narrowed": XmlKind(NARROWS, "the content allows a part of what it allowed (3.8.4)"),
    "wildcard-added": XmlKind(WIDENS, "further elements are allowed (3.10)", soft=_TOLERANT),
    "wildcard-removed": XmlKind(NARROWS, "no further elements are allowed (3.10)"),
    "wildcard-widened": XmlKind(WIDENS, "a wildcard allows more (3.10)", soft=_TOLERANT),
    "wildcard-narrowed": XmlKind(NARROWS, "a wildcard allows less (3.10)"),
    "wildcard-changed": XmlKind(BOTH, "a wildcard allows something else (3.10)", True),
    "became-nillable": XmlKind(WIDENS, "an element may be nil now (3.3.4)"),
    "became-not-nillable": XmlKind(NARROWS, "an element may no longer be nil (3.3.4)"),
    "default-changed": XmlKind(BOTH, "the default of an element or attribute changed (3.3.1, 3.2.1)", True),
    "fixed-added": XmlKind(NARROWS, "a value is fixed now (3.3.4)"),
    "fixed-removed": XmlKind(WIDENS, "a value is no longer fixed (3.3.4)"),
    "fixed-changed": XmlKind(BOTH, "a value is fixed to another one (3.3.4)"),
    "identity-changed": XmlKind(BOTH, "a key or unique constraint changed (3.11)", True),
    "element-became-abstract": XmlKind(NARROWS, "an element is abstract now (3.3.4)"),
    "element-became-concrete": XmlKind(WIDENS, "an element is no longer abstract (3.3.4)"),
    "substitution-added": XmlKind(WIDENS, "a further element may stand for another one (3.3.6)", soft=_TOLERANT),
    "substitution-removed": XmlKind(NARROWS, "an element may no longer stand for another one (3.3.6)"),
    "derived-type-added": XmlKind(WIDENS, "a further type may be named by xsi:type (3.4)", soft=_TOLERANT),
    "derived-type-removed": XmlKind(NARROWS, "a type may no longer be named by xsi:type (3.4)"),
    "type-renamed": XmlKind(BOTH, "the type has another name, which xsi:type names", True),
    "type-became-abstract": XmlKind(NARROWS, "a type is abstract now (3.4.1)"),
    "type-became-concrete": XmlKind(WIDENS, "a type is no longer abstract (3.4.1)"),
    "derivation-control-changed": XmlKind(BOTH, "block or final of a type or an element changed (3.3.1, 3.4.1)", True),
    "became-mixed": XmlKind(WIDENS, "text may stand between elements now (3.4.1)"),
    "became-not-mixed": XmlKind(NARROWS, "text may no longer stand between elements (3.4.1)"),
    "content-kind-changed": XmlKind(BOTH, "text became elements, or elements became text (3.4.2)"),
    "required-attribute-added": XmlKind(BOTH, "a required attribute was added (3.4.4)", soft=_TOLERANT),
    "optional-attribute-added": XmlKind(WIDENS, "an optional attribute was added (3.4.4)", soft=_TOLERANT),
    "required-attribute-removed": XmlKind(BOTH, "a required attribute was removed (3.4.4)"),
    "optional-attribute-removed": XmlKind(NARROWS, "an optional attribute was removed (3.4.4)"),
    "attribute-became-required": XmlKind(NARROWS, "an attribute became required (3.2.1)"),
    "attribute-became-optional": XmlKind(WIDENS, "an attribute became optional (3.2.1)"),
    "type-changed": XmlKind(BOTH, "a simple type changed to another one (part 2, 3)"),
    "type-narrowed": XmlKind(NARROWS, "a simple type allows less (part 2, 3)"),
    "type-widened": XmlKind(WIDENS, "a simple type allows more (part 2, 3)"),
    "enumeration-value-added": XmlKind(WIDENS, "a value was added to an enumeration (part 2, 4.3.5)", soft=_TOLERANT),
    "enumeration-value-removed": XmlKind(NARROWS, "a value was removed from an enumeration (part 2, 4.3.5)"),
    "enumeration-imposed": XmlKind(NARROWS, "the values are a closed list now (part 2, 4.3.5)"),
    "enumeration-dropped": XmlKind(WIDENS, "the values are no longer a closed list (part 2, 4.3.5)"),
    "facet-tightened": XmlKind(NARROWS, "a facet allows less (part 2, 4.3)"),
    "facet-loosened": XmlKind(WIDENS, "a facet allows more (part 2, 4.3)"),
    "facet-changed": XmlKind(BOTH, "a facet changed in a way that is not decided (part 2, 4.3)", True),
    "union-member-added": XmlKind(WIDENS, "a union has a new member (part 2, 2.5.1.3)"),
    "union-member-removed": XmlKind(NARROWS, "a union lost a member (part 2, 2.5.1.3)"),
    "variety-changed": XmlKind(BOTH, "atomic value, list and union took each other's place (part 2, 2.5.1)"),
    "reference-unresolved": XmlKind(BOTH, "a name that nothing declares: not compared", True),
}
_WHY = {
    ("request", NARROWS): "Documents that were valid may be refused.",
    ("request", WIDENS): "Every document that was valid still is.",
    ("response", NARROWS): "Readers get a part of what they were prepared for.",
    ("response", WIDENS): "Readers may get what the old schema ruled out.",
}


def xml_level(kind: str, direction: str, *, strict: bool = False, strict_enum: bool = False) -> str:
    """Level of a kind of change before the policy's own list."""
    known = XML_KINDS[kind]
    if not known.effect & (NARROWS if direction == "request" else WIDENS):
        return "info"
    if known.undecided:
        return "warning"
    if strict or (strict_enum and kind == "enumeration-value-added"):
        return "breaking"
    return dict(known.soft).get(direction, "breaking")


def _rules() -> tuple[ComparisonRule, ...]:
    found = []
    for name, kind in XML_KINDS.items():
        for direction in DIRECTIONS:
            harmful = NARROWS if direction == "request" else WIDENS
            effect = kind.effect if kind.effect != BOTH else harmful
            why = "What it changes is not decided." if kind.undecided else _WHY[direction, effect or NONE]
            rule_id = f"{direction}-xml-{name}"
            found.append(ComparisonRule(rule_id, xml_level(name, direction), "xml", direction, kind.title, why))
    return tuple(found)


#: Every rule about the content of XML documents.
XML_RULES = _rules()
