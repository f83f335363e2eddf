"""Media types as sets: exact names, ranges (`application/*`) and structured suffixes (`+json`)."""

from __future__ import annotations

from typing import NamedTuple


class MediaType(NamedTuple):
    """A parsed media type name; `parameters` sorted, lower-case names, `q` left out."""

    kind: str
    subtype: str
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> MediaType:
        head, *rest = text.split(";")
        kind, _, subtype = head.strip().lower().partition("/")
        parameters = []
        for item in rest:
            name, _, value = item.strip().partition("=")
            if name and name.lower() != "q":
                value = value.strip().strip('"')
                parameters.append((name.lower(), value.lower() if name.lower() == "charset" else value))
        return cls(kind, subtype, tuple(sorted(parameters)))

    @property
    def base(self) -> str:
        """Subtype after its structured suffix: `problem+json` is `json`."""
        return self.subtype.rsplit("+", 1)[-1]


def includes(wide: MediaType, narrow: MediaType) -> bool:
    """True when every message of the narrow type is one of the wide type."""
    if dict(wide.parameters).items() - dict(narrow.parameters).items():
        return False
    if wide.kind == "*" or (wide.kind == narrow.kind and wide.subtype == "*"):
        return True
    return wide.kind == narrow.kind and wide.subtype in {narrow.subtype, narrow.base}


def is_json(text: str) -> bool:
    """True where values keep their JSON types; forms, text and XML carry everything as text."""
    media = MediaType.parse(text)
    return (
        media.base in {"json", "*", "x-ndjson", "ndjson", "jsonl", "json-seq", "jose", "yaml", "x-yaml"}
        or media.kind == "*"
    )


def is_xml(text: str) -> bool:
    """True for XML (RFC 7303): `application/xml`, `text/xml`, and every name with the suffix `+xml`."""
    return MediaType.parse(text).base == "xml"


def pair_up(old: list[str], new: list[str]) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Matches names: equal ones first, then the ones of which one includes the other. Rest: removed, added."""
    left, right = list(old), list(new)
    parsed = {text: MediaType.parse(text) for text in [*old, *new]}
    pairs: list[tuple[str, str]] = []
    for wide in (False, True):
        for before in list(left):
            for after in list(right):
                one, other = parsed[before], parsed[after]
                if one == other or (wide and (includes(one, other) or includes(other, one))):
                    pairs.append((before, after))
                    left.remove(before)
                    right.remove(after)
                    break
    return pairs, left, right
