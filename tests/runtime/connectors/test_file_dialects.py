"""What spreadsheets and old systems write into delimited files: commas in numbers, marks, a line that names the
delimiter; and trailers, which prove what can be read of them."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import Invalid
from runtime.connectors.file_drop.numbers import NumberForm
from runtime.connectors.registry import open_source
from tests.runtime.connectors.dropped import read_file, read_files

SUM = {"marker": "T", "count": 1, "sum": "n", "total": 2}
COMMA = {"delimiter": ";", "decimal": ","}


def trailer(rows: str, said: str, **dialect: str) -> list[str]:
    return read_file(f"k;n\n{rows}{said}\n", dialect={"delimiter": ";", **dialect}, control=SUM)[1]


def test_a_total_with_commas_is_compared_and_never_taken_for_zero() -> None:
    rows = "a;5,50\nb;4,50\n"
    assert ["no number with '.' before its fraction" in said for said in trailer(rows, "T;2;99,00")] == [True]
    said = "the trailer's total of n is 99,00, and the records add up to 10.00"
    assert trailer(rows, "T;2;99,00", decimal=",") == [said]
    assert trailer(rows, "T;2;10,00", decimal=",") == []


@pytest.mark.parametrize(
    ("rows", "said", "reason"),
    [
        ("a;5,50\nb;zz\n", "T;2;5,50", "'zz' in record 3"),
        ("a;5,50\nb;1\n", "T;2;", "is missing"),
        ("a;5,50\nb;1\n", "T;2", "is missing"),
        ("a;5,50\nb;1\n", "T;2;6.50", "is '6.50', no number"),
        ("a;1E2\n", "T;1;100", "'1E2' in record 2"),
        ("a;NaN\n", "T;1;NaN", "'NaN' in record 2"),
        ("a;٣\n", "T;1;3", "'٣' in record 2"),
        ("", "T;", "says nothing, and there are 0"),
        ("a;1\n", "T;-1;1", "says -1, and there are 1"),
        ("a;1\n", "T;1,0;1", "says 1,0, and there are 1"),
    ],
)
def test_what_cannot_be_read_of_a_trailer_or_its_column_is_said(rows: str, said: str, reason: str) -> None:
    assert any(reason in one for one in trailer(rows, said, decimal=","))


@pytest.mark.parametrize("count", [-9, 9])
def test_a_trailer_that_is_too_short_says_nothing(count: int) -> None:
    found, said = read_file("k\na\nT,1\n", control={"marker": "T", "count": count})
    assert (len(found), said) == (1, ["the trailer says nothing, and there are 1 records"])


def test_an_empty_amount_adds_nothing() -> None:
    assert trailer("a;5,50\nb;\n", "T;02;5,5", decimal=",") == []


def test_a_sum_of_a_column_that_is_not_there_stops_the_file() -> None:
    records, rejected, aside = read_files({"a.csv": "k,n\n1,2\nT,1,0\n"}, control={**SUM, "sum": "amount"})
    assert (records, aside) == ([], ["a.csv"])
    assert "no column amount" in rejected[0].reason


@pytest.mark.parametrize(
    ("text", "form", "value"),
    [
        ("1.234.567,89", NumberForm(",", "."), "1234567.89"),
        ("1 234,5", NumberForm(",", " "), "1234.5"),
        ("12,50-", NumberForm(","), "-12.50"),
        ("+.5", NumberForm(), "0.5"),
        ("5.", NumberForm(), "5"),
        ("1.23,5", NumberForm(",", "."), None),
        ("1,234.5", NumberForm(",", "."), None),
        ("1.234", NumberForm(",", "."), "1234"),
        ("-5-", NumberForm(), None),
        ("", NumberForm(), None),
        (".", NumberForm(), None),
        ("1.5", NumberForm(","), None),
        ("9" * 65, NumberForm(), None),
    ],
)
def test_numbers_are_read_by_their_marks(text: str, form: NumberForm, value: str | None) -> None:
    assert form.read(text) == (None if value is None else Decimal(value))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20))
def test_any_number_that_is_written_is_read_back(number: Decimal) -> None:
    for decimal, grouping in ((".", ""), (",", "."), (",", " "), (".", ",")):
        marks = {".": decimal, ",": grouping}
        written = "".join(marks.get(one, one) for one in f"{number:,f}")
        assert NumberForm(decimal, grouping).read(written) == number


@pytest.mark.parametrize("marks", [{"decimal": ""}, {"decimal": "5"}, {"decimal": ",", "grouping": ","}])
def test_marks_that_cannot_be_told_from_digits_are_refused(marks: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="'decimal'"):
        open_source("file_drop", {"root": "/tmp", "dialect": marks})


@pytest.mark.parametrize("mark", ["\ufeff", "\ufeff\ufeff"])
@pytest.mark.parametrize("dialect", [{}, {"terminator": "\n"}, {"encoding": "cp1252"}])
@pytest.mark.parametrize("header", ["Artikel,n", '"Artikel",n'])
def test_a_byte_order_mark_is_no_part_of_the_first_name(mark: str, dialect: dict[str, str], header: str) -> None:
    if '"' in header and "terminator" in dialect:
        header = header.replace('"', "")
    found, said = read_file(f"{mark}{header}\na,1\n", key_fields=["Artikel"], dialect=dialect)
    assert (found, said) == ([{"Artikel": "a", "n": "1"}], [])


def test_a_mark_in_the_middle_is_of_a_file_that_was_joined() -> None:
    found, said = read_file("\ufeffk,n\n1,2\n\ufeffn,k\n3,4\n", key_fields=["k"])
    assert found == [{"k": "1", "n": "2"}, {"n": "3", "k": "4"}]
    assert [one.partition(",")[0] for one in said] == ["the header stands here again"]


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\r\n', "SEP=;\n", "\ufeffsep=;\r\n", "sep=;;\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "+|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_first_line_that_names_the_delimiter_is_followed(first: str, delimiter: str, encoding: str) -> None:
    content = f"{first}k;n\r\n1;2\r\n2\r\n".encode(encoding)
    records, rejected, _ = read_files({"a.csv": content}, key_fields=["k"], dialect={"delimiter": delimiter})
    assert [json.loads(one.payload) for one in records] == [{"k": "1", "n": "2"}]
    assert [one.origin.rpartition(":")[2] for one in rejected] == ["4"]


def test_numbers_of_records_are_as_they_were() -> None:
    records, _, _ = read_files({"a.csv": "k\n1\n2\n"})
    assert [one.key.rpartition("/")[2] for one in records] == ["2", "3"]


def test_a_whole_file_is_given_as_text_where_that_is_wanted() -> None:
    found, _ = read_file("Käse".encode("cp1252"), format="whole", text=True, dialect={"encoding": "cp1252"})
    assert found[0]["content"] == "Käse"
    assert read_file("\ufeffKäse", format="whole", text=True)[0][0]["content"] == "Käse"
    for content, reason in ((b"K\xe4se", "charset"), (b"a\0b", "NUL")):
        _, rejected, aside = read_files({"a.txt": content}, format="whole", text=True)
        assert aside == ["a.txt"]
        assert reason in rejected[0].reason
    with pytest.raises(Invalid, match="'format: whole'"):
        open_source("file_drop", {"root": "/tmp", "text": True})


CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\u2028\u2029"), max_size=12)


@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8),
    st.sampled_from(";,|\t"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.booleans(),
)
def test_any_table_that_is_written_is_read_back(
    rows: list[tuple[str, str, str]], delimiter: str, encoding: str, names: bool
) -> None:
    out = io.StringIO(newline="")
    if names:
        out.write(f"sep={delimiter}\r\n")
    csv.writer(out, delimiter=delimiter).writerows([("k1", "k2", "v"), *rows])
    dialect = {"delimiter": delimiter, "encoding": encoding, "empty_is_missing": False}
    found, said = read_file(out.getvalue().encode(encoding), dialect=dialect)
    assert (found, said) == ([dict(zip(("k1", "k2", "v"), one, strict=True)) for one in rows], [])


@given(st.lists(st.tuples(st.text("/\\ab1", max_size=4), st.text("/\\ab1", max_size=4)), unique=True, max_size=8))
def test_different_key_fields_are_different_keys(pairs: list[tuple[str, str]]) -> None:
    pairs = [one for one in pairs if all(one)]
    text = "x|y\n" + "".join(f"{a}|{b}\n" for a, b in pairs)
    records, rejected, _ = read_files({"a.txt": text}, key_fields=["x", "y"], dialect={"delimiter": "|", "quote": ""})
    assert (len({one.key for one in records}), rejected) == (len(pairs), [])


@pytest.mark.parametrize("delimiter", [";", "||"])
@pytest.mark.parametrize("terminator", ["auto", "\n", "\r\n", "\r", "&|\n"])
def test_quotes_are_read_whatever_stands_between_fields_and_between_records(delimiter: str, terminator: str) -> None:
    end = "\r\n" if terminator == "auto" else terminator
    rows = [["k", "n"], ['"2"', f'"x{delimiter}y"'], ["3", f'"a{end}{end}b ""c"""'], ["4", 'd "e" f'], ['""', '"5"']]
    text = "".join(delimiter.join(row) + end for row in rows)
    dialect = {"delimiter": delimiter, "terminator": terminator, "quote": '"'}
    found, said = read_file(text, dialect=dialect)
    assert said == []
    broken = f"a{end}{end}b" if terminator != "auto" or delimiter == ";" else "a\n\nb"
    assert [one["n"] for one in found] == [f"x{delimiter}y", f'{broken} "c"', 'd "e" f', "5"]


