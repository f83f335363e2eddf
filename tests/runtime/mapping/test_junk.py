"""Whatever comes in as spec, formula, path or document: findings or a MappingError, never anything else."""

import contextlib
import copy
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.errors import Invalid
from runtime.mapping import MappingError, check_against, compile_mapping, diff, encode, explain, lineage, parse
from runtime.mapping.formula import FormulaError, parse_formula, spell
from runtime.mapping.paths import MappingPathError, parse_path
from tests.runtime.mapping import generate
from tests.runtime.mapping.specs import DOCUMENT, SALE
from tests.runtime.mapping.test_review import SOURCE, TARGET

pytestmark = pytest.mark.thorough

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FORMULA = st.text(alphabet="ab1.0'`$[]()<>=!+-*/, \n\tif(or)and not", max_size=60)


def everything(spec):
    """All that the product does with a spec."""
    try:
        mapping = parse(spec)
    except Invalid as error:
        found = error.findings
    else:
        found = None
    if found is not None:
        assert found
        assert all(isinstance(f["pointer"], str) and f["message"] for f in found)
        return None
    explain(mapping)
    lineage(mapping)
    assert diff(mapping, mapping) == []
    check_against(mapping, SOURCE, TARGET)
    return compile_mapping(mapping)


@given(JSON)
@settings(max_examples=150, deadline=None)
def test_any_json_as_a_spec(junk):
    everything(junk)


@given(JSON, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_a_good_spec_with_junk_in_one_place(junk, rng):
    run = everything(damaged(SALE, junk, rng))
    if run is not None:
        mapped(run, DOCUMENT)


@given(JSON, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_a_good_document_with_junk_in_one_place(junk, rng):
    mapped(RUN, damaged(DOCUMENT, junk, rng))


@given(FORMULA)
@settings(max_examples=400, deadline=None)
def test_any_text_as_a_formula(text):
    try:
        node = parse_formula(text)
    except FormulaError:
        return
    assert spell(parse_formula(spell(node))) == spell(node)


@given(st.text(alphabet="ab.$[]='`01@ \n", max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_text_as_a_path(text):
    try:
        path = parse_path(text)
    except MappingPathError:
        return
    assert parse_path(str(path)) == path


def test_spelling_a_formula_keeps_its_meaning():
    """The normal spelling is what two releases are compared by: it must read back as the same tree."""
    rng = random.Random(5)
    for _ in range(500):
        text = generate.render(generate._number(rng, 4))
        node = parse_formula(text)
        assert parse_formula(spell(node)) == node, text


RUN = compile_mapping(parse(SALE))


def mapped(run, document):
    with contextlib.suppress(MappingError):
        encode(run(document, "c"))


def damaged(tree, junk, rng):
    """A copy with one node, chosen at random, replaced."""
    copied = copy.deepcopy(tree)
    node = copied
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return copied
        key = rng.choice(keys)
        if isinstance(node[key], dict | list) and node[key] and rng.random() < 0.7:
            node = node[key]
            continue
        node[key] = junk
        return copied
