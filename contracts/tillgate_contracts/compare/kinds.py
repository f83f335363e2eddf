"""The kinds of schema change: their usual effect, and the words for them."""

from __future__ import annotations

from typing import NamedTuple

from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS


class Kind(NamedTuple):
    """`phrase` completes "<subject> …" and may use {old}, {new} and {name}."""

    effect: int
    phrase: str
    keyword: str = ""


def _limit(name: str, keyword: str, *, least: bool) -> dict[str, Kind]:
    tight, loose = ("increased", "decreased") if least else ("decreased", "increased")
    return {
        f"{name}-set": Kind(NARROWS, f"now has {keyword} {{new}}, where none was declared", keyword),
        f"{name}-{tight}": Kind(NARROWS, f"has {keyword} {{new}} instead of {{old}}, which is tighter", keyword),
        f"{name}-{loose}": Kind(WIDENS, f"has {keyword} {{new}} instead of {{old}}, which is looser", keyword),
        f"{name}-unset": Kind(WIDENS, f"no longer has {keyword} {{old}}", keyword),
    }


def _present(name: str, keyword: str, what: str) -> dict[str, Kind]:
    return {
        f"{name}-added": Kind(NARROWS, f"now demands {what}", keyword),
        f"{name}-removed": Kind(WIDENS, f"no longer demands {what}", keyword),
    }


