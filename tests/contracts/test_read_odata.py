"""OData metadata as an OpenAPI-shaped normal form."""

from __future__ import annotations

import pytest

from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading import Document, read

V2 = b"""<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="1.0" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"
    xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" xmlns:sap="http://www.sap.com/Protocols/SAPData">
 <edmx:DataServices m:DataServiceVersion="2.0">
  <Schema Namespace="SALES" Alias="S" xmlns="http://schemas.microsoft.com/ado/2008/09/edm">
   <EntityType Name="Order">
    <Key><PropertyRef Name="Id"/></Key>
    <Property Name="Id" Type="Edm.String" Nullable="false" MaxLength="10" sap:label="Order"/>
    <Property Name="Total" Type="Edm.Decimal" Precision="13" Scale="3" sap:unit="Currency"/>
    <Property Name="Changed" Type="Edm.DateTime" sap:creatable="false" sap:updatable="false"/>
    <Property Name="Big" Type="Edm.Int64" Nullable="false"/>
    <NavigationProperty Name="Items" Relationship="S.OrderItems" FromRole="o" ToRole="i"/>
   </EntityType>
   <EntityType Name="Item" OpenType="true">
    <Key><PropertyRef Name="Order"/><PropertyRef Name="Pos"/></Key>
    <Property Name="Order" Type="Edm.String" Nullable="false"/>
    <Property Name="Pos" Type="Edm.Int32" Nullable="false"/>
    <NavigationProperty Name="Parent" Relationship="SALES.OrderItems" FromRole="i" ToRole="o"/>
   </EntityType>
   <ComplexType Name="Answer"><Property Name="Ok" Type="Edm.Boolean" Nullable="false"/></ComplexType>
   <Association Name="OrderItems"><End Role="o" Type="S.Order" Multiplicity="0..1"/>
   <End Role="i" Type="S.Item" Multiplicity="*"/></Association>
   <EntityContainer Name="C" m:IsDefaultEntityContainer="true">
    <EntitySet Name="Orders" EntityType="S.Order" sap:deletable="false" sap:pageable="false"/>
    <EntitySet Name="Items" EntityType="SALES.Item" sap:creatable="false" sap:updatable="false" sap:deletable="false"/>
    <FunctionImport Name="release" ReturnType="S.Answer" m:HttpMethod="POST">
    <Parameter Name="Id" Type="Edm.String" Mode="In" MaxLength="10"/></FunctionImport>
   </EntityContainer>
  </Schema>
 </edmx:DataServices>
</edmx:Edmx>
"""

V4 = b"""<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
 <Schema Namespace="shop.v1" Alias="self" xmlns="http://docs.oasis-open.org/odata/ns/edm">
  <EnumType Name="State"><Member Name="Open" Value="0"/><Member Name="Paid" Value="1"/></EnumType>
  <EnumType Name="Rights" IsFlags="true"><Member Name="Read"/><Member Name="Write"/></EnumType>
  <TypeDefinition Name="Code" UnderlyingType="Edm.String" MaxLength="4"/>
  <EntityType Name="Thing" Abstract="true"><Key><PropertyRef Name="Id"/></Key>
  <Property Name="Id" Type="Edm.Guid" Nullable="false">
    <Annotation Term="Org.OData.Core.V1.Computed" Bool="true"/></Property></EntityType>
  <EntityType Name="Sale" BaseType="self.Thing">
   <Property Name="State" Type="self.State" Nullable="false"/>
   <Property Name="Codes" Type="Collection(self.Code)" Nullable="false"/>
   <Property Name="Amount" Type="Edm.Decimal" Precision="15" Scale="2"/>
   <Property Name="At" Type="Edm.DateTimeOffset" Nullable="false"/>
   <NavigationProperty Name="Lines" Type="Collection(self.Line)" ContainsTarget="true"/>
   <NavigationProperty Name="Payer" Type="self.Thing" Nullable="false"/>
  </EntityType>
  <EntityType Name="Line"><Key><PropertyRef Name="No"/></Key>
  <Property Name="No" Type="Edm.Int32" Nullable="false"/></EntityType>
  <Action Name="Close" IsBound="true"><Parameter Name="it" Type="self.Sale"/>
  <Parameter Name="reason" Type="Edm.String" Nullable="false"/></Action>
  <Function Name="Best"><Parameter Name="count" Type="Edm.Int32" Nullable="false"/>
  <ReturnType Type="Collection(self.Sale)"/></Function>
  <EntityContainer Name="Container">
   <EntitySet Name="Sales" EntityType="self.Sale"/>
   <Singleton Name="Me" Type="self.Line"/>
   <FunctionImport Name="Best" Function="self.Best"/>
  </EntityContainer>
  <Annotations Target="self.Container/Sales"><Annotation Term="Org.OData.Capabilities.V1.DeleteRestrictions">
   <Record><PropertyValue Property="Deletable" Bool="false"/></Record></Annotation></Annotations>
 </Schema></edmx:DataServices></edmx:Edmx>
"""


def operations(document: Document) -> set[tuple[str, str]]:
    return {(operation.method, operation.path) for operation in document.operations}


