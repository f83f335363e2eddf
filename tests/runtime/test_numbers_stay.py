"""What a message is for, and where it goes, is the deployment that was approved: no row that the serving role may write
puts another one in its place."""

from __future__ import annotations

import psycopg
import pytest

from runtime.ledger.append import append
from runtime.ledger.claims import claim
from runtime.ledger.connections import Connection
from runtime.worker.target_clients import TargetClients
from tests import serving_role
from tests.runtime.conftest import ledger
from tests.runtime.make import Flow

__all__ = ["ledger"]
KEPT = ("runtime_integration", "runtime_deployment", "runtime_stream", "runtime_subscription", "runtime_vendorstate")


@pytest.mark.parametrize("table", KEPT)
def test_a_row_keeps_its_number_and_stays(ledger: Connection, table: str) -> None:
    Flow(ledger).subscribe()
    with serving_role.connected() as serving:
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            serving.execute(f"update {table} set id = id + 1000".encode())
        assert caught.value.diag.constraint_name == "runtime_numbers_stay"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            serving.execute(f"delete from {table}".encode())


def test_the_worker_calls_the_environment_of_the_deployment_whose_work_it_claimed(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    flow.subscribe()
    append(ledger, flow.ref, [flow.item("k")])
    taken = claim(ledger, owner="w")
    assert taken is not None
    with ledger.transaction():
        ledger.execute("set local session_replication_role = replica")
        ledger.execute("update runtime_stream set environment = 'test' where id = %s", (flow.stream,))
    assert TargetClients(ledger)._environment(taken) == "production"
