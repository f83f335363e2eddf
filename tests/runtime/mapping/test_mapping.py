"""What a mapping does and refuses, said one rule at a time."""

import copy
import pickle
import threading
from decimal import Decimal, getcontext
from pathlib import Path

import pytest
import yaml

from kernel.errors import Invalid
from runtime.mapping import MappingError, compile_mapping, decode, encode, parse
from tests.runtime.mapping.specs import DOCUMENT, SALE, one


def run(spec, document, correlation="c-1"):
    return compile_mapping(parse(spec))(document, correlation)


def value(document, correlation="c-1", **field):
    return run(one(**field), document, correlation).get("x")


def refusal(document, **field):
    with pytest.raises(MappingError) as error:
        value(document, **field)
    return error.value


def findings(spec):
    with pytest.raises(Invalid) as error:
        parse(spec)
    assert error.value.code == "mapping.invalid"
    return {f["pointer"]: f["message"] for f in error.value.findings}


def test_a_sale_is_mapped_as_the_reference_shows():
    assert run(SALE, DOCUMENT) == {
        "key": "7/1/2026-03-02/9",
        "correlation": "c-1",
        "store": "7",
        "till": "1",
        "businessDate": "2026-03-02",
        "currency": "EUR",
        "total": "7.50",
        "payment": "CASH",
        "lines": [
            {"item": "TG11", "quantity": "2", "amount": "9.50", "kind": "sale"},
            {"item": "TG12", "quantity": "0.5", "amount": "-2.00", "kind": "return"},
        ],
    }


def test_the_source_document_is_not_changed_and_results_share_nothing_with_each_other():
    spec = one(constant={"a": [1]})
    before = copy.deepcopy(DOCUMENT)
    run(SALE, DOCUMENT)
    assert before == DOCUMENT
    mapped = compile_mapping(parse(spec))
    first = mapped({})
    first["x"]["a"].append(2)
    assert mapped({}) == {"x": {"a": [1]}}


def test_the_example_of_the_reference_page_runs():
    page = (Path(__file__).parents[3] / "docs" / "reference" / "mapping.md").read_text(encoding="utf-8")
    spec = yaml.safe_load(page.split("```yaml")[1].split("```")[0])
    lines = [{"kind": "sale", **line} for line in DOCUMENT["lines"]]
    assert run(spec, {**DOCUMENT, "lines": lines})["total"] == "7.50"


# -- missing is unknown, never zero ------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [{}, {"n": None}])
def test_a_missing_value_is_left_out_refused_defaulted_or_null_as_the_mapping_says(document):
    mapped = compile_mapping(parse(one(**{"from": "n", "type": "integer"})))
    assert mapped(document) == {}
    assert run(one(**{"from": "n", "type": "integer", "default": 0}), document) == {"x": 0}
    assert run(one(**{"from": "n", "type": "integer", "write_null": True}), document) == {"x": None}
    error = refusal(document, **{"from": "n", "type": "integer", "required": True})
    assert (error.field, error.source, error.reason, error.excerpt) == ("x", "n", "is required and missing", None)


def test_zero_and_empty_text_and_false_are_values():
    assert value({"n": 0}, **{"from": "n", "type": "integer", "default": 7}) == 0
    assert value({"n": ""}, **{"from": "n", "type": "string", "default": "d"}) == ""
    assert value({"n": False}, **{"from": "n", "type": "boolean", "default": True}) is False
    assert value({"n": ""}, **{"from": "n", "type": "string", "default": "d", "empty": "missing"}) == "d"


def test_unknown_in_gives_unknown_out():
    for formula in (
        "a + 1",
        "a * b",
        "concat('x', text(a))",
        "a > 1",
        "if(a > 1, 1, 2)",
        "round_half_up(a, 2)",
        "sum(l[].v)",
    ):
        kind = "boolean" if formula == "a > 1" else "string" if "concat" in formula else "decimal"
        assert value({"b": 2, "l": [{"v": 1}, {}]}, formula=formula, type=kind) is None, formula
    assert value({"b": 2}, formula="coalesce(a, b, 0)", type="integer") == 2
    assert value({}, formula="exists(a)", type="boolean") is False
    assert value({"a": None}, formula="exists(a) or true", type="boolean") is True


