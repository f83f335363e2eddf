"""Names: one spelling, resources rather than verbs, no vendor names in experience APIs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tillgate_contracts.lint.rule import Violation, rule
from tillgate_contracts.lint.view import LintView
from tillgate_contracts.lint.words import VERBS, parts, style, vendor_in
from tillgate_contracts.reading import escape

_VARIABLE = re.compile(r"\{([^{}]*)\}")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")
"""Names that can have a spelling; `fields[order]`, `@odata.count` and keys such as `a.b` follow a protocol."""
_SEGMENT = re.compile(
    r"(?:v?[0-9]+(?:\.[0-9]+)+(?:-[a-z0-9]+)*"  # a version: v3.1, 2.0, v1.0-beta
    r"|(?:\$|\.(?=well-known\Z))?[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]{2,5})?)\Z"  # $batch, .well-known, openapi.yaml
)
"""Spellings of a segment: words joined by hyphens, and what follows a convention of its own."""
_MAJOR = re.compile(r"(?:^|/)[vV]\d+(?:[./_-]|alpha|beta|rc|pre|$)|[?&]version=|\d{4}-\d{2}-\d{2}")


def _odata(view: LintView) -> str:
    servers = " ".join(view.document.servers)
    return (
        "OData prescribes the form of paths and names"
        if view.document.format.startswith("edmx") or "/odata" in servers
        else ""
    )


@rule(
    "path-casing",
    "wwii",
    title="Path segments are lower-case words joined by hyphens",
    why="One spelling over all APIs; capitals and underscores are mistyped.",
    hint="Write /price-lists rather than /PriceLists or /price_lists.",
    condition=_odata,
)
def path_casing(view: LintView) -> Iterator[Violation]:
    for path in _paths(view):
        segments = re.split(r"[?#]", path, maxsplit=1)[0].split("/")
        wrong = [part for part in segments if part and not {"{", ":"} & set(part) and not _SEGMENT.match(part)]
        if wrong:
            yield Violation(
                f"/paths/{escape(path)}",
                f"The path {path} has segments in another spelling: {', '.join(wrong)}.",
                path=path,
            )


@rule(
    "path-form",
    "w",
    title="Paths end without a slash, name no file type, and repeat no variable",
    why="Such paths are matched differently by gateways and clients.",
    hint="Remove the slash at the end, the extension, the query or the doubled variable.",
    condition=_odata,
)
def path_form(view: LintView) -> Iterator[Violation]:
    for path in _paths(view):
        names = _VARIABLE.findall(path)
        problem = ""
        if not path.startswith("/"):
            problem = "does not begin with a slash"
        elif len(path) > 1 and path.endswith("/"):
            problem = "ends with a slash"
        elif "?" in path or "#" in path:
            problem = "holds a query or a fragment"
        elif re.search(r"\.(?:json|xml|php|aspx?|html?)\Z", path):
            problem = "names a file type"
        elif len(names) != len(set(names)):
            problem = "uses one variable twice"
        if problem:
            yield Violation(f"/paths/{escape(path)}", f"The path {path} {problem}.", path=path)


@rule(
    "path-without-verb",
    "iiii",
    title="Paths name resources, not acts",
    why="The method says what is done; verbs in paths multiply operations.",
    hint="POST /orders instead of POST /createOrder; name the result of an act (POST /order-cancellations).",
    condition=_odata,
)
def path_without_verb(view: LintView) -> Iterator[Violation]:
    for path in _paths(view):
        for part in path.split("/"):
            words = parts(part) if "{" not in part else []
            if words and words[0] in VERBS:
                yield Violation(f"/paths/{escape(path)}", f"The path {path} names an act: {part}.", path=path)
                break


@rule(
    "path-variables-declared",
    "e",
    title="Path variables and path parameters match",
    why="Clients cannot be generated, and gateways refuse the document.",
    hint="Declare each {variable} as a required path parameter, and no other.",
)
def path_variables_declared(view: LintView) -> Iterator[Violation]:
    for endpoint in view.endpoints:
        if endpoint.webhook:
            continue
        wanted = {name.rstrip("*").lstrip("+#./;?&") for name in _VARIABLE.findall(endpoint.path)}
        declared = set(endpoint.parameter_names("path"))
        for name in sorted(wanted - declared):
            yield Violation(
                endpoint.pointer,
                f"{endpoint.label}: the variable {{{name}}} is not declared.",
                endpoint.label,
                endpoint.path,
            )
        for name in sorted(declared - wanted):
            yield Violation(
                endpoint.pointer,
                f"{endpoint.label}: the path parameter {name} is not in the path.",
                endpoint.label,
                endpoint.path,
            )


@rule(
    "path-shape-unique",
    "e",
    title="No two paths have one shape",
    why="/orders/{id} and /orders/{number} are the same address; which one answers is chance.",
    hint="Merge them, or make a fixed segment differ.",
)
def path_shape_unique(view: LintView) -> Iterator[Violation]:
    seen: dict[str, str] = {}
    for path in _paths(view):
        shape = _VARIABLE.sub("{}", path)
        if shape in seen:
            yield Violation(
                f"/paths/{escape(path)}", f"The paths {seen[shape]} and {path} are the same address.", path=path
            )
        seen.setdefault(shape, path)


@rule(
    "property-casing",
    "wwii",
    title="Properties have one spelling",
    why="Mixed spellings are mapping errors waiting to happen.",
    hint="Choose camelCase or snake_case for the whole API.",
    families=("openapi", "asyncapi", "jsonschema"),
    condition=_odata,
)
def property_casing(view: LintView) -> Iterator[Violation]:
    named = [item for item in view.properties if _PLAIN.match(item.name)]
    counted = Counter(style(item.name) for item in named)
    known = {label: count for label, count in counted.items() if label not in ("flat", "mixed", "UPPER_SNAKE")}
    if not known:
        return
    usual = max(sorted(known), key=lambda label: known[label])
    fits = {usual, "flat"} if usual[0].islower() else {usual}
    for item in named:
        if style(item.name) not in fits and not item.name.startswith("x-") and not item.name.isupper():
            yield Violation(item.pointer, f"The property {item.name} is not {usual}, as most of this contract is.")


@rule(
    "query-parameter-casing",
    "iiii",
    title="Query parameters have one spelling",
    why="They are typed by hand more than anything else.",
    hint="Choose camelCase or snake_case for the whole API.",
    condition=_odata,
)
def query_parameter_casing(view: LintView) -> Iterator[Violation]:
    names: dict[str, tuple[str, str, str]] = {}
    for endpoint in view.endpoints:
        for item in endpoint.parameters:
            name = str(item.value.get("name", ""))
            if item.value.get("in") == "query" and _PLAIN.match(name):
                names.setdefault(name, (item.pointer, endpoint.label, endpoint.path))
    counted = Counter(label for label in map(style, names) if label not in ("flat", "mixed"))
    if not counted:
        return
    usual = max(sorted(counted), key=lambda label: counted[label])
    for name, (pointer, label, path) in names.items():
        if style(name) not in (usual, "flat"):
            yield Violation(
                pointer, f"The query parameter {name} is not {usual}, as most of this contract is.", label, path
            )


@rule(
    "schema-casing",
    "i",
    title="Schema names are PascalCase",
    why="They become type names in every generated client.",
    hint="Write PriceList rather than price_list.",
    condition=_odata,
)
def schema_casing(view: LintView) -> Iterator[Violation]:
    schemas = (view.tree.get("components") or {}).get("schemas")
    for name in schemas if isinstance(schemas, dict) else ():
        if style(name) not in ("PascalCase", "UPPER_SNAKE"):
            yield Violation(f"/components/schemas/{escape(name)}", f"The schema name {name} is not PascalCase.")


@rule(
    "enum-casing",
    "i",
    title="The values of one enum have one spelling",
    why="Values are compared as text; mixed spellings are missed in code.",
    hint="Choose UPPER_SNAKE or camelCase for all values of the enum.",
    families=("openapi", "asyncapi", "jsonschema"),
)
def enum_casing(view: LintView) -> Iterator[Violation]:
    for item in view.properties:
        values = item.value.get("enum")
        words = (
            [value for value in values if isinstance(value, str) and value[:1].isalpha()]
            if isinstance(values, list)
            else []
        )
        styles = {
            "lower" if value == value.lower() else "UPPER" if value == value.upper() else style(value)
            for value in words
        }
        if len(styles) > 1 and {"lower", "UPPER"} <= styles:
            yield Violation(
                f"{item.pointer}/enum",
                f"The values of {item.name} mix capitals and small letters: {', '.join(words[:4])}.",
            )


@rule(
    "version-visible",
    "wwii",
    title="The major version is visible to clients",
    why="Two major versions live side by side until the sunset; a client must be able to choose.",
    hint="Put /v1 into the server URL or the paths, or declare a version header.",
    condition=_odata,
)
def version_visible(view: LintView) -> Iterator[Violation]:
    servers = view.document.servers
    paths = [endpoint.path for endpoint in view.endpoints if not endpoint.webhook]
    if not paths or any(_MAJOR.search(url) for url in servers) or all(_MAJOR.search(path) for path in paths):
        return
    for endpoint in view.endpoints:
        if any(
            "version" in name.lower() or name.lower() == "revision"
            for name in endpoint.parameter_names("header", "query")
        ):
            return
    yield Violation(
        "/servers" if servers else "", "Neither a server URL nor the paths nor a header carry the major version."
    )


def _experience_only(view: LintView) -> str:
    if view.layer is None:
        return "the layer is not known"
    return "" if view.layer == "experience" else f"vendors may be named in the {view.layer} layer"


@rule(
    "no-vendor-names",
    "eeww",
    title="An experience API names no vendor",
    why="Channels must not change when a system behind them is exchanged.",
    hint="Name the capability (payment, price) instead of the product that provides it.",
    families=("openapi", "asyncapi", "jsonschema"),
    condition=_experience_only,
)
def no_vendor_names(view: LintView) -> Iterator[Violation]:
    for url in view.document.servers:
        host = url.partition("://")[2].partition("/")[0]
        if vendor := vendor_in(host):
            yield Violation("/servers", f"The server {url} names the vendor {vendor}.")
    for path in _paths(view):
        if vendor := vendor_in(path):
            yield Violation(f"/paths/{escape(path)}", f"The path {path} names the vendor {vendor}.", path=path)
    for endpoint in view.endpoints:
        if vendor := vendor_in(str(endpoint.value.get("operationId") or "")):
            yield Violation(
                f"{endpoint.pointer}/operationId",
                f"The operationId names the vendor {vendor}.",
                endpoint.label,
                endpoint.path,
            )
        for item in endpoint.parameters:
            if vendor := vendor_in(str(item.value.get("name", ""))):
                text = f"The parameter {item.value.get('name')} names the vendor {vendor}."
                yield Violation(item.pointer, text, endpoint.label, endpoint.path)
    for name in view.document.schemas:
        if vendor := vendor_in(name):
            yield Violation(f"/components/schemas/{escape(name)}", f"The schema {name} names the vendor {vendor}.")
    for prop in view.properties:
        if vendor := vendor_in(prop.name):
            yield Violation(prop.pointer, f"The property {prop.name} names the vendor {vendor}.")


def _paths(view: LintView) -> list[str]:
    paths = view.tree.get("paths")
    return [path for path in paths if not path.startswith("x-")] if isinstance(paths, dict) else []
