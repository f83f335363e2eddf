"""XML Schema that says the same in other words: no finding. A real change beside it is never passed over."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.contracts.labelled_pairs import carrying
from tests.contracts.test_compare_soap import told
from tests.contracts.test_compare_soap_proof import _validator

Tree = dict[str, Any]


def el(name: str, kind: str = "xs:string", **more: Any) -> Tree:
    return {"kind": "element", "name": name, "type": kind, **more}


def group(kind: str, *items: Tree, **more: Any) -> Tree:
    return {"kind": kind, "items": list(items), **more}


def seq(*items: Tree, **more: Any) -> Tree:
    return group("sequence", *items, **more)


def cho(*items: Tree, **more: Any) -> Tree:
    return group("choice", *items, **more)


def written(one: Tree) -> str:
    occurs = "".join(f' {"min" if key == "min" else "max"}Occurs="{one[key]}"' for key in ("min", "max") if key in one)
    if one["kind"] == "element":
        return f'<xs:element name="{one["name"]}" type="{one["type"]}"{occurs}/>'
    return f"<xs:{one['kind']}{occurs}>{''.join(map(written, one['items']))}</xs:{one['kind']}>"


def whole(model: Tree, more: str = "") -> str:
    return f'{more}<xs:complexType name="T">{written(model)}</xs:complexType>'


def simple(base: str, **facets: str | list[str]) -> str:
    rows = [(name, one) for name, value in facets.items() for one in ([value] if isinstance(value, str) else value)]
    inner = "".join(f'<xs:{name} value="{value}"/>' for name, value in rows)
    return f'<xs:simpleType name="T"><xs:restriction base="xs:{base}">{inner}</xs:restriction></xs:simpleType>'


def fixed(value: str, base: str = "boolean") -> str:
    return (
        f'<xs:complexType name="T"><xs:sequence><xs:element name="a" type="xs:{base}" fixed="{value}"/></xs:sequence>'
        f'<xs:attribute name="k" type="xs:{base}" default="{value}"/></xs:complexType>'
    )


A, B, C = el("a"), el("b", "xs:int"), el("c", "xs:date")
ANY = "unbounded"
SAME = {
    "a choice in a choice": (whole(cho(A, cho(B, C))), whole(cho(A, B, C))),
    "a sequence in a sequence": (whole(seq(A, seq(B, C))), whole(seq(seq(A, B), C))),
    "an optional sequence of one element": (whole(seq(A, seq(B, min=0))), whole(seq(A, el("b", "xs:int", min=0)))),
    "an element that may not occur": (whole(seq(A, el("b", "xs:int", min=0, max=0))), whole(seq(A))),
    "elements of an all in another order": (whole(group("all", A, B)), whole(group("all", B, A))),
    "a choice of one": (whole(seq(cho(A), B)), whole(seq(A, B))),
    "optional alternatives": (whole(cho(el("a", min=0), B)), whole(cho(A, B, min=0))),
    "an exclusive bound of an integer": (simple("int", maxExclusive="10"), simple("int", maxInclusive="9")),
    "both ends": (simple("integer", minExclusive="-1"), simple("integer", minInclusive="0")),
    "a type of integers by its bounds": (
        simple("nonNegativeInteger", maxInclusive="9"),
        simple("integer", minInclusive="0", totalDigits="1"),
    ),
    "a bound that the type has": (simple("byte", maxInclusive="127"), simple("byte")),
    "another spelling of a bound": (simple("decimal", maxInclusive="10"), simple("decimal", maxInclusive="+10.00")),
    "a length": (simple("string", length="5"), simple("string", minLength="5", maxLength="5")),
    "no least length": (simple("string", minLength="0"), simple("string")),
    "white space as usual": (simple("token", whiteSpace="collapse"), simple("token")),
    "an enumeration of integers": (simple("int", enumeration=["1", "2"]), simple("int", enumeration=["02", "+1"])),
    "an enumeration of booleans": (simple("boolean", enumeration="1"), simple("boolean", enumeration="true")),
    "an enumeration of tokens": (simple("token", enumeration="a b"), simple("token", enumeration=" a  b ")),
    "an enumeration of octets": (simple("hexBinary", enumeration="0a"), simple("hexBinary", enumeration="0A")),
    "a bound of listed values": (
        simple("int", enumeration=["1", "2"], maxInclusive="5"),
        simple("int", enumeration=["1", "2"]),
    ),
    "patterns of one step in another order": (
        simple("string", pattern=["a", "b"]),
        simple("string", pattern=["b", "a"]),
    ),
    "a fixed value of a boolean": (fixed("1"), fixed("true")),
    "a fixed value of a decimal": (fixed("1.0", "decimal"), fixed("1", "decimal")),
}
#: Before, after, and the verdicts of a request and a response.
ONE_WAY = {
    "a sequence that repeats": (whole(seq(A, B)), whole(seq(A, B, max=2)), "compatible", "breaking"),
    "a sequence that may be absent": (whole(seq(A, B)), whole(seq(A, B, min=0)), "compatible", "breaking"),
    "a choice of two that becomes both optional": (
        whole(cho(A, B)),
        whole(seq(el("a", min=0), el("b", "xs:int", min=0))),
        "compatible",
        "breaking",
    ),
    "repeated optional elements that become a repeated choice": (
        whole(seq(el("a", min=0, max=ANY), el("b", "xs:int", min=0, max=ANY))),
        whole(cho(A, B, min=0, max=ANY)),
        "compatible",
        "breaking",
    ),
    "a group whose members become optional": (
        whole(seq(A, seq(B, C, min=0))),
        whole(seq(A, el("b", "xs:int", min=0), el("c", "xs:date", min=0))),
        "compatible",
        "breaking",
    ),
    "a lower bound of a decimal": (
        simple("decimal", maxExclusive="10"),
        simple("decimal", maxInclusive="9"),
        "breaking",
        "compatible",
    ),
    "a least value that is left out": (
        simple("decimal", minInclusive="0"),
        simple("decimal", minExclusive="0"),
        "breaking",
        "compatible",
    ),
    "a length that becomes a greatest one": (
        simple("string", length="5"),
        simple("string", maxLength="9"),
        "compatible",
        "breaking",
    ),
    "a second step with a pattern": (
        simple("string", pattern="a+"),
        '<xs:simpleType name="S"><xs:restriction base="xs:string"><xs:pattern value="a+"/></xs:restriction>'
        '</xs:simpleType><xs:simpleType name="T"><xs:restriction base="t:S"><xs:pattern value="aa"/></xs:restriction>'
        "</xs:simpleType>",
        "breaking",
        "compatible",
    ),
    "integers of another type within its bounds": (
        simple("short", minInclusive="0"),
        simple("int", minInclusive="0", maxInclusive="9"),
        "breaking",
        "compatible",
    ),
    "unsigned numbers, whose texts have no sign in 1.0": (
        simple("unsignedByte"),
        simple("integer", minInclusive="0", maxInclusive="255"),
        "compatible",
        "breaking",
    ),
    "a fixed value": (fixed("1"), fixed("false"), "breaking", "breaking"),
    "elements that lose their order and one of them its type": (
        whole(cho(A, cho(B, C))),
        whole(cho(A, el("b", "xs:long"), C)),
        "compatible",
        "breaking",
    ),
    "a limited text whose blanks go first now": (
        simple("string", maxLength="5"),
        simple("token", maxLength="5"),
        "breaking",
        "warning",
    ),
    "a listed number that is a listed text": (
        simple("int", enumeration="1"),
        simple("string", enumeration="1"),
        "warning",
        "breaking",
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_in_other_words_is_no_change(name):
    for pair in (SAME[name], SAME[name][::-1]):
        for direction in ("request", "response"):
            found = told(*(carrying(part, direction) for part in pair))
            assert found.verdict == "none", [(one.rule, one.message) for one in found.findings]


@pytest.mark.parametrize("name", ONE_WAY)
def test_a_change_that_only_one_side_sees_breaks_only_that_side(name):
    before, after, *wanted = ONE_WAY[name]
    for direction, verdict in zip(("request", "response"), wanted, strict=True):
        found = told(*(carrying(part, direction) for part in (before, after)))
        assert found.verdict == verdict, (direction, [(one.rule, one.message) for one in found.findings])


def test_a_content_that_is_too_large_to_compare_as_a_language_keeps_its_findings():
    parts = [seq(el(f"a{n}", max=7), el(f"b{n}", min=0, max=5), max=9) for n in range(9)]
    fewer = [{**part, "max": 8} for part in parts]
    old, new = (carrying(whole(seq(cho(*some, max=most))), "request") for some, most in ((parts, 50), (fewer, 60)))
    assert {finding.rule for finding in told(old, new).findings} >= {"request-xml-max-occurs-decreased"}


# Random pairs ---------------------------------------------------------------------------------------------------------

NAMES = "abcdefgh"
KINDS = {name: ("xs:string", "xs:int", "xs:date", "t:Code")[n % 4] for n, name in enumerate(NAMES)}
CODE = (
    '<xs:simpleType name="{}"><xs:restriction base="xs:int"><xs:{} value="{}"/><xs:enumeration value="{}"/>'
    '<xs:enumeration value="7"/></xs:restriction></xs:simpleType>'
)


def _model(rng: random.Random, names: list[str], depth: int) -> Tree:
    occurs: Tree = rng.choice(({}, {}, {}, {"min": 0}, {"min": 0, "max": 2}, {"max": 3}))
    if len(names) == 1 or depth == 0:
        return el(names[0], KINDS[names[0]], **occurs)
    parts: list[list[str]] = [[] for _ in range(rng.randint(2, 3))]
    for name in names:
        rng.choice(parts).append(name)
    items = [_model(rng, part[: 1 if depth == 1 else None], depth - 1) for part in parts if part]
    return group(rng.choice(("sequence", "choice")), *items, **occurs)


def _regrouped(rng: random.Random, one: Tree) -> Tree:
    """The same content with other groups around it."""
    made = {**one}
    if made["kind"] == "element":
        roll = rng.random()
        if roll < 0.15:
            return seq({**made})
        if roll < 0.3 and made.get("min", 1) <= 1 and made.get("max", 1) == 1:
            return group(rng.choice(("sequence", "choice")), el(made["name"], made["type"]), min=made.get("min", 1))
        return made
    made["items"] = [_regrouped(rng, item) for item in made["items"]]
    items = made["items"]
    if len(items) > 2 and rng.random() < 0.5:
        at = rng.randint(1, len(items) - 1)
        made["items"] = [group(made["kind"], *items[:at]), *items[at:]]
    if made["kind"] == "choice":
        rng.shuffle(made["items"])
    if made["kind"] == "sequence" and rng.random() < 0.3:
        made["items"].append(el("zz", min=0, max=0))
    return made


def _changed(rng: random.Random, one: Tree) -> Tree:
    """The same model with one element that is another one."""
    made = {**one}
    if made["kind"] == "element":
        return {**made, "name": f"{made['name']}x"} if rng.random() < 0.5 else {**made, "type": "xs:time"}
    items = list(made["items"])
    at = rng.choice([n for n, item in enumerate(items) if item.get("max") != 0])
    items[at] = _changed(rng, items[at])
    return {**made, "items": items}


def _all(rng: random.Random, model: Tree) -> Tree:
    names = rng.sample(NAMES, rng.randint(1, 4))
    return group("all", *(el(name, KINDS[name]) for name in names)) if rng.random() < 0.2 else model


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_a_random_schema_in_other_words_is_none_and_a_changed_one_never(seed):
    rng = random.Random(seed)
    model = _all(rng, seq(_model(rng, rng.sample(NAMES, rng.randint(1, 8)), 3)))
    same = {**model, "items": rng.sample(model["items"], len(model["items"]))} if model["kind"] == "all" else None
    same = same or _regrouped(rng, model)
    old_code, new_code = CODE.format("Code", "maxExclusive", "10", "5"), CODE.format("Kode", "maxInclusive", "9", "05")
    old = whole(model, old_code)
    new = whole(same, new_code).replace("t:Code", "t:Kode") if rng.random() < 0.5 else whole(same, old_code)
    if _validator(old) is None or _validator(new) is None:
        return
    other = whole(seq(_changed(rng, same)) if same["kind"] != "all" else _changed(rng, same), old_code)
    for direction in ("request", "response"):
        found = told(*(carrying(part, direction) for part in (old, new)))
        left = [one for one in found.findings if "type-renamed" not in one.rule and "xml-type-" not in one.rule]
        assert not left, (old, new, [(one.rule, one.message) for one in left])
        if _validator(other) is not None:
            assert told(*(carrying(part, direction) for part in (new, other))).verdict != "none", (new, other)


FACETS = ("minInclusive", "minExclusive", "maxInclusive", "maxExclusive", "totalDigits", "fractionDigits")
LENGTHS = ("length", "minLength", "maxLength")
ROOTS = ("int", "integer", "short", "unsignedByte", "nonNegativeInteger", "decimal", "double", "string", "token")
TEXTS = ("-200", "-1", "0", "+0", "00", "1", "01", "1.5", "2", "5", "9", "10", "99", "200", "40000", "1e1")
NUMBERS = ("0", "00", "1", "01", "2", "5", "9")
WORDS = ("", "a", "ab", " ab ", "a  b", "abc", "abcde", "true", "1")


def _random_type(rng: random.Random) -> str:
    root = rng.choice(ROOTS)
    textual = root in ("string", "token")
    facets: dict[str, str | list[str]] = {}
    for _ in range(rng.randint(0, 2)):
        name = rng.choice(LENGTHS if textual else FACETS)
        low = "1" if name == "totalDigits" else "0"
        facets[name] = rng.choice((low, "1", "2", "5") if textual or "Digits" in name else ("-1", "0", "1", "5", "10"))
    if rng.random() < 0.3:
        facets["enumeration"] = rng.sample(
            WORDS if textual else ("0", "00", "1", "01", "2", "5", "9"), rng.randint(1, 3)
        )
    if textual and rng.random() < 0.2:
        facets["pattern"] = rng.choice(("a.*", "[ab ]*", ".b"))
    return simple(root, **facets)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_no_value_speaks_against_what_is_told_of_simple_types(seed):
    rng = random.Random(seed)
    parts = [_random_type(rng) for _ in range(2)]
    validators = [_validator(part) for part in parts]
    if None in validators:
        return
    for direction, sender, reader in (("request", *validators), ("response", *validators[::-1])):
        verdict = told(*(carrying(part, direction) for part in parts)).verdict
        if verdict in ("breaking", "warning"):
            continue
        for text in (*TEXTS, *WORDS):
            document = etree.fromstring(f'<In xmlns="urn:t">{text}</In>')
            if sender.validate(document):
                assert reader.validate(document), (direction, parts, text)
