"""Answers that do not say what happened: what proxies, sign-in pages and careless services put where a result belongs.

    sign_in       200 with an HTML page, as a session that ended or a firewall in front answers
    redirect      302 to the sign-in page
    error_member  200 with {"success": false, "error": …}
    errors        200 with {"errors": […]}
    empty         202 without a body
    other         200 with JSON of another shape, as a proxy's own health page
    truncated     the true answer, or one that looks like it, cut in the middle; complete for HTTP

Each may be told before or after acting; the journal says which it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LIES = ("sign_in", "redirect", "error_member", "errors", "empty", "other", "truncated")
PROXY_BODY = (
    b"upstream connect error or disconnect/reset before headers. reset reason: connection termination"  # Envoy's words
)
_PAGE = b"""<!doctype html><html><head><title>Sign in</title></head><body><form method="post" action="/sign-in">
<label>User <input name="user"></label><label>Password <input name="password" type="password"></label></form></body>
</html>"""
_JSON, _HTML = "application/json", "text/html"


@dataclass
class Answer:
    """One answer of an emulator."""

    status: int = 200
    body: bytes = b""
    content_type: str = _JSON
    headers: list[tuple[str, str]] = field(default_factory=list)


def lie(name: str, true: Answer | None) -> Answer:
    """The answer that is given instead of `true`; None where nothing was done."""
    match name:
        case "sign_in":
            return Answer(200, _PAGE, _HTML)
        case "redirect":
            return Answer(302, b"", _HTML, [("Location", "/sign-in")])
        case "error_member":
            return Answer(200, b'{"success":false,"error":"posting period closed"}')
        case "errors":
            return Answer(200, b'{"errors":[{"message":"internal: no connection to the ledger","code":"E17"}]}')
        case "empty":
            return Answer(202, b"")
        case "other":
            return Answer(200, b'{"status":"ok"}')
        case _:
            whole = true.body if true is not None and true.body else b'{"items":[{"status":"posted","document":"9000'
            return Answer(200 if true is None else true.status, whole[: max(1, len(whole) * 2 // 3)])


def proxy_answer(status: int) -> Answer:
    """What a proxy says of a server that went away after it had taken the request."""
    return Answer(status, PROXY_BODY, "text/plain")
