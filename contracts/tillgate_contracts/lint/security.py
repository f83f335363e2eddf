"""Rules about access, transport, and personal and cardholder data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tillgate_contracts.lint.rule import Violation, rule
from tillgate_contracts.lint.view import Endpoint, LintView
from tillgate_contracts.lint.words import CARDHOLDER, PERSONAL, SENSITIVE_AUTHENTICATION, squeezed
from tillgate_contracts.reading import escape, follow

_SECRETS = frozenset(
    ("password", "passwd", "secret", "clientsecret", "apikey", "accesstoken", "token", "authorization", "privatekey")
)
_ALL = ("openapi", "asyncapi", "jsonschema")


def _edmx(view: LintView) -> str:
    return "OData metadata does not describe access" if view.document.format.startswith("edmx") else ""


def _public(view: LintView) -> str:
    return "the data is public" if view.data_class == "public" else _edmx(view)


def effective_security(view: LintView, endpoint: Endpoint) -> list[dict[str, Any]]:
    """The requirement list that holds for an operation: its own, or the global one."""
    found = endpoint.value.get("security", view.tree.get("security"))
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


@rule(
    "security-required",
    "eeew",
    title="Every operation requires authentication",
    why="An open operation is found by others first.",
    hint="Set security globally or on the operation; an empty requirement ({}) makes it optional.",
    condition=_public,
)
def security_required(view: LintView) -> Iterator[Violation]:
    for endpoint in view.endpoints:
        required = effective_security(view, endpoint)
        if endpoint.webhook and not required:
            continue
        if not required or any(not item for item in required):
            how = "is open" if not required else "can be called without authentication"
            yield Violation(endpoint.pointer, f"{endpoint.label} {how}.", endpoint.label, endpoint.path)


@rule(
    "security-scheme-declared",
    "e",
    title="Security requirements name declared schemes",
    why="A requirement without a scheme protects nothing.",
    hint="Declare it below components.securitySchemes.",
    condition=_edmx,
)
def security_scheme_declared(view: LintView) -> Iterator[Violation]:
    known = set(view.document.security_schemes)
    lists = [("/security", view.tree.get("security"))]
    lists += [(f"{endpoint.pointer}/security", endpoint.value.get("security")) for endpoint in view.endpoints]
    for pointer, value in lists:
        for item in value if isinstance(value, list) else ():
            for name in item if isinstance(item, dict) else ():
                if name not in known:
                    yield Violation(pointer, f"The security scheme {name} is not declared.")


def _sensitive(view: LintView) -> str:
    if view.data_class in ("personal", "cardholder"):
        return _edmx(view)
    return "the data class is not known" if view.data_class is None else f"the data is {view.data_class}"


@rule(
    "security-strong",
    "eeew",
    title="Personal and cardholder data need tokens, not passwords",
    why="Basic authentication and fixed keys cannot be scoped, expire or be revoked per consumer.",
    hint="Use OAuth 2.0, OpenID Connect or mutual TLS.",
    condition=_sensitive,
)
def security_strong(view: LintView) -> Iterator[Violation]:
    weak = {
        name
        for name, kind in view.document.security_schemes.items()
        if kind == "http basic" or kind.startswith("apiKey")
    }
    for endpoint in view.endpoints:
        alternatives = [item for item in effective_security(view, endpoint) if item]
        bad = sorted({name for item in alternatives if set(item) <= weak for name in item})
        if bad:
            yield Violation(
                endpoint.pointer,
                f"{endpoint.label} can be called with {', '.join(bad)} alone.",
                endpoint.label,
                endpoint.path,
            )


@rule(
    "security-no-key-in-query",
    "e",
    title="No credential travels in the query",
    why="Queries are written to logs of every proxy on the way.",
    hint="Send it in a header.",
)
def security_no_key_in_query(view: LintView) -> Iterator[Violation]:
    schemes = (view.tree.get("components") or {}).get("securitySchemes")
    for name, item in schemes.items() if isinstance(schemes, dict) else ():
        scheme = follow(view.tree, item)
        if isinstance(scheme, dict) and scheme.get("type") == "apiKey" and scheme.get("in") == "query":
            yield Violation(
                f"/components/securitySchemes/{escape(name)}", f"The scheme {name} sends its key in the query."
            )
    for endpoint in view.endpoints:
        for parameter in endpoint.parameters:
            name = str(parameter.value.get("name", ""))
            if parameter.value.get("in") == "query" and squeezed(name) in _SECRETS:
                yield Violation(
                    parameter.pointer, f"The query parameter {name} is a credential.", endpoint.label, endpoint.path
                )


@rule(
    "transport-encrypted",
    "eeew",
    title="Servers are reached over TLS",
    why="Whatever travels in clear text inside a store network is read there.",
    hint="Use https, wss, or a broker protocol with TLS.",
    families=("openapi", "asyncapi"),
)
def transport_encrypted(view: LintView) -> Iterator[Violation]:
    plain = ("http://", "ws://", "mqtt://", "amqp://", "ftp://")
    for url in view.document.servers:
        host = url.partition("://")[2]
        if url.lower().startswith(plain) and not host.startswith(("localhost", "127.0.0.1", "[::1]")):
            yield Violation("/servers", f"The server {url} is not encrypted.")


@rule(
    "no-personal-data-in-url",
    "eeew",
    title="No personal data in paths and queries",
    why="URLs end in access logs, histories and referrers, where nobody erases them.",
    hint="Use an opaque id, or a search by POST.",
)
def no_personal_data_in_url(view: LintView) -> Iterator[Violation]:
    seen: set[str] = set()
    for endpoint in view.endpoints:
        for item in endpoint.parameters:
            name = str(item.value.get("name", ""))
            if (
                item.value.get("in") in ("path", "query")
                and squeezed(name) in PERSONAL | CARDHOLDER
                and item.pointer not in seen
            ):
                seen.add(item.pointer)
                yield Violation(
                    item.pointer,
                    f"The parameter {name} of {endpoint.label} is personal data.",
                    endpoint.label,
                    endpoint.path,
                )


@rule(
    "cardholder-data-never-returned",
    "e",
    title="Card verification data is never sent back",
    why="PCI DSS 4.0, 3.3: sensitive authentication data must not be kept after authorisation.",
    hint="Remove it from responses and events, or mark it writeOnly.",
    families=_ALL,
)
def cardholder_data_never_returned(view: LintView) -> Iterator[Violation]:
    for item in view.properties:
        if (
            squeezed(item.name) in SENSITIVE_AUTHENTICATION
            and item.value.get("writeOnly") is not True
            and view.in_response(item.pointer)
        ):
            yield Violation(item.pointer, f"The property {item.name} is card verification data in a response.")


def _classified(view: LintView) -> str:
    return "the data class is not known" if view.data_class is None else ""


@rule(
    "cardholder-data-classified",
    "e",
    title="Card numbers only in APIs of the class cardholder",
    why="The class decides storage, logging, masking and audit scope.",
    hint="Set the API's data class to cardholder, or send a token instead of the number.",
    families=_ALL,
    condition=lambda view: (
        _classified(view) or ("" if view.data_class != "cardholder" else "the API is of the class cardholder")
    ),
)
def cardholder_data_classified(view: LintView) -> Iterator[Violation]:
    for item in view.properties:
        if squeezed(item.name) in CARDHOLDER | SENSITIVE_AUTHENTICATION:
            yield Violation(
                item.pointer,
                f"The property {item.name} is cardholder data, and the API is classified {view.data_class}.",
            )


@rule(
    "personal-data-classified",
    "eeew",
    title="Personal data only in APIs that are classified so",
    why="Retention, erasure and access reviews follow the class.",
    hint="Set the API's data class to personal, or remove the field.",
    families=_ALL,
    condition=lambda view: (
        _classified(view)
        or (f"the API is of the class {view.data_class}" if view.data_class in ("personal", "cardholder") else "")
    ),
)
def personal_data_classified(view: LintView) -> Iterator[Violation]:
    for item in view.properties:
        if squeezed(item.name) in PERSONAL:
            yield Violation(
                item.pointer, f"The property {item.name} is personal data, and the API is classified {view.data_class}."
            )
