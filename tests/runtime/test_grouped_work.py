"""How long a worker that was woken waits for more: single sales share claims and commits, and full claims wait for
nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from runtime.worker import loop
from runtime.worker.loop import APART_SECONDS, GROUP_SECONDS, LITTLE, WorkerLoop


class Pretended(WorkerLoop):
    """A worker whose clock the test moves. It is woken by each sale, and a round takes what came to each of its lanes
    since the last one, for a claim and a commit a lane."""

    def __init__(self, sales: list[tuple[float, int]]) -> None:
        super().__init__(collect=False)
        self.now, self.sales, self.claims, self.longest = 1000.0, sales, 0, 0.0

    def work(self) -> None:
        while self.sales:
            came, _ = self.sales[0]
            self.now = max(self.now, came)
            self.now += self._group_seconds()
            self._spell = self.now, self.counts.passed
            taken = [sale for sale in self.sales if sale[0] <= self.now]
            self.sales = self.sales[len(taken) :]
            self.claims += len({lane for _, lane in taken}) + 1  # the last one finds nothing
            self.counts.passed += len(taken)
            self.longest = max(self.longest, self.now - taken[0][0])
            self.now += 0.001


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretended]:
    made = Pretended([])
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    assert loop.time is time
    yield made
    monkeypatch.undo()


def test_a_sale_after_a_quiet_moment_waits_for_the_shortest_time(worker: Pretended) -> None:
    worker.sales = [(1000.0 + number, 0) for number in range(5)]
    worker.work()
    assert worker.longest == pytest.approx(GROUP_SECONDS)


def test_sales_of_150_a_second_share_their_claims(worker: Pretended) -> None:
    worker.sales = [(1000.0 + number / 150, number % 4) for number in range(1500)]
    worker.work()
    assert worker.claims <= 1500 / 2.5
    assert worker.longest <= APART_SECONDS + 0.001


def test_a_worker_that_is_full_waits_for_nobody(worker: Pretended) -> None:
    worker._spell = worker.now, worker.counts.passed
    worker.counts.passed += LITTLE
    assert worker._group_seconds() == GROUP_SECONDS


def test_a_worker_that_is_woken_for_others_in_vain_looks_ten_times_a_second(worker: Pretended) -> None:
    looks, ends = 0, worker.now + 10
    while worker.now < ends:
        worker.now += 0.001 + worker._group_seconds()
        worker._spell = worker.now, worker.counts.passed
        looks += 1
    assert looks <= 101
