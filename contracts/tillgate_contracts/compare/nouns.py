"""Several differences of one rule in a few words: "optional properties removed and unknown ones refused"."""

from __future__ import annotations

import re
from typing import Final

_DIRECTION = re.compile(r"^(?:request|response|event-send|event-receive)-")
_PLACE = re.compile(r"^(?:parameter-property|header-property|parameter|header|body|property|payload)-")

_LIMITS: Final = {
    "min": ("minimum", True),
    "exclusive-min": ("exclusiveMinimum", True),
    "max": ("maximum", False),
    "exclusive-max": ("exclusiveMaximum", False),
    "min-length": ("minLength", True),
    "max-length": ("maxLength", False),
    "min-items": ("minItems", True),
    "max-items": ("maxItems", False),
    "min-properties": ("minProperties", True),
    "max-properties": ("maxProperties", False),
}

#: By kind of change: what completes "4 …".
_KINDS: Final[dict[str, str]] = {
    "type-changed": "types changed",
    "type-specialized": "types narrowed",
    "type-generalized": "types widened",
    "type-compatible": "types changed that read the same as text",
    "format-width-declared": "numbers with a newly declared width",
    "format-width-dropped": "numbers without their declared width",
    "list-of-types-narrowed": "fields with fewer types",
    "list-of-types-widened": "fields with more types",
    "became-nullable": "fields that may now be null",
    "became-not-nullable": "fields that may no longer be null",
    "enum-value-removed": "values no longer allowed",
    "enum-value-added": "values newly allowed",
    "became-enum": "fields that became closed lists of values",
    "enum-removed": "fields that are no longer closed lists of values",
    "x-extensible-enum-value-removed": "values no longer listed",
    "x-extensible-enum-value-added": "values newly listed",
    "pattern-added": "fields with a new pattern",
    "pattern-removed": "fields without their pattern",
    "pattern-changed": "patterns changed",
    "required-property-added": "required properties added",
    "optional-property-added": "optional properties added",
    "property-added-to-closed-object": "properties added, where extra ones were not allowed before",
    "required-property-removed": "required properties removed",
    "optional-property-removed": "optional properties removed",
    "property-removed": "properties removed",
    "required-property-removed-and-refused": "required properties removed and unknown ones refused",
    "optional-property-removed-and-refused": "optional properties removed and unknown ones refused",
    "property-removed-with-deprecation": "properties removed after their sunset",
    "property-removed-before-sunset": "properties removed before their sunset",
    "property-became-required": "properties that became required",
    "property-became-optional": "properties that are no longer required",
    "default-value-added": "defaults added",
    "default-value-removed": "defaults removed",
    "default-value-changed": "defaults changed",
    "read-only-property-changed": "read-only properties changed, which requests do not carry",
    "write-only-property-changed": "write-only properties changed, which responses do not carry",
    "discriminator-mapping-added": "discriminator values added",
    "discriminator-mapping-deleted": "discriminator values no longer accepted",
    "any-of-added": "alternatives added",
    "any-of-removed": "alternatives removed",
    "one-of-added": "alternatives added",
    "one-of-removed": "alternatives removed",
    "subtype-added": "subtypes added",
    "subtype-removed": "subtypes removed",
    "deprecated": "fields deprecated without a date",
    "deprecated-with-sunset": "fields deprecated with a sunset",
    "additional-properties-closed": "objects that no longer allow extra properties",
    "additional-properties-opened": "objects that now allow extra properties",
    "odata-enum-number-changed": "members with another number",
    **{
        f"{strength}-{word}-property-{verb}": f"{strength} {word} properties {verb}"
        for strength in ("required", "optional")
        for word in ("read-only", "write-only")
        for verb in ("added", "removed")
    },
    **{
        f"{name}-{verb}": f"fields with a {'tighter' if (verb == 'increased') is least else 'looser'} {keyword}"
        for name, (keyword, least) in _LIMITS.items()
        for verb in ("increased", "decreased")
    },
    **{f"{name}-set": f"fields with a new {keyword}" for name, (keyword, _) in _LIMITS.items()},
    **{f"{name}-unset": f"fields without their {keyword}" for name, (keyword, _) in _LIMITS.items()},
}

