"""What must not leave, written as base64: credentials as HTTP Basic sends them (`name:password`), a token, a card
number.

A run of the letters of base64 is decoded where it may be text; it goes as a whole when what it says would not have been
left as it is. Ids, numbers and names are such runs, too: what they decode to is no text.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable

from kernel.redacted_names import HIDDEN

SHORTEST = 11  # characters: a name, a colon and a password of six
_RUN = re.compile(r"[A-Za-z0-9+/_\-]{11,}={0,2}")
_PART = re.compile(r"[^/]{11,}")  # of a path, whose slashes are letters of base64, too
_CREDENTIALS = re.compile(r"[\w.@+\\\-]{1,100}:[!-~]{4,200}")
_MOMENT = re.compile(r"[0-9:.TZ+\-]+")
_URL_SAFE = str.maketrans("-_", "+/")


def without_encoded(text: str, cleaned: Callable[[str], str]) -> str:
    """`cleaned` answers what may be left of what a run says."""
    return _RUN.sub(lambda run: _without(run[0], cleaned), text)


def _without(run: str, cleaned: Callable[[str], str]) -> str:
    if _tells(run, cleaned):
        return HIDDEN
    if "/" not in run:
        return run
    return _PART.sub(lambda part: HIDDEN if _tells(part[0], cleaned) else part[0], run)


def _tells(run: str, cleaned: Callable[[str], str]) -> bool:
    said = _said(run)
    if said is None:
        return False
    if _CREDENTIALS.fullmatch(said.strip()) is not None and _MOMENT.fullmatch(said.strip()) is None:
        return True
    return cleaned(said) != said


def _said(run: str) -> str | None:
    """The text that this is the base64 of; None where it is that of no text."""
    letters = run.rstrip("=").translate(_URL_SAFE)
    if len(letters) % 4 == 1:
        return None
    try:
        said = b64decode(letters + "=" * (-len(letters) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return said if "".join(said.split()).isprintable() else None