def test_what_stands_behind_a_closing_quote_costs_its_record() -> None:
    found, said = read_file('k;n\n"a"b;1\nc;2\n', dialect={"delimiter": ";", "terminator": "\n"})
    assert [one["k"] for one in found] == ["c"]
    assert "is expected behind the" in said[0]


def test_a_quote_that_none_closes_is_no_record_that_swallows_the_file() -> None:
    text = 'k;n\na;1\n"b;2\nc;3\n'
    found, said = read_file(text, dialect={"delimiter": ";", "terminator": "\n"})
    assert [one["k"] for one in found] == ["a"]
    assert any("a quotation mark opens a field and none closes it" in one for one in said)
    found, said = read_file(text, dialect={"delimiter": ";", "terminator": "\n", "quote": ""})
    assert ([one["k"] for one in found], said) == (["a", '"b', "c"], [])


def test_longer_delimiters_have_no_quotes_where_none_are_declared() -> None:
    found, _ = read_file('k||n\n"a"||5" pipe\n', dialect={"delimiter": "||"})
    assert found == [{"k": '"a"', "n": '5" pipe'}]


@pytest.mark.parametrize("quote", ['""', ";", "\n"])
def test_a_quote_that_cannot_be_told_from_what_separates_is_refused(quote: str) -> None:
    with pytest.raises(Invalid):
        read_file("k;n\n", dialect={"delimiter": ";", "terminator": "\n", "quote": quote})
