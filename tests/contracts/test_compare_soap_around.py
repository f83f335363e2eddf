"""What stands around the messages of a WSDL: addressing, MIME parts, policies wherever they stand; undeclared names."""

from __future__ import annotations

import pytest

from tests.contracts.test_compare_soap import told
from tillgate_contracts.reading import read

WSDL = """<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
 xmlns:mime="http://schemas.xmlsoap.org/wsdl/mime/" xmlns:wsam="http://www.w3.org/2007/05/addressing/metadata"
 xmlns:wsp="http://www.w3.org/ns/ws-policy" xmlns:t="urn:t" xmlns:xs="http://www.w3.org/2001/XMLSchema"
 targetNamespace="urn:t">
 <w:types><xs:schema targetNamespace="urn:t"><xs:element name="I" type="xs:string"/>
 <xs:element name="O" type="xs:string"/></xs:schema></w:types>
 <w:message name="i"><w:part name="p" element="t:I"/></w:message>
 <w:message name="o"><w:part name="p" element="t:O"/></w:message>
 <w:portType name="P"><w:operation name="op"><w:input message="t:i" wsam:Action="urn:in"/><w:output message="t:o"/>
 </w:operation></w:portType>
 <w:binding name="B" type="t:P"><s:binding transport="http://schemas.xmlsoap.org/soap/http" style="document"/>
 <w:operation name="op"><s:operation soapAction="urn:op"/><w:input><s:body use="literal"/></w:input>
 <w:output><s:body use="literal"/></w:output></w:operation></w:binding>
 <w:service name="S"><w:port name="pp" binding="t:B"><s:address location="http://h/a"/></w:port></w:service>
</w:definitions>"""
BODY = '<w:input><s:body use="literal"/></w:input>'
PICTURES = (
    '<w:input><mime:multipartRelated><mime:part><s:body use="literal"/></mime:part><mime:part>'
    '<mime:content part="pic" type="image/png"/></mime:part></mime:multipartRelated></w:input>'
)


@pytest.mark.parametrize(
    ("part", "becomes", "verdict", "rule"),
    [
        ('wsam:Action="urn:in"', 'wsam:Action="urn:other"', "breaking", "soap-addressing-action-changed"),
        (' wsam:Action="urn:in"', "", "warning", "soap-addressing-action-changed"),
        (
            '<w:output message="t:o"/>',
            '<w:output message="t:o" wsam:Action="urn:out"/>',
            "warning",
            "soap-addressing-action-changed",
        ),
        (BODY, PICTURES, "breaking", "soap-mime-parts-changed"),
        (BODY, '<w:input><s:body use="literal" parts="p"/></w:input>', "none", ""),
    ],
    ids=["another action", "action goes", "action comes", "MIME", "every part named"],
)
def test_what_stands_around_a_message_is_compared_both_ways(part, becomes, verdict, rule):
    assert part in WSDL
    for pair in ((WSDL, WSDL.replace(part, becomes)), (WSDL.replace(part, becomes), WSDL)):
        found = told(*pair)
        assert found.verdict == verdict, found.findings
        assert not rule or rule in {finding.rule for finding in found.findings}


def test_another_type_of_a_mime_part_breaks():
    old = WSDL.replace(BODY, PICTURES)
    found = told(old, old.replace("image/png", "image/tiff"))
    assert found.verdict == "breaking"
    assert "image/tiff" in found.findings[0].message


def test_parts_of_a_body_have_no_order_and_a_part_less_is_said():
    two = WSDL.replace(
        '<w:part name="p" element="t:I"/>', '<w:part name="p" type="xs:string"/><w:part name="q" type="xs:string"/>'
    )
    bound = [
        two.replace(BODY, f'<w:input><s:body use="literal" parts="{parts}"/></w:input>')
        for parts in ("p q", "q p", "p")
    ]
    assert told(two, bound[0]).verdict == told(bound[0], bound[1]).verdict == "none"
    assert "soap-body-parts-changed" in {finding.rule for finding in told(two, bound[2]).findings}


POLICY = "<wsp:Policy><q{}/></wsp:Policy>"


@pytest.mark.parametrize(
    "place",
    [
        '<w:message name="i">',
        '<w:operation name="op"><w:input',
        '<w:portType name="P">',
        '<w:port name="pp" binding="t:B">',
        '<w:service name="S">',
        "<w:input><s:body",
    ],
)
def test_a_policy_is_seen_wherever_it_stands(place):
    assert place in WSDL

    def having(text: str) -> str:
        if place.startswith("<w:message"):
            return WSDL.replace(place, text + place)  # beside the messages: a policy of the whole contract
        first, sep, rest = place.partition(">")
        return WSDL.replace(place, first + sep + text + rest)

    for pair in ((WSDL, having(POLICY.format("1"))), (having(POLICY.format("1")), having(POLICY.format("2")))):
        found = told(*pair)
        assert found.verdict == "warning", found.findings
        assert {finding.rule for finding in found.findings} == {"soap-extension-changed"}


XSD = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t">'
    '<xs:element name="a" type="{}"/>'
    '<xs:complexType name="T"><xs:sequence>{}</xs:sequence>{}</xs:complexType></xs:schema>'
)


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("t:Nope", "", ""), "type Nope"),
        (("xs:nope", "", ""), "type xs:nope"),
        (("t:T", '<xs:element ref="t:gone"/>', ""), "element gone"),
        (("t:T", '<xs:group ref="t:gone"/>', ""), "group gone"),
        (("t:T", '<xs:element name="x" type="t:Nope" minOccurs="0"/>', ""), "type Nope"),
        (("t:T", "", '<xs:attribute ref="t:gone"/>'), "attribute gone"),
        (("t:T", "", '<xs:attributeGroup ref="t:gone"/>'), "attribute group gone"),
    ],
)
def test_a_name_that_nothing_declares_is_listed(parts, name):
    document = read(XSD.format(*parts).encode())
    (problem,) = document.problems
    assert problem.code == "ref.unresolved"
    assert f"The {name} is declared nowhere" in problem.message
    other = XSD.format(*parts).replace('name="a"', 'name="b"')
    assert told(XSD.format(*parts), other).verdict in ("warning", "breaking")


def test_names_of_xml_schema_and_of_fixed_namespaces_are_known():
    text = XSD.format("xs:dateTimeStamp", "", '<xs:attribute ref="xml:lang"/>')
    assert read(text.encode()).problems == ()
