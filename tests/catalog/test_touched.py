"""Whom a difference touches: the known consumers of a version by the operations that they were reported to call."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.models import OperationUse
from catalog.selectors import touched, versions
from catalog.services import usage, version_changes
from kernel.errors import Invalid
from tests.catalog import make

pytestmark = pytest.mark.django_db
CALL = "GET /prices/{sku}"


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def report(batch: str, application: str, calls: int = 10, **more: Any) -> usage.UsageReceipt:
    row = {"application": application, "version": "price-api@v2", "environment": "production", "calls": calls, **more}
    return usage.report(actor=None, batch_id=batch, rows=[row])


def reach(*operations: str) -> touched.Touched:
    version = versions.by_reference("price-api@v2")
    assert version is not None
    return touched.known_consumers(version.id).touched(operations)


def test_a_consumer_is_touched_by_the_operations_that_it_calls():
    report("1", "web-shop", operations={CALL: 4})
    assert reach(CALL) == touched.Touched(surely=("Web shop",), perhaps=("Till programme",))
    assert reach("DELETE /prices") == touched.Touched(perhaps=("Till programme",), spared=("Web shop",))
    assert reach() == touched.Touched(surely=("Web shop", "Till programme")), (
        "a difference of the whole document touches all"
    )


def test_calls_by_operation_are_added_up_and_counted_once():
    for _ in range(2):
        report("1", "web-shop", operations={CALL: 4})
    report("2", "web-shop", operations={CALL: 3})
    assert OperationUse.objects.get().calls == 7


def test_an_operation_that_the_contract_does_not_list_is_reported_back_and_not_kept():
    receipt = report("1", "web-shop", operations={CALL: 4, "GET /customers/4711": 1})
    assert [found["pointer"] for found in receipt.unknown] == ["/rows/0/operations"]
    assert receipt.accepted == 1
    assert [use.operation for use in OperationUse.objects.all()] == [CALL]


@pytest.mark.parametrize(
    ("operations", "pointer"),
    [
        ([CALL], "/rows/0/operations"),
        ({CALL: -1}, "/rows/0/operations"),
        ({CALL: True}, "/rows/0/operations"),
        ({"": 1}, "/rows/0/operations"),
        ({"x" * 301: 1}, "/rows/0/operations"),
        ({f"GET /{n}": 0 for n in range(501)}, "/rows/0/operations"),
        ({CALL: 11}, "/rows/0/operations"),
    ],
)
def test_unreadable_operations_refuse_the_batch(operations: Any, pointer: str):
    with pytest.raises(Invalid) as refused:
        report("1", "web-shop", operations=operations)
    assert [found["pointer"] for found in refused.value.findings] == [pointer]
    assert not OperationUse.objects.exists()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (touched.Touched(), ""),
        (touched.Touched(surely=("A",), spared=("B", "C")), "Touches 1 of 3 known consumers: A. 2 call other"),
        (touched.Touched(perhaps=("A",)), "May touch 1 of 1 known consumer: A; which operations"),
        (touched.Touched(spared=("A",)), "Touches none of 1 known consumer: they call other operations."),
        (touched.Touched(surely=tuple("ABCDEF")), "Touches 6 of 6 known consumers: A, B, C, D and 2 more."),
    ],
)
def test_the_estimate_is_told_in_words(found: touched.Touched, said: str):
    assert found.in_words.startswith(said)
    assert bool(found.in_words) == bool(said)


def test_the_compare_page_says_whom_a_difference_touches():
    report("1", "web-shop", operations={CALL: 4})
    text = make.shown(make.client("stan").get("/catalog/apis/price-api/compare/?from=v2&to=v1"))
    assert "Touches 1 of 2 known consumers: Web shop. 1 more may be: Till programme; which operations" in text
    assert "2 known consumers of v2" in text


def test_the_compare_page_says_once_what_holds_for_every_difference():
    text = make.shown(make.client("stan").get("/catalog/apis/price-api/compare/?from=v2&to=v1"))
    assert text.count("which operations they call was not reported") == 1
    assert "What breaks may touch 1 of 1 known consumer: Till programme" in text


def test_the_api_tells_groups_with_whom_they_touch_and_keeps_its_findings():
    report("1", "web-shop", operations={CALL: 4})
    address = "/api/v1/apis/price-api/versions/v1/comparison?with=v2"
    body = make.client("stan").get(address).json()
    group = body["groups"][0]
    assert (group["component"], group["count"], group["members"]) == ("Price", 1, ["currency"])
    assert group["touched"] == {"surely": ["Web shop"], "perhaps": ["Till programme"], "spared": []}
    found = body["findings"][0]
    assert {"rule", "level", "direction", "message", "hint", "operations", "pointer", "line", "fingerprint"} <= set(
        found
    )
    assert found["count"] == len(found["places"]) == 1


def test_several_differences_of_a_schema_are_one_line_of_the_compare_page():
    more = ", ".join(f"extra{n}: {{type: string}}" for n in range(5))
    text = make.contract("price-v2.yaml").decode().replace("sku: {type: string}", f"sku: {{type: string}}, {more}")
    version_changes.revise_contract(
        actor=make.person("piet"), reference="price-api@v3", content=text.encode(), file_name="price.yaml"
    )
    text = make.shown(make.client("piet").get("/catalog/apis/price-api/compare/?from=v2&to=v3"))
    assert "5 optional properties added" in text
    assert "All 5 differences" in text
