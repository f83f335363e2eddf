"""What a change, a waiver or a break-glass is about, in words: the kinds of subjects that rooms registered."""

from __future__ import annotations

from typing import Final

from governance.domain import kinds

WORDS: Final = {
    "api": "API",
    "application": "Application",
    "boundary": "System of record",
    "destination": "Address of a system",
    "environment": "Environment",
    "freeze": "Freeze",
    "integration": "Integration",
    "policy": "Policy",
    "reading": "Reading of a source",
    "replay": "Replay",
    "version": "Version of an API",
    "waiver": "Waiver",
}


def word_of(kind: str) -> str:
    """A kind as a label; one that has no word here is its key."""
    return WORDS.get(kind, kind.replace("_", " ").capitalize())


def name_of(kind: str, subject_id: str) -> str:
    """A subject in a list: "price-api@v3", but "waiver 17", for a number says nothing alone."""
    numbered = subject_id.isascii() and subject_id.isdecimal()
    return f"{word_of(kind).lower()} {subject_id}" if numbered else subject_id


def choices() -> list[tuple[str, str]]:
    """What a waiver or a break-glass may be about, by label."""
    about = {kind.subject_kind for kind in kinds.all_kinds()} - {"", "waiver", "policy"}
    return sorted(((key, word_of(key)) for key in about), key=lambda choice: choice[1].lower())
