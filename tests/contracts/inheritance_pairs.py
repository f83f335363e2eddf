"""Pairs of contracts with parents and children, and with unions without a tag; labels as in `polymorphic_pairs.py`."""

from __future__ import annotations

from typing import Any

from tests.contracts.polymorphic_pairs import REF, Pair, bodies, ref, same, thing, union


def _parent(**more: Any) -> dict[str, Any]:
    return {**thing(), "discriminator": {"propertyName": "kind"}, **more}


def child(*required: str, parent: str = "Tender", **properties: Any) -> dict[str, Any]:
    own = thing(*required, **properties)
    own["required"] = [name for name in own["required"] if name != "kind"]
    del own["properties"]["kind"]
    return {"allOf": [ref(parent), own]}


def inheritance() -> list[Pair]:
    """Parents with a discriminator, children that extend them by allOf; operations name the parent."""
    body = ref("Tender")
    family = {"Tender": _parent(), "Cash": child(), "Card": child(authCode="string")}
    listed = {
        "Tender": {**_parent(), "oneOf": [ref("Card"), ref("Cash")]},
        "Card": child("auth", auth="string"),
        "Cash": child(drawer="string"),
    }
    bare_list = {**listed, "Tender": {**thing(), "oneOf": [ref("Card"), ref("Cash")]}}
    found = []
    for version in ("3.0.3", "3.1.0"):
        for name, changed, request, response in (
            ("a property of a child changes", {"Card": child(authCode="integer")}, "breaking", "breaking"),
            ("a child demands a property", {"Cash": child("drawer", drawer="string")}, "breaking", "fine"),
            ("a child has a new optional property", {"Cash": child(drawer="string")}, "fine", "fine"),
            ("a child is new", {"Gift": child(balance="number")}, "fine", "breaking"),
            ("a grandchild is new", {"Visa": child(parent="Card")}, "fine", "breaking"),
        ):
            pair = same(body, family, {**family, **changed}, version)
            found.append(Pair(f"{name}, OpenAPI {version}", "OAS 4.7.24", *pair, request, response))
        less = {name: value for name, value in family.items() if name != "Card"}
        renamed = {**less, "CardTender": family["Card"]}
        found += [
            Pair(
                f"a child is gone, OpenAPI {version}",
                "OAS 4.7.24",
                *same(body, family, less, version),
                "breaking",
                "fine",
            ),
            Pair(
                f"a child is renamed, OpenAPI {version}",
                "OAS 4.7.24",
                *same(body, family, renamed, version),
                "breaking",
                "breaking",
            ),
        ]
    mapped = {**family, "Tender": _parent(discriminator={"propertyName": "kind", "mapping": {"card": REF + "Card"}})}
    mapped_renamed = {
        "Tender": _parent(discriminator={"propertyName": "kind", "mapping": {"card": REF + "CardTender"}}),
        "Cash": child(),
        "CardTender": child(authCode="string"),
    }
    deep = {**family, "Visa": child(parent="Card", network="string")}
    order = {"Order": {"type": "object", "properties": {"tenders": {"type": "array", "items": ref("Tender")}}}}
    found += [
        Pair("a child with an entry is renamed", "OAS 4.8.25", *same(body, mapped, mapped_renamed), "fine", "fine"),
        Pair("a child has an entry now", "OAS 4.8.25", *same(body, family, mapped), "breaking", "breaking"),
        Pair(
            "a property of a grandchild changes",
            "OAS 4.7.24",
            *same(body, deep, {**deep, "Visa": child(parent="Card", network="boolean")}),
            "breaking",
            "breaking",
        ),
        Pair(
            "a property of a child below a list changes",
            "OAS 4.7.24",
            *same(ref("Order"), {**family, **order}, {**family, **order, "Card": child(authCode="integer")}),
            "breaking",
            "breaking",
        ),
        Pair(
            "a property moves from the parent to every child",
            "OAS 4.7.24",
            *same(
                body,
                {"Tender": {**_parent(), **_with(_parent(), amount="number")}, "Cash": child(), "Card": child()},
                {"Tender": _parent(), "Cash": child(amount="number"), "Card": child(amount="number")},
            ),
            "fine",
            "fine",
        ),
        Pair(
            "children become the branches of a union with the same tags",
            "OAS 4.8.25",
            *same(body, family, {**family, "Tender": {**_parent(), "oneOf": [ref("Card"), ref("Cash")]}}),
            "fine",
            "fine",
        ),
    ]
    for word, schemas in (("with a discriminator", listed), ("without one", bare_list)):
        for name, changed, request, response in (
            ("a property of a listed child changes", {"Card": child("auth", auth="boolean")}, "breaking", "breaking"),
            ("a listed child demands a property", {"Cash": child("drawer", drawer="string")}, "breaking", "fine"),
            ("a listed child no longer demands a property", {"Card": child(auth="string")}, "fine", "breaking"),
        ):
            if word == "without one":  # open objects: the other branch may take the values, and none proves it
                request = request if "demands" in name and "no longer" not in name else "warning"
                response = "warning"
            pair = same(body, schemas, {**schemas, **changed})
            found.append(Pair(f"{name}, {word}", "OAS 4.8.25", *pair, request, response))
        less = {**schemas, "Tender": {**schemas["Tender"], "oneOf": [ref("Card")]}}
        # Without a tag a value of both branches was refused, and is accepted by the one that stays (JS 10.2.1.3).
        after = "fine" if word == "with a discriminator" else "warning"
        found.append(
            Pair(f"a listed child is gone, {word}", "OAS 4.8.25", *same(body, schemas, less), "breaking", after)
        )
    return found


