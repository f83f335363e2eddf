"""YAML that others write is read as they read it, and a key that stands twice is refused wherever YAML is read."""

from __future__ import annotations

import pytest

from kernel import bounded_yaml
from kernel.errors import Invalid

OLD_WORDS = [
    "no",
    "NO",
    "on",
    "off",
    "yes",
    "y",
    "n",
    "12:30",
    "1:20:30",
    "1_000",
    "012",
    "0o17",
    "0x1F",
    "1e3",
    "1.10",
]
OLD_WORDS += ["1:20:30", "2024-01-01", "+5", ".5", "5.", "1e400", "-0", "=", "."]


@pytest.mark.parametrize("written", [*OLD_WORDS, "2024-01-01 10:00:00"])
def test_what_is_a_word_to_older_readers_alone_stays_the_text_that_it_is(written):
    assert list(bounded_yaml.each(f"a: {written}\n", of_others=True)) == [{"a": written}]


@pytest.mark.parametrize(
    ("written", "means"),
    [("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None), ("12", 12), ("-3", -3), ("1.5", 1.5)],
)
def test_words_and_numbers_of_the_core_schema_are_read(written, means):
    assert list(bounded_yaml.each(f"a: {written}", of_others=True)) == [{"a": means}]


def test_our_own_documents_keep_their_words_and_merge_keys():
    assert bounded_yaml.load("a: yes\nb: &b {x: 1}\nc: {<<: *b, x: 2}") == {"a": True, "b": {"x": 1}, "c": {"x": 2}}
    assert list(bounded_yaml.each("b: &b {x: no}\nc: {<<: *b, y: 2}", of_others=True)) == [
        {"b": {"x": "no"}, "c": {"x": "no", "y": 2}}
    ]


@pytest.mark.parametrize("of_others", [False, True])
@pytest.mark.parametrize(
    "text",
    ["a: 1\na: 2", "{a: 1, a: 1}", "x: {y: [{a: 1, 'a': 2}]}", "{1: a, 1: b}", "b: &b {x: 1}\nc: {<<: *b, x: 2, x: 3}"],
)
def test_a_key_that_stands_twice_is_refused_with_its_place(text, of_others):
    (made,) = bounded_yaml.each(text, of_others=of_others)
    assert isinstance(made, Invalid)
    assert made.code == "yaml.syntax"
    assert "stands twice in one object, first in line" in made.message
    assert "(line " in made.message


def test_a_document_with_a_key_twice_costs_itself():
    first, second, third = bounded_yaml.each("a: 1\n---\na: 1\na: 2\n---\nb: 3", of_others=True)
    assert (first, third) == ({"a": 1}, {"b": 3})
    assert isinstance(second, Invalid)