# -- types -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        (5, {"type": "string"}, "5"),
        (" a ", {"type": "string", "trim": True}, "a"),
        (Decimal("3.00"), {"type": "integer"}, 3),
        ("-007", {"type": "integer"}, -7),
        (Decimal("1.5"), {"type": "decimal", "scale": 2}, Decimal("1.50")),
        (1, {"type": "decimal", "scale": 2}, Decimal("1.00")),
        ("12.10", {"type": "decimal"}, Decimal("12.10")),
        ("2.675", {"type": "decimal", "scale": 2, "rounding": "half_up"}, Decimal("2.68")),
        ("2.665", {"type": "decimal", "scale": 2, "rounding": "half_even"}, Decimal("2.66")),
        ("-2.675", {"type": "decimal", "scale": 2, "rounding": "half_up"}, Decimal("-2.68")),
        ("0.00000001", {"type": "decimal", "write": "text"}, "0.00000001"),
        ("-0.00", {"type": "decimal", "write": "text"}, "0.00"),
        ("9.9", {"type": "money", "currency": "EUR"}, {"amount": Decimal("9.90"), "currency": "EUR"}),
        ("9.90", {"type": "money", "currency": "EUR", "write": "minor"}, 990),
        ("990", {"type": "money", "currency": "JPY", "write": "minor"}, 990),
        ("1.234", {"type": "money", "currency": "KWD", "write": "text"}, "1.234"),
        ("X", {"type": "boolean", "true_values": ["X"], "false_values": [""]}, True),
        ("", {"type": "boolean", "true_values": ["X"], "false_values": [""]}, False),
        ("2024-02-29", {"type": "date"}, "2024-02-29"),
        ("20240229", {"type": "date", "format": "compact"}, "2024-02-29"),
        ("2024-02-29", {"type": "date", "write": "odata_v2"}, "/Date(1709164800000)/"),
        ("/Date(1459900800000)/", {"type": "date", "format": "odata_v2"}, "2016-04-06"),
        ("/Date(1459900800123+0060)/", {"type": "datetime", "format": "odata_v2"}, "2016-04-06T00:00:00.123Z"),
        ("2026-03-05T10:00:00+02:00", {"type": "datetime"}, "2026-03-05T08:00:00Z"),
        ("2026-03-05T10:00:00", {"type": "datetime", "zone": "Europe/Berlin"}, "2026-03-05T09:00:00Z"),
        ("20260305100000", {"type": "datetime", "format": "compact", "zone": "UTC"}, "2026-03-05T10:00:00Z"),
        (
            "2026-10-25T02:30:00",
            {"type": "datetime", "zone": "Europe/Berlin", "repeated": "earlier"},
            "2026-10-25T00:30:00Z",
        ),
        (
            "2026-10-25T02:30:00",
            {"type": "datetime", "zone": "Europe/Berlin", "repeated": "later"},
            "2026-10-25T01:30:00Z",
        ),
        (
            "2026-03-29T02:30:00",
            {"type": "datetime", "zone": "Europe/Berlin", "skipped": "forward"},
            "2026-03-29T01:30:00Z",
        ),
        ({"a": [1, "x", None]}, {"type": "any"}, {"a": [1, "x", None]}),
    ],
)
def test_values_that_fit_are_written_exactly(given, field, expected):
    found = value({"v": given}, **{"from": "v", **field})
    assert found == expected
    assert type(found) is type(expected)
    if isinstance(expected, Decimal):
        assert found.as_tuple() == expected.as_tuple()


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        (Decimal("1.5"), {"type": "string"}, "not text"),
        (True, {"type": "string"}, "not text"),
        ("abcd", {"type": "string", "max_length": 3}, "4 characters, more than 3"),
        (Decimal("1.5"), {"type": "integer"}, "not a whole number"),
        (True, {"type": "integer"}, "true or false"),
        ("1e3", {"type": "integer"}, "not a whole number"),
        ("٣", {"type": "integer"}, "not a whole number"),
        (Decimal("1E+999999999"), {"type": "integer"}, "out of range"),
        (Decimal("1.239"), {"type": "decimal", "scale": 2}, "more than 2 digits"),
        ("1.239", {"type": "decimal", "scale": 2}, "more than 2 digits"),
        (Decimal("1E+999999999"), {"type": "decimal", "scale": 2}, "out of range"),
        (Decimal("NaN"), {"type": "decimal"}, "out of range"),
        (1.5, {"type": "decimal"}, "binary float"),
        (1.5, {"type": "string"}, "binary float"),
        ({"deep": [1.5]}, {"type": "any"}, "binary float"),
        ("1,50", {"type": "decimal"}, "not a plain decimal"),
        ("1.", {"type": "decimal"}, "not a plain decimal"),
        ("", {"type": "decimal"}, "not a plain decimal"),
        ("9" * 60, {"type": "decimal"}, "more than 38 digits"),
        ("1.001", {"type": "money", "currency": "EUR"}, "more than 2 digits"),
        ("1", {"type": "money", "currency": {"from": "none"}}, "no currency"),
        ("yes", {"type": "boolean"}, "not true or false"),
        ("2023-02-29", {"type": "date"}, "not a day of the calendar"),
        ("2026-W10-4", {"type": "date"}, "not a date of the form"),
        ("2026-03-05T10:00:00", {"type": "datetime"}, "names no zone"),
        ("2026-10-25T02:30:00", {"type": "datetime", "zone": "Europe/Berlin"}, "occurs twice"),
        ("2026-03-29T02:30:00", {"type": "datetime", "zone": "Europe/Berlin"}, "does not exist"),
        ("/Date(99999999999999999)/", {"type": "datetime", "format": "odata_v2"}, "not of the form"),
        ("/Date(999999999999999)/", {"type": "datetime", "format": "odata_v2"}, "outside the years"),
    ],
)
def test_values_that_do_not_fit_are_refused_with_a_reason(given, field, reason):
    error = refusal({"v": given}, **{"from": "v", **field})
    assert reason in error.reason
    assert error.source.startswith("v")


