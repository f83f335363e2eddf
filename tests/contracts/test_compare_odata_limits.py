"""What OData metadata says of how a service may be used: annotations beside the types, capabilities, SAP's attributes.
None of it passes in silence."""

from __future__ import annotations

import pytest

from tests.contracts.contract_documents import rules
from tests.contracts.test_compare_odata import EDMX, NOTE
from tillgate_contracts.compare import ComparisonReport, compare
from tillgate_contracts.reading import read

SET = '<EntitySet Name="Orders" EntityType="shop.Order"/>'
COMPUTED = '<Annotation Term="Org.OData.Core.V1.Computed"/>'
V2 = """<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"
 xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"
 xmlns:sap="http://www.sap.com/Protocols/SAPData">
 <edmx:DataServices m:DataServiceVersion="2.0"><Schema Namespace="S"
 xmlns="http://schemas.microsoft.com/ado/2008/09/edm">
 <EntityType Name="P"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.String" Nullable="false"/>
 <Property Name="Name" Type="Edm.String"/></EntityType>
 <EntityContainer Name="C"><EntitySet Name="Ps" EntityType="S.P"/></EntityContainer></Schema>
 </edmx:DataServices></edmx:Edmx>"""


def judge(old: str, new: str) -> ComparisonReport:
    return compare(read(old.encode()), read(new.encode()))


def beside(target: str, *annotations: str) -> str:
    """The metadata with annotations that stand beside what they mean."""
    made = f'<Annotations Target="{target}">{"".join(annotations)}</Annotations>'
    return EDMX.replace("<EntityContainer", f"{made}<EntityContainer")


def term(name: str, *values: str, vocabulary: str = "Org.OData.Capabilities.V1") -> str:
    return f'<Annotation Term="{vocabulary}.{name}"><Record>{"".join(values)}</Record></Annotation>'


def says(name: str, value: str) -> str:
    return f'<PropertyValue Property="{name}" Bool="{value}"/>'


def test_an_annotation_beside_a_property_means_what_it_means_inside() -> None:
    inside = EDMX.replace(NOTE, NOTE.replace("/>", f">{COMPUTED}</Property>"))
    for found in (judge(EDMX, beside("shop.Order/Note", COMPUTED)), judge(EDMX, inside)):
        assert found.verdict == "breaking"
        assert "request-property-removed-and-refused" in rules(found)
    assert judge(inside, beside("shop.Order/Note", COMPUTED)).verdict == "none"


