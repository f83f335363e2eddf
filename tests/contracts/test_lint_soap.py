"""Lint rules for WSDL and XML Schema: each finds its mistake, and finds nothing in a contract that is right."""

from __future__ import annotations

import pytest

from tillgate_contracts.lint import built_in_rules, lint
from tillgate_contracts.reading import read

GOOD = """<wsdl:definitions name="Prices" targetNamespace="urn:p" xmlns:t="urn:p"
  xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema">
<wsdl:types><xs:schema targetNamespace="urn:p" elementFormDefault="qualified">
  <xs:element name="Ask" type="xs:string"/><xs:element name="Bad" type="xs:string"/>
  <xs:complexType name="Price"><xs:sequence><xs:element name="price" type="xs:decimal"/></xs:sequence></xs:complexType>
  <xs:element name="Answer" type="t:Price"/></xs:schema></wsdl:types>
<wsdl:message name="Ask"><wsdl:part name="p" element="t:Ask"/></wsdl:message>
<wsdl:message name="Answer"><wsdl:part name="p" element="t:Answer"/></wsdl:message>
<wsdl:message name="Bad"><wsdl:part name="p" element="t:Bad"/></wsdl:message>
<wsdl:portType name="P"><wsdl:operation name="ask"><wsdl:documentation>Asks for a price</wsdl:documentation>
<wsdl:input message="t:Ask"/><wsdl:output message="t:Answer"/><wsdl:fault name="bad" message="t:Bad"/></wsdl:operation>
</wsdl:portType><wsdl:binding name="B" type="t:P">
<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/><wsdl:operation name="ask">
<soap:operation soapAction="ask"/><wsdl:input><soap:body use="literal"/></wsdl:input>
<wsdl:output><soap:body use="literal"/></wsdl:output></wsdl:operation></wsdl:binding>
<wsdl:service name="S"><wsdl:port name="O" binding="t:B">
<soap:address location="https://shop.example.com/p"/></wsdl:port></wsdl:service></wsdl:definitions>"""
CASES = [
    ("soap-described", "<wsdl:documentation>Asks for a price</wsdl:documentation>", ""),
    ("soap-literal", '<soap:body use="literal"/>', '<soap:body use="encoded"/>'),
    ("soap-one-body-part", '<wsdl:part name="p" element="t:Ask"/>', '<wsdl:part name="p" type="xs:string"/>'),
    (
        "soap-operation-unique",
        "</wsdl:portType>",
        '<wsdl:operation name="ask"><wsdl:input message="t:Ask"/></wsdl:operation></wsdl:portType>',
    ),
    ("soap-faults", '<wsdl:fault name="bad" message="t:Bad"/>', ""),
    ("soap-https", "https://shop", "http://shop"),
    ("soap-http-transport", 'transport="http://schemas.xmlsoap.org/soap/http"', 'transport="urn:jms"'),
    ("xml-read-whole", "<xs:element", '<xs:include schemaLocation="other.xsd"/><xs:element'),
    ("xml-qualified", 'elementFormDefault="qualified"', ""),
    ("xml-money-not-float", "xs:decimal", "xs:double"),
]


def found(text: str) -> set[str]:
    return {finding.rule for finding in lint(read(text.encode())).findings}


def test_a_good_contract_has_no_finding():
    assert found(GOOD) == set()


@pytest.mark.parametrize(("rule", "good", "bad"), CASES, ids=[case[0] for case in CASES])
def test_each_rule_finds_its_mistake(rule, good, bad):
    assert good in GOOD
    assert rule in found(GOOD.replace(good, bad, 1))


def test_every_rule_of_these_formats_has_a_case():
    assert {rule.id for rule in built_in_rules() if {"wsdl", "xsd"} & set(rule.families)} == {case[0] for case in CASES}
