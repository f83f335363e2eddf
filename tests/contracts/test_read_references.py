"""References: local ones in every spelling, other files, embedded resources, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading import Document, ReadingLimits, read, read_file, resolve


def schema(value: dict[str, object]) -> Document:
    return read(json.dumps(value).encode())


def test_percent_encoded_and_tilde_pointers_resolve() -> None:
    document = schema({"$defs": {"a/b c~d": {"type": "string"}}, "$ref": "#/$defs/a~1b%20c~0d"})
    assert document.resolve(document.tree["$ref"]) == {"type": "string"}
    assert document.problems == ()
    assert resolve({"{id}": 1, "%7Bx%7D": 2}, "#/%7Bid%7D") == 1
    assert resolve({"{id}": 1, "%7Bx%7D": 2}, "#/%7Bx%7D") == 2


def test_a_reference_to_nothing_is_a_problem_with_its_place_and_no_crash() -> None:
    document = schema({"type": "object", "properties": {"a": {"$ref": "#/$defs/gone"}, "$ref": {"type": "string"}}})
    assert [(problem.code, problem.pointer) for problem in document.problems] == [("ref.unresolved", "/properties/a")]


def test_network_references_are_never_fetched() -> None:
    document = schema(
        {
            "allOf": [
                {"$ref": "https://example.com/a.json#/x"},
                {"$ref": "//example.com/a"},
                {"$ref": "file:///etc/passwd"},
            ]
        }
    )
    assert [problem.code for problem in document.problems] == ["ref.network"] * 3


def test_a_circle_of_references_alone_is_named() -> None:
    document = schema({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"})
    assert {problem.code for problem in document.problems} == {"ref.loop"}


def test_a_recursive_schema_is_no_problem() -> None:
    document = schema({"type": "object", "properties": {"child": {"$ref": "#"}}})
    assert document.problems == ()


def test_references_in_examples_and_defaults_are_data() -> None:
    document = schema(
        {"type": "object", "default": {"$ref": "#/gone"}, "examples": [{"$ref": "#/gone"}], "enum": [{"$ref": "#/no"}]}
    )
    assert document.problems == ()


def test_ids_and_anchors_become_pointers() -> None:
    document = schema(
        {
            "$id": "https://example.com/root.json",
            "$defs": {
                "item": {"$id": "item.json", "$anchor": "it", "type": "string", "$defs": {"deep": {"type": "integer"}}},
                "node": {"$dynamicAnchor": "node", "type": "object", "properties": {"next": {"$dynamicRef": "#node"}}},
            },
            "properties": {
                "a": {"$ref": "item.json"},
                "b": {"$ref": "https://example.com/item.json#/$defs/deep"},
                "c": {"$ref": "item.json#it"},
                "d": {"$ref": "#node"},
            },
        }
    )
    assert {name: value["$ref"] for name, value in document.tree["properties"].items()} == {
        "a": "#/$defs/item",
        "b": "#/$defs/item/$defs/deep",
        "c": "#/$defs/item",
        "d": "#/$defs/node",
    }
    assert document.tree["$defs"]["node"]["properties"]["next"] == {"$ref": "#/$defs/node"}
    assert document.problems == ()
    assert document.source["properties"]["a"]["$ref"] == "item.json"


def test_generators_that_number_every_property_with_an_id_do_not_break_local_references() -> None:
    document = schema(
        {
            "$id": "http://example.com/example.json",
            "definitions": {"money": {"type": "string"}},
            "properties": {
                "a": {"$id": "#/properties/a", "$ref": "#/definitions/money"},
                "b": {"$id": "http://x/y", "items": {"$ref": "#/definitions/money"}},
            },
        }
    )
    assert document.problems == ()
    assert document.resolve(document.tree["properties"]["b"]["items"]["$ref"]) == {"type": "string"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    base = tmp_path / "api"
    (base / "schemas").mkdir(parents=True)
    (base / "openapi.yaml").write_text(
        "openapi: 3.0.3\npaths:\n  /a:\n    get:\n      responses:\n"
        "        200:\n          description: a\n          content:\n"
        "            application/json:\n              schema: {$ref: './schemas/price.yaml#/Price'}\n"
        "components:\n  schemas:\n    Money: {type: string}\n"
    )
    (base / "schemas" / "price.yaml").write_text(
        "Price:\n  type: object\n  properties:\n    amount: {$ref: '../openapi.yaml#/components/schemas/Money'}\n"
        "    tax: {$ref: 'tax.json'}\n    again: {$ref: '#/Price'}\n"
    )
    (base / "schemas" / "tax.json").write_text('{"type": "string", "maxLength": 4}')
    (tmp_path / "secret.yaml").write_text("type: string\n")
    return base


def test_other_files_are_bundled_and_the_digest_covers_them(folder: Path) -> None:
    document = read_file(folder / "openapi.yaml")
    assert document.problems == ()
    media = document.tree["paths"]["/a"]["get"]["responses"]["200"]["content"]["application/json"]
    price = document.resolve(media["schema"]["$ref"])
    assert document.resolve(price["properties"]["amount"]["$ref"]) == {"type": "string"}
    assert document.resolve(price["properties"]["tax"]["$ref"]) == {"type": "string", "maxLength": 4}
    assert document.resolve(price["properties"]["again"]["$ref"]) is price
    assert Document.from_canonical(document.canonical).problems == ()
    pointer = media["schema"]["$ref"][1:] + "/properties/amount"
    assert document.origin(pointer) == "schemas/price.yaml#/Price/properties/amount"
    assert document.pointer_line(pointer) == 4
    before = document.digest
    (folder / "schemas" / "tax.json").write_text('{"type": "string", "maxLength": 5}')
    assert read_file(folder / "openapi.yaml").digest != before


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("../secret.yaml", "ref.outside"),
        ("/etc/passwd", "ref.outside"),
        ("schemas/%2e%2e/%2e%2e/secret.yaml", "ref.outside"),
        ("link.yaml", "ref.outside"),
        ("absent.yaml", "ref.unreadable"),
        ("schemas", "ref.unreadable"),
        ("broken.yaml", "ref.unreadable"),
        ("a\u0000b", "ref.unreadable"),
    ],
)
def test_files_outside_the_folder_are_not_read(folder: Path, ref: str, code: str) -> None:
    (folder / "link.yaml").symlink_to(folder.parent / "secret.yaml")
    (folder / "broken.yaml").write_text("a: [")
    document = read(json.dumps({"allOf": [{"$ref": ref}]}).encode(), name="x.json", base_dir=folder)
    assert [problem.code for problem in document.problems] == [code]


def test_without_a_folder_another_file_is_a_problem() -> None:
    assert [problem.code for problem in schema({"$ref": "other.json#/a"}).problems] == ["ref.external"]


def test_a_root_lets_references_reach_a_common_folder(folder: Path) -> None:
    (folder / "v1").mkdir()
    main = folder / "v1" / "api.json"
    main.write_text(json.dumps({"allOf": [{"$ref": "../schemas/tax.json"}, {"$ref": "../v1/api.json#/allOf/0"}]}))
    assert {problem.code for problem in read_file(main).problems} == {"ref.outside"}
    document = read_file(main, root=folder)
    assert document.problems == ()
    assert document.resolve(document.tree["allOf"][0]["$ref"]) == {"type": "string", "maxLength": 4}
    assert document.tree["allOf"][1]["$ref"] == "#/allOf/0"
    with pytest.raises(ContractError) as caught:
        read_file(folder.parent / "secret.yaml", root=folder)
    assert caught.value.code == "contract.outside_root"


def _spread(folder: Path, count: int) -> Path:
    """A description whose every path, schema and answer lies in a file of its own, as large public ones do."""
    for name in ("paths", "schemas"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        (folder / "schemas" / f"s{number}.yaml").write_text(
            f"type: object\nproperties:\n  next: {{$ref: 's{(number + 1) % count}.yaml'}}\n  n: {{maximum: {number}}}\n"
        )
        (folder / "paths" / f"p{number}.yaml").write_text(
            "get:\n  responses:\n    200:\n      description: a\n      content:\n        application/json:\n"
            f"          schema: {{$ref: '../schemas/s{number}.yaml'}}\n"
        )
    main = folder / "api.json"
    paths = {f"/p{number}": {"$ref": f"paths/p{number}.yaml"} for number in range(count)}
    main.write_text(json.dumps({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths}))
    return main


def test_a_description_of_thousands_of_small_files_is_read_whole(tmp_path: Path) -> None:
    main = _spread(tmp_path, 1_500)
    document = read_file(main)
    assert document.problems == ()
    assert len(document.operations) == 1_500
    turned = json.loads(main.read_text())
    turned["paths"] = dict(reversed(turned["paths"].items()))
    main.write_text(json.dumps(turned))
    assert read_file(main).digest == document.digest
    (tmp_path / "schemas" / "s1499.yaml").write_text("type: string\n")
    assert read_file(main).digest != document.digest


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (ReadingLimits(max_files=3), "contract.too_many_files"),
        (ReadingLimits(max_bytes=1_500), "contract.too_large"),
        (ReadingLimits(max_values=100), "contract.too_many_values"),
    ],
)
def test_a_bundle_beyond_a_limit_is_refused_whole(tmp_path: Path, limits: ReadingLimits, code: str) -> None:
    """One digest must never stand for two contracts, so nothing is left out in silence."""
    main = _spread(tmp_path, 10)
    with pytest.raises(ContractError) as caught:
        read_file(main, limits=limits)
    assert caught.value.code == code
    assert str(tmp_path) not in caught.value.message


def test_a_bundle_keeps_only_what_is_reached(tmp_path: Path) -> None:
    (tmp_path / "common.yaml").write_text(
        "Price: {type: object, properties: {amount: {$ref: '#/Amount'}, tags: {$ref: '#/Tags/anyOf/0'}}}\n"
        "Amount: {type: number}\nTags: {anyOf: [{type: string}, {type: array}]}\n"
        "Unused: {$ref: 'far.yaml'}\nOther: {type: integer}\n"
    )
    (tmp_path / "far.yaml").write_text("a:\n\t[")
    main = tmp_path / "api.json"
    main.write_text(json.dumps({"$defs": {"p": {"$ref": "common.yaml#/Price"}}, "$ref": "#/$defs/p"}))
    document = read_file(main)
    assert document.problems == ()
    (kept,) = document.tree["x-bundled"].values()
    assert sorted(kept) == ["Amount", "Price", "Tags"]
    assert document.resolve(kept["Price"]["properties"]["tags"]["$ref"]) == {"type": "string"}
    pointer = document.tree["$defs"]["p"]["$ref"][1:] + "/properties/amount"
    assert document.origin(pointer) == "common.yaml#/Price/properties/amount"
    before = document.digest
    common = tmp_path / "common.yaml"
    common.write_text(common.read_text().replace("Other: {type: integer}", "Other: {type: string}"))
    assert read_file(main).digest == before
    common.write_text(common.read_text().replace("Amount: {type: number}", "Amount: {type: string}"))
    assert read_file(main).digest != before


def test_children_that_extend_a_parent_of_another_file_are_kept_with_it(tmp_path: Path) -> None:
    (tmp_path / "tenders.yaml").write_text(
        "Tender: {type: object, discriminator: {propertyName: kind, mapping: {c: Cash}}}\n"
        "Card: {allOf: [{$ref: '#/Tender'}, {required: [code]}]}\nVisa: {allOf: [{$ref: '#/Card'}]}\n"
        "Cash: {type: object}\nOther: {type: string}\n"
    )
    main = tmp_path / "api.json"
    schema = {"schema": {"$ref": "tenders.yaml#/Tender"}}
    answer = {"200": {"description": "OK", "content": {"application/json": schema}}}
    main.write_text(json.dumps({"openapi": "3.0.3", "paths": {"/a": {"get": {"responses": answer}}}}))
    kept = read_file(main).tree["x-bundled"]["tenders.yaml"]
    assert sorted(kept) == ["Card", "Cash", "Tender", "Visa"]
    assert kept["Tender"]["discriminator"]["mapping"] == {"c": "#/x-bundled/tenders.yaml/Cash"}