def test_v2_urls_follow_keys_navigation_and_the_sap_switches() -> None:
    document = read(V2)
    assert document.format == "edmx-2"
    assert operations(document) == {
        ("GET", "/Orders"),
        ("POST", "/Orders"),
        ("GET", "/Orders({Id})"),
        ("PATCH", "/Orders({Id})"),
        ("GET", "/Orders({Id})/Items"),
        ("GET", "/Items"),
        ("GET", "/Items(Order={Order},Pos={Pos})"),
        ("GET", "/Items(Order={Order},Pos={Pos})/Parent"),
        ("POST", "/release"),
    }
    refs = [item.get("$ref") for item in document.tree["paths"]["/Orders"]["get"]["parameters"]]
    assert "#/components/parameters/top" not in refs
    assert document.problems == ()


def test_v2_values_travel_as_they_do_on_the_wire() -> None:
    order = read(V2).tree["components"]["schemas"]["Order"]
    assert order["properties"]["Total"] == {
        "type": ["string", "null"],
        "format": "decimal",
        "x-odata-precision": 13,
        "x-odata-scale": 3,
        "maxLength": 15,
        "x-sap-unit": "Currency",
    }
    assert order["properties"]["Big"] == {"type": "string", "format": "int64"}
    assert order["properties"]["Id"] == {"type": "string", "maxLength": 10, "title": "Order"}
    assert order["x-odata-key"] == ["Id"]
    assert order["required"] == ["Id", "Total", "Changed", "Big"]
    assert order["properties"]["Items"]["x-odata-multiplicity"] == "*"


def test_what_a_client_may_send_differs_from_what_it_reads() -> None:
    schemas = read(V2).tree["components"]["schemas"]
    assert "Changed" not in schemas["Order-create"]["properties"]
    assert schemas["Order-create"]["required"] == ["Id", "Big"]
    assert set(schemas["Order-update"]["properties"]) == {"Total", "Big"}
    assert schemas["Item"]["additionalProperties"] is True
    assert "additionalProperties" not in schemas["Order"]
    assert schemas["Order-create"]["additionalProperties"] is False


def test_v4_types_inheritance_actions_and_capabilities() -> None:
    document = read(V4)
    schemas = document.tree["components"]["schemas"]
    assert document.format == "edmx-4"
    assert schemas["State"] == {"type": "string", "enum": ["Open", "Paid"]}
    assert schemas["Rights"]["pattern"] == "^(Read|Write)(,(Read|Write))*$"
    assert schemas["Code"] == {"type": "string", "maxLength": 4}
    base, own = schemas["Sale"]["allOf"]
    assert base == {"$ref": "#/components/schemas/Thing"}
    assert own["properties"]["Codes"] == {"type": "array", "items": {"$ref": "#/components/schemas/Code"}}
    amount = own["properties"]["Amount"]
    assert (amount["type"], amount["multipleOf"], amount["exclusiveMaximum"]) == (["number", "null"], 0.01, 10**13)
    assert own["properties"]["Payer"]["x-odata-multiplicity"] == "1"
    assert schemas["Thing-create"]["properties"] == {}
    assert operations(document) >= {
        ("GET", "/Sales({Id})"),
        ("GET", "/Sales({Id})/Lines"),
        ("POST", "/Sales({Id})/shop.v1.Close"),
        ("GET", "/Best(count={count})"),
        ("GET", "/Me"),
    }
    assert ("DELETE", "/Sales({Id})") not in operations(document)
    body = document.tree["paths"]["/Sales({Id})/shop.v1.Close"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"]["required"] == ["reason"]
    assert document.problems == ()


def test_places_lead_back_to_the_xml() -> None:
    document = read(V2)
    pointer = "/components/schemas/Order/properties/Total"
    assert document.origin(pointer) == "/Edmx/DataServices/Schema/EntityType[@Name='Order']/Property[@Name='Total']"
    assert document.pointer_line(pointer) == 9
    assert document.pointer_line(pointer + "/maxLength") == 9
    assert document.pointer_line("/paths/~1Orders/get") == 24


def test_a_stored_edmx_keeps_its_format() -> None:
    for text in (V2, V4):
        document = read(text)
        again = Document.from_canonical(document.canonical)
        assert (again.format, again.digest, again.tree) == (document.format, document.digest, document.tree)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"<a/>", "contract.not_a_contract"),
        (b'<definitions xmlns="http://schemas.xmlsoap.org/wsdl/"/>', "contract.not_a_contract"),
        (b"<edmx:Edmx", "contract.xml_syntax"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "contract.xml_dtd"),
        (b'<?xml version="1.0"?>\n<!-- a -->\n<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "contract.xml_dtd"),
        (V2.replace(b"<Schema ", b"<Schemata ").replace(b"</Schema>", b"</Schemata>"), "contract.not_a_contract"),
        (V2.replace(b'Name="Item" OpenType="true"', b'Name="Order"'), "contract.duplicate_key"),
    ],
)
def test_other_xml_is_refused_with_a_reason(text: bytes, code: str) -> None:
    with pytest.raises(ContractError) as caught:
        read(text)
    assert caught.value.code == code


def test_utf_16_metadata_is_read() -> None:
    text = V2.decode().replace('encoding="utf-8"', 'encoding="utf-16"').encode("utf-16")
    assert read(text).digest == read(V2).digest
