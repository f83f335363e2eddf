"""A discriminator that comes or goes: whether it rules out tags that the schemas themselves allow."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import judge, rules, with_event, with_request, with_response

TEXT = {"type": "string"}


def animal(tag: Any, required: tuple[str, ...] = ("t",), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"t": tag, **properties}, "required": [*required, *properties]}


def listed(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def components(cat: Any, dog: Any) -> dict[str, Any]:
    return {"components": {"schemas": {"Cat": animal(cat, m=TEXT), "Dog": animal(dog, b=TEXT)}}}


OPEN, CLOSED = components(TEXT, TEXT), components(listed("c"), listed("d"))
BARE = {
    kind: {kind: [{"$ref": f"#/components/schemas/{name}"} for name in ("Cat", "Dog")]} for kind in ("anyOf", "oneOf")
}
MAPPED = {"propertyName": "t", "mapping": {"c": "Cat", "d": "Dog"}}


def union(kind: str, discriminator: Any = None) -> dict[str, Any]:
    return BARE[kind] if discriminator is None else {**BARE[kind], "discriminator": discriminator}


@pytest.mark.parametrize("discriminator", [MAPPED, {"propertyName": "t"}], ids=["mapped", "by name"])
@pytest.mark.parametrize("kind", ["anyOf", "oneOf"])
def test_a_discriminator_rules_out_tags_that_its_schemas_allow(kind: str, discriminator: dict[str, Any]) -> None:
    bare, tagged = union(kind), union(kind, discriminator)
    assert judge(with_response(tagged, **OPEN), with_response(bare, **OPEN)).verdict == "warning"
    assert judge(with_request(bare, **OPEN), with_request(tagged, **OPEN)).verdict == "warning"
    inside = [{"type": "array", "items": side} for side in (tagged, bare)]
    found = rules(judge(with_response(inside[0], **OPEN), with_response(inside[1], **OPEN)), "warning")
    assert found == {"response-property-discriminator-removed"}


@pytest.mark.parametrize("kind", ["anyOf", "oneOf"])
def test_a_discriminator_that_says_what_its_schemas_say_is_a_note(kind: str) -> None:
    bare, tagged = union(kind), union(kind, MAPPED)
    for make in (with_response, with_request):
        assert judge(make(tagged, **CLOSED), make(bare, **CLOSED)).verdict == "compatible"
        assert judge(make(bare, **CLOSED), make(tagged, **CLOSED)).verdict == "compatible"


def test_a_schema_that_lists_more_values_than_its_tags_or_need_not_have_one_is_no_limit() -> None:
    bare, tagged = union("oneOf"), union("oneOf", MAPPED)
    wide = components(listed("c", "x"), listed("d"))
    assert judge(with_response(tagged, **wide), with_response(bare, **wide)).verdict == "warning"
    free = {"components": {"schemas": {"Cat": animal(listed("c"), (), m=TEXT), "Dog": animal(listed("d"), (), b=TEXT)}}}
    assert judge(with_response(tagged, **free), with_response(bare, **free)).verdict == "warning"


@pytest.mark.parametrize("kind", ["anyOf", "oneOf"])
def test_who_sends_tags_loses_nothing_with_the_discriminator_and_who_reads_gains_nothing(kind: str) -> None:
    bare, tagged = union(kind), union(kind, MAPPED)
    assert judge(with_request(tagged, **OPEN), with_request(bare, **OPEN)).verdict == "compatible"
    assert judge(with_response(bare, **OPEN), with_response(tagged, **OPEN)).verdict == "compatible"


def test_a_discriminator_of_a_schema_without_alternatives_chooses_nothing() -> None:
    plain = animal(TEXT)
    tagged = {**plain, "discriminator": {"propertyName": "t"}}
    for old, new in ((plain, tagged), (tagged, plain)):
        assert judge(with_response(old), with_response(new)).verdict == "compatible"
        assert judge(with_request(old), with_request(new)).verdict == "compatible"
        assert judge(with_event(old), with_event(new)).verdict == "compatible"
