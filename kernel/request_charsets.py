"""Which charset the address and the form of a request are read with: the one that its media type names where ASCII is
part of that, else UTF-8. Django takes whatever Python has a codec for, and `hex`, `idna` or `utf-16` are an error, or
another address, before anything of ours has seen the request. What a body is, its reader judges by the media type."""

from __future__ import annotations

import string
from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from django.utils.http import parse_header_parameters

_ASCII = string.printable.encode("ascii")


@lru_cache(maxsize=64)
def reads_addresses(name: str) -> bool:
    """Whether ASCII means itself in the charset."""
    try:
        return string.printable.encode(name) == _ASCII and _ASCII.decode(name) == string.printable
    except (LookupError, ValueError):
        return False


def _content_type_of(request: HttpRequest, meta: dict[str, Any]) -> None:
    request.content_type, request.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
    charset = request.content_params.get("charset", "")
    if charset and reads_addresses(charset):
        request.encoding = charset


def install() -> None:
    """For every way in which requests are made: WSGI, the short way, tests."""
    HttpRequest._set_content_type_params = _content_type_of  # type: ignore[attr-defined]


__all__ = ["install", "reads_addresses"]
