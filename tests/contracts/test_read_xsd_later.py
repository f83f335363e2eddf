"""What XML Schema 1.1 adds is not read: it is listed, and a change of it is no agreement."""

from __future__ import annotations

import datetime as dt

import pytest

from tillgate_contracts.compare import ComparisonReport, compare
from tillgate_contracts.reading import Document, read

TODAY = dt.date(2026, 11, 30)
SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t" xmlns:t="urn:t" {top}>{first}
<xs:element name="order" {element}><xs:complexType>{before}<xs:sequence><xs:element name="a" type="xs:string">{inner}
</xs:element><xs:any minOccurs="0" {any}/></xs:sequence>{after}</xs:complexType></xs:element></xs:schema>"""
PLACES = ("top", "first", "element", "before", "inner", "any", "after")
ORDER = "/schemas/elements/{urn:t}order"


def _read(place: str = "", text: str = "") -> Document:
    return read(SCHEMA.format(**{name: text if name == place else "" for name in PLACES}).encode(), name="a.xsd")


def _compared(base: Document, revision: Document) -> ComparisonReport:
    return compare(base, revision, as_of=TODAY)


LATER = [
    ("after", '<xs:assert test="a = 1"/>'),
    ("before", '<xs:openContent mode="interleave"><xs:any/></xs:openContent>'),
    ("inner", '<xs:alternative test="@q" type="xs:int"/>'),
    ("any", 'notQName="t:b"'),
    ("any", 'notNamespace="urn:b"'),
    ("after", "<xs:invented/>"),
]


@pytest.mark.parametrize(("place", "text"), LATER)
def test_a_part_of_version_1_1_is_listed_with_its_component(place, text):
    (problem,) = _read(place, text).problems
    assert (problem.code, problem.pointer) == ("xsd.not_read", ORDER)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        *LATER,
        ("first", '<xs:defaultOpenContent mode="suffix"><xs:any/></xs:defaultOpenContent>'),
        ("top", 'defaultAttributes="t:more"'),
    ],
)
def test_a_part_of_version_1_1_that_comes_or_goes_is_not_decided(place, text):
    for base, revision in ((_read(), _read(place, text)), (_read(place, text), _read())):
        found = _compared(base, revision)
        assert found.verdict == "warning"
        assert [finding.rule for finding in found.findings] == ["xml-part-unread"]


def test_another_assertion_of_the_same_type_is_not_decided_and_the_same_one_is_no_change():
    one, other = (_read("after", f'<xs:assert test="a = {number}"/>') for number in (1, 2))
    assert _compared(one, other).verdict == "warning"
    again = _read("after", '<xs:assert test="a = 1"></xs:assert>')
    assert again.digest == one.digest
    assert _compared(one, again).verdict == "none"


def test_documentation_may_hold_whatever_it_likes():
    text = '<xs:annotation><xs:appinfo><xs:assert test="a"/></xs:appinfo></xs:annotation>'
    assert _read("inner", text).problems == ()
