"""Lists of values that were replaced as a whole are compared in time, and told as one finding with their number."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.contracts.contract_documents import judge
from tillgate_contracts.compare.schema.enums import MOST_VALUES

MANY = 20_000


def document(letter: str, many: int, keyword: str) -> dict[str, Any]:
    schema = {"type": "string", keyword: [f"{letter}{number}" for number in range(many)]}
    body = {"content": {"application/json": {"schema": schema}}}
    paths = {"/a": {"post": {"operationId": "g", "requestBody": body, "responses": {"200": {"description": "x"}}}}}
    made = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths}
    return made


@pytest.mark.parametrize("keyword", ["enum", "x-extensible-enum"])
def test_a_long_list_that_is_replaced_is_one_finding_each_way(keyword: str) -> None:
    one, other = document("a", MANY, keyword), document("b", MANY, keyword)
    began = time.process_time()
    report = judge(one, other)
    assert time.process_time() - began < 5
    removed, added = (
        [f for f in report.findings if f.rule.endswith(f"{keyword}-value-{what}")] for what in ("removed", "added")
    )
    assert (len(removed), len(added)) == (1, 1)
    assert "20,000 values, among them" in removed[0].message
    assert len(json.dumps([str(f) for f in report.findings])) < 20_000


def test_few_values_are_a_finding_each_as_before() -> None:
    report = judge(document("a", MOST_VALUES, "enum"), document("b", MOST_VALUES, "enum"))
    assert len([f for f in report.findings if "enum-value" in f.rule]) == 2 * MOST_VALUES
    assert report.verdict == "breaking"
