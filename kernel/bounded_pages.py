"""Pages of a list that grows for ever: at most a thousand rows are counted and reached by number, those before them by
their place. So a page costs the same however long the history is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

from kernel.counts import CountedSoFar

MOST = 1_000
if TYPE_CHECKING:
    _Pages = Paginator[Any]
else:
    _Pages = Paginator


class BoundedPages(_Pages):
    """Of rows whose order is the newest first, by their number in the database. `before`, as a request gives it, is the
    number from which on they are left out."""

    def __init__(self, rows: QuerySet[Any], per_page: int, before: str | None = None, *, most: int = MOST) -> None:
        if before is not None and before.isdecimal() and int(before) < 2**63:
            rows = rows.filter(pk__lt=int(before))
        super().__init__(rows, per_page)
        self.rows, self.most = rows, most - most % per_page

    @cached_property
    def count(self) -> int:
        found = self.rows.order_by().values("pk")[: self.most + 1].count()
        return found if found <= self.most else CountedSoFar(self.most)

    @cached_property
    def older(self) -> int | None:
        """Before which row the list goes on, where there are more than are counted."""
        if not isinstance(self.count, CountedSoFar):
            return None
        return int(self.rows.values_list("pk", flat=True)[self.most - 1])
