"""Rules about WSDL and XML Schema. The numbers are requirements of the WS-I Basic Profile 1.1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tillgate_contracts.lint.rule import Violation, rule
from tillgate_contracts.lint.view import LintView
from tillgate_contracts.reading.pointers import escape
from tillgate_contracts.reading.xml_form import METHODS

_WSDL, _XML = ("wsdl",), ("wsdl", "xsd")
_HTTP = ("", "http://schemas.xmlsoap.org/soap/http")
_MONEY = re.compile(r"(amount|price|total|cost|balance|tax|discount|refund)(?!s?(count|type|id|at)\b)\w*\Z", re.I)
_FLOATS = frozenset({"xs:float", "xs:double"})


def _operations(view: LintView) -> Iterator[tuple[str, dict[str, Any], str, dict[str, str]]]:
    """(name, operation, pointer, place) of every operation of a port type."""
    for name, interface in view.tree.get("interfaces", {}).items():
        short = name.rpartition("}")[2]
        for key, value in interface["operations"].items():
            path = f"{short}/{key}"
            place = {"operation": f"{METHODS.get(value['pattern'], 'CALL')} {path}", "path": path}
            yield key, value, f"/interfaces/{escape(name)}/operations/{escape(key)}", place


def _bound(view: LintView) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], str]]:
    """(operation, binding, bound operation, pointer)."""
    for name, binding in view.tree.get("bindings", {}).items():
        for key, value in binding.get("operations", {}).items():
            yield key, binding, value, f"/bindings/{escape(name)}/operations/{escape(key)}"


def _elements(view: LintView) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every declared element and attribute with its pointer."""
    todo = [
        (f"/schemas/{section}/{escape(name)}", value)
        for section, items in view.tree.get("schemas", {}).items()
        for name, value in items.items()
    ]
    while todo:
        pointer, value = todo.pop()
        if value.get("kind") == "element" and "name" in value:
            yield pointer, value
        todo += [(f"{pointer}/{key}", value[key]) for key in ("type", "content") if isinstance(value.get(key), dict)]
        todo += [(f"{pointer}/items/{number}", item) for number, item in enumerate(value.get("items", ()))]
        if isinstance(value.get("attributes"), dict):
            for name, one in value["attributes"].items():
                yield f"{pointer}/attributes/{escape(name)}", {"name": name.rpartition("}")[2], **one}


@rule(
    "soap-described",
    "wwii",
    title="Operations are documented",
    why="Nobody can tell from a name what an operation does, and when it fails.",
    hint="Write <wsdl:documentation> inside the operation.",
    families=_WSDL,
)
def soap_described(view: LintView) -> Iterator[Violation]:
    for name, value, pointer, place in _operations(view):
        if not value.get("description"):
            yield Violation(pointer, f"{name} is not documented.", **place)


@rule(
    "soap-literal",
    "eeww",
    title="Messages are literal, not encoded",
    why="Encoded messages are forbidden (R2706), and toolkits of today do not speak them.",
    hint='Write use="literal".',
    families=_WSDL,
)
def soap_literal(view: LintView) -> Iterator[Violation]:
    for name, _, value, pointer in _bound(view):
        if any(value.get(side, {}).get("use") == "encoded" for side in ("input", "output")):
            yield Violation(pointer, f"{name} is encoded.")


@rule(
    "soap-one-body-part",
    "eeww",
    title="A document message has one part, and an element describes it",
    why="The body of a document message is one element (R2201, R2204); toolkits refuse the rest.",
    hint="Describe the message by one part with element=…",
    families=_WSDL,
)
def soap_one_body_part(view: LintView) -> Iterator[Violation]:
    styles = {name: value.get("style") for name, _, value, _ in _bound(view)}
    for name, value, pointer, place in _operations(view):
        if styles.get(name) != "document":
            continue
        for side in ("input", "output"):
            parts = value.get(side, {}).get("parts", [])
            if len(parts) > 1 or any("type" in part for part in parts):
                yield Violation(pointer, f"The {side} of {name} is not one element.", **place)