#: By rule id, where the id does not end with the kind.
_RULES: Final[dict[str, str]] = {
    "request-property-removed-and-refused": _KINDS["optional-property-removed-and-refused"],
    "new-required-request-property": _KINDS["required-property-added"],
    "new-optional-request-property": _KINDS["optional-property-added"],
    "new-required-request-property-with-default": "required properties added (their defaults do not help)",
    "annotation-changed": "descriptions changed",
    "api-path-removed-without-deprecation": "paths removed that were never deprecated",
    "api-path-removed-before-sunset": "paths removed before their sunset",
    "api-path-removed-with-deprecation": "deprecated paths removed after their sunset",
    "api-removed-without-deprecation": "operations removed that were never deprecated",
    "api-removed-before-sunset": "operations removed before their sunset",
    "api-removed-with-deprecation": "deprecated operations removed after their sunset",
    "endpoint-added": "operations added",
    "endpoint-deprecated": "operations deprecated",
    "endpoint-deprecated-with-sunset": "operations deprecated with a sunset",
    "channel-added": "channels added",
    "channel-removed": "channels removed",
    "schema-added": "schemas added",
    "schema-removed": "schemas removed",
    "graphql-type-removed": "types removed",
    "graphql-type-added": "types added",
    "graphql-field-removed": "fields removed",
    "graphql-field-removed-with-deprecation": "deprecated fields removed",
    "graphql-field-added": "fields added",
    "graphql-field-type-changed": "fields with another type",
    "graphql-field-became-nullable": "fields that may now be null",
    "graphql-enum-value-removed": "values removed that clients may send",
    "graphql-enum-value-newly-sent": "values that clients may newly receive",
    "graphql-input-field-removed": "fields removed",
    "graphql-optional-input-field-added": "optional fields added",
    "graphql-required-input-field-added": "required fields added",
}

#: What a field has several of.
_LISTED = ("values", "alternatives", "subtypes", "discriminator values", "members with")
_WIDE = ("api-", "endpoint-", "channel-", "schema-", "graphql-type-")

#: Reasons and hints that speak of one thing, said of several.
_REASONS: Final[dict[str, str]] = {
    "Callers that still send it are refused.": "Callers that still send them are refused.",
    "The contract does not say whether it is ignored or refused when it is still sent.": (
        "The contract does not say whether they are ignored or refused when they are still sent."
    ),
    "Readers may still look for it.": "Readers may still look for them.",
    "The contract no longer promises it to readers.": "The contract no longer promises them to readers.",
    "Readers now get a field that they were not prepared for.": (
        "Readers now get fields that they were not prepared for."
    ),
    "Deprecate it with a sunset first, and remove it after that date.": (
        "Deprecate them with a sunset first, and remove them after that date."
    ),
    "Make the field optional, and let the provider fill it in.": (
        "Make the fields optional, and let the provider fill them in."
    ),
    "Go on sending a value always, or introduce the change in a new major version.": (
        "Go on sending values always, or introduce the change in a new major version."
    ),
    "Publish it as a new major version, or keep the old form beside the new one until its sunset.": (
        "Publish them as a new major version, or keep the old form beside the new one until its sunset."
    ),
    "Make sure that no consumer depends on it, and say so in the change request.": (
        "Make sure that no consumer depends on them, and say so in the change request."
    ),
    "Every caller of the path gets 404.": "Every caller of these paths gets 404.",
    "Every caller gets 405.": "Every caller of these operations gets 405.",
}


def noun_of(rule: str) -> str:
    """What several differences of the rule are, to follow a number; "" where there are no words for them."""
    if known := _RULES.get(rule):
        return known
    kind = _DIRECTION.sub("", rule)
    return _KINDS.get(kind) or _KINDS.get(_PLACE.sub("", kind), "")


def counts_fields(rule: str) -> bool:
    """True where the noun of a rule counts the fields concerned, and not what is listed in them."""
    return bool(noun_of(rule)) and not noun_of(rule).startswith(_LISTED)


def is_document_wide(rule: str) -> bool:
    """True where the difference is a whole path, operation, channel, type or schema of the document."""
    return rule.startswith(_WIDE) and rule in _RULES


def reason_of_several(reason: str) -> str:
    """The reason or hint of a rule, said of several differences."""
    return _REASONS.get(reason, reason)
