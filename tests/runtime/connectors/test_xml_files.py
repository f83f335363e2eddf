"""Records of XML files by path: bank statements, orders, envelopes; and files that mean harm."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from kernel.errors import Invalid
from runtime.connectors import xml_sizes
from runtime.connectors.registry import open_source
from runtime.profiles import profile
from tests.runtime.connectors.dropped import read_file, read_files

STATEMENT = """<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">
<BkToCstmrStmt><GrpHdr><MsgId>M7</MsgId></GrpHdr>
<Stmt><Id>S1</Id><Acct><Id><IBAN>DE02</IBAN></Id><Ccy>EUR</Ccy></Acct><Bal><Amt Ccy="EUR">100</Amt></Bal>
<Ntry><Amt Ccy="EUR">12.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><AcctSvcrRef>A1</AcctSvcrRef>
<NtryDtls><TxDtls><Refs/></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">1.10</Amt><CdtDbtInd>DBIT</CdtDbtInd><AcctSvcrRef>A2</AcctSvcrRef></Ntry></Stmt>
<Stmt><Id>S2</Id><Ntry><Amt Ccy="CHF">3</Amt><AcctSvcrRef>A3</AcctSvcrRef></Ntry></Stmt></BkToCstmrStmt></Document>"""
ORDER = """<o:orderMessage xmlns:o="urn:gs1:ecom:order:xsd:3"
 xmlns:s="http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"
 xmlns:v="urn:example:vendor">
