"""Properties of the comparison: equal meanings find nothing, and no difference between two schemas stays unsaid."""

from __future__ import annotations

import copy
import json
import os
import random
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.contract_documents import TODAY, judge, openapi
from tests.contracts.schema_pairs import document, edit, schema, value_near
from tillgate_contracts.compare import check_compat, compare
from tillgate_contracts.reading import read_file

SEEDS = st.integers(min_value=0, max_value=2**40)
EXAMPLES = int(os.environ.get("TILLGATE_PROPERTY_EXAMPLES", "100"))
BOUNDED = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)


@BOUNDED
@given(SEEDS)
def test_a_value_that_one_side_accepts_and_the_other_refuses_is_always_said(seed: int) -> None:
    rng = random.Random(seed)
    old = document(rng)
    new = edit(rng, old) if rng.random() < 0.8 else document(rng)
    before, after = (jsonschema_rs.Draft202012Validator(side) for side in (old, new))
    backward, forward = (
        check_compat(old, new, direction=word, content_model="strict") for word in ("backward", "forward")
    )
    for _ in range(25):
        side = rng.choice((old, new))
        value = value_near(rng, side, side)
        was, now = before.is_valid(value), after.is_valid(value)
        if was and not now:
            assert backward.compatible is not True, (value, old, new)
        if now and not was:
            assert forward.compatible is not True, (value, old, new)


@BOUNDED
@given(SEEDS)
def test_a_schema_against_itself_finds_nothing(seed: int) -> None:
    rng = random.Random(seed)
    one = document(rng)
    other = json.loads(json.dumps(one))
    assert check_compat(one, other, direction="full", content_model="strict").findings == []
    assert check_compat(one, shuffled(rng, one), direction="full", content_model="strict").findings == []


def shuffled(rng: random.Random, node: Any) -> Any:
    """The same tree with another order of keys."""
    if isinstance(node, dict):
        keys = list(node)
        rng.shuffle(keys)
        return {key: shuffled(rng, node[key]) for key in keys}
    return [shuffled(rng, item) for item in node] if isinstance(node, list) else node


def api(rng: random.Random) -> dict[str, Any]:
    """A random OpenAPI 3.1 document with components, used as bodies, parameters and answers."""
    names = ["A", "B", "C"]
    schemas = {name: _component(rng, names) for name in names}

    def ref() -> dict[str, Any]:
        return {"$ref": f"#/components/schemas/{rng.choice(names)}"}

    paths: dict[str, Any] = {}
    for index in range(rng.randint(1, 3)):
        methods = {}
        for method in rng.sample(["get", "post", "put"], rng.randint(1, 2)):
            operation: dict[str, Any] = {
                "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": ref()}}}},
                "parameters": [{"name": "q", "in": "query", "schema": {"type": rng.choice(["string", "integer"])}}],
            }
            if method != "get":
                operation["requestBody"] = {"content": {"application/json": {"schema": ref()}}}
            methods[method] = operation
        paths[f"/p{index}/{{id}}"] = methods
    return openapi(paths, components={"schemas": schemas})


def _component(rng: random.Random, names: list[str]) -> Any:
    own = schema(rng, 2, refs=False)
    if not isinstance(own, dict) or rng.random() < 0.5:
        properties = {
            "x": own,
            "y": {"$ref": f"#/components/schemas/{rng.choice(names)}"},
            "z": {"type": ["string", "null"]},
        }
        return {"type": "object", "properties": properties, "required": rng.sample(["x", "y"], rng.randint(0, 2))}
    return own


