"""WSDL and XML Schema: recognised by content, read with their files, refused with line and reason, bounded."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.contracts.labelled_pairs import WSDL
from tillgate_contracts.compare import compare
from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading import Document, read, read_file
from tillgate_contracts.reading.references import Problem

XSD = b"""<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:shop" targetNamespace="urn:shop">
  <xs:element name="order" type="Order"/>
  <xs:complexType name="Order"><xs:sequence><xs:element name="sku" type="xs:string"/></xs:sequence>
    <xs:attribute name="store"/></xs:complexType>
</xs:schema>"""
WSDL_2 = b"""<description xmlns="http://www.w3.org/ns/wsdl" xmlns:t="urn:shop" targetNamespace="urn:shop"
  xmlns:wsoap="http://www.w3.org/ns/wsdl/soap">
<types><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:shop">
  <xs:element name="Place" type="xs:string"/><xs:element name="Placed" type="xs:string"/>
  <xs:element name="Bad" type="xs:string"/></xs:schema></types>
<interface name="Base"><operation name="ping" pattern="http://www.w3.org/ns/wsdl/in-only"><input element="t:Place"/>
  </operation></interface>
<interface name="Orders" extends="t:Base"><fault name="bad" element="t:Bad"/>
  <operation name="place" pattern="http://www.w3.org/ns/wsdl/in-out"><input element="t:Place"/>
  <output element="t:Placed"/><outfault ref="t:bad"/></operation></interface>
<binding name="B" interface="t:Orders" type="http://www.w3.org/ns/wsdl/soap">
  <operation ref="t:place" wsoap:action="urn:place"/></binding>
<service name="S" interface="t:Orders"><endpoint name="E" binding="t:B" address="https://shop.example.com"/></service>
</description>"""


def refusal(text: str) -> ContractError:
    with pytest.raises(ContractError) as caught:
        read(text.encode())
    return caught.value


def test_a_wsdl_lists_its_operations_with_the_elements_that_they_carry():
    document = read(WSDL.encode())
    assert (document.format, document.family, document.title) == ("wsdl-1.1", "wsdl", "Orders")
    assert [(o.method, o.path, o.request, o.response, o.summary) for o in document.operations] == [
        ("CALL", "OrderPort/place", "Place", "Placed", "Places an order"),
        ("ONE-WAY", "OrderPort/cancel", "Cancel", "", ""),
        ("CALL", "StockPort/count", "store: xs:string, sku: xs:string", "count: xs:int", ""),
    ]
    first = document.operations[0]
    assert document.origin(first.pointer) == "portType[@name='OrderPort']/operation[@name='place']"
    assert WSDL.split("\n")[document.pointer_line(first.pointer) - 1].startswith('<wsdl:operation name="place">')
    assert document.servers == ("https://shop.example.com/orders", "https://shop.example.com/stock")
    assert {"Place", "Placed", "Order"} <= set(document.schemas)
    assert {"sku", "store", "note"} <= set(document.fields)
    assert not document.problems


def test_wsdl_2_is_read_with_what_an_interface_inherits():
    document = read(WSDL_2)
    assert document.format == "wsdl-2.0"
    shown = {(o.method, o.path, o.request, o.response) for o in document.operations}
    assert {("CALL", "Orders/place", "Place", "Placed"), ("ONE-WAY", "Orders/ping", "Place", "")} <= shown
    [binding] = document.tree["bindings"].values()
    assert (binding["protocol"], binding["operations"]["place"]["action"]) == ("soap-1.2", "urn:place")
    [interface] = [value for name, value in document.tree["interfaces"].items() if name.endswith("Orders")]
    assert interface["operations"]["place"]["faults"] == {"bad": {"parts": [{"name": "", "element": "{urn:shop}Bad"}]}}


def test_a_schema_alone_is_a_contract_without_operations():
    document = read(XSD)
    assert (document.format, document.operations, document.schemas) == ("xsd-1.0", (), ("order", "Order"))
    pointer = "/schemas/types/{urn:shop}Order/content/items/0"
    assert document.origin(pointer) == "complexType[@name='Order']//element[@name='sku']"
    assert document.pointer_line(pointer) == 4


@pytest.mark.parametrize("data", [WSDL.encode(), WSDL_2, XSD], ids=["wsdl", "wsdl2", "xsd"])
def test_a_stored_contract_is_the_same_contract(data):
    document = read(data)
    again = Document.from_canonical(document.canonical)
    assert (again.digest, again.format) == (document.digest, document.format)
    assert set(again.operations) == set(document.operations)


def test_prefixes_and_white_space_are_no_part_of_the_digest():
    other = XSD.replace(b"xs:", b"q:").replace(b"xmlns:xs", b"xmlns:q").replace(b"><", b">\n<")
    assert read(other).digest == read(XSD).digest


def test_imports_and_includes_are_read_below_the_folder_and_nowhere_else(tmp_path):
    (tmp_path / "types").mkdir()
    head = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" '
    main = f"""{head} xmlns:o="urn:o" targetNamespace="urn:m">
      <xs:import namespace="urn:o" schemaLocation="types/o.xsd"/>
      <xs:include schemaLocation="types/part.xsd"/><xs:include schemaLocation="../secret.xsd"/>
      <xs:import namespace="urn:far" schemaLocation="http://example.com/far.xsd"/>
      <xs:element name="a" type="o:T"/></xs:schema>"""
    (tmp_path / "main.xsd").write_text(main)
    (tmp_path / "types/o.xsd").write_text(f'{head} targetNamespace="urn:o"><xs:complexType name="T"/></xs:schema>')
    # A chameleon: without a namespace of its own it takes that of its includer, and its names with it.
    part = '<xs:element name="b" type="B"/><xs:simpleType name="B"><xs:restriction base="xs:string"/></xs:simpleType>'
    (tmp_path / "types/part.xsd").write_text(f"{head}>{part}</xs:schema>")
    (tmp_path.parent / "secret.xsd").write_text(f'{head}><xs:element name="secret"/></xs:schema>')
    document = read_file(tmp_path / "main.xsd")
    schemas = document.tree["schemas"]
    assert set(schemas["types"]) == {"{urn:o}T", "{urn:m}B"}
    assert schemas["elements"]["{urn:m}b"]["type"] == "{urn:m}B"
    assert {problem.code for problem in document.problems} == {"ref.outside", "ref.network"}
    assert read((tmp_path / "main.xsd").read_bytes()).digest != document.digest


def test_files_that_include_each_other_are_read_once(tmp_path):
    head = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">'
    for one, other in (("a", "b"), ("b", "a")):
        text = f'{head}<xs:include schemaLocation="{other}.xsd"/><xs:element name="{one}" type="xs:int"/></xs:schema>'
        (tmp_path / f"{one}.xsd").write_text(text)
    document = read_file(tmp_path / "a.xsd")
    assert set(document.schemas) == {"a", "b"}
    assert not document.problems


def test_wsdl_imports_are_followed(tmp_path):
    (tmp_path / "types.wsdl").write_text(WSDL)
    main = (
        '<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" name="Outer">'
        '<w:import namespace="urn:shop" location="types.wsdl"/></w:definitions>'
    )
    (tmp_path / "main.wsdl").write_text(main)
    assert len(read_file(tmp_path / "main.wsdl").operations) == 3


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        (XSD.decode().replace("</xs:schema>", ""), "contract.xml_syntax", "line"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]>" + XSD.decode().split("\n", 1)[1], "contract.xml_dtd", "document type"),
        (XSD.decode().replace('type="Order"', 'type="q:Order"'), "contract.xml_prefix", "q:Order is not declared"),
        (
            XSD.decode().replace("</xs:schema>", '<xs:element name="order"/></xs:schema>'),
            "contract.duplicate_key",
            "twice",
        ),
        (XSD.decode().replace('name="sku"', 'name="sku" minOccurs="some"'), "contract.wrong_type", "minOccurs"),
        ('<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>', "contract.not_a_contract", "declares nothing"),
        ('<definitions xmlns="urn:x"/>', "contract.not_a_contract", "unknown namespace"),
        (
            '<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/"/>',
            "contract.not_a_contract",
            "neither an operation",
        ),
    ],
)
def test_a_broken_contract_is_refused_with_its_reason(text, code, part):
    error = refusal(text)
    assert error.code == code
    assert part in error.message


def test_deep_nesting_is_refused_within_bounds():
    head = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:complexType name="T">'
    deep = head + "<xs:sequence>" * 200 + "</xs:sequence>" * 200 + "</xs:complexType></xs:schema>"
    assert refusal(deep).code == "contract.too_deep"


REDEFINING = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:t" targetNamespace="urn:t">
<xs:{kind} schemaLocation="base.xsd"><xs:simpleType name="Code"><xs:restriction base="{base}">
<xs:maxLength value="{size}"/></xs:restriction></xs:simpleType></xs:{kind}>
<xs:element name="code" type="Code"/></xs:schema>"""


