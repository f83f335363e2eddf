"""Labelled pairs of contracts: before, after, the verdict that the named section of the standard gives, and a rule that
has to be among the findings."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

REST = (
    "type Query { order(id: ID!): Order search(text: In, by: Sort): [Hit] } type Mutation { place(order: In!): Order }"
)
DEFAULTS = {
    "Order": "type Order { id: ID! total: Float }",
    "In": "input In { sku: String! }",
    "Sort": "enum Sort { NAME PRICE }",
    "Hit": "union Hit = Order",
}


class Pair(NamedTuple):
    """One labelled pair. `rule` is empty where nothing may be found."""

    section: str
    before: str
    after: str
    verdict: str
    rule: str


def pairs(name: str) -> list[Pair]:
    """The pairs of one format."""
    text = Path(__file__).with_name("pairs").joinpath(f"{name}.toml").read_text()
    return [Pair(**row) for row in tomllib.loads(text)["pair"]]


def graphql_schema(part: str) -> str:
    """A whole schema around a part of a pair."""
    parts = [part]
    if "schema {" in part and "type Query" not in part and "query: Query" in part:
        parts.append("type Query { a: Int }")
    elif "schema {" not in part:
        parts.append(REST)
        parts += [text for name, text in DEFAULTS.items() if not re.search(rf"(?<!extend )\b[a-z]+ {name}\b", part)]
    return "\n".join(parts)


class TypePair(NamedTuple):
    """A labelled pair of XML Schema types: the verdict where clients send them, and where they receive them."""

    section: str
    before: str
    after: str
    request: str
    response: str
    kind: str


def type_pairs() -> list[TypePair]:
    """The pairs of XML Schema."""
    text = Path(__file__).with_name("pairs").joinpath("xsd.toml").read_text()
    return [TypePair(**row) for row in tomllib.loads(text)["pair"]]


def carrying(part: str, direction: str) -> str:
    """A WSDL whose one operation carries the type `T` of a schema part in one direction, and nothing in the other."""
    sent, received = ("T", "Empty") if direction == "request" else ("Empty", "T")
    return f"""<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:t" targetNamespace="urn:t">
    <wsdl:types><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t"
      elementFormDefault="qualified"><xs:complexType name="Empty"/>{part}
      <xs:element name="In" type="t:{sent}"/><xs:element name="Out" type="t:{received}"/></xs:schema></wsdl:types>
    <wsdl:message name="In"><wsdl:part name="p" element="t:In"/></wsdl:message>
    <wsdl:message name="Out"><wsdl:part name="p" element="t:Out"/></wsdl:message>
    <wsdl:portType name="P"><wsdl:operation name="call"><wsdl:input message="t:In"/><wsdl:output message="t:Out"/>
    </wsdl:operation></wsdl:portType></wsdl:definitions>"""


WSDL = """<?xml version="1.0"?>
<wsdl:definitions name="Orders" targetNamespace="urn:shop" xmlns:t="urn:shop" xmlns:y="urn:shop:types"
  xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:xs="http://www.w3.org/2001/XMLSchema"
  xmlns:wsp="http://www.w3.org/ns/ws-policy">
<wsdl:types>
<xs:schema targetNamespace="urn:shop" elementFormDefault="qualified">
  <xs:import namespace="urn:shop:types"/>
  <xs:element name="Place"><xs:complexType><xs:sequence><xs:element name="order" type="y:Order"/>
    <xs:element name="note" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
  <xs:element name="Placed"><xs:complexType><xs:sequence><xs:element name="number" type="xs:string"/></xs:sequence>
    </xs:complexType></xs:element>
  <xs:element name="Cancel" type="xs:string"/>
  <xs:element name="Auth" type="xs:string"/>
  <xs:element name="Trace" type="xs:string"/>
  <xs:element name="Unused" type="xs:string"/>
  <xs:element name="Bad"><xs:complexType><xs:sequence><xs:element name="reason" type="xs:string"/></xs:sequence>
    </xs:complexType></xs:element>
</xs:schema>
<xs:schema targetNamespace="urn:shop:types" elementFormDefault="qualified">
  <xs:complexType name="Order"><xs:sequence><xs:element name="sku" type="xs:string" maxOccurs="unbounded"/>
    </xs:sequence>    <xs:attribute name="store" use="required"/></xs:complexType>
</xs:schema>
</wsdl:types>
<wsdl:message name="PlaceIn"><wsdl:part name="body" element="t:Place"/></wsdl:message>
<wsdl:message name="PlaceOut"><wsdl:part name="body" element="t:Placed"/></wsdl:message>
<wsdl:message name="Cancel"><wsdl:part name="body" element="t:Cancel"/></wsdl:message>
<wsdl:message name="Bad"><wsdl:part name="body" element="t:Bad"/></wsdl:message>
<wsdl:message name="Head"><wsdl:part name="auth" element="t:Auth"/><wsdl:part name="trace" element="t:Trace"/>
</wsdl:message>
<wsdl:message name="CountIn"><wsdl:part name="store" type="xs:string"/><wsdl:part name="sku" type="xs:string"/>
</wsdl:message>
<wsdl:message name="CountOut"><wsdl:part name="count" type="xs:int"/></wsdl:message>
<wsdl:portType name="OrderPort"><wsdl:documentation>Orders</wsdl:documentation>
<wsdl:operation name="place"><wsdl:documentation>Places an order. It is kept.</wsdl:documentation>
<wsdl:input message="t:PlaceIn"/><wsdl:output message="t:PlaceOut"/><wsdl:fault name="bad" message="t:Bad"/>
</wsdl:operation>
<wsdl:operation name="cancel"><wsdl:input message="t:Cancel"/></wsdl:operation>
</wsdl:portType>
<wsdl:portType name="StockPort"><wsdl:operation name="count"><wsdl:input message="t:CountIn"/>
<wsdl:output message="t:CountOut"/></wsdl:operation></wsdl:portType>
<wsdl:binding name="OrderBinding" type="t:OrderPort"><wsp:PolicyReference URI="#tls"/>
<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/><wsdl:operation name="place">
<soap:operation soapAction="urn:place"/><wsdl:input><soap:body use="literal"/><!--in-->
<soap:header message="t:Head" part="auth" use="literal"/></wsdl:input>
<wsdl:output><soap:body use="literal"/></wsdl:output></wsdl:operation>
<wsdl:operation name="cancel"><soap:operation soapAction="urn:cancel"/><wsdl:input><soap:body use="literal"/>
</wsdl:input></wsdl:operation></wsdl:binding>
<wsdl:binding name="OrderBinding12" type="t:OrderPort">
<soap12:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/><wsdl:operation name="place">
<soap12:operation soapAction="urn:place12"/><wsdl:input><soap12:body use="literal"/></wsdl:input>
<wsdl:output><soap12:body use="literal"/></wsdl:output></wsdl:operation></wsdl:binding>
<wsdl:binding name="StockBinding" type="t:StockPort">
<soap:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/><wsdl:operation name="count">
<soap:operation soapAction=""/><wsdl:input><soap:body use="literal" namespace="urn:rpc"/></wsdl:input>
<wsdl:output><soap:body use="literal" namespace="urn:out"/></wsdl:output></wsdl:operation></wsdl:binding>
<wsdl:service name="Shop"><wsdl:port name="Orders" binding="t:OrderBinding">
<soap:address location="https://shop.example.com/orders"/></wsdl:port>
<wsdl:port name="Stock" binding="t:StockBinding"><soap:address location="https://shop.example.com/stock"/></wsdl:port>
</wsdl:service>
</wsdl:definitions>
"""
