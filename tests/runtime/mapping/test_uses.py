"""Which fields a mapping uses is told by its text, and what it is told is what happens when a field is taken away."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from runtime.mapping import MappingError, compile_mapping, parse
from runtime.mapping.places import ELEMENT, SchemaPlaces, Step, spelled
from runtime.mapping.uses import read_fields, written_fields
from tests.runtime.mapping import generate


def made(*fields: dict[str, Any], lookups: dict[str, Any] | None = None) -> Any:
    return parse({"mapping": "m", "version": 1, "fields": list(fields), "lookups": lookups or {}})


def reads(*fields: dict[str, Any]) -> set[str]:
    return {spelled(one.steps) for one in read_fields(made(*fields))}


def test_values_conditions_currencies_sums_and_the_members_that_find_an_element_are_read():
    found = reads(
        {"to": "sku", "from": "header.sku", "type": "string"},
        {"to": "text", "from": "texts[Language='EN'].value", "type": "string"},
        {"to": "first", "from": "lines[0].sku", "type": "string"},
        {"to": "paid", "from": "total", "type": "money", "currency": {"from": "header.currency"}},
        {"to": "sum", "formula": "sum(lines[].amount) + count(tenders[])", "type": "decimal"},
        {
            "to": "rows",
            "from": "lines",
            "when": "kind == 'sale' and $.open == true",
            "each": [
                {"to": "store", "from": "$.header.store", "type": "string"},
                {"to": "taxes", "from": "taxes", "each": [{"to": ".", "from": ".", "type": "string"}]},
            ],
        },
        {"to": "fixed", "constant": 1},
        {"to": "id", "correlation": True},
    )
    assert found == {
        "header.sku",
        *("texts[].value", "texts[].Language", "lines[].sku"),
        *("total", "header.currency", "lines", "lines[].amount", "tenders"),
        *("lines[].kind", "open", "header.store", "lines[].taxes", "lines[].taxes[]"),
    }


def test_written_fields_are_the_targets_with_the_lists_around_them():
    mapping = made(
        {"to": "a.b", "from": "x", "type": "string"},
        {
            "to": "rows",
            "from": "lines",
            "each": [{"to": "n", "from": "n", "type": "any"}, {"to": "c", "constant": {"d": [1]}}],
        },
        {"to": "paid", "from": "x", "type": "money", "currency": "EUR"},
    )
    assert {(spelled(one.steps), one.whole) for one in written_fields(mapping)} == {
        ("a.b", False),
        ("rows", False),
        ("rows[].n", True),
        ("rows[].c", False),
        *(("rows[].c.d", False), ("paid", False), ("paid.amount", False), ("paid.currency", False)),
    }


def paths(value: Any, at: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Every member of a document, those of all elements of a list as one."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*at, name)
            yield from paths(inner, (*at, name))
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, (*at, ELEMENT))


def without(value: Any, path: tuple[Step, ...]) -> Any:
    """The document without that member, wherever it is."""
    if isinstance(value, list):
        return [without(inner, path[1:]) if path[0] is ELEMENT else inner for inner in value]
    if not isinstance(value, dict) or path[0] not in value:
        return value
    if len(path) == 1:
        return {name: inner for name, inner in value.items() if name != path[0]}
    return value | {str(path[0]): without(value[str(path[0])], path[1:])}


def outcome(run: Any, document: Any) -> Any:
    try:
        return run(copy.deepcopy(document), "c-1")
    except MappingError:
        return MappingError


_SEEDS = [*range(25), *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(25, 300))]


@pytest.mark.parametrize("seed", _SEEDS)
def test_a_member_whose_absence_changes_what_a_mapping_makes_is_one_that_it_reads(seed: int):
    spec, documents = generate.case(seed, documents=5)
    mapping = parse(generate.strip(spec))
    run = compile_mapping(mapping)
    used = list(read_fields(mapping))
    for document in documents:
        before = outcome(run, document)
        for path in dict.fromkeys(paths(document)):
            if outcome(run, without(document, path)) == before:
                continue
            known = [
                one
                for one in used
                if one.steps[: len(path)] == path or (one.whole and path[: len(one.steps)] == one.steps)
            ]
            assert known, f"seed {seed}: {spelled(path)} changes the outcome and is not read by {spec}"


def schema(document: Any) -> Any:
    """The schema of documents like this one, every member declared."""
    if isinstance(document, dict):
        return {"type": "object", "properties": {name: schema(inner) for name, inner in document.items()}}
    if isinstance(document, list):
        return {"type": "array", "items": schema(document[0]) if document else {}}
    return {}


@pytest.mark.parametrize("seed", range(20))
def test_a_field_that_is_read_is_found_and_no_other_place_is_its(seed: int):
    _, documents = generate.case(seed)
    for document in documents:
        found = SchemaPlaces(schema(document))
        for path in dict.fromkeys(paths(document)):
            steps = tuple(step for step in path)
            places = found.find(steps)
            if not places.declared:  # an element of a list that is not like its first one
                assert ELEMENT in path
                continue
            said = "".join("/items" if s is ELEMENT else f"/properties/{s.replace('/', '~1')}" for s in steps)
            assert places.leaves == (said,)
            assert places.touched_by(said)
            assert not places.touched_by(f"{said}/properties/inner")
            assert not places.touched_by(f"{said}x")


COMPOSED: dict[str, Any] = {
    "components": {
        "schemas": {
            "Sale": {
                "allOf": [{"$ref": "#/components/schemas/Head"}],
                "properties": {
                    "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
                    "self": {"$ref": "#/components/schemas/Sale"},
                    "pay": {"oneOf": [{"properties": {"iban": {}}}, {"properties": {"card": {}, "iban": {}}}]},
                    "any": True,
                },
            },
            "Head": {"type": "object", "properties": {"id": {"type": "string"}, "a/b": {"type": "string"}}},
            "Line": {"type": "object", "properties": {"sku": {"$ref": "#/components/schemas/Sku"}}},
            "Sku": {"type": "string"},
        }
    }
}


def composed() -> SchemaPlaces:
    def resolve(reference: str) -> Any:
        found: Any = COMPOSED
        for token in reference.removeprefix("#/").split("/"):
            found = found.get(token) if isinstance(found, dict) else None
        return found

    return SchemaPlaces(COMPOSED["components"]["schemas"]["Sale"], "/components/schemas/Sale", resolve)


def test_a_field_is_followed_through_references_parts_branches_and_a_schema_of_itself():
    places = composed()
    at = "/components/schemas"
    assert places.find(("id",)).leaves == (f"{at}/Head/properties/id",)
    assert places.find(("a/b",)).leaves == (f"{at}/Head/properties/a~1b",)
    sku = places.find(("lines", ELEMENT, "sku"))
    assert sku.leaves == (f"{at}/Line/properties/sku",)
    assert sku.touched_by(f"{at}/Sku/maxLength")
    assert sku.touched_by(f"{at}/Sale/properties/lines")
    assert not sku.touched_by(f"{at}/Head/properties/id")
    assert len(places.find(("pay", "iban")).leaves) == 2
    assert len(places.find(("pay", "card")).leaves) == 1
    assert places.find(("self", "self", "id")).leaves == (f"{at}/Head/properties/id",)
    assert places.find(("any",)).declared
    assert places.find(("any", "inner")).missing == 1
    assert places.find(("gone", "inner")).missing == 0
    assert places.find(("lines", "0", "sku")).leaves == sku.leaves, "a pointer has a number for an element"


def test_what_is_used_as_a_whole_is_touched_by_whatever_is_in_it():
    whole = composed().find(("lines",), whole=True)
    assert whole.touched_by("/components/schemas/Line/properties/sku")
    assert whole.touched_by("/components/schemas/Sku")
    assert not composed().find(("lines",)).touched_by("/components/schemas/Line/properties/sku")
