"""Data contracts of version 2.2 of the Open Data Contract Standard, as its three releases and their examples write
them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from catalog.models import ImportedThing
from catalog.selectors import contracts, versions
from tests.catalog import make
from tests.catalog.test_import_formats import rows, take

pytestmark = pytest.mark.django_db
FULL: dict[str, Any] = {
    "kind": "DataContract",
    "apiVersion": "v2.2.2",
    "version": "1.1.0",
    "status": "current",
    "uuid": "0f3c6a52-6c55-4ba2-a65f-72344a91553a",
    "type": "tables",
    "tenant": "Shop",
    "quantumName": "receipts",
    "userConsumptionMode": "Analytical",
    "datasetDomain": "Price",
    "datasetName": "receipt_views",
    "datasetProject": "edw",
    "description": {"purpose": "Receipts of all stores.", "limitations": None, "usage": "Reports."},
    "driver": "jdbc:postgresql",
    "server": "localhost:5432",
    "database": "receipts",
    "username": "${env.username}",
    "dataset": [
        {
            "table": "receipts",
            "physicalName": "receipts_1",
            "tags": None,
            "columns": [
                {"column": "sold_on", "isPrimary": True, "logicalType": "date", "isNullable": False, "tags": []},
                {"column": "amount", "logicalType": "Numeric", "classification": "restricted"},
                {"column": "country", "logicalType": "string", "quality": [{"code": "nullCheck", "severity": "error"}]},
            ],
            "quality": [{"code": "countCheck", "type": "reconciliation"}],
        }
    ],
    "price": {"priceAmount": 9.95, "priceCurrency": "EUR"},
    "stakeholders": [{"username": "ann", "role": "Data Scientist", "dateIn": "2022-08-02"}],
    "roles": [{"role": "reader", "access": "read", "firstLevelApprovers": "Reporting Manager"}],
    "slaDefaultColumn": "receipts.sold_on",
    "slaProperties": [{"property": "latency", "value": 4, "unit": "d"}],
}


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


@pytest.mark.parametrize("kind", ["DataContract", "virtualDataset", "managedDataset", None])
@pytest.mark.parametrize(
    "said", ["v2.2.2", "v2.2.1", "v2.2.0", "v2.2", "2.2.2", "2.3.0", 2.2, None], ids=lambda said: str(said)
)
def test_a_contract_of_version_2_is_read_whatever_its_kind_and_the_spelling_of_its_version(said: Any, kind: str | None):
    document = {**FULL, "apiVersion": said, "kind": kind}
    file = {"receipts.yaml": yaml.safe_dump({k: v for k, v in document.items() if v is not None})}
    assert rows(take(file))[0][:2] == ("created", "receipt-views@1.1.0")
    facts = versions.by_reference("receipt-views@1.1.0")
    assert (facts.data_class, facts.domain_key) == ("personal", "price")
    schema = json.loads(contracts.document(facts.contract_digest).canonical)
    receipts = schema["$defs"]["receipts"]
    assert (receipts["required"], sorted(receipts["properties"])) == (["sold_on"], ["amount", "country", "sold_on"])
    assert receipts["properties"]["amount"]["type"] == "number"
    thing = ImportedThing.objects.get()
    assert thing.ref == f"odcs:{FULL['uuid']}"
    assert {"team", "roles", "price", "slaProperties", "quality", "servers"} <= thing.facts.keys()
    assert rows(take(file))[0][0] == "unchanged"


def test_an_example_with_its_tables_below_the_dataset_and_a_version_of_another_name_is_read():
    document = {
        "version": "1.0.0",
        "standardVersion": "2.2.0",
        "uuid": "6aeafdc1-1111-4c8f-bf0a-da1061c98cdb",
        "type": "tables",
        "kind": "managedDataset",
        "status": "Development",
        "description": {},
        "dataset": {"tables": [{"table": "stores", "columns": [{"column": "id", "primary": True}]}]},
    }
    [row] = rows(take({"stores.yaml": yaml.safe_dump(document)}))
    assert row[0] == "created"


def test_a_version_3_keeps_its_words_and_another_version_is_refused_with_its_name():
    three = {
        "kind": "DataContract",
        "apiVersion": "3.0.2",
        "id": "three",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": "t", "properties": [{"name": "a", "logicalType": "string"}]}],
    }
    assert rows(take({"three.yaml": yaml.safe_dump(three)}))[0][0] == "created"
    four = yaml.safe_dump({**three, "apiVersion": "v4.0.0", "id": "four"})
    assert rows(take({"four.yaml": four}))[0][2] == "import.odcs_version"
