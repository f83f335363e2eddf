"""Addresses that hold what is no text: NUL, half a surrogate pair, bytes that are not UTF-8. They are
refused here, once for every endpoint, before anything looks at them; bodies are judged by `kernel.strict_json`."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from django.http import HttpRequest, HttpResponse

from kernel.errors import Invalid, finding
from kernel.request import is_call
from portal import problem

_NUL = "holds a NUL character (%00), which no field can store: send it without"
_NO_TEXT = "is not UTF-8 (RFC 3986 §2.5): encode the text as UTF-8, then with %"


class ReadableAddressMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        if "%" in query or "\0" in request.path_info:
            found = flaws(request.path_info, query)
            if found:
                said = "The address cannot be read; see findings."
                error = Invalid("request.address", said, {"findings": found})
                if is_call(request.path_info):
                    return problem.respond(error, request)
                return problem.without_database(error, "Nothing was changed.")
        return self.get_response(request)


def flaws(path: str, query: str) -> list[dict[str, object]]:
    """One finding for each parameter that is no text; the pointer is its name."""
    found = [finding("", f"the path {_NUL}")] if "\0" in path else []
    for part in query.split("&") if "%" in query else ():
        name, _, _ = part.partition("=")
        shown = unquote_to_bytes(name.replace("+", " ")).decode("utf-8", "replace").replace("\0", "?")[:80]
        try:
            text = unquote_to_bytes(part).decode()
        except UnicodeDecodeError:
            found.append(finding(f"/{shown}", f"{shown} {_NO_TEXT}"))
        else:
            if "\0" in text:
                found.append(finding(f"/{shown}", f"{shown} {_NUL}"))
    return found
