"""One process at a time does a job of the scheduler, and who may only read cannot keep it from being done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernel import periodic_jobs, process_measures
from kernel.periodic_jobs import NotRun
from runtime.ledger.connections import Connection
from runtime.services import alerting, measuring

JOBS: dict[str, tuple[str, str, Callable[[], int]]] = {
    "measuring": ("hashtext('tillgate measuring')", "runtime_objectivepolicy", measuring.measure),
    "alerting": ("hashtext('tillgate alerts')", "runtime_alertrule", alerting.attend),
    "ended processes": ("hashtext('kernel_processmetrics')", "kernel_processmetrics", process_measures.fold_ended),
}


@pytest.mark.parametrize("job", JOBS)
def test_who_may_only_read_cannot_stop_a_job_and_a_turn_that_could_not_run_is_no_success(
    ledger: Connection, caplog: pytest.LogCaptureFixture, job: str
) -> None:
    advisory, table, work = JOBS[job]
    ledger.execute(f"select pg_advisory_lock({advisory})")
    with ledger.transaction():
        ledger.execute(f"lock table {table} in share update exclusive mode")
        assert isinstance(periodic_jobs.run(f"alone {job}", work), NotRun)
    assert periodic_jobs.SUCCEEDED.labels(f"alone {job}")._value.get() == 0
    assert f"{job} could not run: " in caplog.text
    assert f"(process {ledger.info.backend_pid}, tillgate-test)" in caplog.text
    with ledger.transaction():
        ledger.execute(f"lock table {table} in access share mode")
        assert not isinstance(periodic_jobs.run(f"alone {job}", work), NotRun)
    assert periodic_jobs.SUCCEEDED.labels(f"alone {job}")._value.get() > 0
    ledger.execute(f"select pg_advisory_unlock({advisory})")