@pytest.mark.parametrize(("kind", "base"), [("redefine", "Code"), ("override", "xs:string")])
def test_what_is_redefined_is_said_and_two_redefinitions_are_two_contracts(
    tmp_path: Path, kind: str, base: str
) -> None:
    (tmp_path / "base.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t"><xs:simpleType name="Code">'
        '<xs:restriction base="xs:string"><xs:maxLength value="9"/></xs:restriction></xs:simpleType></xs:schema>'
    )
    documents = []
    for size in (5, 3, 3):
        (tmp_path / "a.xsd").write_text(REDEFINING.format(kind=kind, base=base, size=size))
        documents.append(read_file(tmp_path / "a.xsd"))
    old, new, again = documents
    (problem,) = new.problems
    assert (problem.code, problem.unread) == ("xsd.redefined", True)
    assert "Code of base.xsd" in problem.message
    assert new.digest == again.digest
    assert new.digest != old.digest
    compared = compare(old, new, as_of=dt.date(2026, 11, 30))
    assert compared.verdict == "warning"
    assert "contract-not-read" in {finding.rule for finding in compared.findings}


def test_a_service_without_its_schema_files_says_which_are_missing_and_what_to_do() -> None:
    alone = WSDL.replace(
        "</wsdl:types>",
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:more">'
        '<xs:include schemaLocation="order.xsd"/><xs:import namespace="urn:x" schemaLocation="types/x.xsd"/>'
        "</xs:schema></wsdl:types>",
    )
    problems = {problem.message for problem in read(alone.encode()).problems}
    assert len(problems) == 2
    for name in ("order.xsd", "types/x.xsd"):
        (said,) = (message for message in problems if message.startswith(f"{name} is missing"))
        assert "copy its schema into <types>" in said


def test_files_beyond_the_limit_are_parts_that_were_not_read() -> None:
    assert Problem("ref.too_many_files", "", "").unread
