"""Headers and parameters that a connection's settings may add to its calls: none that the client writes, none that
signs in, and none that HTTP cannot carry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kernel.redacted_names import names_a_secret

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
VALUE = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?\Z")
# Which server is meant, where the message ends, what becomes of the connection.
_OF_THE_CLIENT = frozenset(
    (
        *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"),
        *("expect", "http2-settings"),
    )
)
_SIGNS_IN = frozenset({"authorization", "cookie", "cookie2", "set-cookie", "www-authenticate", "authentication-info"})
_MOST = 8_000


def is_of_the_client(name: str) -> bool:
    low = name.lower()
    return low in _OF_THE_CLIENT or low.startswith("proxy-")


def signing_header_problem(name: str) -> str:
    """Why the secret of a system cannot be sent in this header; empty where it can."""
    if not NAME.match(name):
        return f"{name[:100]!r} is no name of a header"
    return f"the header {name} is written by the client alone" if is_of_the_client(name) else ""


def header_problem(name: str, value: Any = "") -> str:
    """Why this header cannot stand in a manifest; empty where it can."""
    if said := signing_header_problem(name):
        return said
    if name.lower() in _SIGNS_IN or names_a_secret(name):
        return (
            f"the header {name} signs in or holds a secret, and a manifest is kept for ever and shown to everybody who "
            f"decides: name the secret in the system's endpoint (secret_ref), and how it is sent in 'auth'"
        )
    if not isinstance(value, str):
        return f"the value of the header {name} is a text"
    if not VALUE.match(value) or len(value) > _MOST:
        return f"the value of the header {name} holds what HTTP does not allow: visible ASCII characters, blanks within"
    return ""


def parameter_problem(name: str) -> str:
    """Why a query parameter of this name cannot stand in a manifest; empty where it can."""
    if names_a_secret(name):
        return (
            f"the parameter {name[:100]!r} looks like a secret, and a manifest is kept for ever: name the secret in "
            f"the system's endpoint (secret_ref), and the header that carries it in 'auth'"
        )
    return ""


def of_headers(given: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """(place, what is wrong) of each header of a settings' object."""
    if not isinstance(given, Mapping):
        return
    seen: dict[str, str] = {}
    for name, value in given.items():
        at = f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"
        if said := header_problem(str(name), value):
            yield at, said
        elif str(name).lower() in seen:
            yield at, f"the header {name} stands here twice ({seen[str(name).lower()]})"
        seen.setdefault(str(name).lower(), str(name))
