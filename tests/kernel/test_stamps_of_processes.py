"""A stamp of a process whose clock was wrong does not hide that nothing succeeds."""

from __future__ import annotations

import time

from kernel import measures, periodic_jobs


def stamped(value: float) -> measures.Snapshot:
    assert periodic_jobs.SUCCEEDED is not None
    sample = next(name for name, made in measures._declared.items() if made.add_up == "latest")
    return {sample: {'["schedules"]': value}}


def test_the_newest_stamp_of_all_processes_counts_unless_it_is_in_the_future():
    now = time.time()
    total: measures.Snapshot = {}
    for value in (now - 400, now + 86_400, now - 300):
        measures.merge(total, stamped(value))
    assert [v for values in total.values() for v in values.values()] == [now - 300]


def test_a_process_that_ended_with_a_wrong_clock_leaves_nothing_behind():
    total: measures.Snapshot = {}
    measures.merge(total, stamped(time.time() + 86_400), ended=True)
    assert not [v for values in total.values() for v in values.values()]
