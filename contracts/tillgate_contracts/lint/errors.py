"""Errors: declared, in one machine-readable form, with a hint when to try again."""

from __future__ import annotations

from collections.abc import Iterator

from tillgate_contracts.lint.rule import Violation, rule
from tillgate_contracts.lint.view import Endpoint, LintView

_PROBLEM = ("application/problem+json", "application/problem+xml")


def _edmx(view: LintView) -> str:
    return "OData prescribes its error format" if view.document.format.startswith("edmx") else ""


def _calls(view: LintView) -> Iterator[Endpoint]:
    return (endpoint for endpoint in view.endpoints if not endpoint.webhook)


@rule(
    "error-problem-json",
    "ewwi",
    title="Errors are problem documents (RFC 9457)",
    why="One error form over all APIs lets tills and channels handle errors once.",
    hint="Give 4xx, 5xx and default responses the media type application/problem+json.",
    condition=_edmx,
)
def error_problem_json(view: LintView) -> Iterator[Violation]:
    seen: set[str] = set()
    for endpoint in _calls(view):
        for code, response in view.responses(endpoint):
            if (code[:1] not in ("4", "5") and code != "default") or response.pointer in seen:
                continue
            kinds = [kind for kind, _ in view.media(response)]
            if not any(kind in _PROBLEM for kind in kinds):
                seen.add(response.pointer)
                found = f"has {', '.join(kinds)}" if kinds else "has no body"
                text = f"The response {code} of {endpoint.label} {found} instead of application/problem+json."
                yield Violation(response.pointer, text, endpoint.label, endpoint.path)


@rule(
    "error-responses-declared",
    "ewwi",
    title="Every operation declares its errors",
    why="What is not declared is not handled, and a till stops.",
    hint="Declare a 4xx and a 5xx response (or default), and 401 where the call is secured.",
)
def error_responses_declared(view: LintView) -> Iterator[Violation]:
    for endpoint in _calls(view):
        codes = {code for code, _ in view.responses(endpoint)}
        if "default" in codes:
            continue
        missing = [
            name for name, start in (("4xx", "4"), ("5xx", "5")) if not any(code.startswith(start) for code in codes)
        ]
        if view.document.format.startswith("edmx"):
            missing = [name for name in missing if name == "4xx"]
        if missing:
            text = f"{endpoint.label} declares no {' and no '.join(missing)} response."
            yield Violation(f"{endpoint.pointer}/responses", text, endpoint.label, endpoint.path)


@rule(
    "success-response-declared",
    "e",
    title="Every operation declares a success",
    why="A contract without its main answer promises nothing.",
    hint="Declare the 2xx response with its schema.",
)
def success_response_declared(view: LintView) -> Iterator[Violation]:
    for endpoint in _calls(view):
        codes = [code for code, _ in view.responses(endpoint)]
        if not any(code[:1] in ("1", "2", "3") or code == "default" for code in codes):
            yield Violation(
                f"{endpoint.pointer}", f"{endpoint.label} declares no success response.", endpoint.label, endpoint.path
            )


@rule(
    "response-has-schema",
    "ewwi",
    title="JSON responses have a schema",
    why="Without one there is nothing to compare, to validate or to map.",
    hint="Describe the body; an open object is a schema too.",
)
def response_has_schema(view: LintView) -> Iterator[Violation]:
    for endpoint in _calls(view):
        for code, response in view.responses(endpoint):
            for kind, media in view.media(response):
                if code.startswith("2") and "json" in kind and not media.value.get("schema"):
                    text = f"The response {code} ({kind}) of {endpoint.label} has no schema."
                    yield Violation(media.pointer, text, endpoint.label, endpoint.path)


@rule(
    "retry-after-declared",
    "wi--",
    title="Overload answers say when to come back",
    why="Six hundred stores that retry at once make the next outage.",
    hint="Declare the header Retry-After on 429 and 503.",
)
def retry_after_declared(view: LintView) -> Iterator[Violation]:
    seen: set[str] = set()
    for endpoint in _calls(view):
        for code, response in view.responses(endpoint):
            headers = response.value.get("headers")
            names = {name.lower() for name in headers} if isinstance(headers, dict) else set()
            if code in ("429", "503") and "retry-after" not in names and response.pointer not in seen:
                seen.add(response.pointer)
                text = f"The response {code} of {endpoint.label} declares no Retry-After."
                yield Violation(response.pointer, text, endpoint.label, endpoint.path)
