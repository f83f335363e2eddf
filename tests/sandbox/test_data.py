"""What the sandbox is loaded with: the generated retailer, and real files."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox import demo_data, realdata
from sandbox.dataset import load
from sandbox.erp_rows import erp_rows

NS = "{http://www.nrf-arts.org/IXRetail/namespace/}"


def test_the_generated_retailer_is_the_same_for_the_same_seed(tmp_path: Path):
    for name in ("a", "b"):
        demo_data.main(["--out", str(tmp_path / name), "--seed", "3", "--transactions", "20"])
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 7
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)
    assert load(tmp_path / "a") == demo_data.make(seed=3)


def test_a_generated_day_has_returns_voids_controls_and_a_sale_after_midnight_without_sequence_gaps():
    data = demo_data.make(seed=1)
    sold = demo_data.sell_day(data, seed=1, day=demo_data.DAY, transactions=40)
    everything = [one for made in sold.values() for one in made]
    assert any(one.control for one in everything)
    assert any(one.training for one in everything)
    assert any(line.kind == "return" for one in everything for line in one.lines)
    assert any(line.void for one in everything for line in one.lines)
    assert all(made[-1].end[:10] > made[-1].date for made in sold.values())
    for store, made in sold.items():
        for till in {one.till for one in made}:
            numbers = [one.sequence for one in made if one.till == till]
            assert numbers == list(range(1, len(numbers) + 1)), (store, till)


def test_gtins_have_a_valid_check_digit():
    assert demo_data.gtin13(400638133393) == "4006381333931"


def test_a_bulk_file_with_separators_of_several_characters_is_read(tmp_path: Path):
    (tmp_path / "Store.csv").write_text("1+|A, B+|two\nlines&|\n2+|C+|&|\n")
    assert list(realdata.bulk_rows(tmp_path / "Store.csv", realdata.BULK)) == [
        ["1", "A, B", "two\nlines"],
        ["2", "C", ""],
    ]


@pytest.mark.shared_data
def test_adventureworks_becomes_erp_rows(shared_data: Path):
    data = load(shared_data)
    assert (len(data.products), len(data.stock), len(data.sites)) == (504, 1069, 6)
    assert data.sites[0].name == "Next-Door Bike Store"
    rows = {
        (entity_set, row.get("Product") or row.get("Material"), row.get("Language")): row
        for _, entity_set, row in erp_rows(data)
    }
    assert rows["A_ProductDescription", "000000000000000001", "EN"]["ProductDescription"] == "Adjustable Race"
    current = [
        price for price in data.prices if price.product == "000000000000000707" and price.valid_to.startswith("9999")
    ]
    assert [price.amount for price in current] == ["34.9900"]


@pytest.mark.shared_data
def test_every_row_of_online_retail_is_replayed_with_its_dirt(shared_data: Path, tmp_path: Path):
    source = list(realdata.retail_rows(realdata.find(shared_data, "online-retail")))
    made = realdata.replay(shared_data, tmp_path / "drop")
    assert made["rows"] == made["lines"] == len(source) == 12_822
    assert made["dirty"] == {
        "negative_sale": 32,
        "no_customer": 3093,
        "no_description": 43,
        "odd_code": 47,
        "return": 189,
        "zero_price": 50,
    }
    quantity, amount, keys = Decimal(0), Decimal(0), set()
    for path in (tmp_path / "drop").glob("*/*.xml"):
        for one in ET.parse(path).getroot().iter(f"{NS}Transaction"):
            keys.add(
                tuple(
                    one.findtext(NS + name)
                    for name in ("RetailStoreID", "WorkstationID", "BusinessDayDate", "SequenceNumber")
                )
            )
            for kind in ("Sale", "Return"):
                quantity += sum(Decimal(line.findtext(f"{NS}Quantity")) for line in one.iter(NS + kind))
                amount += sum(Decimal(line.findtext(f"{NS}ExtendedAmount")) for line in one.iter(NS + kind))
    assert len(keys) == made["transactions"] == len({row["InvoiceNo"] for row in source}) == 639
    assert quantity == sum(Decimal(row["Quantity"]) for row in source)
    assert amount == Decimal(made["amount"])
