"""Bodies of requests: their size, charset and content coding, and the parser for JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from kernel.errors import TooLarge, UnsupportedBody
from kernel.strict_json import loads


def charset_of(media_type: str | None) -> str:
    """The parameter `charset` of a media type, empty where it has none."""
    _, _, parameters = (media_type or "").partition(";")
    found = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters, re.IGNORECASE)
    return found[1] if found else ""


def body_of(stream: IO[bytes], media_type: str | None, context: Mapping[str, Any] | None) -> bytes:
    """The bytes of a request body. Raises TooLarge beyond the limit, UnsupportedBody for a charset other than UTF-8 and
    for a content coding."""
    request = (context or {}).get("request")
    coding = request.headers.get("Content-Encoding", "identity") if request is not None else "identity"
    if coding.strip().lower() not in ("", "identity"):
        raise UnsupportedBody(
            "request.coding", f"Send the body as it is; the content coding {coding[:40]!r} is not read."
        )
    charset = charset_of(media_type)
    if charset.lower() not in ("", "utf-8", "utf8", "us-ascii", "ascii"):
        raise UnsupportedBody("request.charset", f"Send UTF-8; the charset {charset[:40]!r} is not read.")
    return limited(stream)


def limited(stream: IO[bytes] | HttpRequest) -> bytes:
    """All of it. Raises TooLarge beyond the limit."""
    limit: int = settings.MAX_REQUEST_BYTES
    data: bytes = stream.read(limit + 1)
    if len(data) > limit:
        raise TooLarge("request.too_large", f"The body is larger than {limit // 1024 // 1024} MB.")
    return data


def raw_body(request: Request) -> bytes:
    """The bytes as received, for a view that needs them beside what the parser makes of them; to be called first.
    Raises TooLarge beyond the limit."""
    try:
        body: bytes = request.body
    except RequestDataTooBig:
        raise TooLarge(
            "request.too_large", f"The body is larger than {settings.MAX_REQUEST_BYTES // 1024 // 1024} MB."
        ) from None
    return body


class StrictJSONParser(BaseParser):
    """DRF parser over `loads`."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return loads(body_of(stream, media_type, parser_context))
