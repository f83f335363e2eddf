"""Links into rooms above this one. Templates link; Python imports nothing from there."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse


def propose(kind: str, subject: str) -> str:
    """The page that opens a change request of this kind about this subject."""
    base = address("governance:new-change") or "/changes/new/"
    return f"{base}?{urlencode({'kind': kind, 'subject': subject})}"


def address(name: str, **arguments: str | int) -> str:
    """The path behind a URL name, or "" where no room answers to it."""
    try:
        return reverse(name, kwargs=arguments or None)
    except NoReverseMatch:
        return ""
