"""OData types that are only derived stand wherever their base is declared: a change of them is a change there."""

from __future__ import annotations

import pytest

from tests.contracts.contract_documents import TODAY
from tillgate_contracts.compare import ComparisonReport, compare
from tillgate_contracts.reading import read

FOUR = """<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
<Schema Namespace="shop" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="Tender"><Key><PropertyRef Name="Id"/></Key>
  <Property Name="Id" Type="Edm.Int32" Nullable="false"/>
  <Property Name="Payer" Type="shop.Party"/>
  <NavigationProperty Name="Refunds" Type="Collection(shop.Tender)"/></EntityType>
<EntityType Name="Card" BaseType="shop.Tender"><Property Name="Brand" Type="Edm.String"/></EntityType>
<EntityType Name="Credit" BaseType="shop.Card"><Property Name="Limit" Type="Edm.Int32"/></EntityType>
<ComplexType Name="Party"><Property Name="Name" Type="Edm.String"/></ComplexType>
<ComplexType Name="Firm" BaseType="shop.Party"><Property Name="Vat" Type="Edm.String"/></ComplexType>
<EntityContainer Name="C"><EntitySet Name="Tenders" EntityType="shop.Tender"/></EntityContainer>
</Schema></edmx:DataServices></edmx:Edmx>"""
TWO = (
    FOUR.replace(
        'Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"',
        'Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"',
    )
    .replace("http://docs.oasis-open.org/odata/ns/edm", "http://schemas.microsoft.com/ado/2008/09/edm")
    .replace('<NavigationProperty Name="Refunds" Type="Collection(shop.Tender)"/>', "")
)
BRAND = '<Property Name="Brand" Type="Edm.String"/>'
LIMIT = '<Property Name="Limit" Type="Edm.Int32"/>'
VAT = '<Property Name="Vat" Type="Edm.String"/>'
CREDIT = f'<EntityType Name="Credit" BaseType="shop.Card">{LIMIT}</EntityType>'


def _judge(old: str, new: str) -> ComparisonReport:
    return compare(read(old.encode()), read(new.encode()), as_of=TODAY)


def _said(result: ComparisonReport) -> list[str]:
    return [finding.message for finding in result.findings]


@pytest.mark.parametrize("text", [TWO, FOUR], ids=["V2", "V4"])
@pytest.mark.parametrize(
    ("part", "becomes", "subject"),
    [
        (BRAND, "", "`Card`"),
        (BRAND, BRAND.replace("String", "Int32"), "`Brand` of `Card`"),
        (LIMIT, LIMIT.replace("Int32", "String"), "`Limit` of `Credit`"),
        (LIMIT, "", "`Credit`"),
        (VAT, VAT.replace("String", "Int32"), "`Vat` of `Firm`"),
        (VAT, "", "`Firm`"),
    ],
)
def test_what_a_derived_type_loses_is_lost_where_its_base_is_declared(text, part, becomes, subject) -> None:
    result = _judge(text, text.replace(part, becomes))
    assert result.verdict == "breaking"
    assert any(said.startswith(subject) for said in _said(result)), _said(result)
    assert any("GET /Tenders" in finding.operations for finding in result.findings)


@pytest.mark.parametrize("text", [TWO, FOUR], ids=["V2", "V4"])
def test_a_new_derived_type_is_expected_by_readers_and_one_that_goes_breaks_writers(text: str) -> None:
    without = text.replace(CREDIT, "")
    come, gone = _judge(without, text), _judge(text, without)
    assert come.verdict == "compatible", _said(come)
    assert "`Tender` has the new subtype Credit." in _said(come)
    assert gone.verdict == "breaking"
    assert any("`Tender-create` no longer has the subtype" in said for said in _said(gone)), _said(gone)


def test_the_first_derived_type_of_a_type_is_told_by_its_name() -> None:
    without = FOUR.replace(CREDIT, "")
    alone = without.replace(f'<EntityType Name="Card" BaseType="shop.Tender">{BRAND}</EntityType>', "")
    result = _judge(alone, without)
    assert result.verdict == "compatible", _said(result)
    assert "`Tender` has the new subtype Card." in _said(result)
    assert _judge(without, alone).verdict == "breaking"


def test_a_type_that_becomes_abstract_can_no_longer_be_created() -> None:
    for name in ('Name="Card"', 'Name="Tender"'):
        result = _judge(FOUR, FOUR.replace(f"<EntityType {name}", f'<EntityType {name} Abstract="true"'))
        assert result.verdict == "breaking", _said(result)
        back = _judge(FOUR.replace(f"<EntityType {name}", f'<EntityType {name} Abstract="true"'), FOUR)
        assert back.verdict == "compatible", _said(back)


def test_an_open_derived_type_that_is_closed_refuses_what_it_took() -> None:
    opened = FOUR.replace('<EntityType Name="Card"', '<EntityType Name="Card" OpenType="true"')
    assert _judge(FOUR, opened).verdict == "compatible"
    result = _judge(opened, FOUR)
    assert result.verdict == "breaking"
    assert "`Card-create` is no longer an open type." in " ".join(_said(result))


def test_containment_moves_urls_and_is_not_decided() -> None:
    contained = FOUR.replace('"Collection(shop.Tender)"/>', '"Collection(shop.Tender)" ContainsTarget="true"/>')
    for pair in ((FOUR, contained), (contained, FOUR)):
        result = _judge(*pair)
        assert result.verdict == "warning"
        assert any("contains what it leads to" in said for said in _said(result))


def test_an_alias_is_the_name_of_a_key_in_urls() -> None:
    aliased = FOUR.replace('<PropertyRef Name="Id"/>', '<PropertyRef Name="Id" Alias="no"/>')
    assert _judge(FOUR, aliased).verdict == "breaking"


def test_a_circle_of_base_types_ends() -> None:
    circle = FOUR.replace('<EntityType Name="Tender">', '<EntityType Name="Tender" BaseType="shop.Credit">')
    assert _judge(circle, circle.replace(BRAND, "")).verdict in ("breaking", "warning")


def test_metadata_without_derived_types_keeps_its_digest() -> None:
    plain = FOUR.replace(CREDIT, "").replace(' BaseType="shop.Tender"', "").replace(' BaseType="shop.Party"', "")
    tree = read(plain.encode()).tree["components"]["schemas"]
    assert not any("discriminator" in schema for schema in tree.values())
