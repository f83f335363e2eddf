"""The search box: what it finds, and that nothing typed into it breaks it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kernel.search_results import SearchResult
from portal import search
from tests.portal import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(client):
    client.force_login(make.person("reader"))
    return client


@pytest.fixture
def offers(monkeypatch):
    """What the rooms would find, in place of the rooms."""
    hits: list[SearchResult] = []
    provider = SimpleNamespace(find=lambda viewer, text, limit: hits)
    monkeypatch.setattr(search, "_provider", lambda room: provider if room == "catalog" else None)
    return hits


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "'; drop table x",
        "%",
        "a" * 5000,
        "#999999999999",
        "#" + "9" * 40,
        "sha256:9f2c41d7",
        "☃",
        "²",
        "#1²",
        "①",
        "🄁",
        "١",
        "<script>",
    ],
)
def test_whatever_is_typed_gives_a_page(reader, text):
    answer = reader.get("/search/", {"q": text})
    assert answer.status_code in (200, 302)
    assert "“<script>”" not in answer.text


def test_one_exact_hit_opens_at_once(reader, offers):
    offers.append(SearchResult("APIs", "Price API", "/catalog/price-api/", exact=True))
    assert reader.get("/search/", {"q": "price-api"}).url == "/catalog/price-api/"


def test_several_hits_are_listed_by_kind(reader, offers):
    offers += [
        SearchResult("APIs", "Price API", "/catalog/price-api/", says="One price"),
        SearchResult("Changes", "Publish <v3>", "/changes/418/", digest="sha256:" + "9f2c41d7" * 8),
    ]
    answer = reader.get("/search/", {"q": "price"})
    assert answer.context["total"] == 2
    assert "Publish &lt;v3&gt;" in answer.text
    assert "9f2c41d7" in answer.text


def test_nothing_found_says_what_can_be_searched(reader, offers):
    assert "No results" in reader.get("/search/", {"q": "xyzzy"}).text
