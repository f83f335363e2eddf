"""Unions, discriminators and inheritance, judged by pairs whose labels come from the standards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts import inheritance_pairs, polymorphic_pairs
from tests.contracts.contract_documents import TODAY, judge, rules, with_event, with_request, with_response
from tests.contracts.polymorphic_pairs import REF, Pair, by_tag, ref, thing
from tillgate_contracts.compare import compare
from tillgate_contracts.reading import read_file

PAIRS = (*polymorphic_pairs.PAIRS, *inheritance_pairs.PAIRS)


def _verdict(pair: Pair, wrap: Any) -> Any:
    old, new = (
        wrap(side.body, version=side.version, components={"schemas": side.schemas}) for side in (pair.old, pair.new)
    )
    return judge(old, new)


def _agrees(verdict: str, label: str) -> bool:
    return verdict in ("none", "compatible") if label == "fine" else verdict == label


@pytest.mark.parametrize("pair", PAIRS, ids=[pair.name for pair in PAIRS])
def test_a_polymorphic_request_is_judged_as_the_standard_says(pair: Pair) -> None:
    result = _verdict(pair, with_request)
    assert _agrees(result.verdict, pair.request), [finding.message for finding in result.findings]


@pytest.mark.parametrize("pair", PAIRS, ids=[pair.name for pair in PAIRS])
def test_a_polymorphic_response_is_judged_as_the_standard_says(pair: Pair) -> None:
    result = _verdict(pair, with_response)
    assert _agrees(result.verdict, pair.response), [finding.message for finding in result.findings]


@pytest.mark.parametrize("pair", PAIRS, ids=[pair.name for pair in PAIRS])
def test_a_polymorphic_contract_against_itself_finds_nothing(pair: Pair) -> None:
    for wrap in (with_request, with_response):
        assert _verdict(pair._replace(new=pair.old), wrap).findings == []


def _messages(old: dict[str, Any], new: dict[str, Any], **policy: Any) -> list[str]:
    return [finding.message for finding in judge(old, new, **policy).findings]


@pytest.mark.parametrize("action", ["send", "receive"])
def test_the_name_of_a_schema_is_the_tag_of_an_event_as_well(action: str) -> None:
    """AsyncAPI 3.0 Schema Object: `discriminator` is the name of a property whose value is the name of a schema."""

    def event(kind: str) -> dict[str, Any]:
        parent = {**thing(), "discriminator": "kind"}
        own = {"type": "object", "properties": {"authCode": {"type": kind}}}
        schemas = {"Tender": parent, "Card": {"allOf": [ref("Tender"), own]}, "Cash": {"allOf": [ref("Tender")]}}
        return {**with_event(ref("Tender"), action=action), "components": {"schemas": schemas}}

    assert judge(event("string"), event("integer")).verdict == "breaking"
    assert judge(event("string"), event("string")).findings == []


@pytest.mark.parametrize("field", ["schema", "parameters"])
def test_parents_of_swagger_2_stand_for_their_children(field: str) -> None:
    """Swagger 2.0 Schema Object: `discriminator` names the property, the value is the name of the definition."""

    def swagger(kind: str) -> dict[str, Any]:
        parent = {**thing(), "discriminator": "kind"}
        card = {
            "allOf": [{"$ref": "#/definitions/Tender"}, {"type": "object", "properties": {"authCode": {"type": kind}}}]
        }
        answer: dict[str, Any] = {"description": "OK"}
        operation: dict[str, Any] = {"responses": {"200": answer}}
        target = {"$ref": "#/definitions/Tender"}
        if field == "schema":
            answer["schema"] = target
        else:
            operation["parameters"] = [{"name": "b", "in": "body", "schema": target}]
        return {
            "swagger": "2.0",
            "info": {"title": "Orders", "version": "1.0.0"},
            "paths": {"/orders": {"post": operation}},
            "definitions": {"Tender": parent, "Card": card},
        }

    assert judge(swagger("string"), swagger("integer")).verdict == "breaking"
    assert judge(swagger("string"), swagger("string")).findings == []


@pytest.mark.parametrize("wrap", [with_request, with_response])
def test_a_mapping_by_uri_is_followed(wrap: Any) -> None:
    """OpenAPI 3.1.1 section 4.8.25: an entry of the mapping may be a URI reference; here that of a schema's `$id`."""

    def document(cash: str, card: str) -> dict[str, Any]:
        schemas = {
            "Cash": {"$id": "https://example.com/cash", **thing(drawer="string")},
            "Card": {"$id": "https://example.com/card", **thing("authCode", authCode="string")},
        }
        mapping = {"cash": f"https://example.com/{cash}", "card": f"https://example.com/{card}"}
        return wrap(by_tag("Cash", "Card", mapping=mapping), components={"schemas": schemas})

    turned = judge(document("cash", "card"), document("card", "cash"))
    assert turned.verdict == "breaking"
    assert {rule.split("-body-")[-1] for rule in rules(turned)} == {"discriminator-mapping-changed"}
    assert judge(document("cash", "card"), document("cash", "card")).findings == []


