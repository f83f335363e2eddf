"""Whatever bytes lie in a folder, a run over them ends, says what is wrong, and stores nothing that it cannot store."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runtime.connectors.dropped import read_files
from tests.runtime.connectors.test_archives import FORMATS, zipped
from tests.runtime.connectors.test_line_files import SALES, TILL
from tests.runtime.connectors.test_workbooks import ROWS, workbook

KINDS: dict[str, tuple[dict[str, Any], bytes]] = {
    **{name: (given_, text.format("001").encode()) for name, (given_, text) in FORMATS.items()},
    "fixed": ({"lines": TILL}, SALES.encode()),
    "xlsx": ({}, workbook(*ROWS)),
    "whole": ({"text": True}, "Käse".encode()),
}


def changed(content: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """The content with some pieces cut out, put in or written over."""
    made = bytearray(content)
    for share, length, piece in edits:
        at = int(share * len(made))
        made[at : at + length] = piece
    return bytes(made)


def told(content: bytes, kind: str) -> list[str]:
    records, rejected, _ = read_files({"a.bin": content}, **{"format": kind, **KINDS[kind][0]})
    for one in records:
        assert isinstance(json.loads(one.payload), dict)
        assert one.key
        one.key.encode()
    for other in rejected:
        assert other.reason
        other.reason.encode()
        other.origin.encode()
    return [one.key for one in records] + [one.reason for one in rejected]


PIECES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [b'"', b"'", b"\n", b"\r", b"<", b"&#0;", b"]]>", b"{", b"}", b"\x00", b"\xff", b"?", b"~", b"*", b"\\"]
    ),
    st.sampled_from(
        [b"\xef\xbb\xbf", b"\xff\xfe", b"UNA", b"UNZ+1+001'", b"ISA", b"FHEAD", b"TTAIL0000\n", b"\\ud800"]
    ),
)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), PIECES), min_size=1, max_size=4)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(edits=EDITS, pack=st.sampled_from(["", "gzip", "zip"]))
def test_a_damaged_file_is_told_of_and_ends_no_run(kind: str, edits: list[tuple[float, int, bytes]], pack: str) -> None:
    content = changed(KINDS[kind][1], edits)
    packed = gzip.compress(content, mtime=0) if pack == "gzip" else zipped({"a": content}) if pack == "zip" else content
    if kind == "whole" and pack:
        return
    assert told(packed, kind) == told(packed, kind)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_end_no_run(kind: str, content: bytes) -> None:
    told(content, kind)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(edits=EDITS)
def test_a_damaged_archive_is_told_of(edits: list[tuple[float, int, bytes]]) -> None:
    told(changed(zipped({"a.csv": "id\n1\n", "b.csv": "id\n2\n"}), edits), "delimited")


def test_a_deep_file_ends_no_run() -> None:
    deep = 200_000
    for kind, content in (
        ("json", b"[" * deep),
        ("json", b'[{"a": ' + b"[" * deep + b"]" * deep + b"}]"),
        ("xml", b"<a><r>" + b"<x>" * deep),
        ("jsonl", b'{"a":' * deep),
        ("edifact", b"UNB+UNOC:3" + b"+" * deep + b"'"),
        ("x12", io.BytesIO(b"ISA" + b"*" * deep).getvalue()),
    ):
        assert told(content, kind)