def test_json_is_decoded_without_floats_and_written_with_its_digits():
    document = decode(b'{"a":1.10,"b":1e2,"c":12345678901234567890123,"d":0.1}')
    assert document == {"a": Decimal("1.10"), "b": Decimal("1E+2"), "c": 12345678901234567890123, "d": Decimal("0.1")}
    assert encode(run(one(**{"from": "a", "type": "decimal", "scale": 3}), document)) == b'{"x":1.100}'
    assert value(document, formula="d + d + d", type="decimal") == Decimal("0.3")


# -- paths and lists ---------------------------------------------------------------------------------------------------


def test_paths_reach_indexes_matches_odd_names_and_the_document():
    texts = [{"Language": "DE", "t": "Kaffee"}, {"Language": "EN", "t": "Coffee"}, {"t": "none"}]
    document = {"d": {"results": texts}, "o:code x": 1, "rows": [{"v": 1}], "top": "T"}
    assert value(document, **{"from": "d.results[Language='EN'].t", "type": "string"}) == "Coffee"
    assert value(document, **{"from": "d.results[Language='FR'].t", "type": "string"}) is None
    assert value(document, **{"from": "d.results[1].t", "type": "string"}) == "Coffee"
    assert value(document, **{"from": "d.results[9].t", "type": "string"}) is None
    assert value(document, **{"from": "`o:code x`", "type": "integer"}) == 1
    nested = {
        "to": "r",
        "from": "rows",
        "each": [{"to": "t", "from": "$.top", "type": "string"}, {"to": "v", "from": "v", "type": "integer"}],
    }
    assert run({**one(constant=1), "fields": [nested]}, document) == {"r": [{"t": "T", "v": 1}]}


def test_a_match_that_is_not_unique_is_refused_instead_of_guessed():
    document = {"l": [{"k": "A", "v": 1}, {"k": "A", "v": 2}]}
    assert "2 elements" in refusal(document, **{"from": "l[k='A'].v", "type": "integer"}).reason


def test_lists_of_plain_values_and_lists_in_lists():
    spec = {
        "mapping": "m",
        "version": 1,
        "fields": [
            {"to": "tags", "from": "tags", "each": [{"to": ".", "from": ".", "type": "string"}]},
            {"to": "objects", "from": "tags", "each": [{"to": "name", "from": ".", "type": "string"}]},
            {
                "to": "grid",
                "from": "grid",
                "each": [{"to": ".", "from": ".", "each": [{"to": ".", "formula": ". * 2", "type": "integer"}]}],
            },
        ],
    }
    assert run(spec, {"tags": ["a", 1], "grid": [[1, 2], [], [3]]}) == {
        "tags": ["a", "1"],
        "objects": [{"name": "a"}, {"name": "1"}],
        "grid": [[2, 4], [], [6]],
    }


def test_an_error_names_the_element_and_the_source():
    document = {"orders": [{"lines": [{"q": 1}]}, {"lines": [{"q": 1}, {"q": "x"}]}]}
    spec = {
        "mapping": "m",
        "version": 1,
        "fields": [
            {
                "to": "o",
                "from": "orders",
                "each": [{"to": "l", "from": "lines", "each": [{"to": "qty", "from": "q", "type": "integer"}]}],
            }
        ],
    }
    with pytest.raises(MappingError) as error:
        run(spec, document)
    assert (error.value.field, error.value.source) == ("o[1].l[1].qty", "orders[1].lines[1].q")
    assert error.value.excerpt == "'x'"
    assert str(error.value) == "o[1].l[1].qty from orders[1].lines[1].q: is not a whole number (found 'x')"
    assert error.value.pattern == "o[].l[].qty: is not a whole number"
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


def test_an_excerpt_is_short_and_shows_no_payload_of_containers():
    assert len(refusal({"v": "x" * 500}, **{"from": "v", "type": "integer"}).excerpt) <= 60
    assert refusal({"v": {"card": "4111"}}, **{"from": "v", "type": "string"}).excerpt == "an object with 1 members"


