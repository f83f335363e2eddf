"""Search: words, typing errors, facets, visibility, the address as the whole state."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.domain.search_criteria import CODES, Criteria, read_criteria
from catalog.models import Api, ApiSearch, SavedSearch, SlaTier
from catalog.selectors import search
from catalog.services import apis as api_changes
from catalog.services import importing
from catalog.services.importing.sources import ImportSource
from kernel.viewer import SYSTEM, Viewer
from tests.catalog import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def slugs(q: str = "", *, viewer: Viewer = SYSTEM, **chosen: tuple[str, ...]) -> list[str]:
    return [row["slug"] for row in search.browse(Criteria(q=q, chosen=chosen), viewer=viewer).rows]


@pytest.mark.parametrize(
    "q",
    ["price", "Price API", "prices", "pri", "price-api", "getPrice", "sku", "currency", "pricing team", "moment store"],
)
def test_names_purposes_operations_fields_and_owners_are_found(q):
    assert "price-api" in slugs(q)


@pytest.mark.parametrize(
    ("q", "found"),
    [("loyalti", "loyalty-api"), ("redemtion", "loyalty-api"), ("pirce", "price-api"), ("balnce", "loyalty-api")],
)
def test_small_typing_errors_do_not_matter(q, found):
    assert found in slugs(q)


def test_what_was_corrected_is_said():
    assert "redempt" in search.browse(Criteria(q="redemtion"), viewer=SYSTEM).understood.corrected["redemtion"]


def test_the_name_counts_more_than_a_field():
    assert slugs("price")[0] == "price-api"
    assert slugs("loyalty")[0] == "loyalty-api"


def test_words_that_nothing_has_together_are_found_apart_and_it_is_said():
    found = search.browse(Criteria(q="redeem currency"), viewer=SYSTEM)
    assert found.loose
    assert {r["slug"] for r in found.rows} >= {"price-api", "loyalty-api"}


@pytest.mark.parametrize("q", ["", "the of", "!!!", "'", "a:b & !c | (", "\\", "%", "x" * 200, "日本語", ":*"])
def test_no_word_breaks_the_search(q):
    search.browse(read_criteria({"q": q}, {}), viewer=SYSTEM)


def test_facets_count_what_the_other_facets_leave():
    found = search.browse(Criteria(chosen={"domain": ("price",)}), viewer=SYSTEM)
    assert [r["slug"] for r in found.rows] == ["price-api"]
    assert dict(found.facets["domain"]) == {"price": 1, "loyalty": 1, "none": 1}
    assert dict(found.facets["data"]) == {"internal": 1}
    assert dict(found.facets["state"]) == {"published": 1, "retired": 1}
    both = search.browse(
        Criteria(chosen={"domain": ("price", "loyalty"), "layer": ("process",), "tier": ("0",)}), viewer=SYSTEM
    )
    assert both.total == 2
    assert dict(both.facets["layer"]) == {"process": 2}
    assert slugs(tier=("none",)) == []
    assert slugs(domain=("none",)) == ["self-checkout"]


def test_every_facet_chosen_at_once_still_counts():
    chosen = {
        "domain": ("price",),
        "state": ("published",),
        "layer": ("process",),
        "style": ("rest",),
        "tier": ("0",),
        "data": ("internal",),
        "system": ("price-engine",),
        "team": ("pricing",),
    }
    found = search.browse(Criteria(q="price", chosen=chosen), viewer=SYSTEM)
    assert (found.total, len(found.rows)) == (1, 1)
    assert all(dict(found.facets[name]).get(values[0]) == 1 for name, values in chosen.items())


def test_a_restricted_api_is_counted_and_found_by_its_team_only():
    lea, piet = Viewer.of(make.person("lea")), Viewer.of(make.person("piet"))
    assert "loyalty-api" in slugs("loyalty", viewer=lea)
    hidden = search.browse(Criteria(q="loyalty"), viewer=piet)
    assert [r["slug"] for r in hidden.rows] == []
    assert hidden.total == 0
    assert not any(n for counts in hidden.facets.values() for _, n in counts)
    assert search.browse(Criteria(), viewer=Viewer()).total == 0


def test_a_subscriber_sees_the_restricted_api_that_its_team_uses():
    from catalog.services import blueprint

    document = make.blueprint()
    document["subscriptions"].append(
        {"application": "till", "version": "loyalty-api@v1", "environment": "production", "from": "2026-01-01"}
    )
    blueprint.apply(document, actor=None, base_dir=make.ESTATE)
    assert "loyalty-api" in slugs("loyalty", viewer=Viewer.of(make.person("stan")))


def test_a_change_is_found_in_the_same_moment():
    assert "price-api" not in slugs("haberdashery")
    api_changes.change("price-api", values={"purpose": "Prices for haberdashery."}, actor=make.person("piet"))
    assert "price-api" in slugs("haberdashery")


def _with_older_versions(*, field: str, where: str) -> None:
    """Three published versions of one more API; only the named one has the field."""
    labels = ("v1", "v2", "v3")
    sources = [
        ImportSource(
            f"shop/basket-{label}.json",
            json.dumps(
                {
                    "openapi": "3.1.0",
                    "info": {"title": "Shop basket", "version": label},
                    "paths": {
                        "/basket": {
                            "get": {
                                "responses": {
                                    "200": {
                                        "description": "ok",
                                        "content": {
                                            "application/json": {
                                                "schema": {
                                                    "type": "object",
                                                    "properties": {
                                                        "amount": {"type": "number"},
                                                        f"n{label}": {"type": "string"},
                                                        **({field: {"type": "string"}} if label == where else {}),
                                                    },
                                                }
                                            }
                                        },
                                    }
                                }
                            }
                        }
                    },
                }
            ).encode(),
        )
        for label in labels
    ]
    importing.run(sources, actor=None, source="test", defaults={"state": "published"})


@pytest.mark.parametrize(("where", "rank_of_older"), [("v1", True), ("v3", False)])
def test_a_field_that_only_an_older_live_version_has_is_found_below_the_present_ones(where, rank_of_older):
    _with_older_versions(field="gtinPackage", where=where)
    found = search.browse(Criteria(q="gtinPackage"), viewer=SYSTEM)
    assert [r["slug"] for r in found.rows] == ["shop-basket"]
    assert found.total == 1
    assert dict(found.facets["state"]) == {"published": 1}
    document = ApiSearch.objects.get(slug="shop-basket").document
    assert ("'~gtin" in document) is rank_of_older
    assert slugs("gtinPakage") == ["shop-basket"]
    assert slugs("basket gtinPackage") == ["shop-basket"]


def test_older_words_rank_below_present_ones():
    _with_older_versions(field="currency", where="v1")
    assert slugs("currency")[-1] == "shop-basket"
    assert len(slugs("currency")) > 1


def test_every_value_of_a_short_facet_has_a_code():
    assert set(CODES["layer"]) == {"", *Api.Layer.values}
    assert set(CODES["style"]) == {"", *Api.Style.values}
    assert set(CODES["data"]) == {"", *Api.DataClass.values}
    assert set(CODES["tier"]) == {"", *(str(t.level) for t in SlaTier.objects.all())}


_TEXT = st.text(max_size=30)


@settings(max_examples=80, deadline=None)
@given(
    q=_TEXT,
    sort=st.sampled_from(["", "best", "used", "newest", "name"]),
    page=st.integers(1, 99999),
    chosen=st.dictionaries(
        st.sampled_from(["domain", "state", "tier", "team"]), st.lists(_TEXT, max_size=3), max_size=3
    ),
)
def test_the_address_holds_the_whole_state(q, sort, page, chosen):
    from urllib.parse import parse_qs

    first = read_criteria({"q": q, "sort": sort, "page": str(page)}, chosen)
    parsed = parse_qs(first.query())
    again = read_criteria({k: v[0] for k, v in parsed.items()}, parsed)
    assert again == first


def test_a_saved_search_is_an_address_with_a_name():
    client = make.client("piet")
    answer = client.post("/catalog/searches/", {"name": "Mine", "query": "domain=price&sort=used"})
    assert answer.url == "/catalog/?domain=price&sort=used"
    assert b"Mine" in client.get("/catalog/").content
    assert "Mine" not in make.shown(make.client("lea").get("/catalog/"))
    client.post("/catalog/searches/", {"forget": SavedSearch.objects.get().pk})
    assert not SavedSearch.objects.exists()


def test_the_search_over_all_rooms_finds_apis_that_one_may_see():
    assert "Price API" in make.shown(make.client("stan").get("/search/?q=prices+moment"))
    assert "Loyalty API" not in make.shown(make.client("stan").get("/search/?q=loyalty+redeem"))
    assert make.client("lea").get("/search/?q=loyalty-api").status_code in (200, 302)
