"""The compiled function and a slow interpreter that shares no code with it agree on everything."""

from decimal import Decimal

import pytest

from runtime.mapping import MappingError, compile_mapping, parse
from tests.runtime.mapping import generate, oracle

pytestmark = pytest.mark.thorough


def exact(value):
    """Equal values with equal digits; 1 and True, 1 and 1.0 are different things."""
    if isinstance(value, dict):
        return {k: exact(v) for k, v in value.items()}
    if isinstance(value, list):
        return [exact(v) for v in value]
    if isinstance(value, Decimal):
        return (Decimal, value, value.as_tuple().exponent) if value.as_tuple().exponent > -13 else (Decimal, value)
    return (type(value), value)


def compare(seed, documents=10):
    """Runs one generated mapping both ways; gives (documents mapped, documents refused)."""
    spec, docs = generate.case(seed, documents)
    run = compile_mapping(parse(generate.strip(spec)))
    mapped = refused = 0
    for n, doc in enumerate(docs):
        try:
            expected, wrong = oracle.run(spec, doc, "cid"), None
        except oracle.Refused as error:
            expected, wrong = None, error.field
        try:
            found, error_at = run(doc, "cid"), None
        except MappingError as error:
            found, error_at = None, error.field
        assert error_at == wrong, f"seed {seed}, document {n}: refused at {error_at!r}, the oracle at {wrong!r}"
        assert exact(found) == exact(expected), f"seed {seed}, document {n}"
        mapped, refused = mapped + (wrong is None), refused + (wrong is not None)
    return mapped, refused


@pytest.mark.parametrize("start", range(0, 400, 100))
def test_the_compiled_mapping_agrees_with_the_oracle_on_generated_cases(start):
    results = [compare(seed) for seed in range(start, start + 100)]
    assert sum(mapped for mapped, _ in results) > 200, "too few documents map: the comparison would say little"
    assert sum(refused for _, refused in results) > 100
