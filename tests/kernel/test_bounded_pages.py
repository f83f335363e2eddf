"""A page of a list that grows for ever costs the same however long its history is, and all of it can be reached."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kernel.bounded_pages import BoundedPages
from kernel.models import OutboxEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def keys() -> list[int]:
    """The numbers of 47 rows, the newest first."""
    made = OutboxEvent.objects.bulk_create([OutboxEvent(topic="x", key=str(n)) for n in range(47)])
    return sorted((one.pk for one in made), reverse=True)


def walked(before: str | None = None) -> list[int]:
    """Everything that is reached by going on to older ones."""
    pages = BoundedPages(OutboxEvent.objects.order_by("-id"), 5, before, most=20)
    found = [row.pk for number in pages.page_range for row in pages.page(number).object_list]
    return found + (walked(str(pages.older)) if pages.older else [])


def test_every_row_is_reached_once(keys: list[int]) -> None:
    assert walked() == keys


def test_no_more_rows_are_counted_or_passed_over_than_are_shown_by_number(keys: list[int]) -> None:
    with CaptureQueriesContext(connection) as asked:
        pages = BoundedPages(OutboxEvent.objects.order_by("-id"), 5, most=20)
        assert (pages.count, pages.num_pages, pages.older) == (20, 4, keys[19])
        assert [row.pk for row in pages.get_page("99").object_list] == keys[15:20]
    assert len(asked) == 3
    assert "LIMIT 21" in asked[0]["sql"]


def test_a_list_that_is_short_is_as_before(keys: list[int]) -> None:
    pages = BoundedPages(OutboxEvent.objects.order_by("-id"), 20)
    assert (pages.count, pages.num_pages, pages.older) == (47, 3, None)


@pytest.mark.parametrize("before", ["", "x", "-1", "9" * 30, "²"])
def test_a_place_that_is_none_is_the_beginning(keys: list[int], before: str) -> None:
    assert BoundedPages(OutboxEvent.objects.order_by("-id"), 20, before).count == 47
