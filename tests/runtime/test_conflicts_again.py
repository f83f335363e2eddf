"""A known fact that comes with other content is one case, counted once: by its run, the day, the page and the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.installation import manifest as order_feed
from bench.order_server import order
from kernel.viewer import Viewer
from runtime.api.reconciliation import FlowLineSerializer
from runtime.api.serializers import RunSerializer
from runtime.models import ConflictCase, Run
from runtime.selectors import daily_totals, runs
from runtime.web.reconciliation import _overview_rows
from tests.runtime.scripted_source import Feed, Scripted, feed, script

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["feed", "script"]


def other(number: int, version: int = 9) -> dict[str, Any]:
    return {**order(number), "version": version}


def counts(run: Run) -> tuple[int, ...]:
    assert run.read == (
        run.accepted + run.unchanged + run.older + run.conflicts + run.conflicts_again + run.rejected_count
    )
    return run.read, run.accepted, run.unchanged, run.conflicts, run.conflicts_again


def line() -> daily_totals.FlowLine:
    (found,) = daily_totals.overview(Viewer(system=True), "production", daily_totals.today())
    return found


def test_a_conflict_that_is_read_again_is_counted_once(feed: Feed, script: Callable[..., Scripted]) -> None:
    feed.deploy_with(event=order_feed()["event"] | {"meaning": "fact"})
    source = script([order(1), order(2), order(3)])
    assert counts(feed.run()) == (3, 3, 0, 0, 0)
    source.pages += [[other(1), other(2), order(3)]]
    assert counts(feed.run()) == (3, 0, 1, 2, 0)
    source.pages += [[other(1), other(2), other(2, 10)]]
    assert counts(feed.run()) == (3, 0, 0, 1, 2)

    assert ConflictCase.objects.count() == 3
    assert sorted(ConflictCase.objects.values_list("seen", flat=True)) == [1, 2, 2]
    found = line()
    assert (found.read, found.conflicts, found.read_conflicts, found.read_conflicts_again) == (9, 3, 3, 2)
    assert found.difference == 0
    told = FlowLineSerializer(found).data
    assert (told["conflicts"], told["read_conflicts"], told["read_conflicts_again"]) == (3, 3, 2)
    columns, row = list(_overview_rows([found], daily_totals.today()))
    shown = dict(zip(columns, row, strict=True))
    assert (shown["conflicts"], shown["read conflicts"], shown["read conflicts again"]) == (3, 3, 2)


def test_one_conflict_that_comes_twice_in_one_page_is_one_and_comes_again(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    feed.deploy_with(event=order_feed()["event"] | {"meaning": "fact"})
    source = script([order(1)])
    feed.run()
    source.pages += [[other(1), other(1)]]
    run = feed.run()
    assert counts(run) == (2, 0, 0, 1, 1)
    assert ConflictCase.objects.get().seen == 2
    told = RunSerializer(run).data
    assert (told["conflicts"], told["conflicts_again"]) == (1, 1)
    page = runs.progress(Viewer(system=True), run.pk)
    assert page is not None
    assert (page.conflicts, page.conflicts_again) == (1, 1)


def test_a_conflict_that_was_decided_stays_decided_when_it_comes_again(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    feed.deploy_with(event=order_feed()["event"] | {"meaning": "fact"})
    source = script([order(1)])
    feed.run()
    source.pages += [[other(1)]]
    feed.run()
    ConflictCase.objects.update(state="kept")
    source.pages += [[other(1)]]
    assert counts(feed.run()) == (1, 0, 0, 0, 1)
    assert ConflictCase.objects.get().state == "kept"
