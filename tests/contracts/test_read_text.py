"""Reading text: encodings, YAML's habits, JSON's strictness, and the line of every refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading import Document, read

OPENAPI = {"openapi": "3.0.3", "info": {"title": "Prices", "version": "1"}, "paths": {}}


def refused(data: bytes, name: str | None = None) -> ContractError:
    with pytest.raises(ContractError) as caught:
        read(data, name=name)
    return caught.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_every_unicode_encoding_gives_the_same_digest(encoding: str) -> None:
    text = json.dumps({**OPENAPI, "info": {"title": "Prix à la caisse", "version": "1"}}, ensure_ascii=False)
    assert read(text.encode(encoding)).digest == read(text.encode()).digest


def test_json_and_yaml_of_one_contract_have_one_digest_whatever_the_key_order() -> None:
    yaml_text = b"paths: {}\ninfo:\n  version: '1'\n  title: Prices\nopenapi: 3.0.3\n"
    assert read(yaml_text).digest == read(json.dumps(OPENAPI).encode()).digest


def test_bytes_that_are_no_text_are_refused_with_the_line() -> None:
    error = refused(b"openapi: 3.0.3\ninfo:\n  title: Caf\xe9\n")
    assert error.code == "contract.encoding"
    assert error.findings[0]["line"] == 3
    assert refused(b"openapi: 3.0.3\n\x00\x00\x00").code == "contract.binary"
    assert refused(b"").code == "contract.empty"
    assert refused(b"  \n ").code == "contract.empty"


def test_a_json_key_that_stands_twice_is_refused_with_pointer_and_both_lines() -> None:
    text = b'{\n "openapi": "3.0.3",\n "paths": {\n  "/a~b": {},\n  "/x": {},\n  "/a~b": {}\n }\n}'
    error = refused(text)
    assert error.code == "contract.duplicate_key"
    assert error.findings[0]["pointer"] == "/paths/~1a~0b"
    assert (error.data["first_line"], error.findings[0]["line"]) == (4, 6)


def test_a_yaml_key_that_stands_twice_is_refused_even_when_spelt_as_a_number() -> None:
    text = (
        b"openapi: 3.0.3\npaths:\n  /a:\n    get:\n      responses:\n"
        b"        200: {description: a}\n        '200': {description: b}\n"
    )
    error = refused(text)
    assert error.code == "contract.duplicate_key"
    assert error.findings[0] == {
        "pointer": "/paths/~1a/get/responses/200",
        "message": error.message,
        "code": "contract.duplicate_key",
        "line": 7,
    }


def test_integer_keys_become_text() -> None:
    document = read(
        b"openapi: 3.0.3\npaths:\n  /a:\n    get:\n      responses:\n"
        b"        200: {description: fine}\n        4XX: {}\n"
    )
    assert list(document.tree["paths"]["/a"]["get"]["responses"]) == ["200", "4XX"]


def test_words_dates_and_the_bare_equals_sign_stay_text() -> None:
    document = read(
        b"type: string\nenum: [no, NO, yes, on, off, =, 2024-01-31, 12:30:00, "
        b"1_000, 0123, .5, 1e3, 0x10, 0o17, ~, true, '1', 1.0]\n"
    )
    assert document.tree["enum"] == [
        *(
            "no",
            "NO",
            "yes",
            "on",
            "off",
            "=",
            "2024-01-31",
            "12:30:00",
            "1_000",
            123,
            0.5,
            1000.0,
            16,
            15,
            None,
            True,
            "1",
            1.0,
        )
    ]


def test_anchors_and_merge_keys_are_followed_and_own_keys_win() -> None:
    document = read(
        b"$defs:\n  base: &base {type: string, maxLength: 5}\n  wide:\n    <<: *base\n    maxLength: 9\n  same: *base\n"
    )
    assert document.tree["$defs"]["wide"] == {"maxLength": 9, "type": "string"}
    assert document.tree["$defs"]["same"] == {"type": "string", "maxLength": 5}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"type: number\nmaximum: .inf\n", "contract.not_a_number"),
        (b'{"type": "number", "maximum": NaN}', "contract.not_a_number"),
        (b'{"type": "number", "maximum": 1e999}', "contract.number_out_of_range"),
        (b"type: number\nmaximum: 1e999\n", "contract.number_out_of_range"),
        (b'{"type": "number", "maximum": ' + b"9" * 5000 + b"}", "contract.number_out_of_range"),
        (b'{"type": "string", "title": "\\ud800"}', "contract.encoding"),
        (b"type: !!python/object:os.system x\n", "contract.yaml_tag"),
        (b"type: string\n---\ntype: number\n", "contract.multiple_documents"),
        (b"? [a, b]\n: c\n", "contract.yaml_key"),
        (b"type: &a [*a]\n", "contract.yaml_alias"),
        (b"type: *unknown\n", "contract.yaml_alias"),
        (b"type: [string\n", "contract.yaml_syntax"),
        (b"hello\n", "contract.not_a_contract"),
        (b"[1, 2]", "contract.not_a_contract"),
        (b'{"name": "x"}', "contract.not_a_contract"),
        (b'{"openapi": "4.0.0"}', "contract.unknown_version"),
        (b'{"swagger": "1.2"}', "contract.unknown_version"),
        (b'{"asyncapi": "1.2.0"}', "contract.unknown_version"),
        (b'{"$schema": "http://json-schema.org/draft-03/schema#"}', "contract.unknown_version"),
        (b'{"openapi": "3.0.0", "paths": []}', "contract.wrong_type"),
        (b'{"openapi": "3.0.0", "paths": {"/a": {"get": {"parameters": [1]}}}}', "contract.wrong_type"),
        (b'{"openapi": "3.0.0", "paths": {"/a": {"get": {"responses": {"": {}}}}}}', "contract.wrong_type"),
        (b'{"openapi": "3.0.0", "security": [{"key": 1}]}', "contract.wrong_type"),
        (b'{"openapi": "3.0.0", "servers": ["https://a"]}', "contract.wrong_type"),
        (b'{"asyncapi": "3.0.0", "channels": {"a": {"messages": ["b"]}}}', "contract.wrong_type"),
        (b'{"asyncapi": "3.0.0", "operations": {"a": {"messages": {"b": {}}}}}', "contract.wrong_type"),
    ],
)
def test_each_kind_of_broken_input_has_its_code(text: bytes, code: str) -> None:
    error = refused(text)
    assert error.code == code
    assert error.findings[0]["message"] == error.message


def test_broken_json_says_line_and_column() -> None:
    error = refused(b'{\n "openapi": "3.0.3",\n "paths": {,}\n}', name="a.json")
    assert error.code == "contract.json_syntax"
    assert error.findings[0]["line"] == 3


def test_integers_beyond_64_bits_are_kept_as_doubles() -> None:
    decimal_max = b'{"type": "number", "maximum": 79228162514264337593543950335}'
    document = read(decimal_max)
    assert document.tree["maximum"] == 79228162514264337593543950335.0
    assert Document.from_canonical(document.canonical).tree == document.tree


def test_a_stored_contract_keeps_format_digest_and_tree() -> None:
    document = read(json.dumps(OPENAPI).encode())
    again = Document.from_canonical(document.canonical)
    assert (again.format, again.digest, again.tree) == (document.format, document.digest, document.tree)


def test_lines_are_known_for_json_and_yaml_and_fall_back_to_the_nearest_ancestor() -> None:
    as_json = read(b'{\n "openapi": "3.0.3",\n "paths": {\n  "/a": {\n   "get": {"tags": [\n     "x",\n     "y"]}}}}')
    assert as_json.pointer_line("/paths/~1a/get") == 5
    assert as_json.pointer_line("/paths/~1a/get/tags/1") == 7
    assert as_json.pointer_line("/paths/~1a/get/absent/deeper") == 5
    as_yaml = read(b"openapi: 3.0.3\npaths:\n  /a:\n    get:\n      tags:\n        - x\n        - y\n")
    assert as_yaml.pointer_line("/paths/~1a/get/tags/1") == 7
    assert as_yaml.pointer_line("") == 1
    assert Document.from_canonical(as_yaml.canonical).pointer_line("/paths") is None


def test_a_meaningless_keyword_is_named_and_left_out() -> None:
    document = read(
        b'{"type": "object", "required": true, "properties": {"a": {"type": "string", "maxLength": "10"}, "b": 3}}'
    )
    assert document.tree == {"type": "object", "properties": {"a": {"type": "string"}}}
    assert {(problem.code, problem.pointer) for problem in document.problems} == {
        ("keyword.malformed", "/required"),
        ("keyword.malformed", "/properties"),
        ("keyword.malformed", "/properties/a/maxLength"),
    }
    assert document.source["required"] is True


def test_boolean_schemas_are_read_from_values() -> None:
    assert Document.from_schema(True).tree == {}
    assert Document.from_schema(False).tree == {"not": {}}
    assert Document.from_schema({}).format == "jsonschema-2020-12"
    assert Document.from_schema({"title": "anything"}).tree == {"title": "anything"}
    with pytest.raises(ContractError):
        Document.from_schema([1])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b'{"swagger": "2.0", "paths": {}}', "openapi-2.0"),
        (b"swagger: 2.0\npaths: {}\n", "openapi-2.0"),
        (b"openapi: 3.0.3\n", "openapi-3.0"),
        (b"openapi: 3.1\n", "openapi-3.1"),
        (b"openapi: 3.2.0\n", "openapi-3.2"),
        (b"asyncapi: 2.6.0\n", "asyncapi-2"),
        (b"asyncapi: 3.0.0\n", "asyncapi-3"),
        (b'{"$schema": "http://json-schema.org/draft-04/schema#"}', "jsonschema-04"),
        (b'{"$schema": "http://json-schema.org/draft-06/schema#"}', "jsonschema-06"),
        (b'{"$schema": "http://json-schema.org/draft-07/schema"}', "jsonschema-07"),
        (b'{"$schema": "https://json-schema.org/draft/2019-09/schema"}', "jsonschema-2019-09"),
        (b'{"$schema": "https://json-schema.org/draft/2020-12/schema"}', "jsonschema-2020-12"),
        (b'{"type": "number", "minimum": 1, "exclusiveMinimum": true}', "jsonschema-04"),
        (b'{"definitions": {"a": {}}}', "jsonschema-07"),
        (b'{"$defs": {"a": {}}}', "jsonschema-2020-12"),
    ],
)
def test_the_format_is_recognised(text: bytes, kind: str) -> None:
    assert read(text).format == kind


def test_a_comment_behind_a_tab_is_a_comment() -> None:
    text = "openapi: 3.0.3\n\t\t# words\ninfo:\n  title: a\n \t # more\n\t\n  version: '1'\npaths: {}\n"
    assert read(text.encode()).tree["info"] == {"title": "a", "version": "1"}
    kept = "openapi: 3.0.3\ninfo:\n  title: |\n    a\n    \t# no comment\n  version: '1'\npaths: {}\n"
    assert read(kept.encode()).tree["info"]["title"] == "a\n\t# no comment\n"
    with pytest.raises(ContractError) as refused:
        read(b"openapi: 3.0.3\ninfo:\n\ttitle: a\npaths: {}\n")
    assert refused.value.code == "contract.yaml_syntax"


@pytest.mark.parametrize(("text", "schema"), [(b"true", {}), (b" false\n", {"not": {}})])
def test_a_file_that_is_a_boolean_is_a_json_schema(text: bytes, schema: dict[str, Any]) -> None:
    """JSON Schema 2020-12 Core 4.3: a schema is an object or a boolean."""
    found = read(text, name="any.json")
    assert (found.tree, found.format) == (schema, "jsonschema-2020-12")
    assert read(text, name="any.yaml").digest == found.digest
