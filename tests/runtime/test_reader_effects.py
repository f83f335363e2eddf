"""What another contract does to a release: random mappings from which random fields are taken, and targets."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from catalog.domain import contract_engine
from runtime.domain import manifest as manifests
from runtime.mapping import compile_mapping, parse
from runtime.mapping.places import ELEMENT, spelled
from runtime.selectors.pinning import PinningRelease
from runtime.services import field_uses, reader_effects
from runtime.services.field_readers import ContractPlaces, FlowUse
from runtime.services.reader_effects import Effect
from tests.runtime.mapping import generate
from tests.runtime.mapping.test_uses import outcome, paths, schema, without

DIGEST = "sha256:" + "a" * 64
AT = "/components/schemas/Message"


def contract(message: Any, **others: Any) -> ContractPlaces:
    document = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {},
        "components": {"schemas": {"Message": message, **others}},
    }
    return ContractPlaces(contract_engine.from_value(document))


def flow(mapping: Any, role: str = "source", **target: Any) -> FlowUse:
    pinned = {"api": "shop@v1", "contract": DIGEST, "schema": AT}
    data = {
        "integration": "flow",
        "title": "Flow",
        "domain": "shop",
        "owner": "shop",
        "tier": 2,
        "sources": [{"name": "in", "system": "shop"} | (pinned if role == "source" else {})],
        "event": {"name": "e", "meaning": "fact"},
        "targets": [
            {"name": "out", "system": "erp", "mapping": mapping, "writes": [], "idempotency": "N"}
            | (pinned if role == "target" else {})
            | target
        ],
    }
    manifest = manifests.load(data)
    release = PinningRelease("flow", "Flow", "Shop", DIGEST, manifest, ("production",), (), True)
    (use,) = field_uses.of_manifest(manifest)
    return FlowUse(release, use)


def effects(one: FlowUse, before: ContractPlaces, after: ContractPlaces) -> list[Effect]:
    assert reader_effects.unreadable(one, before) == ""
    return list(reader_effects.effects(one, before, after))


def merged(documents: list[Any]) -> Any:
    """The schema of all of these values."""
    objects = [one for one in documents if isinstance(one, dict)]
    lists = [one for one in documents if isinstance(one, list)]
    made: dict[str, Any] = {}
    if objects:
        names = dict.fromkeys(name for one in objects for name in one)
        made["properties"] = {name: merged([one[name] for one in objects if name in one]) for name in names}
    if lists:
        made["items"] = merged([inner for one in lists for inner in one])
    return made


def taken_from(known: Any, path: tuple[Any, ...]) -> Any:
    made = copy.deepcopy(known)
    around = made
    for step in path[:-1]:
        around = around["items"] if step is ELEMENT else around["properties"][step]
    around["properties"].pop(path[-1])
    return made


SEEDS = [*range(30), *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(30, 400))]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_field_that_a_mapping_reads_is_named_when_it_goes_and_no_other_one_is(seed: int):
    spec, documents = generate.case(seed, documents=4)
    plain = generate.strip(spec)
    run, rng, one = compile_mapping(parse(plain)), random.Random(seed), flow(plain)
    known = merged(documents)
    words = str(spec)
    before = contract(known)
    everything = sorted({path for document in documents for path in paths(document)}, key=spelled)
    for path in rng.sample(everything, min(8, len(everything))):
        found = effects(one, before, contract(taken_from(known, path)))
        named = [effect for effect in found if effect.rule == "flow.field_removed"]
        if path[-1] is ELEMENT:
            continue
        changed = any(outcome(run, without(document, path)) != outcome(run, document) for document in documents)
        assert named or not changed, f"seed {seed}: nobody is told that {spelled(path)} goes, which {plain} reads"
        for effect in named:
            assert f"`{spelled(path)}`" in effect.message
            if "passes on" not in effect.message:
                assert all(field.startswith(spelled(path)) for field in effect.fields)
                assert str(path[-1]) in words, f"seed {seed}: {spelled(path)} stands nowhere in {plain}"


def test_a_field_that_no_mapping_reads_goes_without_an_effect():
    spec, documents = generate.case(7)
    known = schema(documents[0])
    known["properties"]["unused"] = {"type": "object", "properties": {"inner": {}}}
    one = flow(generate.strip(spec))
    assert effects(one, contract(known), contract(taken_from(known, ("unused",)))) == []
    assert effects(one, contract(known), contract(taken_from(known, ("unused", "inner")))) == []


MAPPING = {
    "mapping": "m",
    "version": "1",
    "fields": [
        {"to": "id", "from": "sku", "type": "string", "required": True},
        {"to": "head.store", "from": "store", "type": "string"},
        {"to": "lines", "from": "lines", "each": [{"to": "n", "from": "n", "type": "integer"}]},
    ],
}
LINE = {"type": "object", "properties": {"n": {"type": "integer"}, "text": {"type": "string"}}}
ORDER: dict[str, Any] = {
    "type": "object",
    "required": ["id"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "head": {"type": "object", "properties": {"store": {"type": "string"}}},
        "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
        "note": {"type": "string"},
    },
}


def of_target(changed: Any, line: Any = LINE, **target: Any) -> list[tuple[str, str, str]]:
    one = flow(MAPPING, "target", **target)
    found = effects(one, contract(ORDER, Line=LINE), contract(changed, Line=line))
    return [(effect.rule, effect.level, effect.pointer) for effect in found]


def changed(**properties: Any) -> Any:
    made = copy.deepcopy(ORDER)
    for name, value in properties.items():
        if value is None:
            made["properties"].pop(name)
        else:
            made["properties"][name] = value
    return made


def test_a_field_that_a_flow_writes_is_named_when_the_target_takes_it_no_more():
    assert of_target(changed(head=None)) == [("flow.field_removed", "error", f"{AT}/properties/head")]
    assert of_target(ORDER, {"type": "object", "properties": {"text": {"type": "string"}}}) == [
        ("flow.field_removed", "error", "/components/schemas/Line/properties/n")
    ]
    assert of_target(changed(note=None)) == []


def test_a_member_that_the_target_asks_for_now_and_the_flow_does_not_write_is_told():
    asked = changed(region={"type": "string"}) | {"required": ["id", "region"]}
    one = flow(MAPPING, "target")
    (effect,) = effects(one, contract(ORDER, Line=LINE), contract(asked, Line=LINE))
    assert (effect.rule, effect.level) == ("flow.field_changed", "error")
    assert "requires region, and no field fills it" in effect.message
    asked["required"] = ["id", "note"]
    assert of_target(asked) == [("flow.field_changed", "error", AT)]


def test_a_type_that_the_target_takes_no_more_is_told_at_its_place():
    assert of_target(changed(id={"type": "integer"})) == [("flow.field_changed", "error", f"{AT}/properties/id")]


def test_what_the_connection_fills_or_keeps_back_is_not_the_mappings():
    connection = {"protocol": "rest", "settings": {"not_sent": ["head"], "idempotency_field": "note"}}
    assert of_target(changed(head=None), connection=connection) == []
    assert of_target(changed(note=None), connection=connection) == [
        ("flow.field_removed", "error", f"{AT}/properties/note")
    ]
    asked = changed(note={"type": "string"}) | {"required": ["id", "note"]}
    assert of_target(asked, connection=connection) == []


def test_what_is_in_a_field_that_is_passed_on_as_a_whole_is_named():
    offer = {"type": "object", "properties": {"code": {}, "again": {"$ref": "#/components/schemas/Offer"}}}
    before = {"type": "object", "properties": {"offer": {"$ref": "#/components/schemas/Offer"}}}
    mapping = {"mapping": "m", "version": "1", "fields": [{"to": "a", "from": "offer", "type": "any"}]}
    after = contract(before, Offer={"type": "object", "properties": {"again": {"$ref": "#/components/schemas/Offer"}}})
    (effect,) = effects(flow(mapping), contract(before, Offer=offer), after)
    assert (effect.rule, effect.level) == ("flow.field_removed", "error")
    assert effect.pointer == "/components/schemas/Offer/properties/code"
    assert "passes on the whole of `offer`, of which `offer.code` is gone: out: a." in effect.message


def test_a_field_that_is_gone_from_one_branch_alone_is_a_warning():
    cash, card = ({"type": "object", "properties": {"kind": {}, name: {}, "sum": {}}} for name in ("coins", "number"))
    before = {"type": "object", "properties": {"pay": {"oneOf": [cash, card]}}}
    after = copy.deepcopy(before)
    after["properties"]["pay"]["oneOf"][1]["properties"].pop("sum")
    mapping = {"mapping": "m", "version": "1", "fields": [{"to": "a", "from": "pay.sum", "type": "any"}]}
    (effect,) = effects(flow(mapping), contract(before), contract(after))
    assert (effect.rule, effect.level) == ("flow.field_partly_removed", "warning")
    assert effect.pointer == f"{AT}/properties/pay/oneOf/1/properties/sum"


def test_what_the_connector_of_a_source_goes_by_is_read():
    source = {
        "name": "in",
        "system": "shop",
        "api": "shop@v1",
        "contract": DIGEST,
        "schema": AT,
        "connection": {
            "protocol": "rest",
            "settings": {
                "key_fields": ["meta.id"],
                "version_field": "rev",
                "changes": {"param": "since", "field": "at"},
                "paging": {"strategy": "page", "order_by": "no"},
            },
        },
        "valid": {"zone": "UTC", "from": "/from", "of": ["/a~1b/0"]},
    }
    data = flow(MAPPING).release.manifest
    manifest = manifests.load(
        {
            **{name: getattr(data, name) for name in ("integration", "title", "domain", "owner", "tier")},
            "sources": [source],
            "event": {"name": "e", "meaning": "state", "key": "/k", "version": "/v", "time": "/when"},
            "targets": [{"name": "out", "system": "erp", "mapping": MAPPING, "writes": [], "idempotency": "N"}],
        }
    )
    (use,) = field_uses.of_manifest(manifest)
    found = {one.path: one.why for one in use.fields}
    assert found.keys() == {"sku", "store", "lines", "lines[].n"} | {"meta.id", "rev", "at", "no"} | {
        "from",
        "a/b.0",
        "when",
    }, "key and version of the event are for what is handed in"
    assert found["meta.id"] == "in: key"
