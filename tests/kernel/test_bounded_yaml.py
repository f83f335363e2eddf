"""The bounded loader of YAML: bounds come first; what cannot be built is a refusal with its place."""

from __future__ import annotations

import time
from datetime import date

import pytest

from kernel import bounded_yaml
from kernel.errors import Invalid


def bomb(levels: int) -> str:
    lines = ["x0: &x0 lollollol", *(f"x{n}: &x{n} [{','.join([f'*x{n - 1}'] * 10)}]" for n in range(1, levels))]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        bomb(6),
        bomb(60),
        "a: &a [*a]",
        "a: &a {b: [{c: *a}]}",
        "[" * 100 + "]" * 100,
        "a: " + "9" * 5000,
        "a: " + "1:1" * 5000,
        "a: &a {x: 1}\n" + "b: &b {<<: [" + ",".join(["*a"] * 60_000) + "]}",
    ],
    ids=range(8),
)
def test_what_passes_a_bound_is_refused_before_it_is_built(text):
    began = time.monotonic()
    with pytest.raises(Invalid) as refused:
        bounded_yaml.load(text)
    assert refused.value.code == "yaml.bounds"
    assert "line" in refused.value.message
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: 2024-13-45",
        "a: !!bool perhaps",
        "a: !!timestamp yesterday",
        "a: !!int many",
        "a: !!python/object:os.system x",
        "? [a]\n: b",
        "a: *nowhere",
        "a: 1\n---\nb: 2",
        b"a: \xff\xfe\xfa",
        "a: \x00",
    ],
    ids=range(11),
)
def test_what_cannot_be_built_is_said_with_a_stable_code(text):
    with pytest.raises(Invalid) as refused:
        bounded_yaml.load(text, what="blueprint.yaml")
    assert refused.value.code == "yaml.syntax"
    assert refused.value.message.startswith("blueprint.yaml ")


def test_what_people_write_is_read_as_before():
    text = "a: &a {b: 1, c: no}\nd: {<<: *a, e: 2024-02-29}\nf: [*a, *a]"
    read = bounded_yaml.load(text)
    assert read["d"] == {"b": 1, "c": False, "e": date(2024, 2, 29)}
    assert read["f"] == [read["a"], read["a"]]
    assert bounded_yaml.load("") is None
    assert bounded_yaml.load_all("a: 1\n---\nb: 2") == [{"a": 1}, {"b": 2}]
