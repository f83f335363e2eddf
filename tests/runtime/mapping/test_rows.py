"""The short way from stored documents to lines for a table gives what the ordinary way gives, or gives way to it."""

import json
from decimal import Decimal

import msgspec
import pytest

from runtime.ledger.copy_format import cell, line
from runtime.mapping import MappingError, compile_mapping, decode, parse
from runtime.mapping.rows import NEEDS_COMPILED_MAPPING, compile_lines
from tests.runtime.mapping import generate

encode = msgspec.json.Encoder(decimal_format="number").encode


def flat(spec):
    """The fields of a generated mapping whose targets are plain columns."""
    spec = generate.strip(spec)
    seen, fields = set(), []
    for field in spec["fields"]:
        if (
            "." not in field["to"]
            and "`" not in field["to"]
            and not field.get("correlation")
            and field["to"] not in seen
        ):
            seen.add(field["to"])
            fields.append(field)
    return spec | {"fields": fields}


def ordinary(run, mapping, payload):
    """The line that the mapping gives for one document, None where it refuses it."""
    try:
        mapped = run(decode(payload))
    except MappingError:
        return None
    return line([mapped.get(field.target[0]) for field in mapping.fields])


@pytest.mark.parametrize("start", range(0, 160, 80))
def test_the_short_way_agrees_with_the_ordinary_one_on_generated_mappings(start):
    agreed = 0
    for seed in range(start, start + 80):
        spec, documents = generate.case(seed, 10)
        spec = flat(spec)
        if not spec["fields"]:
            continue
        mapping = parse(spec)
        run, lines = compile_mapping(mapping), compile_lines(mapping, cell)
        if lines is None:
            continue
        for number, document in enumerate(documents):
            payload = encode(document)
            expected = ordinary(run, mapping, payload)
            try:
                found = lines([payload])
            except NEEDS_COMPILED_MAPPING:
                continue
            assert found == [expected], f"seed {seed}, document {number}"
            agreed += expected is not None
    assert agreed > 100, "too few documents take the short way: the comparison would say little"


SPEC = {
    "mapping": "order",
    "version": "1",
    "fields": [
        {"to": "id", "from": "id", "type": "integer", "required": True},
        {"to": "name", "from": "customer.name", "type": "string"},
        {"to": "country", "formula": "upper(customer.country)", "type": "string"},
        {"to": "total", "from": "total", "type": "decimal", "scale": 2},
        {"to": "first", "from": "lines[0].sku", "type": "string"},
        {"to": "paid", "from": "paid", "type": "boolean"},
        {"to": "origin", "constant": {"system": "shop"}},
    ],
}
GOOD = {
    "id": 7,
    "customer": {"name": "Ann", "country": "de"},
    "total": 1.5,
    "lines": [{"sku": "A"}],
    "paid": True,
    "more": [1, {"x": None}],
}


@pytest.fixture(scope="module")
def both():
    mapping = parse(SPEC)
    return compile_mapping(mapping), mapping, compile_lines(mapping, cell)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"customer": None},
        {"customer": {}},
        {"customer": {"name": "tab\there"}},
        {"customer": {"name": "back\\slash", "country": None}},
        {"customer": {"name": "line\nend\r"}},
        {"customer": {"name": "None"}},
        {"customer": {"name": "\\N"}},
        {"total": 10**30},
        {"total": None},
        {"lines": []},
        {"lines": None},
        {"paid": None},
        {"customer": {"name": ""}},
        {"customer": {"name": "ä€😀"}},
        {"paid": False},
    ],
)
def test_every_kind_of_value_is_written_as_the_ordinary_way_writes_it(both, change):
    run, mapping, lines = both
    payload = encode(GOOD | change)
    assert lines([encode(GOOD), payload]) == [ordinary(run, mapping, encode(GOOD)), ordinary(run, mapping, payload)]


@pytest.mark.parametrize(
    "payload",
    [
        b'{"id": null}',
        b"{}",
        b"[]",
        b"7",
        b"null",
        b'{"id": 1, "customer": 5}',
        b'{"id": 1, "total": "much"}',
        b'{"id": 1.5}',
        b'{"id": 1, "total": 0.001}',
        b'{"id": 1, "lines": {}}',
        b'{"id": 1, "paid": "yes"}',
    ],
)
def test_a_document_that_does_not_fit_takes_the_whole_batch_to_the_ordinary_way(both, payload):
    run, mapping, lines = both
    assert ordinary(run, mapping, payload) is None if payload.startswith(b"{") else True
    with pytest.raises(NEEDS_COMPILED_MAPPING):
        lines([encode(GOOD), payload, encode(GOOD)])


def test_the_last_of_two_members_of_one_name_counts_on_both_ways(both):
    run, mapping, lines = both
    payload = b'{"id": 1, "customer": {"name": "a", "country": "de"}, "id": 2, "customer": {"name": "b"}}'
    assert lines([payload]) == [ordinary(run, mapping, payload)]
    assert lines([payload])[0].split("\t")[:3] == ["2", "b", "\\N"]


def test_money_keeps_every_digit_on_the_short_way(both):
    payload = b'{"id": 1, "total": 12345678901234567890.10}'
    assert Decimal(both[2]([payload])[0].split("\t")[3]) == Decimal("12345678901234567890.10")


@pytest.mark.parametrize(
    "field",
    [
        {"to": "a.b", "from": "x", "type": "string"},
        {"to": "a", "from": ".", "type": "any"},
        {"to": "a", "correlation": True},
    ],
)
def test_a_mapping_that_is_no_flat_row_has_no_short_way(field):
    assert compile_lines(parse({"mapping": "m", "version": "1", "fields": [field]}), cell) is None


def test_names_that_need_escapes_have_a_way_too():
    spec = {"mapping": "m", "version": "1", "fields": [{"to": "a", "from": '`od"d`', "type": "string"}]}
    mapping = parse(spec)
    lines, payload = compile_lines(mapping, cell), json.dumps({'od"d': "x"}).encode()
    assert lines is None or lines([payload]) == [ordinary(compile_mapping(mapping), mapping, payload)]
