"""Hostile and damaged contracts end within their bounds: read, or refused with a code, never with a traceback."""

from __future__ import annotations

import json
import random
import resource
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.labelled_pairs import WSDL
from tests.contracts.mutations import bombs, damage, disturb
from tests.contracts.test_read_graphql import SHOP
from tests.contracts.test_read_odata import V2, V4
from tests.contracts.test_read_real import ASYNC_2, ASYNC_3
from tests.contracts.test_read_soap import WSDL_2, XSD
from tests.contracts.test_read_swagger import SWAGGER
from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading import Document, ReadingLimits, read

SCHEMA = json.dumps(
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {
            "a": {"$anchor": "a", "type": "object", "required": ["x"], "properties": {"x": {"enum": [1, None, "b"]}}}
        },
        "allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#a"}, {"not": {"pattern": "^a"}}],
        "items": {"$ref": "#"},
    }
).encode()
SEEDS = (SWAGGER, V2, V4, ASYNC_2, ASYNC_3, SCHEMA, SHOP, WSDL.encode(), WSDL_2, XSD)
TIGHT = ReadingLimits(max_bytes=200_000, max_values=20_000, seconds=5.0)


def use(data: bytes, limits: ReadingLimits = TIGHT) -> str:
    """Read and look at everything, or be refused properly. Answers `read` or the code of the refusal."""
    refusal: ContractError | None = None
    try:
        document = read(data, limits=limits)
    except ContractError as error:
        refusal = error
    if refusal is not None:
        assert refusal.code.startswith("contract.")
        assert len(refusal.message) < 2000
        json.dumps(refusal.data)
        return refusal.code
    for operation in document.operations:
        document.pointer_line(operation.pointer)
        document.origin(operation.pointer)
    assert document.title is not None
    assert document.schemas is not None
    assert document.fields is not None
    assert document.servers is not None
    assert document.security_schemes is not None
    assert document.schema_digests is not None
    for problem in document.problems:
        document.pointer_line(problem.pointer)
    again = Document.from_canonical(document.canonical)
    assert (again.format, again.digest) == (document.format, document.digest)
    return "read"


REASONS = {
    "yaml_aliases": "contract.too_many_values",
    "yaml_long_alias": "contract.too_many_values",
    "yaml_flow_depth": "contract.too_deep",
    "json_depth_lists": "contract.too_deep",
    "json_long_reference_chain": "contract.too_deep",
    "json_doubling": "contract.too_many_values",
    "json_digits": "contract.number_out_of_range",
    "large": "contract.too_large",
    "xml_entities": "contract.xml_dtd",
    "xml_external": "contract.xml_dtd",
    "xml_depth": "contract.xml_syntax",
    "edmx_paths": "contract.too_many_values",
}


@pytest.mark.parametrize("name", sorted(bombs()))
def test_a_bomb_ends_within_its_bounds_and_for_what_it_is(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    reason = use(bombs()[name], limits=ReadingLimits(seconds=10.0))
    assert time.process_time() - started < 15
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024, "more than 400 MB for one document"
    assert REASONS.get(name, reason) == reason


def test_schemas_that_contain_themselves_are_no_bomb() -> None:
    tree = {
        "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}, {"type": "null"}]}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}},
        "$ref": "#/$defs/a",
    }
    assert read(json.dumps(tree).encode()).problems == ()


def test_the_time_limit_stops_a_slow_reading() -> None:
    with pytest.raises(ContractError) as caught:
        read(b"type: object\nenum: [" + b"a, " * 200_000 + b"]", limits=ReadingLimits(seconds=0.0))
    assert caught.value.code == "contract.too_slow"


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_damaged_bytes_are_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        use(damage(SEEDS[seed], chance))


@pytest.mark.parametrize("seed", [0, 3, 4, 5])
def test_disturbed_values_are_read_or_refused(seed: int) -> None:
    document = read(SEEDS[seed])
    chance = random.Random(seed)
    for _ in range(100):
        use(json.dumps(disturb(document.source, chance)).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "openapi",
                    "paths",
                    "/a",
                    "get",
                    "parameters",
                    "schema",
                    "$ref",
                    "properties",
                    "allOf",
                    "type",
                    "required",
                    "$id",
                ]
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON, st.sampled_from([{"openapi": "3.1.0"}, {"swagger": "2.0"}, {"asyncapi": "3.0.0"}, {"$schema": "x"}]))
def test_any_json_below_a_version_is_read_or_refused(value: object, head: dict[str, str]) -> None:
    tree = {**value, **head} if isinstance(value, dict) else {**head, "paths": value, "components": value}
    use(json.dumps(tree).encode())
