"""Reading OData metadata (EDMX): XML to records, and from there to an OpenAPI-shaped normal form.

XML is parsed without a DTD, without entities and without the network: a document type declaration is refused.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from tillgate_contracts.reading.edmx_model import EdmxElement, EdmxModel
from tillgate_contracts.reading.lifted import Lifted
from tillgate_contracts.reading.limits import Clock, ReadingLimits, measure, refusal, too_many
from tillgate_contracts.reading.odata import lift_model
from tillgate_contracts.reading.xml_text import parse_xml

_EDM = re.compile(
    r"^(?:http://schemas\.microsoft\.com/ado/\d{4}/\d{2}|http://docs\.oasis-open\.org/odata/ns)/(?:edm|edmx)\Z"
)
#: Roots of other kinds of XML, to name what was sent instead.
_OTHER_XML = {
    "definitions": "a WSDL of an unknown namespace",
    "description": "a WSDL of an unknown namespace",
    "schema": "a schema of an unknown namespace",
    "application": "WADL",
    "html": "HTML",
}
_SAP = "{http://www.sap.com/Protocols/SAPData}"
_METADATA = "{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}"


def read_edmx(text: str, limits: ReadingLimits, clock: Clock) -> Lifted:
    """The normal form of an EDMX document.

    Raises ContractError `contract.xml_syntax`, `contract.xml_dtd` or `contract.not_a_contract`.
    """
    root = parse_xml(text, limits)
    model = _model(root, limits, clock)
    lifted = lift_model(model, clock, limits)
    measure(lifted.tree, limits, clock)
    return lifted


def _model(root: Any, limits: ReadingLimits, clock: Clock) -> EdmxModel:
    _check_root(root)
    top = _Conversion(limits, clock).element(root, "")
    services = top.first("DataServices")
    schemas = list(services.all("Schema")) if services is not None else []
    if not schemas:
        raise refusal(
            "contract.not_a_contract", "The EDMX holds no <Schema>, so it describes no service.", line=top.line
        )
    version = "4" if top["Version"].startswith("4") else "2"
    model = EdmxModel(version, schemas, {})
    for schema in schemas:
        space = schema["Namespace"]
        if schema["Alias"]:
            model.namespaces[schema["Alias"]] = space
    for schema in schemas:
        _collect(model, schema)
    return model


def _check_root(root: Any) -> None:
    name = etree.QName(root)
    if name.localname == "Edmx" and _EDM.match(name.namespace or ""):
        return
    known = _OTHER_XML.get(name.localname)
    raise refusal(
        "contract.not_a_contract",
        f"The XML root is <{name.localname}>{f' ({known})' if known else ''}; "
        "of XML only OData metadata (<edmx:Edmx>), WSDL and XML Schema are contracts.",
        line=root.sourceline,
    )


class _Conversion:
    """XML elements to records, within the limits."""

    def __init__(self, limits: ReadingLimits, clock: Clock) -> None:
        self.limits = limits
        self.clock = clock
        self.count = 0

    def element(self, node: Any, path: str) -> EdmxElement:
        self.count += 1 + len(node.attrib)
        if self.count > self.limits.max_values:
            raise too_many(node.sourceline or 0, self.limits)
        if not self.count % 4096:
            self.clock.check(node.sourceline or 0)
        kind = etree.QName(node).localname
        attributes = {_attribute(str(key)): str(value) for key, value in node.attrib.items()}
        known_by = next((key for key in ("Name", "Target", "Term") if key in attributes), "")
        here = f"{path}/{kind}[@{known_by}='{attributes[known_by]}']" if known_by else f"{path}/{kind}"
        found = EdmxElement(kind, attributes, node.sourceline or 0, here, text=(node.text or "").strip())
        found.children = [self.element(child, here) for child in node if isinstance(child.tag, str)]
        return found


def _attribute(key: str) -> str:
    if key.startswith(_SAP):
        return "sap:" + key[len(_SAP) :]
    if key.startswith(_METADATA):
        return "m:" + key[len(_METADATA) :]
    return key.rpartition("}")[2] if key.startswith("{") else key


def _collect(model: EdmxModel, schema: EdmxElement) -> None:
    space = schema["Namespace"]
    for child in schema.children:
        full = f"{space}.{child.name}"
        if child.kind in ("EntityType", "ComplexType", "EnumType", "TypeDefinition"):
            if full in model.types:
                raise refusal(
                    "contract.duplicate_key",
                    f"The type {full} is declared twice: at line {model.types[full].line} and at line {child.line}. "
                    "Keep one.",
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


def _target(model: EdmxModel, target: str) -> str:
    head, slash, rest = target.partition("/")
    return model.qualified(head) + slash + rest
