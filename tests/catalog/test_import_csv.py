"""CSV as Excel and its peers write it."""

from __future__ import annotations

import pytest

from catalog.models import Api
from catalog.services import importing
from catalog.services.importing.sources import ImportSource
from tests.catalog import make

pytestmark = pytest.mark.django_db
SPELLINGS = {
    "code page 1252": "slug;name\norders;Aufträge\n".encode("cp1252"),
    "UTF-8": "slug,name\norders,Aufträge\n".encode(),
    "UTF-8 with a mark": "slug,name\norders,Aufträge\n".encode("utf-8-sig"),
    "UTF-16": "slug\tname\norders\tAufträge\n".encode("utf-16"),
    "a line that names the separator": "sep=;\r\nslug;name\r\norders;Aufträge\r\n".encode(),
    "pipes": "slug|name\norders|Aufträge\n".encode(),
    "a ragged line": "slug,name\norders,Aufträge,more,and more\n".encode(),
    "a short line": "slug,name,domain\norders,Aufträge\n".encode(),
    "commas in a semicolon file": 'slug;name;"a,b,c,d"\norders;Aufträge;x\n'.encode(),
    "a heading in words": "Slug,Name,Owner Team\norders,Aufträge,pricing\n".encode(),
}


@pytest.mark.parametrize("data", SPELLINGS.values(), ids=SPELLINGS)
def test_a_csv_is_read_in_every_spelling(data):
    make.estate()
    row = importing.run([ImportSource("apis.csv", data)], actor=None, source="t").rows.get()
    assert (row.outcome, row.reference) == ("created", "orders")
    assert Api.objects.get(slug="orders").name == "Aufträge"


def test_a_quote_that_is_not_closed_and_cells_beyond_the_columns_are_told():
    text = 'slug,name\none,One\ntwo,"Two\nthree,Three\n'
    row = importing.run([ImportSource("a.csv", text.encode())], actor=None, source="t").rows.get()
    assert (row.outcome, row.code) == ("refused", "import.csv")
    assert "a quotation mark opens a cell" in row.message
    text = 'slug,name\none,"One, ""1"""\ntwo,Two, too\nthree,Three,,\n'
    rows = importing.run([ImportSource("a.csv", text.encode())], actor=None, source="t").rows.order_by("position")
    assert [(r.outcome, r.code) for r in rows] == [("created", ""), ("created", "import.noticed"), ("created", "")]
    assert "beyond the columns of the first line: 1" in rows[1].message
    assert Api.objects.get(slug="one").name == 'One, "1"'


def test_a_csv_of_one_column_is_a_list_of_names():
    make.estate()
    run = importing.run([ImportSource("apis.csv", b"name\nOrders\nBasket\n")], actor=None, source="t")
    assert list(run.rows.values_list("reference", flat=True)) == ["orders", "basket"]
