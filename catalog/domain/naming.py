"""From identifiers to words, and from words to slugs and labels."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from datetime import date
from difflib import get_close_matches
from typing import Final

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_WORD: Final = re.compile(r"[^0-9A-Za-zÀ-ɏͰ-ӿ]+")
LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}\Z")
SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,99}\Z")
RESERVED: Final = frozenset({"bulk", "enforcement", "add", "begin"})
_NOISE: Final = frozenset(
    {"api", "apis", "rest", "service", "services", "openapi", "specification", "the", "for", "of", "and"}
)


def words(text: str) -> list[str]:
    """`getPriceByStoreID` → get, price, by, store, id."""
    return [w.lower() for part in _NOT_WORD.split(text) for w in _CAMEL.split(part) if w]


def distinct_words(texts: Iterable[str], *, limit: int = 6000) -> str:
    """Every word once, in the order of first use; runs as written too, so that `itemId` is found as one word."""
    seen: dict[str, None] = {}
    for text in texts:
        split = words(text)
        seen.update(dict.fromkeys(split))
        if 1 < len(split) <= 3 and text.isalnum():
            seen[text.lower()] = None
        if len(seen) >= limit:
            break
    return " ".join(list(seen)[:limit])


def slug_of(title: str, *, fallback: str = "api") -> str:
    """A short name for addresses: ASCII, lower case, hyphens; at most 100 characters."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:100].strip("-")
    return f"{slug}-api" if slug in RESERVED else slug or fallback


def label_for(declared: str, *, digest: str, today: date, taken: Collection[str] = ()) -> str:
    """A label for a version: the version that the document declares, where that is usable and free; some vendors
    never change it and some leave it empty, so a day or the digest is added until the label is unique."""
    base = re.sub(r"[^A-Za-z0-9._+-]+", "-", declared).strip("-._+")[:60]
    short = digest.removeprefix("sha256:")[:8]
    for candidate in ([base] if base else [f"{today:%Y-%m-%d}"]) + [f"{base or f'{today:%Y-%m-%d}'}+{short}"]:
        if candidate not in taken:
            return candidate
    return f"{base or 'v'}+{digest.removeprefix('sha256:')[:24]}"


def is_label(text: str) -> bool:
    return bool(LABEL.match(text))


def is_slug(text: str) -> bool:
    """Fits into addresses, and is none of the words that stand there for something else."""
    return bool(SLUG.match(text)) and text not in RESERVED


def telling_words(title: str) -> list[str]:
    """The words of a title that say something about its subject."""
    return [w for w in words(title) if w not in _NOISE and not w.isdecimal() and len(w) > 1]


def nearest(given: str, known: Iterable[str]) -> str:
    """The known key that somebody may have meant, whatever the capitals; empty where none is near."""
    keys = list(known)
    plain = spelled(given).replace(" ", "-").replace("_", "-")
    return plain if plain in keys else next(iter(get_close_matches(plain, keys, n=1, cutoff=0.75)), "")


def spelled(name: str) -> str:
    """Two names that differ by capitals, blanks or the width of letters are one."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
