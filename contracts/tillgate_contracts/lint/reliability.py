"""What makes an integration reliable: bounded pages, safe repetition, no lost updates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tillgate_contracts.lint.rule import Violation, rule
from tillgate_contracts.lint.view import Endpoint, LintView, Placed
from tillgate_contracts.lint.words import PAGE_SIZE, PAGING, squeezed
from tillgate_contracts.reading import follow

_LIST_NAMES = frozenset(
    ["items", "results", "value", "data", "records", "entries", "elements", "rows", "content", "list"]
)
_KEYS = frozenset(
    (
        "idempotencykey",
        "xidempotencykey",
        "xrequestid",
        "requestid",
        "xcorrelationid",
        "idempotencytoken",
        "clientrequestid",
    )
)
_KEY_FIELDS = frozenset(
    (
        "idempotencykey",
        "idempotencytoken",
        "clientrequestid",
        "clientreference",
        "clienttransactionid",
        "requestid",
        "messageid",
    )
)


def _edmx(view: LintView) -> str:
    return "OData prescribes it" if view.document.format.startswith("edmx") else ""


@rule(
    "pagination",
    "ewwi",
    title="Lists are paged",
    why="A list that grows with the business ends in a time-out on a Saturday.",
    hint="Add limit and cursor (or page) parameters.",
    condition=_edmx,
)
def pagination(view: LintView) -> Iterator[Violation]:
    for endpoint in view.endpoints:
        if endpoint.method != "get" or endpoint.webhook or endpoint.path.endswith("}"):
            continue
        if not _returns_list(view, endpoint):
            continue
        names = {squeezed(name.rpartition("[")[2] or name) for name in endpoint.parameter_names("query", "header")}
        names |= {squeezed(name) for name in endpoint.parameter_names("query", "header")}
        if not any(name in PAGING or name.startswith("page") for name in names):
            yield Violation(
                endpoint.pointer,
                f"{endpoint.label} returns a list and has no paging parameter.",
                endpoint.label,
                endpoint.path,
            )


def _returns_list(view: LintView, endpoint: Endpoint) -> bool:
    for code, response in view.responses(endpoint):
        if not code.startswith("2"):
            continue
        for kind, media in view.media(response):
            if "json" in kind and _is_list(view, view.schema(media).value):
                return True
    return False


def _is_list(view: LintView, schema: dict[str, Any]) -> bool:
    if schema.get("type") == "array":
        return True
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return False
    for name, value in properties.items():
        target = follow(view.tree, value)
        if (
            isinstance(target, dict)
            and target.get("type") == "array"
            and (squeezed(name) in _LIST_NAMES or len(properties) == 1)
        ):
            return True
    return False


@rule(
    "page-size-bounded",
    "wwii",
    title="The page size has a maximum",
    why="One call with limit=1000000 is a denial of service by accident.",
    hint="Give the parameter's schema a maximum.",
    condition=_edmx,
)
def page_size_bounded(view: LintView) -> Iterator[Violation]:
    seen: set[str] = set()
    for endpoint in view.endpoints:
        for item in endpoint.parameters:
            name = squeezed(str(item.value.get("name", "")))
            if name in PAGE_SIZE and item.value.get("in") == "query" and item.pointer not in seen:
                schema = view.schema(item).value
                seen.add(item.pointer)
                if not {"maximum", "exclusiveMaximum", "enum", "const"} & schema.keys() and schema.get("type") in (
                    "integer",
                    "number",
                ):
                    text = f"The parameter {item.value.get('name')} has no maximum."
                    yield Violation(item.pointer, text, endpoint.label, endpoint.path)


@rule(
    "list-in-object",
    "iiii",
    title="A list is wrapped in an object",
    why="An object can gain a cursor or a total later; an array cannot without breaking.",
    hint='Return {"items": […]}.',
    condition=_edmx,
)
def list_in_object(view: LintView) -> Iterator[Violation]:
    for endpoint in view.endpoints:
        for code, response in view.responses(endpoint):
            for kind, media in view.media(response):
                schema = view.schema(media)
                if code.startswith("2") and "json" in kind and schema.value.get("type") == "array":
                    text = f"The response {code} of {endpoint.label} is a bare array."
                    yield Violation(media.pointer, text, endpoint.label, endpoint.path)


def _no_writes(view: LintView) -> str:
    if view.document.format.startswith("edmx"):
        return "OData has no idempotency key"
    return (
        ""
        if any(endpoint.method in ("post", "patch") and not endpoint.webhook for endpoint in view.endpoints)
        else "nothing is written"
    )


@rule(
    "idempotency-key",
    "eewi",
    title="Unsafe operations can be repeated safely",
    why="After a time-out a till must be able to send again without a second charge.",
    hint="Accept the header Idempotency-Key on POST and PATCH; mark reads by POST with x-safe: true.",
    condition=_no_writes,
)
def idempotency_key(view: LintView) -> Iterator[Violation]:
    for endpoint in view.endpoints:
        if endpoint.method not in ("post", "patch") or endpoint.webhook:
            continue
        if endpoint.value.get("x-safe") is True or endpoint.value.get("x-idempotent") is True:
            continue
        if {squeezed(name) for name in endpoint.parameter_names("header")} & _KEYS or _body_has_key(view, endpoint):
            continue
        yield Violation(
            endpoint.pointer, f"{endpoint.label} accepts no Idempotency-Key.", endpoint.label, endpoint.path
        )


def _body_has_key(view: LintView, endpoint: Endpoint) -> bool:
    body = view.body(endpoint)
    if body is None:
        return False
    for _, media in view.media(body):
        properties = view.schema(media).value.get("properties")
        if isinstance(properties, dict) and {squeezed(name) for name in properties} & _KEY_FIELDS:
            return True
    return False


@rule(
    "conditional-update",
    "iii-",
    title="Updates can be conditional",
    why="Two writers otherwise overwrite each other unseen.",
    hint="Accept If-Match on PUT and PATCH, and answer 412.",
    condition=_edmx,
)
def conditional_update(view: LintView) -> Iterator[Violation]:
    for endpoint in view.endpoints:
        if endpoint.method in ("put", "patch") and not endpoint.webhook:
            headers = {name.lower() for name in endpoint.parameter_names("header")}
            if not {"if-match", "if-unmodified-since"} & headers:
                yield Violation(
                    endpoint.pointer, f"{endpoint.label} does not accept If-Match.", endpoint.label, endpoint.path
                )


@rule(
    "request-array-bounded",
    "wiii",
    title="Arrays in requests have a maximum length",
    why="An unbounded basket or batch is an unbounded transaction.",
    hint="Set maxItems.",
    condition=_edmx,
)
def request_array_bounded(view: LintView) -> Iterator[Violation]:
    seen: set[str] = set()
    for endpoint in view.endpoints:
        body = view.body(endpoint)
        for _, media in view.media(body) if body is not None and not endpoint.webhook else ():
            for name, item in _arrays(view, view.schema(media)):
                if item.pointer not in seen and "maxItems" not in item.value:
                    seen.add(item.pointer)
                    text = f"{name} in the request of {endpoint.label} has no maxItems."
                    yield Violation(item.pointer, text, endpoint.label, endpoint.path)


def _arrays(view: LintView, schema: Placed) -> Iterator[tuple[str, Placed]]:
    if schema.value.get("type") == "array":
        yield "The array", schema
    properties = schema.value.get("properties")
    for name, value in properties.items() if isinstance(properties, dict) else ():
        target = view.follow(value, f"{schema.pointer}/properties/{name.replace('~', '~0').replace('/', '~1')}")
        if target.value.get("type") == "array":
            yield f"The property {name}", target


@rule(
    "delete-without-body",
    "w",
    title="GET, HEAD and DELETE have no request body",
    why="Proxies and clients drop it (RFC 9110 §9.3).",
    hint="Move the data into the query, or use POST.",
)
def delete_without_body(view: LintView) -> Iterator[Violation]:
    for endpoint in view.endpoints:
        if endpoint.method in ("get", "head", "delete") and endpoint.value.get("requestBody"):
            yield Violation(
                f"{endpoint.pointer}/requestBody",
                f"{endpoint.label} has a request body.",
                endpoint.label,
                endpoint.path,
            )
