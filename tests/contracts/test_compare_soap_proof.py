"""A proof by witnesses: whatever the comparison lets pass, libxml2's own validator accepts as well.

Random pairs of types; documents of one side are made by chance, and checked against both schemas.
"""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.contracts.labelled_pairs import carrying
from tests.contracts.test_compare_soap import told

NAMES = ("a", "b", "c", "d")
TYPES = ("xs:int", "xs:short", "xs:decimal", "xs:string", "xs:date", "xs:boolean", "t:Code", "t:Size")
VALUES = ("", "1", "-40000", "70000", "1.5", "true", "2026-11-30", "A", "B", "ABC", "toolong")
Particle = dict[str, Any]


def _particle(rng: random.Random, depth: int) -> Particle:
    roll = rng.random()
    found: Particle = {"min": rng.choice((0, 1, 1, 2)), "max": rng.choice((1, 1, 2, 3))}
    found["max"] = max(found["min"], found["max"])
    if depth == 0 or roll < 0.6:
        # One name always has one type, and stands once: else a schema is ambiguous and no schema at all.
        return {**found, "kind": "element", "name": rng.choice(NAMES), "type": rng.choice(TYPES)}
    kind = "sequence" if roll < 0.8 else "choice"
    return {**found, "kind": kind, "items": [_particle(rng, depth - 1) for _ in range(rng.randint(1, 3))]}


def _model(rng: random.Random) -> Particle:
    items = [_particle(rng, 2) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.2:
        names = rng.sample(NAMES, rng.randint(1, 3))
        items = [{"kind": "element", "name": name, "type": rng.choice(TYPES), "min": 0, "max": 1} for name in names]
        return {"kind": "all", "items": items, "min": 1, "max": 1}
    return {"kind": "sequence", "items": items, "min": 1, "max": 1}


def _changed(rng: random.Random, one: Particle) -> Particle:
    made = {**one}
    roll = rng.random()
    if "items" in made:
        items = [dict(item) for item in made["items"]]
        if roll < 0.15 and len(items) > 1:
            items.pop(rng.randrange(len(items)))
        elif roll < 0.3:
            items.insert(rng.randint(0, len(items)), _particle(rng, 0 if made["kind"] == "all" else 1))
        elif roll < 0.4:
            rng.shuffle(items)
        elif roll < 0.5 and made["kind"] != "all":
            made["kind"] = "choice" if made["kind"] == "sequence" else "sequence"
        else:
            number = rng.randrange(len(items))
            items[number] = _changed(rng, items[number])
        made["items"] = items
    elif roll < 0.5:
        made["type"] = rng.choice(TYPES)
    if roll > 0.5 and made["kind"] != "all":
        made["min"] = rng.choice((0, 1, 2))
        made["max"] = max(made["min"], rng.choice((1, 2, 3)))
    return made


def _text(one: Particle) -> str:
    occurs = f'minOccurs="{one["min"]}" maxOccurs="{one["max"]}"'
    if one["kind"] == "element":
        return f'<xs:element name="{one["name"]}" type="{one["type"]}" {occurs}/>'
    return f"<xs:{one['kind']} {occurs}>{''.join(map(_text, one['items']))}</xs:{one['kind']}>"


def _schema(model: Particle, rng: random.Random) -> str:
    size, codes = rng.randint(1, 5), "".join(f'<xs:enumeration value="{c}"/>' for c in rng.sample("ABC", 2))
    must = rng.choice(("required", "optional"))
    return (
        f'<xs:simpleType name="Code"><xs:restriction base="xs:string">{codes}</xs:restriction></xs:simpleType>'
        f'<xs:simpleType name="Size"><xs:restriction base="xs:string"><xs:maxLength value="{size}"/></xs:restriction>'
        f'</xs:simpleType><xs:complexType name="T">{_text(model)}<xs:attribute name="k" type="xs:int" use="{must}"/>'
        "</xs:complexType>"
    )


def _document(rng: random.Random, one: Particle) -> str:
    parts = []
    for _ in range(rng.randint(one["min"], one["max"])):
        if one["kind"] == "element":
            parts.append(f"<{one['name']}>{rng.choice(VALUES)}</{one['name']}>")
        elif one["kind"] == "choice":
            parts.append(_document(rng, rng.choice(one["items"])))
        else:
            items = list(one["items"])
            if one["kind"] == "all":
                rng.shuffle(items)
            parts += [_document(rng, item) for item in items]
    return "".join(parts)


def _validator(part: str) -> etree.XMLSchema | None:
    root = etree.fromstring(carrying(part, "request"))
    schema = next(root.iter("{http://www.w3.org/2001/XMLSchema}schema"))
    try:
        return etree.XMLSchema(etree.fromstring(etree.tostring(schema)))
    except etree.XMLSchemaParseError:
        return None  # ambiguous: a name twice, or with two types


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_what_passes_has_no_witness_against_it(seed):
    rng = random.Random(seed)
    model = _model(rng)
    other = _changed(rng, model)
    fixed = rng.random() < 0.5
    parts = [_schema(one, random.Random(seed if fixed else seed + n)) for n, one in enumerate((model, other))]
    validators = [_validator(part) for part in parts]
    if None in validators:
        return
    old, new = validators
    for direction, sender, reader, sent in (("request", old, new, model), ("response", new, old, other)):
        verdict = told(*(carrying(part, direction) for part in parts), content_model="strict").verdict
        if verdict in ("breaking", "warning"):
            continue
        for _ in range(25):
            key = rng.choice(("", ' k="1"'))
            element = etree.fromstring(f'<In xmlns="urn:t"{key}>{_document(rng, sent)}</In>')
            if sender.validate(element):
                assert reader.validate(element), (direction, parts, etree.tostring(element))
