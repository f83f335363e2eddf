"""Changes that send or read again, move a system or waive a rule of an integration are judged by the manifest of what
runs: facts beside it that ask for less seal nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from governance.domain import kinds
from governance.models import Approval, ChangeRequest
from governance.services.builtin_checks import BUILT_IN
from runtime.models import Release
from tests.governance.forging import as_serving
from tests.governance.raw_sql import run
from tests.runtime.test_destination_changes import decide, people, proposed
from tests.runtime.test_destinations import release

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["people", "release"]
LOWER: dict[str, dict[str, Any]] = {"tier": {"tier": 3}, "data class": {"data_class": "public"}}


def less(change: ChangeRequest) -> str | None:
    said: str | None = run("select runtime_flow_asks_for_less(%s)", change.pk)[0][0]
    return said


@pytest.mark.parametrize("what", LOWER)
def test_a_move_is_judged_by_the_most_critical_flow_over_the_system(release: Release, what: str):
    change = proposed()
    assert less(change) is None
    with as_serving():
        run(
            "update governance_changerequest set facts = facts || %s::jsonb where id = %s",
            json.dumps(LOWER[what]),
            change.pk,
        )
    assert what in (less(change) or "")
    before = change.revision
    decide(change, "olaf", "sue", "archie")
    assert (change.state, change.revision) == ("in_review", before + 1)
    assert not Approval.objects.filter(change=change).exists()
    assert less(change) is None


def test_the_database_knows_the_checks_of_each_of_these_kinds():
    known = {name: set(checks) for name, checks in run("select kind, checks from runtime_checks_of_flows()")}
    listed = {kind.key: {check.id for check in (*kind.checks, *BUILT_IN)} for kind in kinds.all_kinds()}
    of_flows = ("replay.", "reading.", "system.")
    assert known == {key: checks for key, checks in listed.items() if key.startswith(of_flows)}