@rule(
    "soap-operation-unique",
    "e",
    title="Operations of a port type have names of their own",
    why="Overloaded operations are forbidden (R2304): clients cannot be generated.",
    hint="Give the second operation another name.",
    families=_WSDL,
)
def soap_operation_unique(view: LintView) -> Iterator[Violation]:
    for name, _, pointer, place in _operations(view):
        if name.endswith("'"):
            yield Violation(pointer, f"There is more than one operation {name.rstrip(chr(39))}.", **place)


@rule(
    "soap-faults",
    "wwii",
    title="An operation that answers declares its faults",
    why="Callers cannot tell a refusal from a breakdown.",
    hint="Declare a <wsdl:fault> with the element of its detail.",
    families=_WSDL,
)
def soap_faults(view: LintView) -> Iterator[Violation]:
    for name, value, pointer, place in _operations(view):
        if value["pattern"] == "request-response" and not value.get("faults"):
            yield Violation(pointer, f"{name} declares no fault.", **place)


@rule(
    "soap-https",
    "eeww",
    title="Addresses are encrypted",
    why="Passwords and orders would pass in clear text.",
    hint="Give the address with https.",
    families=_WSDL,
)
def soap_https(view: LintView) -> Iterator[Violation]:
    for name, service in view.tree.get("services", {}).items():
        for key, port in service["ports"].items():
            if port["address"].startswith("http://"):
                place = f"/services/{escape(name)}/ports/{escape(key)}"
                yield Violation(place, f"The address of {key} is not encrypted: {port['address'][:200]}.")


@rule(
    "soap-http-transport",
    "wwii",
    title="SOAP travels over HTTP",
    why="The profile knows no other transport (R2702), and gateways neither.",
    hint='Write transport="http://schemas.xmlsoap.org/soap/http".',
    families=_WSDL,
)
def soap_http_transport(view: LintView) -> Iterator[Violation]:
    for name, binding in view.tree.get("bindings", {}).items():
        if binding["protocol"] == "soap-1.1" and binding.get("transport", "") not in _HTTP:
            yield Violation(f"/bindings/{escape(name)}", f"The transport is {binding['transport'][:200]}.")


@rule(
    "xml-read-whole",
    "e",
    title="Every file and name of the contract was found",
    why="What was not read can be neither checked nor compared.",
    hint="Put the file beside the contract, or correct its name.",
    families=_XML,
)
def xml_read_whole(view: LintView) -> Iterator[Violation]:
    for problem in view.document.problems:
        yield Violation(problem.pointer, problem.message)


@rule(
    "xml-qualified",
    "iiii",
    title="Elements are in the namespace of their schema",
    why="Half-qualified documents are the most frequent fault between two toolkits.",
    hint='Write elementFormDefault="qualified" in a new schema; in one that is used it breaks.',
    families=_XML,
)
def xml_qualified(view: LintView) -> Iterator[Violation]:
    found = [pointer for pointer, value in _elements(view) if value.get("kind") == "element" and not value.get("ns")]
    if found and any(name.startswith("{") for name in view.tree.get("schemas", {}).get("types", {})):
        yield Violation(min(found), f"Elements without a namespace: {len(found)}.")


@rule(
    "xml-money-not-float",
    "eeww",
    title="Money is no float or double",
    why="They round: 0.1 + 0.2 is not 0.3, and totals of tills and ledgers differ.",
    hint="Use xs:decimal with fractionDigits.",
    families=_XML,
)
def xml_money_not_float(view: LintView) -> Iterator[Violation]:
    for pointer, value in _elements(view):
        if value.get("type") in _FLOATS and _MONEY.search(value["name"]):
            yield Violation(pointer, f"{value['name']} is money in {value['type']}.")
