"""What a reviewer sees: rules in words, lineage, the difference of two releases, and whether the contracts fit."""

import copy

import pytest

from runtime.mapping import check_against, diff, explain, lineage, parse
from tests.runtime.mapping.specs import SALE, one

SOURCE = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "store": {"type": "string"},
        "till": {"type": "string"},
        "businessDate": {"type": "string", "format": "date"},
        "currency": {"type": "string"},
        "total": {"type": ["number", "null"]},
        "tenders": {"type": "array", "items": {"$ref": "#/$defs/Tender"}},
        "lines": {
            "type": "array",
            "items": {"allOf": [{"$ref": "#/$defs/Line"}, {"properties": {"voided": {"type": "boolean"}}}]},
        },
    },
    "$defs": {
        "Tender": {"type": "object", "properties": {"type": {"type": "string", "enum": ["Cash", "CreditDebit"]}}},
        "Line": {
            "type": "object",
            "properties": {
                "item": {"type": "string"},
                "quantity": {"type": "number"},
                "amount": {"type": "number"},
                "kind": {"type": "string"},
                "parent": {"$ref": "#/$defs/Line"},
            },
        },
    },
}
TARGET = {
    "type": "object",
    "required": ["key", "store", "lines"],
    "properties": {
        "key": {"type": "string", "maxLength": 128},
        "correlation": {"type": "string"},
        "store": {"type": "string"},
        "till": {"type": "string"},
        "businessDate": {"type": "string", "format": "date"},
        "currency": {"type": "string"},
        "total": {"type": "string"},
        "payment": {"type": "string", "enum": ["CASH", "CARD"]},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["item", "amount"],
                "properties": {
                    "item": {"type": "string"},
                    "quantity": {"type": "string"},
                    "amount": {"type": "string"},
                    "kind": {"type": "string"},
                },
            },
        },
    },
}


def changed(**at):
    """SALE with one place changed: `{"lines.2.scale": 3}` and the like."""
    spec = copy.deepcopy(SALE)
    for path, value in at.items():
        node = spec
        *way, last = path.split("__")
        for step in way:
            node = node[int(step) if step.isdigit() else step]
        if value is None:
            del node[int(last) if last.isdigit() else last]
        else:
            node[int(last) if last.isdigit() else last] = value
    return spec


def check(spec=SALE, source=SOURCE, target=TARGET, **more):
    return {
        f.pointer: (f.code.removeprefix("mapping."), f.severity, f.message)
        for f in check_against(parse(spec), source, target, **more)
    }


def test_every_field_is_explained_in_words():
    rows = {row.target: row for row in explain(parse(SALE))}
    assert rows["lines"].rule == "one element for each element where not voided"
    assert rows["lines[].amount"].sources == ("lines[].kind", "lines[].amount")
    assert rows["lines[].amount"].rule == "= if(coalesce(kind, 'sale') == 'return', -abs(amount), amount)"
    assert rows["lines[].amount"].type == "decimal with 2 digits after the point, never rounded, written as text"
    assert rows["lines[].kind"].missing == "'sale' when missing"
    assert rows["total"].missing == "required: the document is refused without it"
    assert "translated by tender version 2026-01 (2 entries; one that is not listed is refused)" in rows["payment"].rule
    assert rows["correlation"].rule == "the correlation id of the message"
    assert (rows["lines"].depth, rows["lines[].item"].depth) == (0, 1)


def test_lineage_leads_every_target_back_to_its_sources():
    found = lineage(parse(SALE))
    assert found["key"] == ["id"]
    assert found["correlation"] == []
    assert found["payment"] == ["tenders[0].type"]
    assert found["lines[].amount"] == ["lines[].voided", "lines[].kind", "lines[].amount"]


def test_the_same_mapping_has_no_difference_and_spelling_is_none():
    assert diff(parse(SALE), parse(SALE)) == []
    spaced = changed(fields__8__each__0__formula="strip_leading_zeros(  item )", note="only words")
    assert diff(parse(SALE), parse(spaced)) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fields__2__from": "till"}, "store comes from till; it was store"),
        (
            {"fields__6__scale": 3},
            "total is written as decimal with 3 digits after the point, never rounded, written as text; it was "
            "decimal with 2",
        ),
        (
            {"fields__8__each__3__default": "other"},
            "lines[].kind when missing: 'other' when missing; it was 'sale' when missing",
        ),
        ({"fields__8__when": "exists(item)"}, "lines takes only elements where exists(item); it was not voided"),
        (
            {"fields__8__each__2__formula": "amount"},
            "lines[].amount comes from the formula amount; it was the formula if(",
        ),
        ({"fields__3": None}, "till is no longer filled (it came from till)"),
        ({"fields__3__to": "register"}, "register is new: string from till, required"),
        ({"lookups__tender__values__Cash": "BAR"}, "lookup 'tender': 'Cash' gives 'BAR'; it gave 'CASH'"),
        ({"lookups__tender__values__Gift": "GIFT"}, "lookup 'tender' has changed and still says version 2026-01"),
        ({"lookups__tender__default": "?"}, "a value that is not listed gives '?'; before, it was refused"),
        ({"lookups__tender__version": "2026-02"}, "lookup 'tender' has version 2026-02; it was 2026-01"),
    ],
)
def test_each_change_is_one_sentence(change, sentence):
    found = diff(parse(SALE), parse(changed(**change)))
    assert any(sentence in line for line in found), found


