"""OData metadata: entity types, keys, facets and functions are compared by the same core as everything else."""

from __future__ import annotations

import datetime as dt

import pytest

from tillgate_contracts.compare import ComparisonReport, compare
from tillgate_contracts.reading import read

EDMX = """<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">
  <edmx:DataServices>
    <Schema Namespace="shop" xmlns="http://docs.oasis-open.org/odata/ns/edm">
      <EnumType Name="Status"><Member Name="Open" Value="0"/><Member Name="Paid" Value="1"/></EnumType>
      <EntityType Name="Order">
        <Key><PropertyRef Name="Id"/></Key>
        <Property Name="Id" Type="Edm.Int32" Nullable="false"/>
        <Property Name="Note" Type="Edm.String" MaxLength="40"/>
        <Property Name="Total" Type="Edm.Decimal" Nullable="false" Precision="10" Scale="2"/>
        <Property Name="Status" Type="shop.Status" Nullable="false"/>
        <NavigationProperty Name="Customer" Type="shop.Customer" Nullable="false"/>
      </EntityType>
      <EntityType Name="Customer">
        <Key><PropertyRef Name="Id"/></Key>
        <Property Name="Id" Type="Edm.Int32" Nullable="false"/>
      </EntityType>
      <Function Name="Rank"><Parameter Name="year" Type="Edm.Int32"/>
      <ReturnType Type="Edm.Int32" Nullable="false"/></Function>
      <EntityContainer Name="Shop">
        <EntitySet Name="Orders" EntityType="shop.Order"/>
        <EntitySet Name="Customers" EntityType="shop.Customer"/>
        <FunctionImport Name="Rank" Function="shop.Rank"/>
      </EntityContainer>
    </Schema>
  </edmx:DataServices>
</edmx:Edmx>
"""
NOTE = '<Property Name="Note" Type="Edm.String" MaxLength="40"/>'
CHANGES = [
    (NOTE, "", "breaking", "response-required-property-removed"),
    (NOTE, NOTE + '<Property Name="More" Type="Edm.String"/>', "compatible", "response-required-property-added"),
    (
        NOTE,
        NOTE + '<Property Name="More" Type="Edm.String" Nullable="false"/>',
        "breaking",
        "new-required-request-property",
    ),
    ('MaxLength="40"', 'MaxLength="20"', "breaking", "request-property-max-length-decreased"),
    ('MaxLength="40"', 'MaxLength="80"', "breaking", "response-property-max-length-increased"),
    ('Scale="2"', 'Scale="3"', "breaking", "response-property-multiple-of-changed"),
    ('Type="Edm.Decimal"', 'Type="Edm.String"', "breaking", "request-property-type-changed"),
    ('<Member Name="Paid" Value="1"/>', "", "breaking", "request-property-enum-value-removed"),
    (
        '<Member Name="Paid" Value="1"/>',
        '<Member Name="Paid" Value="1"/><Member Name="Lost" Value="2"/>',
        "warning",
        "response-property-enum-value-added",
    ),
    (
        'Type="shop.Customer" Nullable="false"',
        'Type="Collection(shop.Customer)"',
        "breaking",
        "response-property-type-changed",
    ),
    (
        '<Key><PropertyRef Name="Id"/></Key>\n'
        '        <Property Name="Id" Type="Edm.Int32" Nullable="false"/>\n        <Property Name="Note"',
        '<Key><PropertyRef Name="Note"/></Key>\n'
        '        <Property Name="Id" Type="Edm.Int32" Nullable="false"/>\n        <Property Name="Note"',
        "breaking",
        "response-property-odata-key-changed",
    ),
    (
        '<EntitySet Name="Customers" EntityType="shop.Customer"/>',
        "",
        "breaking",
        "api-path-removed-without-deprecation",
    ),
    (
        '<Parameter Name="year" Type="Edm.Int32"/>',
        '<Parameter Name="year" Type="Edm.Int32"/><Parameter Name="m" Type="Edm.Int32" Nullable="false"/>',
        "breaking",
        "",
    ),
]


def judge(revision: str) -> ComparisonReport:
    return compare(read(EDMX.encode()), read(revision.encode()), as_of=dt.date(2026, 11, 23))


@pytest.mark.parametrize(("old", "new", "verdict", "rule"), CHANGES, ids=[str(index) for index in range(len(CHANGES))])
def test_a_change_of_the_metadata_is_judged_like_the_interface_it_describes(
    old: str, new: str, verdict: str, rule: str
) -> None:
    assert old in EDMX
    result = judge(EDMX.replace(old, new, 1))
    assert not rule or rule in {finding.rule for finding in result.findings}
    assert result.verdict == verdict


def test_findings_point_into_the_metadata_with_the_line() -> None:
    finding = next(
        item for item in judge(EDMX.replace('MaxLength="40"', 'MaxLength="20"')).findings if item.level == "breaking"
    )
    assert "Property[@Name='Note']" in finding.pointer
    assert finding.line == 9


def test_the_same_metadata_finds_nothing() -> None:
    assert judge(EDMX.replace("\n      ", "\n   ")).findings == []


def test_the_version_of_a_service_is_told_by_its_own_name() -> None:
    old = EDMX.replace('<Schema Namespace="shop"', '<Schema Namespace="shop" xmlns:sap="urn:s" sap:schema-version="1"')
    old = old.replace("urn:s", "http://www.sap.com/Protocols/SAPData")
    result = compare(read(old.encode()), read(old.replace(NOTE, "").encode()))
    (told,) = [one for one in result.findings if one.rule == "api-version-not-bumped"]
    assert told.message == "The contract breaks, and its sap:schema-version is still 1."
    assert not [one for one in judge(EDMX.replace(NOTE, "")).findings if "version" in one.rule]
