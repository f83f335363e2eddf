"""WSDL and XML Schema: every labelled pair gets its verdict and its rule, in both directions."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.contracts.labelled_pairs import WSDL, carrying, pairs, type_pairs
from tillgate_contracts.compare import ComparisonPolicy, ComparisonReport, compare
from tillgate_contracts.reading import read

TYPES, CHANGES = type_pairs(), pairs("wsdl")
DAY = dt.date(2026, 11, 30)


def told(before: str, after: str, **policy: object) -> ComparisonReport:
    old, new = (read(text.encode()) for text in (before, after))
    return compare(old, new, policy=ComparisonPolicy.from_mapping(policy), as_of=DAY)


@pytest.mark.parametrize("direction", ["request", "response"])
@pytest.mark.parametrize("pair", TYPES, ids=[f"{n} {pair.section}" for n, pair in enumerate(TYPES)])
def test_a_pair_of_types_is_judged_as_the_standard_says(pair, direction):
    found = told(carrying(pair.before, direction), carrying(pair.after, direction))
    rules = {finding.rule for finding in found.findings}
    wanted = f"{direction}-xml-{pair.kind}"
    assert found.verdict == getattr(pair, direction), found.findings
    assert wanted in rules or not pair.kind, rules
    assert all(finding.operations == ("CALL P/call",) for finding in found.findings if finding.rule == wanted)


@pytest.mark.parametrize("pair", CHANGES, ids=[f"{n} {pair.section}" for n, pair in enumerate(CHANGES)])
def test_a_change_of_a_wsdl_is_judged_as_the_standard_says(pair):
    assert pair.before in WSDL
    found = told(WSDL, WSDL.replace(pair.before, pair.after, 1))
    rules = {finding.rule for finding in found.findings}
    assert (found.verdict, pair.rule if pair.rule in rules else sorted(rules)) == (pair.verdict, pair.rule or [])


def test_under_the_strict_content_model_an_element_that_comes_in_a_response_breaks():
    [pair] = [one for one in TYPES if one.section == "1: 3.8 optional element added"]
    assert (
        told(*(carrying(t, "response") for t in (pair.before, pair.after)), content_model="strict").verdict
        == "breaking"
    )


def test_a_long_sequence_in_another_order_is_not_decided_and_one_that_grows_is():
    def schema(names: list[str]) -> str:
        items = "".join(f'<xs:element name="{name}" type="xs:string" minOccurs="0"/>' for name in names)
        return carrying(f'<xs:complexType name="T"><xs:sequence>{items}</xs:sequence></xs:complexType>', "request")

    names = [f"e{number}" for number in range(2000)]
    assert told(schema(names), schema(names[::-1])).verdict == "warning"
    found = told(schema(names), schema([*names[:900], "new", *names[900:]]))
    assert [finding.rule for finding in found.findings] == ["request-xml-optional-element-added"]


def test_a_schema_alone_is_judged_for_both_directions():
    schema = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a" type="xs:{}"/></xs:schema>'
    for types in (("int", "long"), ("long", "int")):
        assert told(*(schema.format(one) for one in types)).verdict == "breaking"


def test_a_finding_has_its_xpath_line_and_operation():
    after = WSDL.replace('<xs:element name="sku" type="xs:string"', '<xs:element name="sku" type="xs:int"')
    [finding] = told(WSDL, after).findings
    assert finding.operations == ("CALL OrderPort/place",)
    assert (finding.rule, finding.level) == ("request-xml-type-narrowed", "breaking")
