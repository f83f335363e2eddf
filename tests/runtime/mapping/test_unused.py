"""Which fields of messages no mapping uses, and in how many messages they are."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.mapping import compile_mapping, parse
from runtime.mapping.unused import UnusedField, reads_of, unused

SALE: dict[str, Any] = {
    "id": "1",
    "store": "7",
    "total": 10,
    "operator": "ann",
    "loyalty": ["L1", "L2"],
    "lines": [{"item": "A", "amount": 10, "serial": "S1"}, {"item": "B", "amount": 0}],
    "extensions": {"brand": "HOUSE", "deep": {"er": 1}},
}


def mapping(*fields: dict[str, Any]) -> Any:
    return parse({"mapping": "m", "version": 1, "fields": [typed(one) for one in fields]})


def typed(field: dict[str, Any]) -> dict[str, Any]:
    if "each" in field:
        return {**field, "each": [typed(one) for one in field["each"]]}
    return {"type": "any", **field}


def paths(*fields: dict[str, Any], documents: list[Any] | None = None) -> list[str]:
    return [one.path for one in unused(documents or [SALE], [reads_of(mapping(*fields))])]


def test_what_no_field_reads_is_listed_with_its_share() -> None:
    documents = [SALE] * 93 + [{**SALE, "operator": None, "loyalty": [], "lines": []}] * 7
    reads = reads_of(mapping({"to": "a", "from": "id"}, {"to": "b", "from": "store"}))
    found = {one.path: one for one in unused(documents, [reads])}
    assert "id" not in found
    assert found["operator"] == UnusedField("operator", 93, 100)
    assert found["operator"].percent == 93
    assert found["total"].percent == 100
    assert found["lines[].serial"].percent == 93
    assert found["loyalty[]"].percent == 93
    assert found["extensions.deep.er"].percent == 100


def test_a_list_that_is_only_counted_leaves_its_elements_unused() -> None:
    assert "lines[].item" in paths({"to": "n", "formula": "count(lines[])", "type": "integer"})
    found = paths({"to": "n", "formula": "sum(lines[].amount)", "type": "decimal"})
    assert "lines[].item" in found
    assert "lines[].amount" not in found


def test_what_is_copied_whole_is_used_whole() -> None:
    found = paths({"to": "x", "from": "extensions"})
    assert not [path for path in found if path.startswith("extensions")]


def test_fields_inside_of_lists_and_their_conditions_are_read_from_the_document_on() -> None:
    field = {
        "to": "lines",
        "from": "lines",
        "when": "serial == 'S1'",
        "each": [{"to": "a", "from": "item"}, {"to": "s", "from": "$.store"}],
    }
    found = paths(field)
    assert "lines[].amount" in found
    assert not {"lines[].item", "lines[].serial", "store"} & set(found)


def test_one_element_of_a_list_stands_for_all_and_names_may_be_quoted() -> None:
    odd = [{"a b": 1, "c.d": 2, "texts": [{"lang": "EN", "value": "x", "more": 1}], "loyalty": ["L"]}]
    fields = (
        {"to": "p", "from": "loyalty[0]"},
        {"to": "q", "from": "`a b`"},
        {"to": "r", "from": "texts[lang='EN'].value"},
    )
    assert paths(*fields, documents=odd) == ["`c.d`", "texts[].more"]


def test_what_any_target_reads_is_used() -> None:
    both = [reads_of(mapping({"to": "a", "from": name})) for name in ("id", "store")]
    found = [one.path for one in unused([SALE], both)]
    assert not {"id", "store"} & set(found)


def test_documents_that_are_no_objects_and_empty_ones_have_no_fields() -> None:
    assert unused([], [reads_of(mapping({"to": "a", "from": "id"}))]) == []
    assert unused(["text", 1, None, [], {}], [reads_of(mapping({"to": "a", "from": "id"}))]) == []


NAMES = st.sampled_from(["a", "b", "c", "d e", "f.g"])
TREES = st.recursive(
    st.integers(0, 9), lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3), max_leaves=6
)


def leaves(tree: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(tree, dict):
        return {path: tree}
    return {where: leaf for name, one in tree.items() for where, leaf in leaves(one, (*path, name)).items()}


def changed(tree: Any, path: tuple[str, ...]) -> Any:
    return 99 if not path else {**tree, path[0]: changed(tree[path[0]], path[1:])}


@given(st.dictionaries(NAMES, TREES, min_size=1, max_size=3), st.data())
@settings(max_examples=150, deadline=None)
def test_what_is_listed_changes_nothing_that_is_mapped_and_everything_else_does(tree: Any, data: Any) -> None:
    every = leaves(tree)
    chosen = data.draw(st.sets(st.sampled_from(sorted(every)), min_size=1))
    quoted = [".".join(f"`{name}`" for name in path) for path in sorted(chosen)]
    made = mapping(*({"to": f"t{at}", "from": path} for at, path in enumerate(quoted)))
    listed = {one.path for one in unused([tree], [reads_of(made)])}
    run = compile_mapping(made)
    for path in every:
        shown = ".".join(name if name.isalnum() else f"`{name}`" for name in path)
        assert (run(changed(tree, path), "c") == run(tree, "c")) == (shown in listed), shown
