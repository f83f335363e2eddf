"""Rows of an OData service are judged by what was asked of it: what `$select` leaves out is not missing, and the link
in the place of a navigation is no fault. Own metadata, and SAP's real ones where they are on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from catalog.domain.contract_engine import schema_validator
from runtime.connectors.acceptance import compile_acceptance
from runtime.domain.odata_schemas import ROOT, AskedFor, as_read, made_by_server, tree_as_read
from runtime.profiles import profile
from tillgate_contracts.reading import Document, read

SHARED = Path(os.environ.get("TILLGATE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
S4 = SHARED / "data" / "specs" / "sap-s4hana" / "edmx"

SHOP_V2 = b"""<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx">
 <edmx:DataServices><Schema Namespace="SHOP" xmlns="http://schemas.microsoft.com/ado/2008/09/edm">
 <EntityType Name="Article"><Key><PropertyRef Name="Id"/></Key>
  <Property Name="Id" Type="Edm.String" Nullable="false"/><Property Name="Name" Type="Edm.String"/>
  <Property Name="Status" Type="Edm.String"/>
  <NavigationProperty Name="to_Texts" Relationship="SHOP.T" FromRole="a" ToRole="t"/>
  <NavigationProperty Name="to_Group" Relationship="SHOP.G" FromRole="a" ToRole="g"/></EntityType>
 <EntityType Name="Text"><Key><PropertyRef Name="Id"/><PropertyRef Name="Language"/></Key>
  <Property Name="Id" Type="Edm.String" Nullable="false"/><Property Name="Language" Type="Edm.String" Nullable="false"/>
  <Property Name="Long" Type="Edm.String" Nullable="false"/>
  <NavigationProperty Name="to_Article" Relationship="SHOP.T" FromRole="t" ToRole="a"/></EntityType>
 <EntityType Name="Group"><Key><PropertyRef Name="Group"/></Key>
  <Property Name="Group" Type="Edm.String" Nullable="false"/><Property Name="Label" Type="Edm.String"/></EntityType>
 <Association Name="T"><End Role="a" Type="SHOP.Article" Multiplicity="1"/>
  <End Role="t" Type="SHOP.Text" Multiplicity="*"/></Association>
 <Association Name="G"><End Role="a" Type="SHOP.Article" Multiplicity="*"/>
  <End Role="g" Type="SHOP.Group" Multiplicity="0..1"/></Association>
 <EntityContainer Name="C"><EntitySet Name="Articles" EntityType="SHOP.Article"/></EntityContainer>
 </Schema></edmx:DataServices></edmx:Edmx>"""

SHOP_V4 = b"""<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
 <Schema Namespace="shop" xmlns="http://docs.oasis-open.org/odata/ns/edm">
 <EntityType Name="Base"><Key><PropertyRef Name="Id"/></Key>
  <Property Name="Id" Type="Edm.Guid" Nullable="false"/></EntityType>
 <EntityType Name="Article" BaseType="shop.Base"><Property Name="Name" Type="Edm.String"/>
  <Property Name="Status" Type="Edm.String" Nullable="false"/>
  <NavigationProperty Name="Lines" Type="Collection(shop.Line)"/>
  <NavigationProperty Name="Group" Type="shop.Group"/></EntityType>
 <EntityType Name="Line"><Key><PropertyRef Name="No"/></Key><Property Name="No" Type="Edm.Int32" Nullable="false"/>
  <Property Name="Amount" Type="Edm.Decimal" Precision="9" Scale="2" Nullable="false"/></EntityType>
 <EntityType Name="Group"><Key><PropertyRef Name="Group"/></Key>
  <Property Name="Group" Type="Edm.String" Nullable="false"/></EntityType>
 <EntityContainer Name="C"><EntitySet Name="Articles" EntityType="shop.Article"/></EntityContainer>
 </Schema></edmx:DataServices></edmx:Edmx>"""

LINK = {"__deferred": {"uri": "http://h/Articles('1')/to_Group"}}
ID = "11111111-2222-4333-8444-555555555555"


def fits(document: Document, name: str, row: Any, **asked: Any) -> bool:
    """Judged by the validator; the quick check, where there is one, accepts nothing else."""
    want = AskedFor(**{key: tuple(value) for key, value in asked.items()})
    schema = document.resolve(f"#/components/schemas/{name}")
    tree = tree_as_read(document.tree, schema, want)
    good: bool = schema_validator({**tree, "$ref": f"#/components/schemas/{ROOT}"}).is_valid(row)
    quick = compile_acceptance(tree, f"/components/schemas/{ROOT}")
    if quick is not None and quick([msgspec.json.encode(row)]):
        assert good, "the quick check takes what the validator refuses"
    return good


@pytest.fixture(scope="module")
def v2() -> Document:
    return read(SHOP_V2)


@pytest.fixture(scope="module")
def v4() -> Document:
    return read(SHOP_V4)


WHOLE = {"Id": "1", "Name": "Tea", "Status": None, "to_Texts": LINK, "to_Group": LINK}


def test_links_in_the_place_of_navigations_to_one_and_to_many_are_no_fault(v2: Document) -> None:
    assert fits(v2, "Article", WHOLE)
    assert fits(v2, "Article", {**WHOLE, "to_Group": None})


def test_what_select_leaves_out_is_not_missing_and_what_it_names_is(v2: Document, v4: Document) -> None:
    assert fits(v2, "Article", {"Id": "1", "Name": "Tea"}, select=["Name"], also=["Id"])
    assert not fits(v2, "Article", {"Id": "1"}, select=["Name"], also=["Id"])
    assert not fits(v2, "Article", {"Id": "1", "Name": "Tea"})
    assert fits(v4, "Article", {"Id": ID, "Name": "Tea"}, select=["Name"], also=["Id"])
    assert not fits(v4, "Article", {"Id": ID, "Name": 5}, select=["Name"], also=["Id"])
    assert not fits(v4, "Article", {"Name": "Tea"}, select=["Name"], also=["Id"]), "the key is of the base type"


def test_what_is_expanded_is_judged_and_a_link_there_is_a_fault(v2: Document) -> None:
    text = {"Id": "1", "Language": "EN", "Long": "Black tea", "to_Article": LINK}
    assert fits(v2, "Article", {**WHOLE, "to_Texts": {"results": [text]}}, expand=["to_Texts"])
    assert not fits(v2, "Article", {**WHOLE, "to_Texts": {"results": [{"Id": "1"}]}}, expand=["to_Texts"])
    assert not fits(v2, "Article", WHOLE, expand=["to_Texts"])
    assert fits(v2, "Article", {**WHOLE, "to_Group": {"Group": "7", "Label": None}}, expand=["to_Group"])
    assert fits(v2, "Article", {**WHOLE, "to_Group": None}, expand=["to_Group"])
    assert not fits(v2, "Article", {**WHOLE, "to_Group": {"Label": "x"}}, expand=["to_Group"])


def test_a_selection_inside_of_an_expansion_counts_there(v2: Document, v4: Document) -> None:
    row = {"Id": "1", "to_Texts": {"results": [{"Long": "Black tea"}]}}
    assert fits(v2, "Article", row, select=["Id", "to_Texts/Long"], expand=["to_Texts"])
    assert not fits(
        v2, "Article", {"Id": "1", "to_Texts": {"results": [{}]}}, select=["Id", "to_Texts/Long"], expand=["to_Texts"]
    )
    base = {"Id": ID, "Name": None, "Status": "A"}
    assert fits(v4, "Article", {**base, "Lines": [{"No": 1}]}, expand=["Lines($select=No;$expand=Nothing)"])
    assert not fits(v4, "Article", {**base, "Lines": [{"Amount": 1}]}, expand=["Lines($select=No)"])
    assert not fits(v4, "Article", {**base, "Lines": [{"No": 1}]}, expand=["Lines"])


def test_v4_says_nothing_of_what_is_not_expanded(v4: Document) -> None:
    assert fits(v4, "Article", {"Id": ID, "Name": None, "Status": "A"})
    assert fits(v4, "Article", {"Id": ID, "Name": None, "Status": "A", "Group": None}, expand=["Group"])


def test_a_schema_of_what_is_read_has_nothing_that_was_not_asked_for(v2: Document) -> None:
    schema = as_read(v2.tree, v2.resolve("#/components/schemas/Article"), AskedFor(("Name",), (), ("Id",)))
    assert set(schema["properties"]) == {"Id", "Name"}


needs_s4 = pytest.mark.skipif(not S4.is_dir(), reason=f"SAP's published metadata are not in {S4}; set TILLGATE_SHARED")


def row_of(document: Document, name: str) -> dict[str, Any]:
    """A row as Gateway gives it where nothing is expanded: nulls, and links for every navigation."""
    schema = document.resolve(f"#/components/schemas/{name}")
    row: dict[str, Any] = {"__metadata": {"uri": "http://h/x", "type": "T"}}
    for member, one in schema["properties"].items():
        if "x-odata-multiplicity" in one:
            row[member] = {"__deferred": {"uri": f"http://h/x/{member}"}}
        else:
            row[member] = None if isinstance(one.get("type"), list) else "1"
    return row


@needs_s4
@pytest.mark.parametrize("file", ["API_PRODUCT_SRV.a.edmx", "API_PRODUCT_SRV.b.edmx"])
def test_every_row_of_the_real_product_model_is_accepted_with_the_profile_as_it_is(file: str) -> None:
    document = read((S4 / file).read_bytes())
    name = next(n for n in ("A_Product", "A_ProductType") if document.resolve(f"#/components/schemas/{n}"))
    expand = profile("s4hana-cloud").settings["expand"]
    text = row_of(document, "A_ProductDescription" if name == "A_Product" else "A_ProductDescriptionType")
    row = {**row_of(document, name), "to_Description": {"results": [text]}}
    whole = schema_validator({**document.tree, "$ref": f"#/components/schemas/{name}"})
    assert not whole.is_valid(row), "a contract describes navigations as what they lead to"
    assert fits(document, name, row, expand=expand, also=["Product", "LastChangeDateTime"])
    few = {"Product": "TG11", "CrossPlantStatus": None, "to_Description": {"results": [text]}}
    assert fits(document, name, few, select=["CrossPlantStatus"], expand=expand, also=["Product"])


@needs_s4
def test_a_sales_order_is_created_without_the_numbers_that_the_service_gives() -> None:
    document = read((S4 / "API_SALES_ORDER_SRV.edmx").read_bytes())
    schema = document.resolve("#/components/schemas/A_SalesOrderType-create")
    assert "SalesOrder" in schema["required"]
    assert made_by_server(document.tree, schema, "SalesOrder")
    assert made_by_server(document.tree, schema, "to_Item[].SalesOrderItem")
    assert not made_by_server(document.tree, schema, "SoldToParty")
    assert not made_by_server(document.tree, schema, "to_Nothing.SalesOrder")
