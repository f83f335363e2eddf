"""Settings that are paths into JSON: a name with a dot of its own can be named, and what is no path is refused where it
stands, whatever it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernel.errors import Invalid
from runtime import profiles
from runtime.connectors.answers import at
from runtime.connectors.registry import open_source
from runtime.domain.json_paths import steps
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server

PATHS = [
    ("", ()),
    ("next", ("next",)),
    ("d.results", ("d", "results")),
    ("@odata.nextLink", ("@odata.nextLink",)),
    ("value@odata.count", ("value@odata.count",)),
    ("page.@odata.nextLink", ("page", "@odata.nextLink")),
    ("@odata.x.y", ("@odata.x", "y")),
    ("`page.next`.href", ("page.next", "href")),
    ("`@Microsoft.Dynamics.CRM.more`", ("@Microsoft.Dynamics.CRM.more",)),
    ("@graph.items", ("@graph", "items")),
]


@pytest.mark.parametrize(("path", "names"), PATHS)
def test_a_path_is_names_joined_by_dots_and_one_with_a_dot_stands_in_backticks(
    path: str, names: tuple[str, ...]
) -> None:
    assert steps(path) == names
    document: Any = "found"
    for name in reversed(names):
        document = {name: document}
    assert at(document, path) == "found"


def paged(member: Any) -> Any:
    """A service of twelve rows whose pages say by `member(url)` where the next one is."""
    rows = [{"dataAreaId": "de01", "ItemNumber": f"p{n:03}"} for n in range(12)]

    def answer(seen: Any) -> Any:
        start = int(seen.query.get("$skiptoken", 0))
        more = member(f"{seen.path}?$skiptoken={start + 5}") if start + 5 < len(rows) else {}
        return 200, {}, {"@odata.context": "$metadata#Rows", "value": rows[start : start + 5], **more}

    return answer


NEXT = [
    ("@odata.nextLink", lambda url: {"@odata.nextLink": url}),
    ("`@odata.nextLink`", lambda url: {"@odata.nextLink": url}),
    ("`page.next`", lambda url: {"page.next": url}),
    ("`page.next`.href", lambda url: {"page.next": {"href": url}}),
    ("page.next", lambda url: {"page": {"next": url}}),
]


@pytest.mark.parametrize(("path", "member"), NEXT)
def test_pages_are_followed_by_a_member_whose_name_has_a_dot(path: str, member: Any) -> None:
    with Server(paged(member)) as server:
        settings = {"base_url": server.url, "path": "/rows", "items": "value", "key_fields": ["ItemNumber"]}
        source = open_source("rest", {**settings, "paging": {"strategy": "next", "next": path}})
        pages = read_all(source, circumstances=call())
        source.close()
    assert len({one.key for page in pages for one in page.records}) == 12


def test_the_profile_of_dynamics_365_reads_over_pages() -> None:
    with Server(paged(lambda url: {"@odata.nextLink": url})) as server:
        settings = {**profiles.profile("dynamics365").connection({}), "base_url": server.url, "auth": {}}
        source = open_source("rest", settings)
        pages = read_all(source, circumstances=call())
        source.close()
    assert {one.key for page in pages for one in page.records} == {f"de01/p{n:03}" for n in range(12)}


ODD = [
    *('a"b', "a\\b", "@odata\\.nextLink", "a\nb", "\x00", "a\tb", "a..b", ".a", "a.", ".", "`a", "a`b", "``"),
    *("a." * 3_000 + "a", "a." * 40 + "a", "x" * 100_000),
]
SETTINGS: list[tuple[str, Any]] = [
    ("/items", lambda odd: {"items": odd}),
    ("/key_fields/0", lambda odd: {"key_fields": [odd]}),
    ("/version_field", lambda odd: {"version_field": odd}),
    ("/paging/next", lambda odd: {"paging": {"strategy": "next", "next": odd}}),
    ("/paging/more", lambda odd: {"paging": {"strategy": "offset", "more": odd}}),
    ("/paging/total", lambda odd: {"paging": {"strategy": "offset", "total": odd}}),
    ("/paging/order_by", lambda odd: {"paging": {"strategy": "offset", "order_by": odd}}),
    ("/changes/field", lambda odd: {"changes": {"param": "since", "field": odd}}),
    ("/page_errors/0", lambda odd: {"page_errors": [odd]}),
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:20])
@pytest.mark.parametrize(("pointer", "given"), SETTINGS)
def test_what_is_no_path_is_refused_where_it_stands(pointer: str, given: Any, odd: str) -> None:
    settings = {"base_url": "http://127.0.0.1", "path": "/rows", "items": "value", "key_fields": ["id"], **given(odd)}
    with pytest.raises(Invalid) as told:
        open_source("rest", json.loads(json.dumps(settings)))
    assert told.value.findings[0]["pointer"] == pointer
    assert "matching regex" not in told.value.message


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:20])
def test_so_it_is_for_the_other_readers(odd: str) -> None:
    odata = {"base_url": "http://127.0.0.1", "service": "s", "entity_set": "Rows", "key_fields": ["id"]}
    for more in ({"key_fields": [odd]}, {"changed": odd}):
        with pytest.raises(Invalid):
            open_source("odata_v2", {**odata, **more})
    for lines in ({"key_fields": [odd]}, {"key_fields": ["id"], "version_field": odd}):
        with pytest.raises(Invalid):
            open_source("file_drop", {"root": "/nowhere", "format": "jsonl", **lines})


def test_an_empty_name_opens_as_before() -> None:
    settings = {"base_url": "http://127.0.0.1", "path": "/rows", "items": "", "key_fields": [""]}
    open_source("rest", settings).close()


@pytest.mark.parametrize("value", ["{", "}", "{x}", "{since.__class__}", "{0}", "{}", "{since!r}"])
def test_the_template_of_a_change_parameter_names_nothing_else(value: str) -> None:
    changes = {"param": "q", "field": "at", "value": value}
    settings = {"base_url": "http://127.0.0.1", "path": "/rows", "items": "value", "key_fields": ["id"]}
    with pytest.raises(Invalid) as told:
        open_source("rest", {**settings, "changes": changes})
    assert told.value.findings[0]["pointer"] == "/changes/value"