@pytest.mark.parametrize(
    ("target", "annotation"),
    [
        ("shop.Shop/Orders", term("FilterRestrictions", says("Filterable", "false"))),
        ("shop.Shop/Orders", term("SortRestrictions", says("Sortable", "false"))),
        ("shop.Shop/Orders", term("CountRestrictions", says("Countable", "false"))),
        (
            "shop.Shop/Orders",
            term(
                "InsertRestrictions",
                '<PropertyValue Property="NonInsertableProperties"><Collection><PropertyPath>Note</PropertyPath>'
                "</Collection></PropertyValue>",
            ),
        ),
        ("shop.Shop/Orders", '<Annotation Term="Org.OData.Capabilities.V1.TopSupported" Bool="false"/>'),
        ("shop.Shop", '<Annotation Term="Org.OData.Capabilities.V1.BatchSupported" Bool="false"/>'),
        (
            "shop.Shop",
            '<Annotation Term="Org.OData.Authorization.V1.SecuritySchemes"><Collection><Record><PropertyValue '
            'Property="RequiredScopes"><Collection><String>read</String></Collection></PropertyValue></Record>'
            "</Collection></Annotation>",
        ),
        (
            "shop.Shop",
            '<Annotation Term="Org.OData.Authorization.V1.Authorizations"><Collection><Record '
            'Type="Org.OData.Authorization.V1.Http"><PropertyValue Property="Scheme" String="bearer"/></Record>'
            "</Collection></Annotation>",
        ),
        ("shop.Order/Note", '<Annotation Term="Org.OData.Validation.V1.Pattern" String="^[A-Z]*$"/>'),
        (
            "shop.Order/Note",
            '<Annotation Term="Org.OData.Core.V1.Permissions"><EnumMember>Org.OData.Core.V1.Permission/Read'
            "</EnumMember></Annotation>",
        ),
        (
            "shop.Shop/Orders",
            '<Annotation Term="Org.OData.Core.V1.OptimisticConcurrency"><Collection><PropertyPath>Total</PropertyPath>'
            "</Collection></Annotation>",
        ),
    ],
)
def test_what_limits_its_callers_is_told(target: str, annotation: str) -> None:
    said = beside(target, annotation)
    for old, new in ((EDMX, said), (said, EDMX)):
        found = judge(old, new)
        assert found.verdict == "warning", rules(found)
        assert any("odata-limit-changed" in rule for rule in rules(found, "warning"))
    assert judge(said, said).verdict == "none"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<EntityType Name="Customer">', '<EntityType Name="Customer" HasStream="true">'),
        ('<EntityType Name="Customer">', '<EntityType Name="Customer" Abstract="true">'),
        ('<Function Name="Rank">', '<Function Name="Rank" IsComposable="true">'),
    ],
)
def test_attributes_of_types_and_functions_are_told(old: str, new: str) -> None:
    assert old in EDMX
    found = judge(EDMX, EDMX.replace(old, new))
    assert found.verdict == "warning", rules(found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Name="Name"', 'Name="Name" sap:filterable="false"'),
        ('Name="Name"', 'Name="Name" sap:required-in-filter="true"'),
        ('Name="Name"', 'Name="Name" ConcurrencyMode="Fixed"'),
        ('Name="Name"', 'Name="Name" m:FC_KeepInContent="false"'),
        ('Name="Ps"', 'Name="Ps" sap:topable="false"'),
        ('Name="P"', 'Name="P" m:HasStream="true"'),
    ],
)
def test_attributes_of_sap_and_of_version_2_are_told(old: str, new: str) -> None:
    found = judge(V2, V2.replace(old, new))
    assert found.verdict == "warning", rules(found)
    usual = V2.replace('Name="Name"', 'Name="Name" sap:filterable="true" ConcurrencyMode="None"')
    assert judge(V2, usual).verdict == "none", "the usual said in words"


def test_the_order_of_what_an_annotation_says_is_nothing() -> None:
    values = [says("Filterable", "true"), says("RequiresFilter", "true")]
    one, other = (beside("shop.Shop/Orders", term("FilterRestrictions", *made)) for made in (values, values[::-1]))
    assert judge(one, other).verdict == "none"


def test_what_decides_which_operations_there_are_is_told_once() -> None:
    found = judge(EDMX, beside("shop.Shop/Orders", term("InsertRestrictions", says("Insertable", "false"))))
    assert found.verdict == "breaking"
    assert not any("odata-limit" in rule for rule in rules(found)), "the operation goes, and that says it"


def test_types_of_other_documents_are_problems_and_what_changes_there_is_not_decided() -> None:
    other = EDMX.replace("</EntityContainer>", '<EntitySet Name="Far" EntityType="Q.Far"/></EntityContainer>')
    assert "ref.unresolved" in {problem.code for problem in read(other.encode()).problems}
    assert judge(other, other.replace("Q.Far", "Q.Farther")).verdict != "none"
    for part in (
        ('Type="shop.Status"', 'Type="Q.Status"'),
        ('<EntityType Name="Customer">', '<EntityType Name="Customer" BaseType="Q.Person">'),
        ('Type="shop.Customer"', 'Type="Q.Person"'),
    ):
        assert part[0] in EDMX
        found = read(EDMX.replace(*part).encode())
        assert {problem.code for problem in found.problems} == {"ref.unresolved"}, part


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Name="Info/ID" Alias="A"', 'Name="Info/No" Alias="A"'),
        ('Name="Info/ID" Alias="A"', 'Name="Info/ID" Alias="B"'),
        ('<Key><PropertyRef Name="Info/ID" Alias="A"/></Key>', ""),
    ],
)
def test_a_key_by_a_path_is_a_key(old: str, new: str) -> None:
    by_path = EDMX.replace(
        '<EntityType Name="Customer">\n        <Key><PropertyRef Name="Id"/></Key>',
        '<EntityType Name="Customer"><Key><PropertyRef Name="Info/ID" Alias="A"/></Key>',
    )
    assert old in by_path
    assert judge(by_path, by_path.replace(old, new)).verdict == "breaking"
