"""Media types as sets: exact names, ranges (`application/*`) and structured suffixes (`+json`)."""

from __future__ import annotations

import re
from typing import NamedTuple

#: A parameter: its name, and a token or a quoted string (RFC 9110 section 5.6.6).
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:\\.|[^"\\])*"?|[^;]*)')
_JSON = frozenset({"json", "x-ndjson", "ndjson", "jsonl", "json-seq", "jose", "yaml", "x-yaml"})
#: Types that define no charset (WHATWG URL 5 and RFC 7578 section 4.8 for forms): one that is written has no effect.
_FORMS = frozenset({"x-www-form-urlencoded", "form-data"})


class MediaType(NamedTuple):
    """A parsed media type name; `parameters` sorted, with names in small letters, without those that say nothing here:
    `q` and `boundary` belong to one message, a charset to no JSON, YAML or form. `profile` stands apart: it "does not
    alter the semantics" of a representation (RFC 6906 section 3)."""

    kind: str
    subtype: str
    parameters: tuple[tuple[str, str], ...] = ()
    profile: str = ""

    @classmethod
    def parse(cls, text: str) -> MediaType:
        head = text.partition(";")[0]
        kind, _, subtype = head.strip().lower().partition("/")
        found = cls(kind, subtype)
        profile = ""
        parameters = []
        for name, value in _PARAMETER.findall(text):
            name, value = name.lower(), _unquoted(value.strip())
            if name == "profile":
                profile = value
            elif not found.says_nothing(name):
                parameters.append((name, value.lower() if name == "charset" else value))
        return found._replace(parameters=tuple(sorted(parameters)), profile=profile)

    @property
    def base(self) -> str:
        """Subtype after its structured suffix: `problem+json` is `json`."""
        return self.subtype.rsplit("+", 1)[-1]

    @property
    def essence(self) -> MediaType:
        """The media type without its profile."""
        return self._replace(profile="")

    def says_nothing(self, parameter: str) -> bool:
        """True for a parameter that has no effect in a contract. JSON has no charset (RFC 8259 section 11), YAML
        neither (RFC 9512 section 2.1)."""
        if parameter == "charset":
            return self.base in _JSON or self.subtype in _FORMS
        return parameter == "q" or (parameter == "boundary" and self.kind == "multipart")


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value.strip('"')) if value.startswith('"') else value


def includes(wide: MediaType, narrow: MediaType) -> bool:
    """True when every message of the narrow type is one of the wide type: ranges are `type/*` and `*/*` (RFC 9110
    section 12.5.1). A suffix says how to parse (RFC 6839), and who asks for JSON gets no `problem+json`. Profiles are
    not looked at."""
    if dict(wide.parameters).items() - dict(narrow.parameters).items():
        return False
    if wide.kind == "*" or (wide.kind == narrow.kind and wide.subtype == "*"):
        return True
    return wide.kind == narrow.kind and wide.subtype == narrow.subtype


def _parsed_alike(one: MediaType, other: MediaType) -> bool:
    """True where one is the other with a structured suffix."""
    return one.kind == other.kind and (one.subtype == other.base or other.subtype == one.base)


def is_json(text: str) -> bool:
    """True where values keep their JSON types; forms, text and XML carry everything as text."""
    media = MediaType.parse(text)
    return media.base in _JSON or "*" in (media.base, media.kind)


def is_opaque(text: str) -> bool:
    """True for a body of bytes that no schema describes inside: neither JSON, XML, text nor a form."""
    media = MediaType.parse(text)
    structured = media.base in (*_JSON, *_FORMS, "xml") or "*" in (media.kind, media.subtype)
    return not (structured or media.kind in ("text", "multipart"))


def is_multipart(text: str) -> bool:
    return MediaType.parse(text).kind == "multipart"


def is_xml(text: str) -> bool:
    """True for XML (RFC 7303): `application/xml`, `text/xml`, and every name with the suffix `+xml`."""
    return MediaType.parse(text).base == "xml"


def pair_up(old: list[str], new: list[str]) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Matches names: equal ones first, then those with another profile, then the ones of which one includes the other,
    or that are parsed alike. Rest: removed, added."""
    left, right = list(old), list(new)
    parsed = {text: MediaType.parse(text) for text in [*old, *new]}
    pairs: list[tuple[str, str]] = []

    def alike(one: MediaType, other: MediaType) -> bool:
        return one.essence == other.essence

    def nested(one: MediaType, other: MediaType) -> bool:
        return includes(one, other) or includes(other, one)

    for test in (MediaType.__eq__, alike, nested, _parsed_alike):
        for before in list(left):
            found = next((after for after in right if test(parsed[before], parsed[after])), None)
            if found is not None:
                pairs.append((before, found))
                left.remove(before)
                right.remove(found)
    return pairs, left, right
