"""What a contract holds of another version of its format: listed, without effect or not decided, and never silent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import judge, openapi, rules, with_request, with_response
from tillgate_contracts.reading import Document

TEXT = {"type": "string"}
THING = {"type": "object", "properties": {"a": TEXT}}
SEVEN, NOW = "http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"

#: Keywords that OpenAPI 3.0 does not have; under 3.1 each of them refuses some value.
LATER = {
    "const": {"const": "a"},
    "patternProperties": {"type": "object", "patternProperties": {"^a": TEXT}},
    "propertyNames": {"type": "object", "propertyNames": {"maxLength": 3}},
    "contains": {"type": "array", "items": {}, "contains": TEXT},
    "dependentRequired": {"type": "object", "dependentRequired": {"a": ["b"]}},
    "dependentSchemas": {"type": "object", "dependentSchemas": {"a": {"required": ["b"]}}},
    "if": {**THING, "if": {"required": ["a"]}, "then": {"required": ["b"]}},
    "unevaluatedProperties": {**THING, "unevaluatedProperties": False},
    "prefixItems": {"type": "array", "prefixItems": [TEXT], "items": {}},
    "contentEncoding": {"type": "string", "contentEncoding": "base64"},
}
#: Schema, the version that has its form, and one that does not.
FORMS = {
    "exclusive bound as a flag": ({"type": "number", "maximum": 5, "exclusiveMaximum": True}, "3.0.3", "3.1.0"),
    "exclusive bound as a number": ({"type": "number", "exclusiveMaximum": 5}, "3.1.0", "3.0.3"),
    "list of types": ({"type": ["string", "null"]}, "3.1.0", "3.0.3"),
    "type null": ({"anyOf": [THING, {"type": "null", "title": "none"}]}, "3.1.0", "3.0.3"),
    "false as a schema": ({"type": "object", "properties": {"a": False}}, "3.1.0", "3.0.3"),
}


def _problems(contract: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem.code, problem.pointer) for problem in Document.from_value(contract).problems]


@pytest.mark.parametrize("word", LATER)
def test_a_keyword_is_lost_where_the_version_does_not_have_it(word: str) -> None:
    had, lost = (with_response(LATER[word], version=version) for version in ("3.1.0", "3.0.3"))
    result = judge(had, lost)
    assert result.verdict in ("breaking", "warning"), rules(result)
    assert "response-body-keyword-without-effect" in rules(result)
    assert judge(with_request(LATER[word], version="3.0.3"), with_request(LATER[word])).verdict in (
        "breaking",
        "warning",
    )
    assert "keyword.other_version" in [code for code, _ in _problems(lost)]
    assert _problems(had) == []


@pytest.mark.parametrize("word", LATER)
@pytest.mark.parametrize("wrap", [with_request, with_response])
def test_a_keyword_without_effect_may_come_and_go_and_is_listed(word: str, wrap: Any) -> None:
    kept = {key: value for key, value in LATER[word].items() if key not in (word, "then")}
    before, after = wrap(kept, version="3.0.3"), wrap(LATER[word], version="3.0.3")
    for result in (judge(before, after), judge(after, before)):
        assert result.verdict == "compatible", [finding.message for finding in result.findings]
        assert any("keyword-without-effect" in rule for rule in rules(result))
        assert "OpenAPI 3.0 does not have it" in " ".join(finding.message for finding in result.findings)
    assert judge(after, after).verdict == "none"


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("wrap", [with_request, with_response])
def test_a_form_that_only_one_of_the_versions_has_is_not_decided(name: str, wrap: Any) -> None:
    schema, has, lacks = FORMS[name]
    for first, second in ((has, lacks), (lacks, has)):
        result = judge(wrap(schema, version=first), wrap(schema, version=second))
        assert result.verdict in ("warning", "breaking")
        assert any("version-form" in rule for rule in rules(result)), rules(result)
    assert judge(wrap(schema, version=lacks), wrap(schema, version=lacks)).verdict == "none"
    assert [code for code, _ in _problems(wrap(schema, version=lacks))] == ["keyword.other_version"]
    assert _problems(wrap(schema, version=has)) == []


def test_a_form_is_compared_as_other_versions_read_it_where_both_have_it() -> None:
    listed, other = ({"type": [kind, "null"]} for kind in ("string", "integer"))
    assert judge(with_request(listed, version="3.0.3"), with_request(other, version="3.0.3")).verdict == "breaking"
    result = judge(with_request(TEXT, version="3.0.3"), with_request(listed, version="3.0.3"))
    assert result.verdict == "compatible"
    assert "request-body-version-form-added" in rules(result, "info")


def test_additional_properties_may_be_true_or_false_in_every_version() -> None:
    closed = {**THING, "additionalProperties": False}
    assert judge(with_request(closed, version="3.0.3"), with_request(closed)).verdict == "none"
    assert _problems(with_request(closed, version="3.0.3")) == []
    odd = {"type": "object", "properties": {"additionalProperties": False}}
    assert judge(with_request(odd, version="3.0.3"), with_request(odd)).verdict == "warning"


def test_nullable_of_3_1_is_listed_and_has_no_effect() -> None:
    before, after = with_response(TEXT), with_response({**TEXT, "nullable": True})
    assert _problems(after) == [
        ("keyword.other_version", "/paths/~1orders/get/responses/200/content/application~1json/schema/nullable")
    ]
    assert judge(before, after).verdict == "compatible"
    assert judge(before, with_response({**TEXT, "nullable": False})).verdict == "none"


def test_a_problem_counts_its_places() -> None:
    contract = with_request({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}}}, version="3.0.3")
    (problem,) = Document.from_value(contract).problems
    assert problem.message == "OpenAPI 3.0 does not have const: it is without effect (2 places)."
    assert problem.pointer.endswith("/properties/a/const")


def test_what_an_example_or_a_property_is_called_is_no_keyword() -> None:
    schema = {"type": "object", "properties": {"const": TEXT, "if": TEXT}, "example": {"const": 1, "type": ["a"]}}
    assert _problems(with_request(schema, version="3.0.3")) == []


@pytest.mark.parametrize(
    ("word", "schema", "has", "lacks", "verdict"),
    [
        ("dependencies", {"dependencies": {"a": ["b"]}}, SEVEN, NOW, "warning"),
        ("items", {"items": [TEXT]}, SEVEN, NOW, "warning"),
        ("dependentRequired", {"dependentRequired": {"a": ["b"]}}, NOW, SEVEN, "breaking"),
        ("unevaluatedProperties", {**THING, "unevaluatedProperties": False}, NOW, SEVEN, "breaking"),
    ],
)
def test_drafts_of_json_schema_have_their_own_keywords(word, schema, has, lacks, verdict) -> None:
    had, lost = ({"$schema": dialect, "type": ["object", "array"], **schema} for dialect in (has, lacks))
    assert judge(had, lost).verdict == verdict
    assert _problems(lost) == [("keyword.other_version", f"/{word}")]
    assert _problems(had) == []


def test_a_schema_without_a_dialect_is_read_with_every_keyword() -> None:
    both = {"definitions": {"k": TEXT}, "properties": {"a": TEXT}, "dependentRequired": {"a": ["b"]}}
    assert _problems(both) == []
    assert judge(both, {**both, "dependentRequired": {"a": ["c"]}}).verdict == "breaking"


def test_a_contract_with_a_dialect_of_its_own_is_read_with_every_keyword() -> None:
    dialect = {"jsonSchemaDialect": SEVEN}
    schema = {"type": "array", "items": [TEXT], "additionalItems": False}
    assert "keyword.other_version" not in [code for code, _ in _problems(with_request(schema, **dialect))]


@pytest.mark.parametrize(
    ("field", "holder", "first", "second"),
    [
        ("query", {"paths": {"/x": {"query": {"responses": {}}}}}, "3.2.0", "3.1.0"),
        ("webhooks", {"webhooks": {"w": {"post": {"responses": {}}}}}, "3.1.0", "3.0.3"),
        (
            "itemSchema",
            {
                "paths": {
                    "/x": {
                        "get": {
                            "responses": {
                                "200": {"description": "", "content": {"application/jsonl": {"itemSchema": TEXT}}}
                            }
                        }
                    }
                }
            },
            "3.2.0",
            "3.1.0",
        ),
    ],
)
def test_a_field_of_a_later_version_is_listed_and_its_standing_is_not_decided(field, holder, first, second) -> None:
    has, lacks = ({**openapi({}, version=version), **holder} for version in (first, second))
    assert [code for code, _ in _problems(lacks)] == ["field.other_version"]
    assert _problems(has) == []
    for result in (judge(has, lacks), judge(lacks, has)):
        assert result.verdict == "warning"
        assert rules(result, "warning") == {"contract-not-read"}
    assert judge(lacks, lacks).verdict == "none"


def test_swagger_reads_alternatives_that_it_does_not_have() -> None:
    def swagger(schema: dict[str, Any]) -> dict[str, Any]:
        answer = {"200": {"description": "OK", "schema": schema}}
        return {
            "swagger": "2.0",
            "info": {"title": "t", "version": "1"},
            "paths": {"/x": {"get": {"responses": answer}}},
        }

    one = {"oneOf": [TEXT, {"type": "integer"}]}
    assert _problems(swagger(one)) == [
        ("keyword.other_version", "/paths/~1x/get/responses/200/content/application~1json/schema/oneOf")
    ]
    assert judge(swagger(one), swagger(one)).verdict == "none"
    assert judge(swagger({"oneOf": [TEXT]}), swagger(one)).verdict == "breaking"
    assert judge(swagger(TEXT), swagger({**TEXT, "x-nullable": True})).verdict == "breaking"
