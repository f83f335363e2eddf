"""Who needs a restricted API, or is needed by it, is told to those alone who may see both."""

from __future__ import annotations

import pytest

from catalog.models import Api, Dependency
from tests.catalog import make

pytestmark = pytest.mark.django_db
HIDDEN = "loyalty-api"  # restricted: Stan of the stores does not see it


@pytest.fixture(autouse=True)
def rows() -> list[Dependency]:
    """The open price API needs the restricted one, and the restricted one needs the price API."""
    make.estate()
    price, hidden = Api.objects.get(slug="price-api"), Api.objects.get(slug=HIDDEN)
    ends = ((price, hidden), (hidden, price))
    return [Dependency.objects.get_or_create(api=a, target_api=b, target_system=None)[0] for a, b in ends]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/dependencies",
        f"/api/v1/dependencies?target_api__slug={HIDDEN}",
        "/api/v1/dependencies?api__slug=price-api",
        "/catalog/apis/price-api/",
        "/catalog/dependencies/",
        "/catalog/dependencies/?focus=price-api",
        "/catalog/dependencies/?column=process",
        "/api/v1/apis/price-api/scorecard",
    ],
)
def test_no_list_page_or_graph_names_a_dependency_on_what_is_hidden(path: str):
    answer = make.client("stan").get(path)
    assert answer.status_code == 200
    said = make.shown(answer).replace(path, "").replace("target_api__slug=" + HIDDEN, "")
    assert HIDDEN not in said
    assert "Loyalty API" not in said


def test_a_filter_by_a_hidden_api_counts_nothing(rows: list[Dependency]):
    path = f"/api/v1/dependencies?target_api__slug={HIDDEN}"
    assert make.client("stan").get(path).json()["results"] == []
    assert len(make.client("lea").get(path).json()["results"]) == 1


def test_a_dependency_with_a_hidden_end_is_neither_read_nor_dropped_by_its_number(rows: list[Dependency]):
    for by, row in (("stan", rows[0]), ("piet", rows[0])):
        for method in ("get", "delete"):
            answer = getattr(make.client(by), method)(f"/api/v1/dependencies/{row.pk}")
            assert (by, method, answer.status_code) == (by, method, 404)
    assert make.client("lea").get(f"/api/v1/dependencies/{rows[0].pk}").status_code == 200


def test_those_who_see_both_ends_are_told():
    assert HIDDEN in make.shown(make.client("lea").get("/catalog/apis/price-api/"))
