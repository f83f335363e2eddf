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


HEADER = '<s:header message="t:i" part="p" use="literal"/>'
HEADED = WSDL.replace(BODY, BODY.replace("</w:input>", f"{HEADER}</w:input>"))
FAULT = '<w:fault name="f"><s:fault name="f" use="literal"/></w:fault>'
FAULTY = WSDL.replace(
    '<w:output><s:body use="literal"/></w:output>', f'<w:output><s:body use="literal"/></w:output>{FAULT}'
)
OTHER_PORT_TYPE = '<w:portType name="Z"><w:operation name="op"><w:input message="t:o"/></w:operation></w:portType>'


@pytest.mark.parametrize(
    ("old", "new", "verdict", "rule"),
    [
        (
            HEADED,
            HEADED.replace('part="p" use="literal"', 'part="p" use="encoded"'),
            "warning",
            "soap-extension-changed",
        ),
        (
            HEADED,
            HEADED.replace(HEADER, f'{HEADER[:-2]}><s:headerfault message="t:o" part="p" use="literal"/></s:header>'),
            "warning",
            "soap-extension-changed",
        ),
        (
            FAULTY,
            FAULTY.replace('name="f" use="literal"', 'name="f" use="encoded" encodingStyle="urn:e"'),
            "warning",
            "soap-extension-changed",
        ),
        (
            WSDL.replace("<w:binding", f"{OTHER_PORT_TYPE}<w:binding"),
            WSDL.replace("<w:binding", f"{OTHER_PORT_TYPE}<w:binding").replace('type="t:P"', 'type="t:Z"'),
            "breaking",
            "soap-binding-interface-changed",
        ),
        (WSDL, WSDL.replace('type="t:P"', 'type="t:Nobody"'), "breaking", "soap-binding-interface-changed"),
    ],
    ids=["use of a header", "fault of a header", "use of a fault", "another port type", "no port type"],
)
def test_how_headers_and_faults_are_written_and_what_is_bound_is_told(old, new, verdict, rule):
    assert old != new
    found = told(old, new)
    assert (found.verdict, rule in {finding.rule for finding in found.findings}) == (verdict, True), found.findings


SECOND = """<d:description xmlns:d="http://www.w3.org/ns/wsdl" xmlns:soap="http://www.w3.org/ns/wsdl/soap"
 xmlns:t="urn:t" xmlns:http="http://www.w3.org/ns/wsdl/http" xmlns:xs="http://www.w3.org/2001/XMLSchema"
 targetNamespace="urn:t">
 <d:types><xs:schema targetNamespace="urn:t"><xs:element name="I" type="xs:string"/></xs:schema></d:types>
 <d:interface name="P"><d:operation name="op" pattern="http://www.w3.org/ns/wsdl/in-only" style="urn:iri">
 <d:input element="t:I"/></d:operation></d:interface>
 <d:binding name="B" interface="t:P" type="http://www.w3.org/ns/wsdl/http" http:methodDefault="GET"
  soap:version="1.2"><d:operation ref="t:op" http:method="GET" http:location="a/{x}"/></d:binding>
 <d:service name="S" interface="t:P"><d:endpoint name="e" binding="t:B" address="http://h/a"
  http:authenticationScheme="basic"/></d:service></d:description>"""


@pytest.mark.parametrize(
    ("part", "becomes"),
    [
        ('http:method="GET"', 'http:method="PUT"'),
        ('http:location="a/{x}"', 'http:location="b/{x}"'),
        ('http:methodDefault="GET"', 'http:methodDefault="POST"'),
        ('soap:version="1.2"', 'soap:version="1.1"'),
        ('style="urn:iri"', 'style="urn:rpc"'),
        ('http:authenticationScheme="basic"', 'http:authenticationScheme="digest"'),
    ],
)
def test_what_wsdl_2_says_of_soap_and_http_in_attributes_is_told(part, becomes):
    assert part in SECOND
    found = told(SECOND, SECOND.replace(part, becomes))
    assert (found.verdict, {one.rule for one in found.findings} >= {"soap-extension-changed"}) == ("warning", True)
    assert told(SECOND, SECOND).verdict == "none"


SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t">
 <xs:complexType name="B"><xs:sequence><xs:element name="a" type="xs:string"/></xs:sequence></xs:complexType>
 <xs:complexType name="D"><xs:complexContent><xs:extension base="t:B"/></xs:complexContent></xs:complexType>
 <xs:element name="R" type="t:B"/><xs:element name="h" type="xs:string"/>
 <xs:element name="g" type="xs:string" substitutionGroup="t:h"/></xs:schema>"""


@pytest.mark.parametrize(
    ("part", "becomes"),
    [
        ('<xs:element name="R" type="t:B"/>', '<xs:element name="R" type="t:B" block="#all"/>'),
        ('<xs:element name="h" type="xs:string"/>', '<xs:element name="h" type="xs:string" block="substitution"/>'),
        ('targetNamespace="urn:t"', 'targetNamespace="urn:t" blockDefault="extension"'),
    ],
)
def test_what_may_no_longer_stand_for_an_element_is_told(part, becomes):
    found = told(SCHEMA, SCHEMA.replace(part, becomes))
    assert found.verdict == "warning", found.findings
    own = SCHEMA.replace('targetNamespace="urn:t"', 'targetNamespace="urn:t" blockDefault="substitution"')
    assert told(own, own.replace('name="R"', 'name="R" block="substitution"')).verdict == "none", "said twice"


def test_another_interface_of_a_service_breaks_whatever_its_binding_names():
    other = (
        '<d:interface name="Q"><d:operation name="op"><d:input element="t:I"/></d:operation></d:interface><d:binding'
    )
    both = SECOND.replace("<d:binding", other)
    for text in (both, both.replace(' interface="t:P" type', " type")):
        found = told(text, text.replace('<d:service name="S" interface="t:P">', '<d:service name="S" interface="t:Q">'))
        assert "soap-service-interface-changed" in {one.rule for one in found.findings}
        assert found.verdict == "breaking"
