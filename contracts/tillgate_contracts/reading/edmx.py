"""OData metadata (EDMX, CSDL V2 and V4) as plain records, and its lift to an OpenAPI-shaped normal form.

XML is parsed without a DTD, without entities and without the network: a document type declaration is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from tillgate_contracts.reading.lifted import Lifted
from tillgate_contracts.reading.limits import Clock, ReadingLimits, measure, refusal, too_many

_PROLOG = re.compile(r"(?:\s+|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_DECLARATION = re.compile(r"^\s*<\?xml.*?\?>", re.DOTALL)
_EDM = re.compile(
    r"^(?:http://schemas\.microsoft\.com/ado/\d{4}/\d{2}/(?:edm|edmx)|http://docs\.oasis-open\.org/odata/ns/(?:edm|edmx))$"
)
_SAP = "{http://www.sap.com/Protocols/SAPData}"
_METADATA = "{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}"


@dataclass(slots=True, eq=False)
class Element:
    """One CSDL element: its local name, attributes (SAP and metadata ones with the prefix `sap:` or `m:`), line and children."""

    kind: str
    attributes: dict[str, str]
    line: int
    path: str
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def __getitem__(self, name: str) -> str:
        return self.attributes.get(name, "")

    @property
    def name(self) -> str:
        return self.attributes.get("Name", "")

    def all(self, *kinds: str) -> Iterator[Element]:
        return (child for child in self.children if child.kind in kinds)

    def first(self, kind: str) -> Element | None:
        return next(self.all(kind), None)

    def flag(self, name: str, default: bool) -> bool:
        value = self.attributes.get(name)
        return default if value is None else value.strip().lower() == "true"


@dataclass(slots=True)
class Model:
    """A CSDL document. Names are qualified by namespace; an alias counts as its namespace."""

    version: str
    schemas: list[Element]
    namespaces: dict[str, str]
    types: dict[str, Element] = field(default_factory=dict)
    associations: dict[str, Element] = field(default_factory=dict)
    callables: dict[str, list[Element]] = field(default_factory=dict)
    annotations: dict[str, list[Element]] = field(default_factory=dict)
    containers: list[Element] = field(default_factory=list)

    def qualified(self, name: str) -> str:
        """A name with its alias replaced by the namespace."""
        space, _, local = name.rpartition(".")
        return f"{self.namespaces.get(space, space)}.{local}" if space else name


def read_edmx(text: str, limits: ReadingLimits, clock: Clock) -> Lifted:
    """The normal form of an EDMX document. Raises ContractError: `contract.xml_syntax`, `contract.xml_dtd`, `contract.not_a_contract`."""
    from tillgate_contracts.reading.odata import lift_model

    root = _parse_xml(text, limits)
    model = _model(root, limits, clock)
    lifted = lift_model(model, clock, limits)
    measure(lifted.tree, limits, clock)
    return lifted


def _parse_xml(text: str, limits: ReadingLimits) -> Any:
    start = _PROLOG.match(text)
    position = start.end() if start else 0
    if text[position : position + 3] == "<!D":
        line = text.count("\n", 0, position) + 1
        raise refusal(
            "contract.xml_dtd",
            f"Line {line} declares a document type. Contracts are read without one, because entities could read files or explode. "
            "Remove the declaration.",
            line=line,
        )
    body = _DECLARATION.sub(lambda found: "\n" * found.group().count("\n"), text, count=1)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(body.encode(), parser)
    except etree.XMLSyntaxError as error:
        where: int | None = error.lineno or None
        raise refusal("contract.xml_syntax", f"The XML is broken at line {where}: {error.msg}.", line=where) from None
    except ValueError as error:
        raise refusal("contract.xml_syntax", f"The XML cannot be read: {error}.") from None


def _model(root: Any, limits: ReadingLimits, clock: Clock) -> Model:
    name = etree.QName(root)
    if name.localname != "Edmx" or not _EDM.match(name.namespace or ""):
        known = {
            "definitions": "WSDL",
            "description": "WSDL 2.0",
            "schema": "XML Schema",
            "application": "WADL",
            "html": "HTML",
        }
        guess = known.get(name.localname, "")
        raise refusal(
            "contract.not_a_contract",
            f"The XML root is <{name.localname}>{f' ({guess})' if guess else ''}; of XML only OData metadata (<edmx:Edmx>) is a contract.",
            line=root.sourceline,
        )
    count = 0

    def convert(node: Any, path: str) -> Element:
        nonlocal count
        count += 1 + len(node.attrib)
        if count > limits.max_values:
            raise too_many(node.sourceline or 0, limits)
        if not count % 4096:
            clock.check(node.sourceline or 0)
        kind = etree.QName(node).localname
        attributes = {_attribute(str(key)): str(value) for key, value in node.attrib.items()}
        known_by = next((key for key in ("Name", "Target", "Term") if key in attributes), "")
        here = f"{path}/{kind}[@{known_by}='{attributes[known_by]}']" if known_by else f"{path}/{kind}"
        element = Element(kind, attributes, node.sourceline or 0, here, text=(node.text or "").strip())
        element.children = [convert(child, here) for child in node if isinstance(child.tag, str)]
        return element

    top = convert(root, "")
    services = top.first("DataServices")
    schemas = list(services.all("Schema")) if services is not None else []
    if not schemas:
        raise refusal(
            "contract.not_a_contract", "The EDMX holds no <Schema>, so it describes no service.", line=top.line
        )
    version = "4" if top["Version"].startswith("4") else "2"
    model = Model(version, schemas, {})
    for schema in schemas:
        space = schema["Namespace"]
        if schema["Alias"]:
            model.namespaces[schema["Alias"]] = space
    for schema in schemas:
        _collect(model, schema)
    return model


def _attribute(key: str) -> str:
    if key.startswith(_SAP):
        return "sap:" + key[len(_SAP) :]
    if key.startswith(_METADATA):
        return "m:" + key[len(_METADATA) :]
    return key.rpartition("}")[2] if key.startswith("{") else key


def _collect(model: Model, schema: Element) -> None:
    space = schema["Namespace"]
    for child in schema.children:
        full = f"{space}.{child.name}"
        if child.kind in ("EntityType", "ComplexType", "EnumType", "TypeDefinition"):
            if full in model.types:
                raise refusal(
                    "contract.duplicate_key",
                    f"The type {full} is declared twice: at line {model.types[full].line} and at line {child.line}. Keep one.",
                    pointer=child.path,
                    line=child.line,
                    first_line=model.types[full].line,
                )
            model.types[full] = child
        elif child.kind == "Association":
            model.associations[full] = child
        elif child.kind in ("Action", "Function"):
            model.callables.setdefault(full, []).append(child)
        elif child.kind == "EntityContainer":
            model.containers.append(child)
        elif child.kind == "Annotations":
            model.annotations.setdefault(_target(model, child["Target"]), []).extend(child.all("Annotation"))


def _target(model: Model, target: str) -> str:
    head, slash, rest = target.partition("/")
    return model.qualified(head) + slash + rest