def _folder(place: Path, mapping: str, kind: str) -> Any:
    place.mkdir()
    body = f"oneOf: [{{$ref: cash.yaml}}, {{$ref: card.yaml}}]\ndiscriminator:\n  propertyName: kind\n{mapping}"
    (place / "tender.yaml").write_text(body)
    (place / "cash.yaml").write_text(json.dumps(thing()))
    (place / "card.yaml").write_text(json.dumps(thing(authCode=kind)))
    main = place / "api.json"
    main.write_text(json.dumps(with_request({"$ref": "tender.yaml"})))
    return read_file(main)


@pytest.mark.parametrize("mapping", ["", "  mapping: {cash: cash.yaml, card: ./card.yaml}\n"])
def test_tags_lead_into_other_files_by_relative_references(tmp_path: Path, mapping: str) -> None:
    old = _folder(tmp_path / "old", mapping, "string")
    assert compare(old, _folder(tmp_path / "new", mapping, "integer"), as_of=TODAY).verdict == "breaking"
    assert compare(old, _folder(tmp_path / "same", mapping, "string"), as_of=TODAY).findings == []
    turned = _folder(tmp_path / "turned", "  mapping: {cash: card.yaml, card: cash.yaml}\n", "string")
    assert compare(old, turned, as_of=TODAY).verdict == "breaking"


@pytest.mark.parametrize("wrap", [with_request, with_response])
def test_a_tag_that_leads_nowhere_is_not_decided(wrap: Any) -> None:
    body = by_tag("Cash", mapping={"cash": "Cash", "card": REF + "Card"})
    document = wrap(body, components={"schemas": {"Cash": thing()}})
    changed = {**document, "x-title": "b"}
    result = judge(document, changed)
    assert result.verdict == "warning"
    assert [finding.rule.split("-", 1)[1] for finding in result.findings] == ["property-reference-unresolved"]


def test_a_tag_with_an_entry_keeps_its_values_apart_from_a_property_with_one_value() -> None:
    """The value that a branch demands is the tag where its name could never be sent: renaming it changes nothing."""

    def document(name: str) -> dict[str, Any]:
        schemas = {name: thing(kind={"enum": ["cash"]}), "Card": thing(kind={"enum": ["card"]}, authCode="string")}
        return with_request(by_tag(name, "Card"), components={"schemas": schemas})

    assert judge(document("Cash"), document("CashTender")).verdict in ("none", "compatible")


def test_the_sentences_name_the_tag_and_the_schema() -> None:
    schemas = {"components": {"schemas": {"Cash": thing(), "Card": thing(authCode="string")}}}
    old = with_request(by_tag("Cash", "Card", mapping={"cash": "Cash", "card": "Card"}), **schemas)
    new = with_request(by_tag("Cash", "Card", mapping={"CASH": "Cash", "card": "Card"}), **schemas)
    assert _messages(old, new)[0] == (
        "The body has the discriminator value CASH instead of cash for `Cash`. "
        "The tag decides how both sides read a value."
    )
    listing = {"L": thing(listId="string"), "V": thing(objectType="string")}
    both = {"anyOf": [ref("L"), ref("V")]}
    text = _messages(
        with_request(both, components={"schemas": listing}),
        with_request(both, components={"schemas": {**listing, "L": thing(listId="boolean")}}),
    )[0]
    assert text.startswith("The body changed the alternative `L` of anyOf. Cannot tell automatically whether another")


