"""One form of user names, so that one name is one account however its letters came to be written."""

from __future__ import annotations

import unicodedata


def prepared(name: str) -> str:
    """Form KC (full-width letters are plain ones, letters and their accents one sign), without signs that nobody sees
    (Unicode category Cf: zero-width spaces and joiners, marks of direction), without blanks around it. Idempotent.
    Upper and lower case stay: names are compared without them."""
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", name) if unicodedata.category(sign) != "Cf")
    return unicodedata.normalize("NFKC", seen).strip()


def folded(name: str) -> str:
    """What two spellings of one name have in common."""
    return prepared(name).lower()