SCHEMA_KINDS: dict[str, Kind] = {
    "type-changed": Kind(BOTH, "changed its type from {old} to {new}", "type"),
    "type-specialized": Kind(NARROWS, "narrowed its type from {old} to {new}", "type"),
    "type-generalized": Kind(WIDENS, "widened its type from {old} to {new}", "type"),
    "type-compatible": Kind(NONE, "changed its type from {old} to {new}, which reads the same as text", "type"),
    "format-width-declared": Kind(NARROWS, "now declares the width of its numbers: {old} became {new}", "format"),
    "format-width-dropped": Kind(WIDENS, "no longer declares the width of its numbers: {old} became {new}", "format"),
    "list-of-types-narrowed": Kind(NARROWS, "allows fewer types: {new} instead of {old}", "type"),
    "list-of-types-widened": Kind(WIDENS, "allows more types: {new} instead of {old}", "type"),
    "became-nullable": Kind(WIDENS, "may now be null", "type"),
    "became-not-nullable": Kind(NARROWS, "may no longer be null", "type"),
    "enum-value-removed": Kind(NARROWS, "no longer allows the value {old}", "enum"),
    "enum-value-added": Kind(WIDENS, "now also allows the value {new}", "enum"),
    "became-enum": Kind(NARROWS, "became a closed list of values: {new}", "enum"),
    "enum-removed": Kind(WIDENS, "is no longer a closed list of values", "enum"),
    "const-added": Kind(NARROWS, "is now fixed to {new}", "const"),
    "const-removed": Kind(WIDENS, "is no longer fixed to {old}", "const"),
    "const-changed": Kind(BOTH, "is fixed to {new} instead of {old}", "const"),
    "x-extensible-enum-value-removed": Kind(NARROWS, "no longer lists the value {old}", "x-extensible-enum"),
    "x-extensible-enum-value-added": Kind(NONE, "also lists the value {new}", "x-extensible-enum"),
    **_limit("min", "minimum", least=True),
    **_limit("exclusive-min", "exclusiveMinimum", least=True),
    **_limit("max", "maximum", least=False),
    **_limit("exclusive-max", "exclusiveMaximum", least=False),
    **_limit("min-length", "minLength", least=True),
    **_limit("max-length", "maxLength", least=False),
    **_limit("min-items", "minItems", least=True),
    **_limit("max-items", "maxItems", least=False),
    **_limit("min-properties", "minProperties", least=True),
    **_limit("max-properties", "maxProperties", least=False),
    **_limit("min-contains", "minContains", least=True),
    **_limit("max-contains", "maxContains", least=False),
    "multiple-of-added": Kind(NARROWS, "must now be a multiple of {new}", "multipleOf"),
    "multiple-of-removed": Kind(WIDENS, "need no longer be a multiple of {old}", "multipleOf"),
    "multiple-of-changed": Kind(BOTH, "must be a multiple of {new} instead of {old}", "multipleOf"),
    "pattern-added": Kind(NARROWS, "must now match the pattern {new}", "pattern"),
    "pattern-removed": Kind(WIDENS, "need no longer match the pattern {old}", "pattern"),
    "pattern-changed": Kind(BOTH, "must match the pattern {new} instead of {old}", "pattern"),
    "pattern-generalized": Kind(WIDENS, "has the pattern {new}, which every text matches, instead of {old}", "pattern"),
    "content-encoding-added": Kind(NARROWS, "must now be encoded as {new}", "contentEncoding"),
    "content-encoding-removed": Kind(WIDENS, "need no longer be encoded as {old}", "contentEncoding"),
    "content-encoding-changed": Kind(BOTH, "is encoded as {new} instead of {old}", "contentEncoding"),
    "content-media-type-added": Kind(NARROWS, "must now hold {new}", "contentMediaType"),
    "content-media-type-removed": Kind(WIDENS, "need no longer hold {old}", "contentMediaType"),
    "content-media-type-changed": Kind(BOTH, "holds {new} instead of {old}", "contentMediaType"),
    **_present("content-schema", "contentSchema", "a schema of its embedded content"),
    "items-ended": Kind(NONE, "can have no item any more", "items"),
    "entries-ended": Kind(NONE, "can have no entry any more", "additionalProperties"),
    **_present("unique-items", "uniqueItems", "unique items"),
    "prefix-items-added": Kind(BOTH, "has its own schema for the item at position {new}", "prefixItems"),
    "prefix-items-removed": Kind(BOTH, "no longer has its own schema for the item at position {old}", "prefixItems"),
    **_present("contains", "contains", "an item that fits `contains`"),
    "contains-changed": Kind(BOTH, "changed which items it must contain", "contains"),
    **_present("unevaluated-items", "unevaluatedItems", "that no further items appear"),
    "required-property-added": Kind(NARROWS, "has the new required property {name}", "required"),
    "required-property-added-with-default": Kind(
        NARROWS, "has the new required property {name} (its default does not help)", "required"
    ),
    "required-property-added-schema": Kind(NARROWS, "now says what {name} must look like", "properties"),
    "optional-property-added": Kind(NONE, "has the new optional property {name}", "properties"),
    "property-added-to-closed-object": Kind(
        WIDENS, "has the new property {name}; before, it did not allow extra properties", "properties"
    ),
    "required-property-removed": Kind(WIDENS, "no longer has the required property {name}", "properties"),
    "optional-property-removed": Kind(NONE, "no longer has the optional property {name}", "properties"),
    "required-property-removed-and-refused": Kind(
        BOTH, "no longer has the required property {name} and does not allow extra properties", "properties"
    ),
    "optional-property-removed-and-refused": Kind(
        NARROWS, "no longer has the property {name} and does not allow extra properties", "properties"
    ),
    "required-property-removed-with-deprecation": Kind(
        NONE, "no longer has the required property {name}, which was deprecated and past its sunset", "deprecated"
    ),
    "optional-property-removed-with-deprecation": Kind(
        NONE, "no longer has the optional property {name}, which was deprecated and past its sunset", "deprecated"
    ),
    "required-property-removed-before-sunset": Kind(
        BOTH, "no longer has the required property {name}, removed before its sunset", "deprecated"
    ),
    "optional-property-removed-before-sunset": Kind(
        BOTH, "no longer has the optional property {name}, removed before its sunset", "deprecated"
    ),
    "property-schema-dropped": Kind(WIDENS, "no longer says what {name} must look like", "properties"),
    "property-forbidden": Kind(NARROWS, "now forbids the property {name}", "properties"),
    "forbidden-property-removed": Kind(WIDENS, "no longer forbids the property {name}", "properties"),
    "property-became-required": Kind(NARROWS, "now requires {name}", "required"),
    "property-became-required-with-default": Kind(
        NARROWS, "now requires {name} (its default does not help)", "required"
    ),
    "property-became-optional": Kind(WIDENS, "no longer requires {name}", "required"),
    **{
        f"{strength}-property-became{negated}-{word}": Kind(
            NONE, f"marks the {strength} property {{name}} as {'no longer ' if negated else ''}{word}", keyword
        )
        for strength in ("required", "optional")
        for negated in ("", "-not")
        for word, keyword in (("read-only", "readOnly"), ("write-only", "writeOnly"))
    },
    **{
        f"{strength}-{word}-property-{verb}": Kind(
            NONE, f"{'now has' if verb == 'added' else 'no longer has'} the {word} property {{name}}"
        )
        for strength in ("required", "optional")
        for word in ("read-only", "write-only")
        for verb in ("added", "removed")
    },
    "read-only-property-changed": Kind(
        NONE, "changed the read-only property {name}, which requests do not carry", "readOnly"
    ),
    "write-only-property-changed": Kind(
        NONE, "changed the write-only property {name}, which responses do not carry", "writeOnly"
    ),
    "additional-properties-closed": Kind(
        NARROWS, "no longer allows properties it does not name", "additionalProperties"
    ),
    "additional-properties-opened": Kind(WIDENS, "now allows properties it does not name", "additionalProperties"),
    "additional-properties-restricted": Kind(
        NARROWS, "now restricts the values of further properties", "additionalProperties"
    ),
    "additional-properties-freed": Kind(
        WIDENS, "no longer restricts the values of further properties", "additionalProperties"
    ),
    "pattern-property-added": Kind(NARROWS, "now restricts properties named like {new}", "patternProperties"),
    "pattern-property-removed": Kind(WIDENS, "no longer restricts properties named like {old}", "patternProperties"),
    **_present("property-names", "propertyNames", "a form of property names"),
    "dependent-required-added": Kind(NARROWS, "now requires {new} when {name} is present", "dependentRequired"),
    "dependent-required-removed": Kind(WIDENS, "no longer requires {old} when {name} is present", "dependentRequired"),
    "dependent-required-changed": Kind(
        BOTH, "requires {new} instead of {old} when {name} is present", "dependentRequired"
    ),
    "dependent-schema-added": Kind(NARROWS, "now must fit a further schema when {name} is present", "dependentSchemas"),
    "dependent-schema-undecided": Kind(
        BOTH, "must fit another schema than before when {name} is present", "dependentSchemas"
    ),
    "dependent-schema-removed": Kind(
        WIDENS, "need no longer fit a further schema when {name} is present", "dependentSchemas"
    ),
    **_present("unevaluated-properties", "unevaluatedProperties", "that no further properties appear"),
    **{
        f"{name}-{verb}": Kind(effect, phrase, keyword)
        for name, keyword in (("any-of", "anyOf"), ("one-of", "oneOf"))
        for verb, effect, phrase in (
            ("added", WIDENS, "has the new alternative {new}"),
            ("removed", NARROWS, "no longer has the alternative {old}"),
            ("imposed", NARROWS, "must now fit one of {new}"),
            ("dropped", WIDENS, "need no longer fit one of {old}"),
            ("rearranged", NONE, f"is spelled with {keyword} differently, with the same meaning"),
            ("coverage-undecided", BOTH, f"changed the alternative {{name}} of {keyword}"),
        )
    },
    **{
        f"{verb}-{name}": Kind(BOTH, phrase, keyword)
        for name, keyword in (("any-of", "anyOf"), ("one-of", "oneOf"))
        for verb, phrase in (
            ("wrapped-in", f"was replaced by {keyword} {{new}}"),
            ("unwrapped-from", f"is no longer {keyword} {{old}} but a single schema"),
        )
    },
    "one-of-became-any-of": Kind(
        WIDENS, "turned oneOf into anyOf, so values that match several branches are now allowed", "oneOf"
    ),
    "any-of-became-one-of": Kind(
        NARROWS, "turned anyOf into oneOf, so values that match several branches are now refused", "oneOf"
    ),
    "one-of-overlap-changed": Kind(BOTH, "has oneOf branches that may overlap differently now", "oneOf"),
    "not-added": Kind(NARROWS, "now excludes what its `not` describes", "not"),
    "not-removed": Kind(WIDENS, "no longer excludes what its `not` described", "not"),
    **{
        f"{word}-{verb}": Kind(effect, phrase, word)
        for word in ("if", "then", "else")
        for verb, effect, phrase in (
            ("added", NARROWS, f"now has a condition ({word})"),
            ("removed", WIDENS, f"no longer has a condition ({word})"),
        )
    },
    "consequence-changed": Kind(BOTH, "changed what follows from its condition", "if"),
    "consequence-rearranged": Kind(NONE, "means the same under its condition, written differently", "if"),
    "condition-changed": Kind(BOTH, "changed the condition of its if/then/else", "if"),
    "unevaluated-reach-changed": Kind(BOTH, "may leave other values unevaluated than before", "unevaluatedProperties"),
    "default-value-added": Kind(NONE, "now has the default {new}", "default"),
    "default-value-removed": Kind(NONE, "no longer has the default {old}", "default"),
    "default-value-changed": Kind(NONE, "has the default {new} instead of {old}", "default"),
    "discriminator-added": Kind(NONE, "now has a discriminator ({new})", "discriminator"),
    "discriminator-removed": Kind(NONE, "no longer has the discriminator ({old})", "discriminator"),
    "discriminator-property-name-changed": Kind(BOTH, "discriminates by {new} instead of {old}", "discriminator"),
    "discriminator-mapping-added": Kind(WIDENS, "also has the discriminator value {new}", "discriminator"),
    "discriminator-mapping-deleted": Kind(NARROWS, "no longer accepts the discriminator value {old}", "discriminator"),
    "discriminator-mapping-changed": Kind(
        BOTH, "maps the discriminator value {name} to {new} instead of {old}", "discriminator"
    ),
    "discriminator-mapping-respelled": Kind(
        BOTH, "has the discriminator value {new} instead of {old} for {name}", "discriminator"
    ),
    "discriminator-mapping-implied": Kind(
        BOTH, "no longer maps the discriminator value {name} to {old}, which still lists it", "discriminator"
    ),
    "discriminator-mapping-declared": Kind(
        NONE, "maps the discriminator value {name} to {new}, which lists it", "discriminator"
    ),
    "discriminator-mapping-renamed": Kind(
        NONE, "is now called {new} instead of {old}; its discriminator value {name} stays", "discriminator"
    ),
    "discriminator-default-added": Kind(
        WIDENS, "judges values without a known discriminator value by {new}", "discriminator"
    ),
    "discriminator-default-removed": Kind(
        NARROWS, "no longer judges values without a known discriminator value by {old}", "discriminator"
    ),
    "discriminator-tag-undecided": Kind(
        BOTH, "is chosen by the discriminator value {new} instead of {old}", "discriminator"
    ),
    "subtypes-coverage-undecided": Kind(BOTH, "became one of several subtypes, or was one of them", "discriminator"),
    "subtype-added": Kind(WIDENS, "has the new subtype {new}", "allOf"),
    "subtype-removed": Kind(NARROWS, "no longer has the subtype {old}", "allOf"),
    "all-of-added": Kind(NONE, "is now also composed of {new}", "allOf"),
    "all-of-removed": Kind(NONE, "is no longer composed of {old}", "allOf"),
    "all-of-added-annotation-only": Kind(NONE, "has a new allOf branch that only describes", "allOf"),
    "all-of-removed-annotation-only": Kind(NONE, "no longer has an allOf branch that only described", "allOf"),
    "deprecated": Kind(NONE, "is deprecated, without a date", "deprecated"),
    "deprecated-with-sunset": Kind(NONE, "is deprecated with sunset {new}", "x-sunset"),
    "deprecated-sunset-missing": Kind(
        NONE, "is deprecated without a sunset, though the policy demands {new} days", "x-sunset"
    ),
    "deprecated-sunset-unreadable": Kind(NONE, "is deprecated with a sunset that is not a date: {new}", "x-sunset"),
    "sunset-date-too-small": Kind(
        NONE, "is deprecated with a sunset ({new}) nearer than the policy allows", "x-sunset"
    ),
    "sunset-date-changed-too-small": Kind(
        NONE, "moved its sunset from {old} to {new}, nearer than the policy allows", "x-sunset"
    ),
    "sunset-changed": Kind(NONE, "moved its sunset from {old} to {new}", "x-sunset"),
    "sunset-deleted": Kind(NONE, "is still deprecated, but its sunset ({old}) was removed", "x-sunset"),
    "sunset-unreadable": Kind(NONE, "has a sunset that is not a date: {old} became {new}", "x-sunset"),
    "reactivated": Kind(NONE, "is no longer deprecated", "deprecated"),
    "stability-decreased": Kind(NONE, "lowered its stability from {old} to {new}", "x-stability-level"),
    "stability-increased": Kind(NONE, "raised its stability from {old} to {new}", "x-stability-level"),
    "invalid-stability-level": Kind(NONE, "has an unknown stability level: {old} became {new}", "x-stability-level"),
    "keyword-without-effect": Kind(NONE, "declares {name} {new} instead of {old}"),
    "version-form-added": Kind(BOTH, "has {new}"),
    "version-form-removed": Kind(BOTH, "had {old}"),
    "annotation-changed": Kind(NONE, "changed in description only: {name}", "description"),
    "xml-changed": Kind(BOTH, "is written in XML with {name} {new} instead of {old}", "xml"),
    "xml-prefix-changed": Kind(BOTH, "is written in XML with the prefix {new} instead of {old}", "xml"),
    "odata-enum-number-changed": Kind(BOTH, "has the number {new} behind the member {name} instead of {old}", "Value"),
    "odata-key-changed": Kind(BOTH, "has the key {new} instead of {old}", "Key"),
    "odata-type-changed": Kind(BOTH, "has the type {new} instead of {old}", "Type"),
    "odata-type-opened": Kind(WIDENS, "became an open type", "OpenType"),
    "odata-type-closed": Kind(NARROWS, "is no longer an open type", "OpenType"),
    "odata-limit-changed": Kind(BOTH, "says {new} of {name} instead of {old}", "Annotation"),
    "odata-containment-added": Kind(BOTH, "now contains what it leads to", "ContainsTarget"),
    "odata-containment-removed": Kind(BOTH, "no longer contains what it leads to", "ContainsTarget"),
    "odata-scale-increased": Kind(WIDENS, "has {new} decimals instead of {old}", "Scale"),
    "odata-scale-decreased": Kind(NARROWS, "has {new} decimals instead of {old}", "Scale"),
    "unknown-keyword-changed": Kind(BOTH, "changed the unknown keyword {name}"),
    "reference-unresolved": Kind(BOTH, "refers to a schema that does not exist", "$ref"),
}

_UNDECIDED = frozenset(
    ("unknown-keyword-changed", "reference-unresolved", "one-of-overlap-changed", "unevaluated-reach-changed")
)
_UNDECIDED_ENDS = (
    *("-undecided", "xml-prefix-changed", "odata-enum-number-changed", "-implied"),
    *("version-form-added", "version-form-removed", "odata-containment-added", "odata-containment-removed"),
    "odata-limit-changed",
)


def is_undecided(name: str) -> bool:
    """Whether changes of a kind are those that the engine cannot decide."""
    return name in _UNDECIDED or name.endswith(_UNDECIDED_ENDS)