def test_the_strict_content_model_takes_open_objects_at_their_word() -> None:
    """JSON Schema 2020-12 Core section 10.2.1.2: what one branch of `anyOf` accepts is accepted."""
    wide, narrow = thing(), thing(authCode="string")
    old = {"anyOf": [ref("Bare"), ref("Card")]}
    documents = [
        with_request(old, components={"schemas": {"Bare": wide, "Card": card}})
        for card in (narrow, thing(authCode="integer"))
    ]
    assert judge(*documents, content_model="strict").breaking == 0
    assert judge(*documents).verdict == "warning"


def _family(**cash: Any) -> dict[str, Any]:
    """A parent with a mapping, and two children."""
    parent = {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"type": "string"}},
        "discriminator": {"propertyName": "kind", "mapping": {"card": "#/components/schemas/Card"}},
    }
    reference = {"$ref": "#/components/schemas/Tender"}
    return {
        "Tender": parent,
        "Card": {"allOf": [reference, {"type": "object", "required": ["authCode"]}]},
        "Cash": {"allOf": [reference, {"type": "object", "properties": {"kind": {"enum": ["cash"]}}, **cash}]},
    }


@pytest.mark.parametrize("model", ["strict", "tolerant"])
def test_a_child_does_not_hide_behind_the_mapping_of_its_parent(model: str) -> None:
    """OpenAPI 3.0.4 section 4.7.24: the parent stands for its children, and a child for itself."""
    union = {"anyOf": [{"$ref": "#/components/schemas/Cash"}, {"$ref": "#/components/schemas/Tender"}]}
    base, revision = (
        with_request(union, components={"schemas": _family(**cash)})
        for cash in ({}, {"additionalProperties": {"type": "integer"}})
    )
    assert judge(base, revision, content_model=model).verdict == "breaking"


def test_a_demand_of_a_parent_counts_where_only_its_mapping_is_new() -> None:
    def document(**parent: Any) -> dict[str, Any]:
        schema = {
            "type": "object",
            "required": ["kind"],
            "properties": {"kind": {"type": "string"}},
            "discriminator": {"propertyName": "kind"},
            **parent,
        }
        return with_request({"$ref": "#/components/schemas/Tender"}, components={"schemas": {"Tender": schema}})

    mapping = {"propertyName": "kind", "mapping": {"new": "#/components/schemas/Tender"}}
    result = judge(document(), document(required=["kind", "till"], discriminator=mapping))
    assert result.verdict == "breaking"


BESIDE = [
    # JSON Schema 2020-12 Core 10.2.1: an alternative holds together with what stands beside it.
    {"properties": {"kind": {"type": "string"}, "till": {"type": "string"}}},
    {"properties": {"kind": {"type": "string"}}, "additionalProperties": {"type": "string"}},
    {"properties": {"kind": {"type": "string"}}, "patternProperties": {"^t": {"type": "string"}}},
]


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("word", ["oneOf", "anyOf"])
def test_what_an_alternative_says_of_a_property_beside_it_is_no_new_property(beside: Any, word: str) -> None:
    def document(**till: Any) -> dict[str, Any]:
        cash = {"type": "object", "required": ["a"], "properties": {"a": {"enum": ["cash"]}, **till}}
        card = {"type": "object", "required": ["a"], "properties": {"a": {"enum": ["card"]}}}
        return with_request({"type": "object", **beside, word: [cash, card]})

    assert judge(document(), document(till={"type": "string", "maxLength": 3})).verdict in ("warning", "breaking")
    assert judge(document(), document(other={"type": "string"})).verdict != "breaking"


