"""A charset that a document declares and does not have, and a codec that is no charset: the document is refused alone,
with the word what is wrong, and nothing else waits for it."""

from __future__ import annotations

import io

import pytest

from runtime.connectors.charsets import is_charset, json_body
from runtime.connectors.poslog.connector import documents
from runtime.connectors.poslog.reading import NotXml
from runtime.connectors.protocols import Refused
from tests.runtime.connectors.dropped import read_files
from tests.runtime.connectors.receipts import goods, poslog, receipt, tender, total

NO_CHARSETS = ("idna", "rot13", "base64", "zip", "hex", "undefined", "punycode", "unicode_escape", "raw_unicode_escape")
FALSE = ("utf-16", "UTF-16", "utf-16le", "utf-32", "utf_32_be", "cp037", "ISO-10646-UCS-2")
BODY = poslog(receipt(goods(1, "10.00"), tender(9, "10.00"), total("10.00")))


@pytest.mark.parametrize("name", NO_CHARSETS)
def test_a_codec_that_is_no_charset_is_none(name: str) -> None:
    assert not is_charset(name)


@pytest.mark.parametrize("name", ["utf-8", "utf-16", "utf-32", "utf-7", "cp037", "latin1", "shift_jis", "iso-2022-jp"])
def test_a_charset_is_one(name: str) -> None:
    assert is_charset(name)


@pytest.mark.parametrize("name", [*NO_CHARSETS, *FALSE])
def test_an_xml_file_with_a_wrong_declaration_goes_aside_alone(name: str) -> None:
    wrong = f'<?xml version="1.0" encoding="{name}"?><a><r><k>1</k></r></a>'
    files = {"a.xml": wrong, "b.xml": "<a><r><k>2</k></r></a>"}
    records, rejected, aside = read_files(files, format="xml", xml={"record": "a/r"})
    assert [one.payload for one in records] == [b'{"k":"2"}']
    assert aside == ["a.xml"]
    assert name in rejected[-1].reason


@pytest.mark.parametrize("name", [*NO_CHARSETS, *FALSE])
@pytest.mark.parametrize("where", ["declared", "beside"])
def test_a_till_file_of_a_wrong_charset_is_no_xml(name: str, where: str) -> None:
    head = f'<?xml version="1.0" encoding="{name}"?>'.encode() if where == "declared" else b""
    with pytest.raises(NotXml, match=name):
        list(documents(io.BytesIO(head + BODY), charset=name if where == "beside" else ""))


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("where", ["declared", "beside", "nowhere"])
def test_utf_16_without_a_mark_is_told_by_its_bytes(codec: str, where: str) -> None:
    family = codec[:6]
    head = f'<?xml version="1.0" encoding="{family}"?>' if where == "declared" else ""
    content = (head + BODY.decode()).encode(codec)
    assert len(list(documents(io.BytesIO(content), charset=family if where == "beside" else ""))) == 1


@pytest.mark.parametrize("name", NO_CHARSETS)
def test_an_answer_that_declares_no_charset_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=name):
        json_body('{"a": "ä"}'.encode("latin-1"), f"application/json; charset={name}", None)


def test_an_answer_of_another_charset_than_it_declares_keeps_what_cannot_be_read() -> None:
    json_body('{"a": "ä"}'.encode("latin-1"), "application/json; charset=utf-16", None)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "cp037"])
@pytest.mark.parametrize(
    ("format", "name", "more"),
    [("delimited", "a.csv", {}), ("jsonl", "a.jsonl", {}), ("json", "a.json", {}), ("whole", "a.txt", {"text": True})],
)
def test_files_without_a_mark_in_a_wide_charset_hold_up_nobody(encoding: str, format: str, name: str, more) -> None:
    content = {"delimited": "k;v\n1;2\n3;4\n5;6", "jsonl": '{"k":"1"}', "json": '[{"k":"1"}]', "whole": "odd"}[format]
    settings = {"format": format, "dialect": {"encoding": encoding}, **more}
    if format != "whole":
        settings["key_fields"] = ["k"]
    _, rejected, _ = read_files({name: content, f"b-{name}": content}, **settings)
    assert all(one.reason for one in rejected)
