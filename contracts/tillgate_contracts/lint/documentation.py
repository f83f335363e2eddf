"""Who owns the contract, and whether a reader can use it without asking."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tillgate_contracts.lint.rule import Violation, rule
from tillgate_contracts.lint.view import LintView
from tillgate_contracts.reading import escape, fragment_tokens
from tillgate_contracts.reading.walk import objects

_VERSION = re.compile(r"^v?\d+(?:\.\d+){0,3}(?:[-+.][0-9A-Za-z.-]+)?\Z|^\d{4}-\d{2}(?:-\d{2})?\Z")
_DESCRIBED = ("openapi", "asyncapi")


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _is_edmx(view: LintView) -> str:
    return "OData metadata has no place for it" if view.document.format.startswith("edmx") else ""


@rule(
    "info-title",
    "w",
    title="The contract has a title",
    why="A catalog entry without a name is not found.",
    hint="Set info.title to the capability's name.",
    families=_DESCRIBED,
)
def info_title(view: LintView) -> Iterator[Violation]:
    if not _text(view.info.get("title")):
        yield Violation("/info", "info.title is missing or empty.")


@rule(
    "info-version",
    "wwwi",
    title="info.version is a version",
    why="Readers compare it; a build placeholder or an empty text says nothing.",
    hint="Write a semantic version (2.1.0), a major one (v2) or a date (2026-11-23), and change it with every release.",
    families=_DESCRIBED,
    condition=_is_edmx,
)
def info_version(view: LintView) -> Iterator[Violation]:
    version = view.document.version_label
    if not version:
        yield Violation("/info", "info.version is missing or empty.")
    elif not _VERSION.match(version):
        yield Violation("/info/version", f"info.version is {version[:60]!r}, which is neither a version nor a date.")


@rule(
    "info-description",
    "wwii",
    title="The contract says what it is for",
    why="A reviewer decides by purpose, not by path names.",
    hint="Describe in info.description what the API does, for whom, and what it does not do (40 characters or more).",
    families=_DESCRIBED,
    condition=_is_edmx,
)
def info_description(view: LintView) -> Iterator[Violation]:
    if len(_text(view.info.get("description"))) < 40:
        yield Violation("/info", "info.description is missing or shorter than 40 characters.")


@rule(
    "owner-named",
    "eewi",
    title="An owner is named",
    why="Without an owner nobody approves, answers or retires it.",
    hint="Set info.contact.name to the owning team, or x-owner.",
    families=_DESCRIBED,
    condition=_is_edmx,
)
def owner_named(view: LintView) -> Iterator[Violation]:
    contact = view.info.get("contact")
    named = isinstance(contact, dict) and _text(contact.get("name"))
    if not named and not any(
        _text(view.info.get(key)) or _text(view.tree.get(key)) for key in ("x-owner", "x-owner-team", "x-team")
    ):
        yield Violation("/info", "No owner is named: neither info.contact.name nor x-owner.")


@rule(
    "support-contact",
    "eewi",
    title="There is a support contact",
    why="At three in the morning somebody must be reachable.",
    hint="Set info.contact.email or info.contact.url to where support is reached.",
    families=_DESCRIBED,
    condition=_is_edmx,
)
def support_contact(view: LintView) -> Iterator[Violation]:
    contact = view.info.get("contact")
    if not isinstance(contact, dict) or not (_text(contact.get("email")) or _text(contact.get("url"))):
        yield Violation("/info", "No support contact: info.contact has neither an email nor a url.")


@rule(
    "operation-described",
    "wwii",
    title="Every operation has a summary",
    why="The list of operations is what people read first.",
    hint="Add a summary of a few words.",
)
def operation_described(view: LintView) -> Iterator[Violation]:
    for endpoint in view.endpoints:
        if not _text(endpoint.value.get("summary")) and not _text(endpoint.value.get("description")):
            yield Violation(
                endpoint.pointer,
                f"{endpoint.label} has neither summary nor description.",
                endpoint.label,
                endpoint.path,
            )


@rule(
    "operation-id",
    "wwii",
    title="Every operation has an operationId",
    why="Generated clients and subscriptions are named by it.",
    hint="Add an operationId that stays the same over versions.",
    condition=_is_edmx,
)
def operation_id(view: LintView) -> Iterator[Violation]:
    for endpoint in view.endpoints:
        if not _text(endpoint.value.get("operationId")):
            yield Violation(endpoint.pointer, f"{endpoint.label} has no operationId.", endpoint.label, endpoint.path)


@rule(
    "operation-id-unique",
    "e",
    title="No operationId is used twice",
    why="Clients cannot be generated, and OpenAPI forbids it.",
    hint="Rename one of them.",
)
def operation_id_unique(view: LintView) -> Iterator[Violation]:
    seen: dict[str, str] = {}
    for endpoint in view.endpoints:
        name = _text(endpoint.value.get("operationId"))
        if name and name in seen:
            pointer = f"{endpoint.pointer}/operationId"
            yield Violation(
                pointer,
                f"The operationId {name} of {endpoint.label} is that of {seen[name]} too.",
                endpoint.label,
                endpoint.path,
            )
        elif name:
            seen[name] = endpoint.label


@rule(
    "operation-tagged",
    "i",
    title="Every operation has a tag",
    why="Long lists are read by group.",
    hint="Add one tag per business capability.",
)
def operation_tagged(view: LintView) -> Iterator[Violation]:
    for endpoint in view.endpoints:
        if not endpoint.value.get("tags") and not endpoint.webhook:
            yield Violation(endpoint.pointer, f"{endpoint.label} has no tag.", endpoint.label, endpoint.path)


@rule(
    "parameter-described",
    "wiii",
    title="Every parameter is described",
    why="A name does not say units, format or effect.",
    hint="Add a description.",
    condition=_is_edmx,
)
def parameter_described(view: LintView) -> Iterator[Violation]:
    seen: set[str] = set()
    for endpoint in view.endpoints:
        for item in endpoint.parameters:
            if item.pointer not in seen and not _text(item.value.get("description")):
                seen.add(item.pointer)
                yield Violation(
                    item.pointer,
                    f"The parameter {item.value.get('name')} has no description.",
                    endpoint.label,
                    endpoint.path,
                )


@rule(
    "property-described",
    "iiii",
    title="Properties are described",
    why="Meaning, unit and source of a field are what integrations get wrong.",
    hint="Add a description or at least a title.",
    families=("openapi", "asyncapi", "jsonschema"),
)
def property_described(view: LintView) -> Iterator[Violation]:
    for item in view.properties:
        if not _text(item.value.get("description")) and not _text(item.value.get("title")):
            yield Violation(item.pointer, f"The property {item.name} has no description.")


@rule(
    "example-given",
    "wiii",
    title="Bodies have examples",
    why="An example is what a consumer builds and tests against.",
    hint="Add example or examples to the media type, or examples to the schema.",
    condition=_is_edmx,
)
def example_given(view: LintView) -> Iterator[Violation]:
    for endpoint in view.endpoints:
        body = view.body(endpoint)
        placed = [("request body", body)] if body is not None else []
        placed += [(f"response {code}", item) for code, item in view.responses(endpoint) if code.startswith("2")]
        for name, holder in placed:
            for kind, media in view.media(holder):
                schema = view.schema(media).value
                if "json" not in kind or {"example", "examples"} & (media.value.keys() | schema.keys()):
                    continue
                properties = schema.get("properties")
                if isinstance(properties, dict) and any(
                    isinstance(p, dict) and {"example", "examples"} & p.keys() for p in properties.values()
                ):
                    continue
                yield Violation(
                    media.pointer, f"The {name} of {endpoint.label} has no example.", endpoint.label, endpoint.path
                )


@rule(
    "deprecated-has-sunset",
    "eewi",
    title="What is deprecated has a sunset date",
    why="Without a date nobody plans the move, and removal needs one.",
    hint="Add x-sunset with a date (2027-06-30).",
)
def deprecated_has_sunset(view: LintView) -> Iterator[Violation]:
    for endpoint in view.endpoints:
        if endpoint.value.get("deprecated") is True and not _text(endpoint.value.get("x-sunset")):
            yield Violation(
                endpoint.pointer, f"{endpoint.label} is deprecated and has no x-sunset.", endpoint.label, endpoint.path
            )


@rule(
    "component-used",
    "i",
    title="Every named schema is used",
    why="Dead schemas are reviewed, generated and kept for nothing.",
    hint="Remove it, or refer to it.",
    condition=_is_edmx,
)
def component_used(view: LintView) -> Iterator[Violation]:
    schemas = (view.tree.get("components") or {}).get("schemas")
    if not isinstance(schemas, dict) or not view.endpoints:
        return
    used = _references(view)
    for name in schemas:
        if name not in used:
            yield Violation(f"/components/schemas/{escape(name)}", f"The schema {name} is referred to by nothing.")


def _references(view: LintView) -> set[str]:
    used: set[str] = set()
    for holder in objects(view.tree):
        ref = holder.get("$ref")
        tokens = fragment_tokens(ref) if isinstance(ref, str) else None
        if tokens and tokens[:2] == ["components", "schemas"] and len(tokens) > 2:
            used.add(tokens[2])
        mapping = holder.get("mapping")
        if isinstance(mapping, dict):
            used |= {str(value).rpartition("/")[2] for value in mapping.values()}
    return used
