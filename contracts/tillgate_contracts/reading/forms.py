"""Formats whose normal form is a tree of their own, unlike OpenAPI, AsyncAPI and JSON Schema: questions to it.

The reader of such a format lists inside the tree what it could not read (`problems`), so that the digest covers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tillgate_contracts.reading.references import Problem
from tillgate_contracts.reading.summary import OperationSummary


@dataclass(slots=True)
class OwnReading:
    """What a reader of such a format returns. `lines` are by normal-form pointer."""

    format: str
    tree: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)


class Form(Protocol):
    """The questions about one normal form. `origins` names every place as the authors of the format do."""

    def operations(self, tree: dict[str, Any]) -> tuple[OperationSummary, ...]: ...
    def schemas(self, tree: dict[str, Any]) -> tuple[str, ...]: ...
    def components(self, tree: dict[str, Any]) -> dict[str, Any]: ...
    def fields(self, tree: dict[str, Any]) -> tuple[str, ...]: ...
    def servers(self, tree: dict[str, Any]) -> tuple[str, ...]: ...
    def security_schemes(self, tree: dict[str, Any]) -> Mapping[str, str]: ...
    def origins(self, tree: dict[str, Any]) -> dict[str, str]: ...


def form_of(family: str) -> Form | None:
    """The questions for a family of formats, None for those that share the shape of OpenAPI or JSON Schema."""
    if family == "graphql":
        from tillgate_contracts.reading.graphql_form import GraphqlForm

        return GraphqlForm()
    if family in ("wsdl", "xsd"):
        from tillgate_contracts.reading.xml_form import XmlForm

        return XmlForm()
    return None


def own_format(tree: Any) -> str:
    """The format of a stored normal form of this kind, "" of every other one."""
    if not isinstance(tree, dict):
        return ""
    if tree.get("graphql") == "sdl":
        return "graphql-sdl"
    if "schemas" in tree and ("wsdl" in tree or "xsd" in tree):
        return f"wsdl-{tree['wsdl']}" if "wsdl" in tree else f"xsd-{tree['xsd']}"
    return ""


def problems_in(tree: dict[str, Any]) -> tuple[Problem, ...]:
    """What the reader noted."""
    return tuple(Problem(item["code"], item["pointer"], item["message"]) for item in tree.get("problems", []))
