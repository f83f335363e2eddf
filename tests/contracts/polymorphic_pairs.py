"""Pairs of polymorphic contracts with the verdict that the standards ask for, in a request and in a response.

The labels follow the text of the standards, not the rules of the engine:

- OAS: OpenAPI 3.0.4 and 3.1.1 section 4.8.25 (Discriminator Object), 3.0.4 section 4.7.24 (Composition and
  Inheritance), 3.2.0 section 4.25 (`defaultMapping`). The tag picks the one schema by which a value is judged. A name
  without an entry in `mapping` is the name of the schema component; an entry is a name or a URI reference.
- JS: JSON Schema 2020-12 Core section 10.2.1 (`allOf`, `anyOf`, `oneOf`).

A request may only accept more, a response may only promise less. `fine` is "nothing breaks" (`none` or `compatible`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

REF = "#/components/schemas/"


class Contract(NamedTuple):
    """The schema of the body, and the components. `version` is that of OpenAPI."""

    body: Any
    schemas: dict[str, Any]
    version: str = "3.1.0"


class Pair(NamedTuple):
    name: str
    source: str
    old: Contract
    new: Contract
    request: str
    response: str


def ref(name: str) -> dict[str, str]:
    return {"$ref": name if "/" in name else REF + name}


def thing(*required: str, **properties: Any) -> dict[str, Any]:
    """An open object with a tag `kind`, which is required, and more properties by name and type."""
    listed = {name: {"type": value} if isinstance(value, str) else value for name, value in properties.items()}
    return {"type": "object", "required": ["kind", *required], "properties": {"kind": {"type": "string"}, **listed}}


CASH = thing(drawer="string")
CARD = thing(authCode="string")
GIFT = thing(balance="number")
BARE = thing()
CARD_NUMBER = thing(authCode="integer")


def by_tag(*names: str, kind: str = "oneOf", mapping: Any = None, name: str = "kind", **more: Any) -> dict[str, Any]:
    """A union of components with a discriminator; without `mapping` the names of the components are the tags."""
    discriminator: dict[str, Any] = {"propertyName": name}
    if mapping is not None:
        discriminator["mapping"] = mapping
    if "default" in more:
        discriminator["defaultMapping"] = more.pop("default")
    return {kind: [ref(one) for one in names], "discriminator": discriminator, **more}


def union(*names: str, kind: str = "oneOf") -> dict[str, Any]:
    return {kind: [ref(one) for one in names]}


def same(body: Any, old: dict[str, Any], new: dict[str, Any], version: str = "3.1.0") -> tuple[Contract, Contract]:
    """The same body on both sides, over other components."""
    return Contract(body, old, version), Contract(body, new, version)


TWO = {"Cash": BARE, "Card": CARD}
MAPPED = by_tag("Cash", "Card", mapping={"cash": REF + "Cash", "card": REF + "Card"})
NAMED = by_tag("Cash", "Card", mapping={"cash": "Cash", "card": "Card"})
IMPLICIT = by_tag("Cash", "Card")


def _branches() -> list[Pair]:
    """What changes inside one branch, while a looser one stands beside it."""
    found = []
    changes: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
        ("a property changes its type", CARD, CARD_NUMBER, "breaking", "breaking"),
        ("a property becomes required", CARD, thing("authCode", authCode="string"), "breaking", "fine"),
        ("a property is no longer required", thing("authCode", authCode="string"), CARD, "fine", "breaking"),
        ("a property is narrowed", thing(authCode="number"), thing(authCode="integer"), "breaking", "fine"),
        ("a property is widened", thing(authCode="integer"), thing(authCode="number"), "fine", "breaking"),
        (
            "a list of values shrinks",
            thing(authCode={"enum": ["a", "b"]}),
            thing(authCode={"enum": ["a"]}),
            "breaking",
            "fine",
        ),
        (
            "a bound goes away",
            thing(authCode={"type": "string", "maxLength": 6}),
            thing(authCode={"type": "string"}),
            "fine",
            "breaking",
        ),
        ("a promised property is gone", thing("authCode", authCode="string"), thing(), "warning", "breaking"),
        ("an optional property is new", CARD, thing(authCode="string", brand="string"), "fine", "fine"),
        ("a description changes", CARD, {**CARD, "description": "A card"}, "fine", "fine"),
    ]
    for word, body in (
        ("with a mapping by reference", MAPPED),
        ("with a mapping by name", NAMED),
        ("with the names of schemas", IMPLICIT),
        ("in anyOf", by_tag("Cash", "Card", kind="anyOf")),
    ):
        for change, before, after, request, response in changes:
            pair = same(body, {"Cash": BARE, "Card": before}, {"Cash": BARE, "Card": after})
            found.append(Pair(f"{change}, {word}", "OAS 4.8.25", *pair, request, response))
    return found


def _tags() -> list[Pair]:
    """Tags that come, go, are renamed or lead elsewhere."""
    three = {**TWO, "Gift": GIFT}
    nested_old = {"Cash": BARE, "Card": by_tag("Visa", "Amex", name="network"), "Visa": CARD, "Amex": BARE}
    nested_new = {**nested_old, "Visa": CARD_NUMBER}
    nested_less = {**nested_old, "Card": by_tag("Visa", name="network")}
    nested_turned = {
        **nested_old,
        "Card": by_tag("Visa", "Amex", name="network", mapping={"Visa": REF + "Amex", "Amex": REF + "Visa"}),
    }
    tags = {"cash": "Cash", "card": "Card", "gift": "Gift"}
    listed = {"Cash": thing(kind={"enum": ["cash"]}), "Card": thing(kind={"enum": ["card"]}, authCode="string")}
    two_tags = by_tag("Cash", "Card", mapping={"cash": "Cash", "coins": "Cash", "card": "Card"})
    return [
        Pair(
            "a tag is new", "OAS 4.8.25", *bodies(IMPLICIT, by_tag("Cash", "Card", "Gift"), three), "fine", "breaking"
        ),
        Pair(
            "a tag is gone", "OAS 4.8.25", *bodies(by_tag("Cash", "Card", "Gift"), IMPLICIT, three), "breaking", "fine"
        ),
        Pair(
            "a tag is new in anyOf",
            "OAS 4.8.25",
            *bodies(by_tag("Cash", "Card", kind="anyOf"), by_tag("Cash", "Card", "Gift", kind="anyOf"), three),
            "fine",
            "breaking",
        ),
        Pair(
            "a tag of a schema with two tags is gone", "OAS 4.8.25", *bodies(two_tags, NAMED, TWO), "breaking", "fine"
        ),
        Pair("a schema has a second tag", "OAS 4.8.25", *bodies(NAMED, two_tags, TWO), "fine", "breaking"),
        Pair(
            "the entry of a schema goes, so its name is the tag",
            "OAS 4.8.25",
            *bodies(NAMED, by_tag("Cash", "Card", mapping={"card": "Card"}), TWO),
            "breaking",
            "breaking",
        ),
        Pair(
            "a tag is spelled otherwise",
            "OAS 4.8.25",
            *bodies(NAMED, by_tag("Cash", "Card", mapping={"CASH": "Cash", "card": "Card"}), TWO),
            "breaking",
            "breaking",
        ),
        Pair(
            "two tags change places",
            "OAS 4.8.25",
            *bodies(NAMED, by_tag("Cash", "Card", mapping={"cash": "Card", "card": "Cash"}), TWO),
            "breaking",
            "breaking",
        ),
        Pair(
            "two tags change places by relative references",
            "OAS 4.8.25",
            *bodies(MAPPED, by_tag("Cash", "Card", mapping={"cash": REF + "Card", "card": REF + "Cash"}), TWO),
            "breaking",
            "breaking",
        ),
        Pair(
            "a branch goes, and its entry stays",
            "OAS 4.8.25",
            *bodies(by_tag("Cash", "Card", "Gift", mapping=tags), by_tag("Cash", "Card", mapping=tags), three),
            "breaking",
            "fine",
        ),
        Pair(
            "a branch comes whose entry was there",
            "OAS 4.8.25",
            *bodies(by_tag("Cash", "Card", mapping=tags), by_tag("Cash", "Card", "Gift", mapping=tags), three),
            "fine",
            "breaking",
        ),
        Pair(
            "an entry goes whose value the schema lists",
            "OAS 4.8.25",
            *bodies(NAMED, IMPLICIT, listed),
            "warning",
            "warning",
        ),
        Pair(
            "an entry comes whose value the schema lists",
            "OAS 4.8.25",
            *bodies(IMPLICIT, NAMED, listed),
            "fine",
            "fine",
        ),
        Pair("a name in the mapping becomes a reference", "OAS 4.8.25", *bodies(NAMED, MAPPED, TWO), "none", "none"),
        Pair(
            "names of schemas are written out as a mapping",
            "OAS 4.8.25",
            *bodies(IMPLICIT, by_tag("Cash", "Card", mapping={"Cash": "Cash", "Card": REF + "Card"}), TWO),
            "none",
            "none",
        ),
        Pair("branches in another order", "JS 10.2.1", *bodies(IMPLICIT, by_tag("Card", "Cash"), TWO), "none", "none"),
        Pair(
            "a schema without an entry is renamed",
            "OAS 4.8.25",
            Contract(IMPLICIT, TWO),
            Contract(by_tag("CashTender", "Card"), {"CashTender": BARE, "Card": CARD}),
            "breaking",
            "breaking",
        ),
        Pair(
            "a schema without an entry is renamed and has a new optional property",
            "OAS 4.8.25",
            Contract(IMPLICIT, TWO),
            Contract(by_tag("CashTender", "Card"), {"CashTender": CASH, "Card": CARD}),
            "breaking",
            "breaking",
        ),
        Pair(
            "a schema with an entry is renamed",
            "OAS 4.8.25",
            Contract(NAMED, TWO),
            Contract(
                by_tag("CashTender", "Card", mapping={"cash": "CashTender", "card": "Card"}),
                {"CashTender": BARE, "Card": CARD},
            ),
            "fine",
            "fine",
        ),
        Pair(
            "a schema with an entry is renamed and changed",
            "OAS 4.8.25",
            Contract(NAMED, {"Cash": BARE, "Card": CARD}),
            Contract(
                by_tag("Cash", "CardTender", mapping={"cash": "Cash", "card": "CardTender"}),
                {"Cash": BARE, "CardTender": CARD_NUMBER},
            ),
            "breaking",
            "breaking",
        ),
        Pair(
            "another property is the tag",
            "OAS 4.8.25",
            *bodies(NAMED, by_tag("Cash", "Card", mapping={"cash": "Cash", "card": "Card"}, name="type"), TWO),
            "breaking",
            "breaking",
        ),
        Pair(
            "a change below a nested tag", "OAS 4.8.25", *same(IMPLICIT, nested_old, nested_new), "breaking", "breaking"
        ),
        Pair("a nested tag is gone", "OAS 4.8.25", *same(IMPLICIT, nested_old, nested_less), "breaking", "fine"),
        Pair("a nested tag is new", "OAS 4.8.25", *same(IMPLICIT, nested_less, nested_old), "fine", "breaking"),
        Pair(
            "nested tags change places",
            "OAS 4.8.25",
            *same(IMPLICIT, nested_old, nested_turned),
            "breaking",
            "breaking",
        ),
        Pair(
            "a default schema is new",
            "OAS 3.2 4.25",
            *bodies(
                NAMED, by_tag("Cash", "Card", mapping={"cash": "Cash", "card": "Card"}, default="Cash"), TWO, "3.2.0"
            ),
            "fine",
            "breaking",
        ),
        Pair(
            "the default schema goes",
            "OAS 3.2 4.25",
            *bodies(
                by_tag("Cash", "Card", mapping={"cash": "Cash", "card": "Card"}, default="Cash"), NAMED, TWO, "3.2.0"
            ),
            "breaking",
            "fine",
        ),
        Pair(
            "another schema is the default",
            "OAS 3.2 4.25",
            *bodies(
                by_tag("Cash", "Card", mapping={"cash": "Cash", "card": "Card"}, default="Cash"),
                by_tag("Cash", "Card", mapping={"cash": "Cash", "card": "Card"}, default=REF + "Card"),
                TWO,
                "3.2.0",
            ),
            "breaking",
            "breaking",
        ),
        Pair(
            "the default schema changes",
            "OAS 3.2 4.25",
            *same(
                by_tag("Cash", "Card", default="Other"),
                {**TWO, "Other": thing(note="string")},
                {**TWO, "Other": thing(note="integer")},
                "3.2.0",
            ),
            "breaking",
            "breaking",
        ),
        Pair(
            "a tag goes to the default schema",
            "OAS 3.2 4.25",
            *bodies(
                by_tag("Cash", "Card", "Gift", default="Cash"),
                by_tag("Cash", "Card", default="Cash"),
                {**three, "Gift": thing("balance", balance="number")},
                "3.2.0",
            ),
            "breaking",
            "breaking",
        ),
    ]


def bodies(old: Any, new: Any, schemas: dict[str, Any], version: str = "3.1.0") -> tuple[Contract, Contract]:
    """Another body over the same components."""
    return Contract(old, schemas, version), Contract(new, schemas, version)


PAIRS: tuple[Pair, ...] = (*_branches(), *_tags())