def test_a_child_that_became_its_parent_is_asked_for_its_tag() -> None:
    schemas = {"schemas": _family()}
    child, parent = ({"$ref": f"#/components/schemas/{name}"} for name in ("Cash", "Tender"))
    named = judge(with_request(child, components=schemas), with_request(parent, components=schemas))
    assert named.verdict in ("none", "compatible")
    free = _family()
    del free["Cash"]["allOf"][1]["properties"]
    asked = judge(with_request(child, components={"schemas": free}), with_request(parent, components={"schemas": free}))
    assert "request-body-subtypes-coverage-undecided" in {finding.rule for finding in asked.findings}
    wider = judge(with_response(child, components=schemas), with_response(parent, components=schemas))
    assert wider.verdict == "breaking"


def test_a_property_that_two_alternatives_name_decides_which_of_them_match() -> None:
    """JSON Schema 2020-12 Core 10.2.1.3: `oneOf` refuses what matches two; what one newly refuses, it accepts."""
    named = {"type": "object", "properties": {"till": {"type": "string"}}}
    base = {"oneOf": [{"type": "object"}, named]}
    revision = {"oneOf": [{"type": "object", "properties": {"till": {"enum": ["A"]}}}, named]}
    assert judge(with_response(base), with_response(revision)).verdict == "warning"
    other = {"oneOf": [{"type": "object", "properties": {"clerk": {"enum": ["A"]}}}, named]}
    assert judge(with_response(base), with_response(other)).verdict == "compatible"


def test_a_tagged_union_that_became_its_bare_parent_admits_any_tag() -> None:
    """OpenAPI 3.1.1 section 4.8.25: before, the tag chose one of two schemas; now nothing chooses."""
    tender = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}}
    schemas = {"Cash": tender, "Card": tender, "Tender": {**tender, "discriminator": {"propertyName": "kind"}}}
    branches = [{"$ref": f"#/components/schemas/{name}"} for name in ("Cash", "Card")]
    union = {"oneOf": branches, "discriminator": {"propertyName": "kind"}}
    more = {"components": {"schemas": schemas}}
    for model in ("strict", "tolerant"):
        wider = judge(
            with_response(union, **more),
            with_response({"$ref": "#/components/schemas/Tender"}, **more),
            content_model=model,
        )
        assert wider.verdict == "warning"


def _beside(kind: str, *, own: bool, inside: bool = False) -> dict[str, Any]:
    """A union (or a parent with children) that has the property `note` beside it, or in every alternative."""
    text = {"type": "string"}
    note = {"note": text} if own else {}
    inner = {"note": text} if inside else {}
    body: dict[str, Any] = {"type": "object", "required": ["kind"], "properties": {"kind": text, **note}}
    cash, card = ({"type": "object", "properties": {name: text, **inner}} for name in ("till", "brand"))
    if kind == "parent":
        body["discriminator"] = {"propertyName": "kind"}
        cash, card = ({"allOf": [ref("Tender"), one]} for one in (cash, card))
    else:
        body[kind] = [ref("Cash"), ref("Card")]
        if kind == "oneOf":
            body["discriminator"] = {"propertyName": "kind"}
    return {"schemas": {"Tender": body, "Cash": cash, "Card": card}}


@pytest.mark.parametrize("kind", ["parent", "oneOf", "anyOf"])
@pytest.mark.parametrize("wrap", [with_request, with_response])
def test_an_optional_property_that_goes_beside_alternatives_is_a_warning_as_anywhere(kind: str, wrap: Any) -> None:
    had, lost = (wrap(ref("Tender"), components=_beside(kind, own=own)) for own in (True, False))
    result = judge(had, lost)
    assert result.verdict == "warning", [finding.message for finding in result.findings]
    assert any("property-removed" in rule for rule in rules(result, "warning"))


@pytest.mark.parametrize("kind", ["parent", "oneOf", "anyOf"])
@pytest.mark.parametrize("wrap", [with_request, with_response])
def test_a_property_that_moves_into_every_alternative_is_not_told_as_removed(kind: str, wrap: Any) -> None:
    beside = wrap(ref("Tender"), components=_beside(kind, own=True))
    inside = wrap(ref("Tender"), components=_beside(kind, own=False, inside=True))
    assert not any("property-removed" in rule for rule in rules(judge(beside, inside), "warning"))


def _one_of(*branches: Any) -> dict[str, Any]:
    return {"oneOf": list(branches)}