<s:StandardBusinessDocumentHeader><s:Sender><s:Identifier Authority="GS1">4000001</s:Identifier>
</s:Sender></s:StandardBusinessDocumentHeader>
<order><orderIdentification><entityIdentification>P1</entityIdentification></orderIdentification>
<orderLineItem><lineItemNumber>1</lineItemNumber><requestedQuantity unit="CS">48</requestedQuantity>
<v:lineItemNumber>x</v:lineItemNumber></orderLineItem>
</order></o:orderMessage>"""
ENTRIES = "Document/BkToCstmrStmt/Stmt/Ntry"


def read_xml(content: bytes | str, record: str = "a/r", **layout: Any) -> tuple[list[Any], list[str]]:
    return read_file(content, "a.xml", format="xml", xml={"record": record, **layout})


def test_entries_of_a_bank_statement_have_their_account_and_no_other_one() -> None:
    around = {"account": "Document/BkToCstmrStmt/Stmt/Acct/Id/IBAN", "statement": "Document/BkToCstmrStmt/Stmt/Id"}
    found, said = read_xml(STATEMENT, ENTRIES, around=around, lists=["NtryDtls/TxDtls"])
    assert said == []
    assert [(one["statement"], one.get("account"), one["AcctSvcrRef"]) for one in found] == [
        ("S1", "DE02", "A1"),
        ("S1", "DE02", "A2"),
        ("S2", None, "A3"),
    ]
    assert found[0]["Amt"] == {"@Ccy": "EUR", "#text": "12.50"}
    assert found[0]["NtryDtls"] == {"TxDtls": [{"Refs": ""}]}


def test_the_profile_of_bank_statements_reads_them() -> None:
    settings = profile("camt053-statements").connection({"root": "/tmp"})
    del settings["root"], settings["quiet"]
    records, rejected, _ = read_files(
        {"a.xml": STATEMENT.replace("<Id>S2</Id>", "<Id>S2</Id><Acct><Id><IBAN>CH9</IBAN></Id></Acct>")}, **settings
    )
    assert [one.key for one in records] == ["DE02/S1/A1", "DE02/S1/A2", "CH9/S2/A3"]
    assert rejected == []


def test_an_order_in_an_envelope_is_opened_with_names_of_two_namespaces() -> None:
    found, said = read_xml(
        ORDER, "orderMessage/order", around={"sender": "*/StandardBusinessDocumentHeader/Sender/Identifier"}
    )
    assert said == []
    assert found[0]["sender"] == "4000001"
    assert found[0]["orderLineItem"]["lineItemNumber"] == ["1", "x"]
    found, _ = read_xml(ORDER, "//orderLineItem", namespaces={"v": "urn:example:vendor"})
    assert found == [
        {"lineItemNumber": "1", "v:lineItemNumber": "x", "requestedQuantity": {"@unit": "CS", "#text": "48"}}
    ]
    found, _ = read_xml(ORDER, "o:orderMessage/order/orderLineItem", namespaces={"o": "urn:gs1:ecom:order:xsd:3"})
    assert len(found) == 1


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_charsets_and_packing_are_those_of_every_file(pack: Any, encoding: str) -> None:
    named = encoding.removesuffix("-sig")
    content = f'<?xml version="1.0" encoding="{named}"?><a><r>Käse</r><r n="1"/></a>'.encode(encoding)
    assert read_xml(pack(content)) == ([{"#text": "Käse"}, {"@n": "1"}], [])


def test_a_character_that_cannot_be_read_costs_its_record() -> None:
    found, said = read_xml(b"<a><r><k>1</k></r><r><k>K\xe4se</k></r><r><k>&#0;</k></r><r><k>2</k></r></a>")
    assert found == [{"k": "1"}, {"k": "2"}]
    assert ["a character that cannot be read" in one for one in said] == [True, True]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<a><r><k>1</k></r><r><k>2</x></r></a>", "line 1: Opening and ending tag mismatch"),
        ("<a><r><k>1</k></r>", "line 1"),
        ("", "line"),
        ("{}", "line 1"),
        ("<b><r/></b>", "there is no element at 'a/r'; the first one is 'b'"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a><r>&x;</r></a>', "document type declaration"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a><r/></a>', "document type declaration"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', "charset klingon"),
        ("<a>" + "<d>" * 300 + "</d>" * 300 + "</a>", "line 1"),
    ],
)
def test_what_is_no_such_xml_goes_to_quarantine(content: str, reason: str) -> None:
    records, rejected, aside = read_files({"a.xml": content}, format="xml", xml={"record": "a/r"})
    assert aside == ["a.xml"]
    assert reason in rejected[-1].reason
    assert len(records) == content.count("<k>1</k>")


def test_a_file_without_records_is_read_where_their_place_is_there() -> None:
    assert read_xml("<a><h/></a>") == ([], [])
    assert read_xml("<a><h/></a>", "//r")[1] != []


def test_a_bomb_of_entities_is_not_opened() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY x0 "ha">' + "".join(f'<!ENTITY x{n + 1} "{f"&x{n};" * 10}">' for n in range(9))
    assert "document type" in read_xml(f"{bomb}]><a><r>&x9;</r></a>")[1][0]


def test_a_record_that_is_too_large_is_one_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_sizes, "MOST_PARTS", 100)
    found, said = read_xml(f"<a><r>{'<x/>' * 101}</r><r><x/></r></a>")
    assert (found, len(said)) == ([{"x": ""}], 1)
    assert "more than 100 parts" in said[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [("<a><h>1</h><r/><h>2</h><r/></a>", "'h' is '2' and '1'"), ("<a><r/><h>1</h></a>", "stands behind the records")],
)
def test_a_value_that_could_belong_to_other_records_stops_the_file(content: str, reason: str) -> None:
    assert reason in read_xml(content, around={"h": "a/h"})[1][-1]


def test_a_name_that_is_there_already_is_said() -> None:
    assert "of its own" in read_xml("<a><h>1</h><r><h>2</h></r></a>", around={"h": "a/h"})[1][0]


def test_attributes_around_nil_and_mixed_text() -> None:
    nil = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"'
    content = f'<a><b id="7"><r><x {nil}/><y>one <b/> two</y></r></b><b id="8"><r/></b></a>'
    found, said = read_xml(content, "a/b/r", around={"id": "a/b/@id"})
    assert (found, said) == ([{"x": None, "y": {"b": "", "#text": "one  two"}, "id": "7"}, {"id": "8"}], [])


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (None, "needs 'xml'"),
        ({"record": ""}, "no path"),
        ({"record": "a//b"}, "no path"),
        ({"record": "a/@b"}, "not an attribute"),
        ({"record": "//b", "around": {"x": "a/h"}}, "paths from the root"),
        ({"record": "a/b", "around": {"x": "a/b/c"}}, "within the records"),
        ({"record": "a/b", "arround": {}}, "Did you mean 'around'"),
    ],
)
def test_layouts_that_cannot_work_are_refused(layout: Any, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        open_source("file_drop", {"root": "/tmp", "format": "xml", **({"xml": layout} if layout is not None else {})})
    with pytest.raises(Invalid, match="is for 'format: xml'"):
        open_source("file_drop", {"root": "/tmp", "xml": {"record": "a/b"}})


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), max_codepoint=0xFDCF), max_size=8).map(str.strip)
NAME = st.sampled_from(["a", "Ärtikel", "b-1", "c.2"])
ATTRIBUTES = st.dictionaries(NAME.map("@{}".format), TEXT, max_size=2)
DATA = st.recursive(
    TEXT,
    lambda inner: st.builds(
        lambda attributes, parts, text: (
            {**attributes, **parts, **({"#text": text} if text and attributes | parts else {})} or text
        ),
        ATTRIBUTES,
        st.dictionaries(NAME, inner | st.lists(inner, min_size=2, max_size=3), max_size=3),
        TEXT,
    ),
    max_leaves=12,
)


def element(name: str, data: Any) -> Any:
    made = etree.Element(name)
    for key, value in (data if isinstance(data, dict) else {"#text": data}).items():
        if key == "#text":
            made.text = value
        elif key.startswith("@"):
            made.set(key[1:], value)
        else:
            made.extend([element(key, one) for one in (value if isinstance(value, list) else [value])])
    return made


@given(st.lists(DATA, min_size=1, max_size=4), st.sampled_from(["utf-8", "utf-16"]))
def test_any_record_that_is_written_is_read_back(records: list[Any], encoding: str) -> None:
    root = etree.Element("root")
    root.extend([element("r", one) for one in records])
    content = etree.tostring(root, encoding=encoding, xml_declaration=True)
    found, said = read_xml(content, "root/r")
    assert said == []
    assert found == [one if isinstance(one, dict) else {"#text": one} if one else {} for one in records]


def test_a_record_is_judged_again_as_the_object_that_it_became() -> None:
    source = open_source("file_drop", {"root": "/tmp", "format": "xml", "xml": {"record": "a/r"}, "key_fields": ["k"]})
    judged: Any = source.judged_again(json.dumps({"k": "5"}).encode())
    assert judged.key == "5"
    source.close()
