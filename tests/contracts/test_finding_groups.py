"""Differences as people read them: one sentence for each schema and rule, and equal differences told once."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tillgate_contracts.cli import main
from tillgate_contracts.compare import compare
from tillgate_contracts.compare.groups import FindingText, group, place_of
from tillgate_contracts.reading import Document

DROPPED = ("amount", "blocked", "company", "delivery")


def described(schema: dict[str, Any], *, paths: tuple[str, ...] = ("/donations",), default: int | None = 10) -> Any:
    limit = {"type": "integer", **({} if default is None else {"default": default})}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Donation"}}}}
    operation = {
        "parameters": [{"name": "limit", "in": "query", "schema": limit}],
        "requestBody": body,
        "responses": {"200": {"description": "ok"}},
    }
    return {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1.0.0"},
        "paths": {path: {"post": operation} for path in paths},
        "components": {"schemas": {"Donation": schema}},
    }


def closed(*names: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {name: {"type": "string"} for name in names}}


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """Four properties of one closed schema are gone, and one default in three operations."""
    paths = ("/donations", "/gifts", "/refunds")
    old, new = (described(closed("kept", *DROPPED), paths=paths), described(closed("kept"), paths=paths, default=None))
    names = []
    for name, document in (("old", old), ("new", new)):
        (tmp_path / f"{name}.json").write_text(json.dumps(document, indent=1))
        names.append(str(tmp_path / f"{name}.json"))
    return names[0], names[1]


def run(pair: tuple[str, str], form: str) -> str:
    out = io.StringIO()
    assert main(["compare", *pair, "--format", form], out=out) == 1
    return out.getvalue()


def test_text_tells_the_properties_of_one_schema_in_one_sentence(pair: tuple[str, str]) -> None:
    text = " ".join(run(pair, "text").split())
    assert "`Donation`: 4 optional properties removed and unknown ones refused:" in text
    assert "`amount`, `blocked`, `company`, `delivery`. Callers that still send them are refused." in text
    assert "in POST /donations, POST /gifts, POST /refunds" in text
    assert text.count("request-property-removed-and-refused") == 1


def test_text_tells_equal_differences_once_with_their_number(pair: tuple[str, str]) -> None:
    text = " ".join(run(pair, "text").split())
    assert text.count("no longer has the default 10") == 1
    assert "The query parameter `limit` no longer has the default 10." in text
    assert "The same at 2 further places." in text
    assert "9 differences in 3 groups" not in text
    assert "7 breaking" in text


def test_json_keeps_its_fields_and_adds_groups_and_counts(pair: tuple[str, str]) -> None:
    data = json.loads(run(pair, "json"))
    assert {"verdict", "breaking", "warnings", "compatible", "findings", "rule_pack"} <= set(data)
    equal = [found for found in data["findings"] if found["rule"] == "request-parameter-default-value-removed"]
    assert [found["count"] for found in equal] == [3]
    assert len(equal[0]["places"]) == 3
    assert equal[0]["operations"] == ["POST /donations", "POST /gifts", "POST /refunds"]
    assert sum(found["count"] for found in data["findings"] if found["level"] == "breaking") == data["breaking"]
    groups = {one["rule"]: one for one in data["groups"]}
    donation = groups["request-property-removed-and-refused"]
    assert (donation["component"], donation["count"]) == ("Donation", 4)
    assert donation["members"] == list(DROPPED)
    assert len(donation["fingerprints"]) == 4


def test_junit_has_one_case_for_equal_differences_with_their_number(pair: tuple[str, str]) -> None:
    cases = ElementTree.fromstring(run(pair, "junit")).findall(".//testcase")
    equal = [case for case in cases if "default-value-removed" in case.attrib["name"]]
    assert len(equal) == 1
    assert "at 3 places" in (equal[0].findtext("failure") or "")
    assert len({case.attrib["name"] for case in cases}) == len(cases), "names of cases tell them apart"


def test_sarif_has_one_result_for_equal_differences_with_their_number(pair: tuple[str, str]) -> None:
    results = json.loads(run(pair, "sarif"))["runs"][0]["results"]
    equal = [found for found in results if found["ruleId"] == "request-parameter-default-value-removed"]
    assert [found["occurrenceCount"] for found in equal] == [3]
    assert len(equal[0]["relatedLocations"]) == 2


def test_markdown_has_one_row_for_a_group(pair: tuple[str, str]) -> None:
    text = run(pair, "markdown")
    rows = [line for line in text.splitlines() if "request-property-removed-and-refused" in line]
    assert len(rows) == 1
    assert "4 optional properties removed and unknown ones refused" in rows[0]
    assert "7 breaking" in text


def test_the_report_of_the_engine_has_the_groups() -> None:
    report = compare(Document.from_value(described(closed("a", *DROPPED))), Document.from_value(described(closed("a"))))
    assert [(one.component, one.count) for one in report.groups if one.level == "breaking"] == [("Donation", 4)]


def test_a_group_of_one_is_the_sentence_of_its_difference() -> None:
    (one,) = group([FindingText("response-property-became-nullable", "breaking", "`a` of `B` may now be null.", "/x")])
    assert (one.message, one.count) == ("`a` of `B` may now be null.", 1)


def test_a_long_list_of_names_is_cut_and_says_how_many_more() -> None:
    rule, where = "response-optional-property-added", "/components/schemas/B/properties/p"
    (one,) = group([FindingText(rule, "info", f"`B` has `p{n}`.", f"{where}{n:02}") for n in range(30)])
    assert one.message.startswith("`B`: 30 optional properties added: `p00`, `p01`")
    assert one.message.endswith(" and 22 more.")
    assert len(one.members) == 30


def test_different_levels_schemas_and_rules_stay_apart() -> None:
    told = [
        FindingText("response-optional-property-added", "info", "1", "/components/schemas/A/properties/p"),
        FindingText("response-optional-property-added", "warning", "2", "/components/schemas/A/properties/q"),
        FindingText("response-optional-property-added", "info", "3", "/components/schemas/B/properties/p"),
        FindingText("request-optional-property-added", "info", "4", "/components/schemas/A/properties/p"),
    ]
    assert [one.count for one in group(told)] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("/components/schemas/Price/properties/amount/minimum", ("Price", "amount")),
        ("/components/schemas/Price/properties/lines/items/properties/sku", ("Price", "lines[].sku")),
        ("common.yaml#/components/schemas/Price/properties/a~1b", ("Price", "a/b")),
        ("/definitions/Price", ("Price", "")),
        ("/components/messages/Sold/payload/properties/at", ("Sold", "at")),
        ("/paths/~1orders/post/requestBody/content/application~1json/schema/properties/a", ("POST /orders", "a")),
        ("/paths/~1orders/parameters/0/schema", ("/orders", "")),
        ("/Edmx/DataServices/Schema/EntityType[@Name='Item']/Property[@Name='Price']", ("Item", "Price")),
        ("Query.order(id:)", ("Query", "order(id:)")),
        ("", ("", "")),
    ],
)
def test_a_place_is_named_by_its_component_and_member(pointer: str, expected: tuple[str, str]) -> None:
    assert place_of(pointer) == expected


def _removed(member: str, operation: str) -> FindingText:
    return FindingText(
        "response-optional-property-removed",
        "warning",
        f"`{member}` of {operation} went.",
        f"/components/schemas/Price/properties/{member}",
        operations=(operation,),
    )


def test_a_group_counts_fields_and_not_the_places_where_they_are_met():
    pairs = [_removed(name, operation) for name in ("amount", "unit") for operation in ("GET /a", "GET /b")]
    (told,) = group(pairs)
    assert told.message.startswith("`Price`: 2 optional properties removed at 4 places: `amount`, `unit`.")
    (one,) = group(pairs[:2])
    assert one.message == "`amount` of GET /a went. The same at 1 further place."
    assert (told.count, one.count) == (4, 2)


def test_a_group_counts_values_where_they_are_what_changed():
    def value(text: str, place: str) -> FindingText:
        return FindingText(
            "response-property-enum-value-added", "warning", text, f"/components/schemas/Price/properties/{place}"
        )

    (told,) = group([value("`unit` takes a", "unit"), value("`unit` takes b", "unit"), value("`unit` takes c", "unit")])
    assert told.message.startswith("`Price`: 3 values newly allowed: `unit`.")