def test_a_mapping_that_fits_both_contracts_has_no_errors():
    assert [f for f in check().values() if f[1] == "error"] == []


@pytest.mark.parametrize(
    ("change", "pointer", "code", "words"),
    [
        (
            {"fields__2__from": "stor"},
            "/fields/2/from",
            "field_does_not_exist",
            "there is no 'stor'. Did you mean 'store'?",
        ),
        (
            {"fields__8__each__1__from": "quantitty"},
            "/fields/8/each/1/from",
            "field_does_not_exist",
            "lines[].quantitty",
        ),
        (
            {"fields__8__each__2__formula": "amnt * 1"},
            "/fields/8/each/2/formula",
            "field_does_not_exist",
            "Did you mean 'amount'",
        ),
        ({"fields__8__when": "exists(voidd)"}, "/fields/8/when", "field_does_not_exist", "Did you mean 'voided'"),
        ({"fields__8__each__2__formula": "item * 1"}, "/fields/8/each/2/formula", "type_mismatch", "use number(…)"),
        ({"fields__2__to": "stoer"}, "/fields/2/to", "field_does_not_exist", "Did you mean 'store'"),
        ({"fields__2": None}, "/fields", "required_target_unfilled", "requires store, and no field fills it"),
        (
            {"fields__2__required": False},
            "/fields/2",
            "required_target_may_be_missing",
            "say 'required' or give a 'default'",
        ),
        ({"fields__8__each__0": None}, "/fields/8", "required_target_unfilled", "requires lines[].item"),
        (
            {"fields__6__write": "number"},
            "/fields/6/to",
            "type_mismatch",
            "total is string in the target contract, and the mapping writes number",
        ),
        ({"fields__8__from": "store"}, "/fields/8/from", "not_a_list", "store is string"),
        ({"fields__0__from": "lines"}, "/fields/0/from", "type_mismatch", "cannot be read as string"),
        (
            {"lookups__tender__values__Cash": "CHASH"},
            "/lookups/tender/values/Cash",
            "not_in_enum",
            "Did you mean 'CASH'",
        ),
        ({"lookups__tender__values__Cash": None}, "/fields/7/lookup", "lookup_gap", "has no entry for 'Cash'"),
        (
            {"fields__7__from": "tenders[type='Cash'].typ"},
            "/fields/7/from",
            "field_does_not_exist",
            "Did you mean 'type'",
        ),
        ({"fields__0__max_length": 500}, "/fields/0/to", "may_not_fit", "at most 128 characters"),
    ],
)
def test_what_does_not_fit_is_found_at_its_place(change, pointer, code, words):
    found = check(changed(**change))
    assert pointer in found, found
    assert found[pointer][0] == code
    assert words in found[pointer][2]


def test_a_required_field_whose_source_may_be_null_is_a_warning():
    assert check()["/fields/6/from"][:2] == ("may_be_missing", "warning")


def test_references_go_through_the_resolver_and_cycles_end():
    library = {"lib#/Line": {"type": "object", "properties": {"v": {"$ref": "lib#/Line"}, "n": {"type": "integer"}}}}
    spec = one(**{"from": "v.v.v.v.n", "type": "integer"})
    assert check_against(parse(spec), {"$ref": "lib#/Line"}, {}, resolve=library.__getitem__) == []
    loop = {"$ref": "#/a", "a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}
    assert check_against(parse(spec), loop, loop) == []


def test_alternatives_and_open_objects_are_not_accused():
    source = {"oneOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "string"}}}]}
    for name in ("a", "b"):
        assert check_against(parse(one(**{"from": name, "type": "string"})), source, {}) == []
    assert (
        check_against(
            parse(one(**{"from": "free", "type": "string"})),
            {"type": "object"},
            {"additionalProperties": {"type": "string"}},
        )
        == []
    )


def test_read_only_targets_and_dates_in_the_wrong_form_are_found():
    target = {"properties": {"x": {"type": "string", "format": "date-time", "readOnly": True}}}
    codes = {f.code for f in check_against(parse(one(**{"from": "d", "type": "date"})), {}, target)}
    assert codes == {"mapping.read_only", "mapping.type_mismatch"}


def test_nothing_may_be_written_as_null_where_the_target_takes_none():
    target = {"properties": {"x": {"type": "string"}}}
    assert {
        f.pointer for f in check_against(parse(one(**{"from": "d", "type": "string", "write_null": True})), {}, target)
    } == {"/fields/0/write_null"}


def test_lineage_names_what_a_sum_is_over():
    fields = [
        {"to": "total", "formula": "sum(lines[].price.amount) + count(lines[])", "type": "decimal"},
        {
            "to": "rows",
            "from": "lines",
            "when": "sum(taxes[].due) > 0",
            "each": [{"to": "sku", "from": "sku", "type": "string"}],
        },
    ]
    found = lineage(parse({"mapping": "m", "version": 1, "fields": fields}))
    assert found == {"total": ["lines[].price.amount"], "rows[].sku": ["lines[].taxes[].due", "lines[].sku"]}
