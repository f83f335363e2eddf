"""Pure rules of the catalog: names, hints, the graph, texts, places of findings, tiers, timelines, scorecards. No
database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.domain import (
    contract_hints,
    contract_text_diff,
    dependency_graph,
    lifecycle,
    naming,
    scorecards,
    tiers,
    typo_correction,
)
from catalog.selectors.dependency_graph import DependencyGraph, DependencyNode
from catalog.web import comparison_findings, graph_layout, version_timeline
from kernel.errors import Conflict, Invalid


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("getPriceByStoreID", ["get", "price", "by", "store", "id"]),
        ("API_SALES_ORDER_SRV", ["api", "sales", "order", "srv"]),
        ("/accounts/{number}", ["accounts", "number"]),
        ("HTTPServer2", ["http", "server2"]),
        ("", []),
    ],
)
def test_identifiers_are_split_into_words(text, found):
    assert naming.words(text) == found


@given(st.text(max_size=300))
def test_a_slug_always_fits_into_an_address(text):
    assert naming.is_slug(naming.slug_of(text))


@given(st.text(max_size=80), st.sets(st.sampled_from(["1.0", "1", "v1", "2026-11-23"])))
def test_a_label_is_usable_and_free(declared, taken):
    label = naming.label_for(declared, digest="sha256:" + "ab" * 32, today=date(2026, 11, 23), taken=taken)
    assert naming.is_label(label)
    assert label not in taken


@given(st.text("abcd", max_size=8), st.text("abcd", max_size=8))
def test_the_distance_of_words_is_symmetric_and_zero_for_equals_only(a, b):
    assert typo_correction.distance(a, b, limit=9) == typo_correction.distance(b, a, limit=9)
    assert (typo_correction.distance(a, b, limit=9) == 0) == (a == b)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("pirce", "price"),
        ("inventroy", "inventori"),
        ("balnc", "balanc"),
        ("custmer", "customer"),
        ("chekout", "checkout"),
    ],
)
def test_a_mistyped_word_finds_the_one_that_was_meant(typed, meant):
    assert typo_correction.nearest(
        typed, ["prize", "price", "inventori", "balanc", "customer", "checkout", "payment"], limit=1
    ) == [meant]


def test_field_names_suggest_the_strictest_class():
    assert contract_hints.sensitive_fields(["sku", "amount"]) == ("", [])
    assert contract_hints.sensitive_fields(["e_mail", "emailAddress"]) == ("personal", ["e_mail", "emailAddress"])
    assert contract_hints.sensitive_fields(["firstName", "card_number"]) == ("cardholder", ["card_number", "firstName"])


def test_an_entity_is_matched_by_its_words_and_how_it_is_touched_by_the_methods():
    known = {"price": ["price"], "loyalty-account": ["loyalty account", "points"], "tender": ["tender"]}
    found = contract_hints.entity_hints(
        [("GET", "/prices/{id}"), ("POST", "/points/redemptions"), ("SEND", "tender taken")], known
    )
    assert {(h.entity, h.access) for h in found} == {
        ("price", "authoritative_read"),
        ("loyalty-account", "command"),
        ("tender", "event"),
    }


_EDGES = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")).filter(lambda e: e[0] != e[1]), max_size=20
)


@given(_EDGES)
def test_cycles_are_exactly_the_nodes_that_reach_themselves(edges):
    inside = {node for group in dependency_graph.cycles(edges) for node in group}
    assert inside == {node for node in "abcdef" if node in dependency_graph.reachable([node], edges)}


@given(_EDGES)
def test_what_breaks_is_the_mirror_of_what_is_needed(edges):
    for node in "abcdef":
        for other in dependency_graph.reachable([node], edges):
            assert node in dependency_graph.reachable([other], edges, backwards=True)


def test_a_long_chain_does_not_exhaust_the_stack():
    chain = [(str(n), str(n + 1)) for n in range(20_000)] + [("20000", "0")]
    assert len(dependency_graph.cycles(chain)) == 1


def test_layers_are_violated_upwards_only():
    layers = {"till": "experience", "price": "process", "erp": "system", "x": ""}
    edges = [
        ("till", "price"),
        ("price", "erp"),
        ("till", "erp"),
        ("erp", "price"),
        ("price", "till"),
        ("x", "till"),
        ("price", "price2"),
    ]
    assert dependency_graph.violations(edges, layers) == [("erp", "price"), ("price", "till")]


def test_a_drawing_has_every_box_and_only_lines_between_drawn_boxes():
    graph = DependencyGraph(
        nodes={key: DependencyNode(key, "api", key, "", "") for key in "abcd"},
        columns=(("a",), ("b", "c"), (), ("d",)),
        edges=(("a", "b"), ("c", "b"), ("b", "d"), ("d", "zz")),
        lit=frozenset("ab"),
        sentences=(),
        cycles=(),
        violations=(),
        left_out=(),
        breaks=(),
    )
    drawn = graph_layout.draw(graph)
    assert {box.node.key for box in drawn.boxes} == set("abcd")
    assert len(drawn.lines) == 3
    assert sum(line.lit for line in drawn.lines) == 1


def test_only_parts_that_differ_are_shown_as_text():
    old = {
        "info": {"title": "A"},
        "paths": {"/a": {"get": {}}, "/b": {"get": {}}},
        "components": {"schemas": {"P": {"type": "string"}}},
    }
    new = {
        "info": {"title": "A"},
        "paths": {"/a": {"get": {}}, "/c": {"get": {}}},
        "components": {"schemas": {"P": {"type": "integer"}}},
    }
    lines, left_out = contract_text_diff.text_differences(old, new)
    assert [line.text for line in lines if line.op == "hunk"] == [
        "paths / /b",
        "components / schemas / P",
        "paths / /c",
    ]
    assert ("del", "  type: string") in {(line.op, line.text) for line in lines}
    assert ("add", "  type: integer") in {(line.op, line.text) for line in lines}
    assert left_out == 0
    assert contract_text_diff.text_differences(old, old) == ([], 0)


@pytest.mark.parametrize(
    ("pointer", "place"),
    [
        ("/components/schemas/Price/properties/amount", ("Schemas", "Price")),
        ("/definitions/Price/type", ("Schemas", "Price")),
        ("/paths/~1orders~1{id}/get/responses", ("Operations", "GET /orders/{id}")),
        ("/paths/~1orders", ("Operations", "/orders")),
        ("/channels/orders/publish", ("Channels", "orders")),
        ("file.yaml#/components/parameters/P", ("Parameters", "P")),
        ("", ("Document", "the whole")),
    ],
)
def test_a_pointer_lies_in_a_named_place(pointer, place):
    assert comparison_findings.place_of(pointer) == place


@pytest.mark.parametrize(
    "rules",
    [
        {"notice_days": -1},
        {"notice_days": "9"},
        {"availability": "many"},
        {"availability": "101"},
        {"unknown": 1},
        {"freeze_strictness": "perhaps"},
        {"slots": [1]},
        {"retry": [1]},
        {"p95_ms": True},
    ],
)
def test_a_tier_that_cannot_be_read_says_where(rules):
    with pytest.raises(Invalid) as caught:
        tiers.read(0, "x", rules)
    assert caught.value.findings[0]["pointer"] == f"/rules/{next(iter(rules))}"


def test_what_a_tier_does_not_state_is_unknown_and_not_zero():
    found = tiers.read(3, "Back office", {})
    assert (found.notice_days, found.p95_ms, found.availability, found.queue) == (None, None, None, "tier3")


@pytest.mark.parametrize("state", lifecycle.STATES)
def test_ends_are_ends_and_every_state_has_a_word(state):
    assert lifecycle.tone(state).word
    if state in lifecycle.ENDED:
        with pytest.raises(Conflict):
            lifecycle.require_move(state, "published", reference="a@b")


def test_a_timeline_says_in_words_what_it_draws():
    now = datetime(2026, 11, 23, tzinfo=UTC)
    lives = [
        version_timeline.VersionLife(
            "v1", "retired", now - timedelta(900), now - timedelta(400), now - timedelta(200), now - timedelta(200)
        ),
        version_timeline.VersionLife(
            "v2", "deprecated", now - timedelta(500), now - timedelta(10), now + timedelta(200), None
        ),
        version_timeline.VersionLife("v3", "draft", now - timedelta(5), None, None, None),
        version_timeline.VersionLife("v4", "published", None, None, None, None),
    ]
    chart = version_timeline.drawn(lives, now=now)
    assert "v2: sunset" in chart.label
    assert "v4" not in chart.label
    assert all(0 <= float(bar.x[:-1]) <= 100 and float(bar.width[:-1]) <= 100 for bar in chart.bars)
    assert version_timeline.drawn([lives[3]], now=now) is None


def test_a_scorecard_counts_only_what_applies():
    facts = {
        "slug": "a",
        "purpose": "One price for all",
        "owner": "",
        "tier": None,
        "data_class": "",
        "if_it_fails": "",
        "entities": 0,
        "entities_without_record": [],
        "live_versions": 0,
        "unjudged": 0,
        "deprecated": 0,
        "deprecated_without_help": [],
        "contract_problems": 0,
        "calls": None,
    }
    card = scorecards.score(facts)
    assert (card.reached, card.possible) == (1, 5)
    assert {p.key for p in card.points if p.holds is None} == {
        "contract",
        "record",
        "judged",
        "successor",
        "degraded",
        "measured",
    }
