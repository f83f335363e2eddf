"""How a secret may stand in what another system quotes: a proxy that refuses a header gives back what stood in it, and
not what the secret is."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator
from itertools import permutations
from urllib.parse import quote, quote_plus

SHORTEST = 4  # shorter ones would be found in every word
MOST_IN_PAIRS = 6  # values of one connection that are joined, as Basic does (RFC 7617 §2)


def spellings(values: Iterable[str]) -> list[str]:
    """Every spelling of these secrets that is looked for, the longest first: as they are, percent-encoded, as JSON and
    HTML write them, in Base64 and hexadecimal digits, and two of them joined by a colon in Base64."""
    known = [value for value in values if len(value) >= SHORTEST]
    found = {one for value in known for one in _of(value)}
    for pair in permutations(known[:MOST_IN_PAIRS], 2):
        found.update(_based(":".join(pair)))
    return sorted(found, key=lambda one: (-len(one), one))


def _of(value: str) -> Iterator[str]:
    yield value
    for encoded in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield encoded
        yield _with_small_digits(encoded)
    for plain in (True, False):
        written = json.dumps(value, ensure_ascii=plain)[1:-1]
        yield written
        yield written.replace("/", "\\/")
    yield html.escape(value)
    yield html.escape(value).replace("&#x27;", "&#39;")
    yield from _based(value)
    yield value.encode().hex()


def _based(text: str) -> Iterator[str]:
    """Base64 in both alphabets, without its padding."""
    yield base64.b64encode(text.encode()).decode().rstrip("=")
    yield base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _with_small_digits(encoded: str) -> str:
    first, *rest = encoded.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)])


__all__ = ["SHORTEST", "spellings"]