def test_a_mapping_that_needs_a_correlation_id_refuses_to_run_without():
    with pytest.raises(MappingError, match="no correlation id"):
        compile_mapping(parse(one(correlation=True)))({})


@pytest.mark.parametrize(
    "document", [None, [], "x", 7, {"lines": 7}, {"lines": [7]}, {"lines": [None]}, {"lines": [[]]}]
)
def test_documents_of_another_shape_are_refused_as_mapping_errors(document):
    with pytest.raises(MappingError):
        run(SALE, document)


def test_the_decimal_context_of_the_caller_is_left_as_it_was():
    getcontext().prec = 9
    try:
        run(SALE, DOCUMENT)
        with pytest.raises(MappingError):
            run(SALE, {})
        assert getcontext().prec == 9
    finally:
        getcontext().prec = 28


def test_one_compiled_mapping_serves_many_threads():
    mapped, expected, wrong = compile_mapping(parse(SALE)), run(SALE, DOCUMENT), []
    document = copy.deepcopy(DOCUMENT)

    def work():
        for _ in range(300):
            if mapped(document, "c-1") != expected:
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# -- the spec itself ---------------------------------------------------------------------------------------------------


def test_every_finding_of_a_spec_is_collected_with_its_pointer():
    spec = {
        "mapping": "",
        "fieldz": [],
        "lookups": {"a/b": {"values": {1: "x", "k": 1.5}}},
        "fields": [
            {"to": "a", "from": "x..y", "type": "string"},
            {"to": "b", "from": "x", "type": "text"},
            {"to": "c", "from": "x", "type": "string", "requird": True},
            {"to": "d", "from": "x", "type": "decimal", "default": 0.5},
            {"to": "e", "from": "x", "constant": 1},
            {"to": "f"},
            {"to": "g", "from": "x", "type": "string", "required": True, "default": "x"},
            {"to": "h", "from": "x", "each": [{"to": "y", "from": "z", "type": "money"}]},
            {"to": "i", "formula": "1 + 1", "type": "string"},
            {"to": "j", "from": "x", "type": "string", "lookup": "ab"},
            {"to": "k", "from": "x", "type": "datetime", "zone": "Europe/Berlinn"},
            {"to": "l", "from": "x", "type": "integer", "default": "seven"},
            {"to": "c", "from": "x", "type": "string"},
            {"to": "c.z", "from": "x", "type": "string"},
            "nonsense",
        ],
    }
    found = findings(spec)
    expected = {
        "/fieldz": "'fieldz' is not a key here. Did you mean 'fields'?",
        "/mapping": "needs a name",
        "/version": "needs a 'version'",
        "/lookups/a~1b/version": "needs a 'version'",
        "/lookups/a~1b/values/1": "put it in quotes",
        "/lookups/a~1b/values/k": "binary float",
        "/fields/0/from": "a name is expected at character 3",
        "/fields/1/type": "'text' is not a type",
        "/fields/2/requird": "Did you mean 'required'",
        "/fields/3/default": "binary float",
        "/fields/4": "exactly one of",
        "/fields/5": "has none",
        "/fields/6": "only one of",
        "/fields/7/each/0/currency": "money needs 'currency'",
        "/fields/8/formula": "gives number, and the field is string",
        "/fields/9/lookup": "no lookup 'ab'",
        "/fields/10/zone": "not an IANA time zone",
        "/fields/11/default": "not a whole number",
        "/fields/12/to": "already written",
        "/fields/13/to": "lie inside one another",
        "/fields/14": "an object with 'to'",
    }
    for pointer, message in expected.items():
        assert message in found.get(pointer, ""), pointer


@pytest.mark.parametrize(
    "junk",
    [
        None,
        [],
        "x",
        7,
        {},
        {"fields": {}},
        {"mapping": "m", "version": 1, "fields": [{}]},
        {"lookups": 7},
        {"mapping": 1, "version": [], "fields": [None]},
        {"mapping": "m", "version": True, "fields": []},
    ],
)
def test_junk_is_refused_with_findings(junk):
    assert findings(junk)


def test_specs_have_limits():
    assert "nested deeper" in str(findings(_deep(9)))
    many = {"mapping": "m", "version": 1, "fields": [{"to": f"f{n}", "constant": n} for n in range(1_002)]}
    assert "at most 1000 fields" in str(findings(many))


def _deep(levels):
    field = {"to": "x", "from": "x", "type": "string"}
    for _ in range(levels):
        field = {"to": "x", "from": "x", "each": [field]}
    return {"mapping": "m", "version": 1, "fields": [field]}