def inlined(tree: dict[str, Any]) -> dict[str, Any]:
    """References replaced by what they refer to, one level deep (components may be recursive)."""
    schemas = tree["components"]["schemas"]

    def put(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return copy.deepcopy(schemas[node["$ref"].rsplit("/", 1)[-1]])
            return {key: put(value) for key, value in node.items()}
        return [put(item) for item in node] if isinstance(node, list) else node

    return {**tree, "paths": put(tree["paths"])}


def wrapped(tree: dict[str, Any]) -> dict[str, Any]:
    """Every schema of a component inside a composition of one."""
    schemas = {name: {"allOf": [value]} for name, value in tree["components"]["schemas"].items()}
    return {**tree, "components": {"schemas": schemas}}


def hoisted(tree: dict[str, Any]) -> dict[str, Any]:
    """Parameters that all operations of a path share, declared for the path."""
    found = copy.deepcopy(tree)
    for item in found["paths"].values():
        shared = [operation["parameters"] for operation in item.values()]
        if all(one == shared[0] for one in shared):
            for operation in item.values():
                del operation["parameters"]
            item["parameters"] = shared[0]
    return found


def shared_bodies(tree: dict[str, Any]) -> dict[str, Any]:
    """Bodies, answers and parameters moved to the components."""
    found = copy.deepcopy(tree)
    parts: dict[str, dict[str, Any]] = {"responses": {}, "requestBodies": {}, "parameters": {}}
    for item in found["paths"].values():
        for operation in item.values():
            for kind, holder, key in (
                ("responses", operation["responses"], "200"),
                ("requestBodies", operation, "requestBody"),
                ("parameters", operation["parameters"], 0),
            ):
                if isinstance(holder, list) or key in holder:
                    name = f"N{len(parts[kind])}"
                    parts[kind][name] = holder[key]
                    holder[key] = {"$ref": f"#/components/{kind}/{name}"}
    return {**found, "components": {**found["components"], **parts}}


REWRITINGS = [inlined, wrapped, hoisted, shared_bodies]


@pytest.mark.parametrize("rewrite", REWRITINGS, ids=[rewrite.__name__ for rewrite in REWRITINGS])
@settings(max_examples=max(EXAMPLES // 5, 20), deadline=None, derandomize=True, database=None)
@given(SEEDS)
def test_an_equivalent_rewriting_of_an_api_finds_nothing(rewrite: Any, seed: int) -> None:
    rng = random.Random(seed)
    tree = api(rng)
    for one, other in ((tree, rewrite(tree)), (rewrite(tree), shuffled(rng, tree))):
        result = judge(one, other, content_model="strict")
        assert [finding for finding in result.findings if finding.rule != "annotation-changed"] == []


def schema_30(rng: random.Random, depth: int = 2) -> dict[str, Any]:
    """A random schema in the words of OpenAPI 3.0: `nullable`, boolean exclusive bounds, references without
    neighbours."""
    kind = rng.choice(
        ["string", "integer", "number", "object", "array", "ref"] if depth else ["string", "integer", "number"]
    )
    found: dict[str, Any] = {"type": kind}
    if kind == "ref":
        ref = {"$ref": f"#/components/schemas/{rng.choice('AB')}"}
        return rng.choice((ref, {"allOf": [ref]}, {"nullable": True, "allOf": [ref]}))
    if kind in {"integer", "number"}:
        found["minimum"] = rng.randint(-2, 2)
        found["exclusiveMinimum"] = rng.random() < 0.5
        if rng.random() < 0.5:
            found["maximum"], found["exclusiveMaximum"] = 9, rng.random() < 0.5
    elif kind == "string" and rng.random() < 0.4:
        found["enum"] = ["a", "b"]
    elif kind == "object":
        found["properties"] = {name: schema_30(rng, depth - 1) for name in ("x", "y")}
        found["required"] = rng.sample(["x", "y"], rng.randint(0, 2))
    elif kind == "array":
        found["items"] = schema_30(rng, depth - 1)
    if rng.random() < 0.4:
        found["nullable"] = True
    return found


def spelled_31(node: Any) -> Any:
    """The same in the words of OpenAPI 3.1."""
    if isinstance(node, list):
        return [spelled_31(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: spelled_31(value) for key, value in node.items() if key != "nullable"}
    for word, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(found.get(word), bool) and found.pop(word):
            found[word] = found.pop(bound)
    if node.get("nullable") is True:
        if "allOf" in found:
            return {"anyOf": [*found["allOf"], {"type": "null"}]}
        found["type"] = [found["type"], "null"]  # an enum without null goes on refusing it
    return found


@BOUNDED
@given(SEEDS)
def test_the_move_from_openapi_3_0_to_3_1_finds_nothing(seed: int) -> None:
    rng = random.Random(seed)
    schemas = {name: schema_30(rng) for name in "AB"}
    schemas = {name: {"type": "object", "properties": {"p": value}} for name, value in schemas.items()}
    body = {"content": {"application/json": {"schema": schema_30(rng)}}}
    answer = {"200": {"description": "OK", "content": {"application/json": {"schema": schema_30(rng)}}}}
    parameters = [{"name": "q", "in": "query", "schema": schema_30(rng, 0)}]
    paths = {"/p": {"post": {"requestBody": body, "responses": answer, "parameters": parameters}}}
    old = openapi(paths, version="3.0.3", components={"schemas": schemas})
    new = {**spelled_31(old), "openapi": "3.1.0"}
    assert judge(old, new, content_model="strict").findings == []
    assert judge(new, old, content_model="strict").findings == []


def shared_root() -> Path:
    return Path(os.environ.get("TILLGATE_SHARED") or Path(__file__).resolve().parents[3] / "shared")


REAL = [
    "adyen/transfer-v3.json",
    "wms-shipwire/carrier.yml",
    "asyncapi/adeo-kafka-request-reply.yml",
    "klaviyo/stable-2022-10-17.json",
]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", REAL)
def test_a_real_contract_against_itself_finds_nothing_that_it_can_read(name: str) -> None:
    path = shared_root() / "data/specs" / name
    if not path.exists():
        pytest.skip(f"no real contracts at {path.parent}")
    one, other = read_file(path), read_file(path)
    unread = {"reference-unresolved", "contract-not-read"}
    assert [
        item for item in compare(one, other, as_of=TODAY).findings if not any(word in item.rule for word in unread)
    ] == []
