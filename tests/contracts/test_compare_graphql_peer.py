"""graphql-core's own comparison as a peer: what it calls breaking breaks here too, or the difference has a reason."""

from __future__ import annotations

import random

import pytest
from graphql import BreakingChangeType as Breaking
from graphql import build_schema, find_breaking_changes, find_dangerous_changes
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.labelled_pairs import graphql_schema as schema
from tests.contracts.labelled_pairs import pairs
from tests.contracts.test_compare_graphql import told

PAIRS = pairs("graphql")
#: Kinds of change that the peer calls breaking and that may be less here, with the rule that says so and the reason.
MILDER = {
    Breaking.FIELD_REMOVED: ("graphql-field-removed-with-deprecation", "it was deprecated: a warning"),
    Breaking.VALUE_REMOVED_FROM_ENUM: (
        "graphql-enum-value-no-longer-sent",
        "no request can name a value of an enum that stands in answers only",
    ),
    Breaking.DIRECTIVE_REMOVED: (
        "graphql-directive-removed",
        "no request can use a directive that is for schemas only",
    ),
}
#: Sections where we say breaking and the peer says nothing, because it compares only what the specification defines.
STRICTER = {
    "3.3.1 root type renamed": "the peer compares root types by name, and both exist",
    "Federation 2 @inaccessible": "the peer knows no federation",
    "3.10 oneOf": "the peer does not compare @oneOf",
    "3.6.1 default of a required argument removed": "the peer calls a lost default dangerous, whatever the type",
    "3.3.1 root type": "the peer compares types, and the type may stay where it is no root any more",
}


@pytest.mark.parametrize("pair", PAIRS, ids=[f"{n} {pair[0]}" for n, pair in enumerate(PAIRS)])
def test_the_peer_agrees_on_what_breaks_or_the_difference_has_a_reason(pair):
    section, before, after, verdict, _ = pair
    texts = schema(before), schema(after)
    sides = [build_schema(text, assume_valid=True, assume_valid_sdl=True) for text in texts if "Gone" not in text]
    if len(sides) < 2:
        assert section == "a name that nothing defines"
        return
    # 3.5: the five scalars are there in every schema, whether anything uses them or not.
    peer = [change for change in find_breaking_changes(*sides) if "Standard scalar" not in change.description]
    ours = told(*texts)
    rules = {finding.rule for finding in ours.findings}
    if peer and verdict != "breaking":
        assert all(change.type in MILDER and MILDER[change.type][0] in rules for change in peer), peer
    if verdict == "breaking" and not peer:
        assert section in STRICTER, ours.findings


SCALARS = ("Int", "String", "ID", "Color", "Color!", "[Int]", "[Int!]!", "String!")


def _random_schema(rng: random.Random) -> dict[str, dict[str, str]]:
    """Parts of a schema as text, by name: what a mutation may take away or write anew."""
    outputs = (*SCALARS, "A", "B!", "[A]", "Hit", "Node")
    parts: dict[str, dict[str, str]] = {
        "enum Color": dict.fromkeys(rng.sample(("RED", "GREEN", "BLUE", "GREY"), 3), ""),
        "input In": {f"f{n}": _input(rng) for n in range(3)},
        "interface Node": {"id": ": ID"},
    }
    for name in ("A", "B"):
        parts[f"type {name}"] = {f"f{n}": f"{_arguments(rng)}: {rng.choice(outputs)}" for n in range(3)}
    parts["type Query"] = {f"q{n}": f"{_arguments(rng)}: {rng.choice(outputs)}" for n in range(3)}
    parts["union Hit"] = dict.fromkeys(rng.sample(("A", "B", "Query"), 2), "")
    return parts


def _input(rng: random.Random) -> str:
    written = rng.choice((*SCALARS, "In"))
    default = " = 1" if written == "Int" and rng.random() < 0.5 else ""
    return f": {written}{default}"


def _arguments(rng: random.Random) -> str:
    names = [f"a{n}{_input(rng)}" for n in range(rng.randint(0, 2))]
    return f"({', '.join(names)})" if names else ""


def _mutated(rng: random.Random, parts: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    made = {name: dict(members) for name, members in parts.items()}
    for _ in range(rng.randint(1, 2)):
        other = _random_schema(rng)
        name = rng.choice([key for key in made if key != "interface Node"])
        member = rng.choice(sorted(other[name]))
        if rng.random() < 0.4 and len(made[name]) > 1:
            made[name].pop(rng.choice(sorted(made[name])))
        else:
            made[name][member] = other[name][member]
    return made


def _text(parts: dict[str, dict[str, str]]) -> str:
    shown = []
    for name, members in parts.items():
        if name.startswith("union"):
            shown.append(f"{name} = {' | '.join(members)}")
        else:
            shown.append(f"{name} {{ {' '.join(key + value for key, value in members.items())} }}")
    return "\n".join(shown)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32))
def test_no_change_that_the_peer_calls_breaking_passes(seed):
    rng = random.Random(seed)
    parts = _random_schema(rng)
    before, after = _text(parts), _text(_mutated(rng, parts))
    sides = [build_schema(text, assume_valid=True, assume_valid_sdl=True) for text in (before, after)]
    peer = find_breaking_changes(*sides)
    ours = told(before, after)
    rules = {finding.rule for finding in ours.findings}
    unexplained = [change for change in peer if not (change.type in MILDER and MILDER[change.type][0] in rules)]
    assert ours.verdict == "breaking" or not unexplained, (before, after, unexplained)
    assert ours.verdict != "none" or not find_dangerous_changes(*sides), (before, after)
    if before != after and not peer and ours.verdict == "breaking":
        assert rules & {"graphql-argument-became-required", "graphql-input-field-became-required"}, ours.findings