@pytest.mark.parametrize("wrap", [with_request, with_response])
def test_a_union_inside_a_union_of_its_kind_is_one_union(wrap: Any) -> None:
    one, two, three = ({"type": "object", "required": [name]} for name in "abc")
    nested, flat = _one_of(_one_of(one, two), three), _one_of(one, two, three)
    for pair in ((nested, flat), (flat, nested)):
        result = judge(*(wrap(side) for side in pair))
        assert result.verdict in ("warning", "compatible")
        assert rules(result) == {rule for rule in rules(result) if rule.endswith("one-of-overlap-changed")} != set()
    apart = [{"type": kind, "title": kind} for kind in ("string", "integer", "boolean")]
    assert judge(wrap(_one_of(_one_of(*apart[:2]), apart[2])), wrap(_one_of(*apart))).verdict == "none"
    any_of = {"anyOf": [{"anyOf": [one, two]}, three]}
    assert judge(wrap(any_of), wrap({"anyOf": [one, two, three]})).verdict == "none"


def test_listed_values_are_tried_on_a_union_inside_a_union() -> None:
    low, high, even = {"maximum": 5}, {"minimum": 3}, {"multipleOf": 2}
    four = with_request({"enum": [4]})
    assert judge(four, with_request(_one_of(_one_of(low, high), even))).verdict == "compatible"
    assert judge(four, with_request(_one_of(low, high, even))).verdict == "breaking"


def test_a_circle_of_references_alone_is_listed_and_not_decided() -> None:
    circle = {"schemas": {"A": ref("B"), "B": ref("A")}}
    real = {"schemas": {"A": {"type": "object", "required": ["k"]}}}
    for wrap in (with_request, with_response):
        for old, new in ((circle, real), (real, circle), (circle, circle)):
            assert judge(wrap(ref("A"), components=old), wrap(ref("A"), components=new)).verdict == "warning"
    unused = with_request({"type": "string"}, components=circle)
    assert judge(unused, unused).verdict == "none"


@pytest.mark.parametrize("word", ["anyOf", "oneOf", "alone"])
@pytest.mark.parametrize("wrap", [with_request, with_response])
def test_the_tags_of_a_child_that_is_used_without_its_parent_are_told(word: str, wrap: Any) -> None:
    def side(**mapping: str) -> dict[str, Any]:
        tag = {"propertyName": "kind", "mapping": mapping}
        parent = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}}
        children = {
            name: {"allOf": [ref("Tender"), {"properties": {name: {"type": "string"}}}]} for name in ("Cash", "Card")
        }
        body = ref("Cash") if word == "alone" else {word: [ref("Cash"), ref("Card")]}
        return wrap(body, components={"schemas": {"Tender": {**parent, "discriminator": tag}, **children}})

    plain = side(cash="Cash", card="#/components/schemas/Card")
    for other in (side(CASH="Cash", card="Card"), side(cash="Card", card="Cash"), side(card="Card")):
        for pair in ((plain, other), (other, plain)):
            result = judge(*pair)
            assert result.verdict in ("warning", "breaking"), [finding.message for finding in result.findings]
    assert judge(plain, side(cash="#/components/schemas/Cash", card="Card")).verdict == "none"


@pytest.mark.parametrize(("tag", "known"), [("cash", True), ("Gift", True), ("gift", False), ("voucher", False)])
def test_a_plain_schema_with_a_tag_of_its_own_is_a_branch_only_where_the_tag_chooses_one(tag: str, known: bool) -> None:
    """OpenAPI 3.1.1 section 4.8.25: a tag is a name of a schema or an entry of the mapping, letter by letter."""
    tagged = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}}
    schemas = {"Card": tagged, "Gift": tagged}
    union = {
        "oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in schemas],
        "discriminator": {"propertyName": "kind", "mapping": {"cash": "#/components/schemas/Card"}},
    }
    plain = {**tagged, "properties": {"kind": {"const": tag}}}
    old, new = (with_response(one, version="3.1.0", components={"schemas": schemas}) for one in (union, plain))
    assert (judge(old, new).verdict == "compatible") is known