def _with(schema: dict[str, Any], **properties: str) -> dict[str, Any]:
    return {"properties": {**schema["properties"], **{name: {"type": value} for name, value in properties.items()}}}


def untagged() -> list[Pair]:
    """Unions without a discriminator: what another branch only takes as unknown properties proves nothing."""
    listing = {"L": thing(listId="string"), "V": thing(objectType="string")}
    number = {**listing, "L": thing(listId="boolean")}
    wide = {**listing, "L": thing(listId={"type": ["string", "boolean"]})}
    closed = {name: {**value, "additionalProperties": False} for name, value in listing.items()}
    closed_number = {**closed, "L": {**thing(listId="boolean"), "additionalProperties": False}}
    tagged = {
        "L": {**thing(listId="string", kind={"const": "l"})},
        "V": {**thing(objectType="string", kind={"const": "v"})},
    }
    tagged_wide = {**tagged, "L": thing(listId={"type": ["string", "boolean"]}, kind={"const": "l"})}
    found = []
    for kind in ("anyOf", "oneOf"):
        body = union("L", "V", kind=kind)
        found += [
            Pair(
                f"a property of a branch changes its type, {kind}",
                "JS 10.2.1",
                *same(body, listing, number),
                "warning",
                "warning",
            ),
            Pair(
                f"a property of a closed branch changes its type, {kind}",
                "JS 10.2.1",
                *same(body, closed, closed_number),
                "breaking",
                "breaking",
            ),
            Pair(
                f"a branch that a value tells apart accepts more, {kind}",
                "JS 10.2.1",
                *same(body, tagged, tagged_wide),
                "fine",
                "breaking",
            ),
        ]
    found += [
        Pair(
            "a branch accepts more, anyOf",
            "JS 10.2.1",
            *same(union("L", "V", kind="anyOf"), listing, wide),
            "fine",
            "warning",
        ),
        Pair(
            "a branch accepts more, oneOf: a value may match two now",
            "JS 10.2.1.3",
            *same(union("L", "V"), listing, wide),
            "warning",
            "warning",
        ),
        Pair(
            "a schema became a union of itself without a property and of another with it",
            "JS 10.2.1",
            *bodies(thing(authCode="string"), {"anyOf": [thing(), thing(authCode="integer")]}, {}),
            "warning",
            "breaking",
        ),
    ]
    return found


PAIRS: tuple[Pair, ...] = (*inheritance(), *untagged())
