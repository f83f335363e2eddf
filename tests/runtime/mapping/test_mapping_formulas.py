"""What a formula of a mapping calculates, and which are none."""

from decimal import Decimal

import pytest

from runtime.mapping import MappingError
from tests.runtime.mapping.specs import SALE, one
from tests.runtime.mapping.test_mapping import findings, run, value


@pytest.mark.parametrize(
    ("formula", "kind", "expected"),
    [
        ("1 + 2 * 3 - -4", "integer", 11),
        ("(1 + 2) * 3", "integer", 9),
        ("0.1 + 0.2", "decimal", Decimal("0.3")),
        ("divide(1, 3, 4, 'half_up')", "decimal", Decimal("0.3333")),
        ("divide(-1, 2, 0, 'half_up')", "integer", -1),
        ("divide(5, 2, 0, 'half_even')", "integer", 2),
        ("max(1, 2.5, 2)", "decimal", Decimal("2.5")),
        ("round_half_even(2.5, 0)", "integer", 2),
        ("'it''s'", "string", "it's"),
        ("concat('a', upper('ß'), lower('Ä'))", "string", "aSSä"),
        ("pad_left(strip_leading_zeros('000'), 3, '0')", "string", "000"),
        ("substring('abcdef', 2, 3)", "string", "cde"),
        ("replace(trim('  a-b '), '-', '')", "string", "ab"),
        ("text(0.10)", "string", "0.10"),
        ("number('0.10') == 0.1", "boolean", True),
        ("not (1 > 2) and 'a' < 'b' or false", "boolean", True),
        ("false and number('junk') > 0", "boolean", False),
        ("if(true, 1, number('junk'))", "integer", 1),
        ("length('Größe')", "integer", 5),
        ("lookup('Cash', 'tender')", "string", "CASH"),
    ],
)
def test_formulas_calculate_exactly(formula, kind, expected):
    spec = one(formula=formula, type=kind) | {"lookups": SALE["lookups"]}
    assert run(spec, {})["x"] == expected


def test_lists_are_added_up_and_counted():
    document = {"lines": [{"a": {"v": Decimal("1.10")}}, {"a": {"v": 2}}]}
    assert value(document, formula="sum(lines[].a.v)", type="decimal") == Decimal("3.10")
    assert value(document, formula="count(lines[])", type="integer") == 2
    assert value({"lines": []}, formula="sum(lines[].a.v)", type="integer") == 0


@pytest.mark.parametrize(
    ("formula", "document", "reason"),
    [
        ("a + 1", {"a": "1"}, "use number"),
        ("upper(a)", {"a": 1}, "use text"),
        ("a == 'x'", {"a": 1}, "compares a number with text"),
        ("a and true", {"a": "x"}, "true or false"),
        ("divide(1, a, 2, 'half_up')", {"a": 0}, "divides by zero"),
        ("a * a", {"a": Decimal("1" * 30 + ".5")}, "38 digits"),
        ("lookup(a, 'tender')", {"a": "Gold"}, "has no entry in the lookup 'tender' (version 2026-01)"),
        ("sum(a[].v)", {"a": [{"v": "1"}]}, "adds up text"),
        ("sum(a[].v)", {"a": 7}, "not a list"),
        ("a.b + 1", {"a": 7}, "a is not an object"),
        ("a + 1", {"a": 1.5}, "binary float"),
    ],
)
def test_formulas_refuse_what_they_cannot_calculate_with(formula, document, reason):
    kind = (
        "string"
        if formula.startswith(("upper", "lookup"))
        else "boolean"
        if "==" in formula or "and" in formula
        else "decimal"
    )
    with pytest.raises(MappingError) as error:
        run(one(formula=formula, type=kind) | {"lookups": SALE["lookups"]}, document)
    assert reason in error.value.reason


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("", "ends too early"),
        ("1 +", "ends too early"),
        ("1 / 2", "use divide"),
        ("summ(a)", "Did you mean 'sum'"),
        ("round_half_up(a)", "is written round_half_up(number, scale)"),
        ("round_half_up(a, n)", "as a literal"),
        ("'a' + 1", "not text; number(…) reads text as a number"),
        ("upper(1)", "text(…) writes a number as text"),
        ("1 == 'a'", "cannot be compared"),
        ("true < false", "have no order"),
        ("if(1, 2, 3)", "true or false"),
        ("if(true, 1, 'a')", "different kinds"),
        ("lookup(a, 'tendr')", "Did you mean 'tender'"),
        ("__import__('os')", "no function '__import__'"),
        ("a.__class__.__init__()", "unexpected"),
        ("(lambda: 1)()", "is expected"),
        ("a; b", "unexpected"),
        ("a\nb", "unexpected"),
        ("'open", "a value is expected"),
        ("1.5.2", "a value is expected"),
        ("(" * 40 + "1" + ")" * 40, "nested deeper"),
        (" + ".join(["1"] * 400), "more than 150 parts"),
        ("1" * 3000, "at most 2000 characters"),
    ],
)
def test_formulas_that_are_none_are_refused_with_a_place(formula, message):
    found = findings(one(formula=formula, type="decimal") | {"lookups": SALE["lookups"]})
    assert message in found["/fields/0/formula"]


def test_names_of_the_user_are_never_code():
    """Quotes, line breaks and Python in every place that takes a name or text."""
    evil = '\'); raise SystemExit #\n"""'
    spec = {
        "mapping": evil,
        "version": evil,
        "lookups": {evil: {"version": evil, "values": {evil: evil}}},
        "fields": [
            {"to": f"`{evil}`", "from": f"`{evil}`", "type": "string", "lookup": evil, "note": evil},
            {"to": "y", "constant": {evil: evil}},
            {
                "to": "z",
                "formula": f"concat(`{evil}`, '{evil.replace(chr(39), chr(39) * 2)}')",
                "type": "string",
                "default": evil,
            },
        ],
    }
    assert run(spec, {evil: evil}) == {evil: evil, "y": {evil: evil}, "z": evil + evil}
