"""Sources of one integration are independent: what one of them does to its runs, its lease, its cursor and its alarm,
it does to no other one."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from bench.installation import manifest as order_feed
from bench.order_server import order
from catalog.models import SlaTier
from kernel import clock
from kernel.errors import Conflict
from kernel.viewer import Viewer
from runtime.api.reconciliation import FlowLineSerializer
from runtime.connectors.protocols import Refused, Retriable, Secrets
from runtime.ledger import connections
from runtime.models import Message, RejectedMessage, Run, SourceAlarm, StreamSource
from runtime.selectors import daily_totals, source_looks
from runtime.services import resubmitting, runs, schedules, source_alarms, system_connections
from runtime.web.reconciliation import _overview_rows
from runtime.worker import source_polling
from runtime.worker.loop import WorkerLoop
from tests.runtime.scripted_source import FEED, Feed, Scripted, feed, wrong

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["feed"]
EVERY_MINUTE = {"when": "every 60s", "zone": "UTC"}


def two_sources() -> list[dict[str, Any]]:
    """Orders and returns, of one system; the path tells them apart."""
    first = order_feed()["sources"][0]
    second = copy.deepcopy(order_feed()["sources"][0]) | {"name": "returns"}
    second["connection"]["settings"]["path"] = "returns"
    return [first, second]


class Two:
    """The order feed with two sources, each scripted."""

    def __init__(self, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        self.feed, self.given = feed, {"orders": Scripted([]), "returns": Scripted([])}

        def opened(connection: Any, **_: Any) -> Any:
            return self.given[connection.settings["path"]], Secrets()

        monkeypatch.setattr(system_connections, "open_source", opened)

    def script(self, *, orders: list[Any], returns: list[Any]) -> None:
        self.given["orders"].pages, self.given["returns"].pages = orders, returns

    def deploy(self, **changes: Any) -> None:
        target = order_feed()["targets"][0] | {"source": "orders"}
        self.feed.deploy_with(sources=two_sources(), targets=[target], **changes)

    def read(self) -> dict[str, Run]:
        """Start what can be started and read until nobody has work; the newest run of each source."""
        runs.start(FEED, "production", trigger="manual")
        WorkerLoop(deliver=False, poll=0.05, name="collector").run(until_idle=True)
        return self.newest

    @property
    def newest(self) -> dict[str, Run]:
        return {one.source: one for one in Run.objects.order_by("pk")}

    @property
    def states(self) -> dict[str, str]:
        return {name: run.state for name, run in self.newest.items()}

    @property
    def cursors(self) -> dict[str, Any]:
        return {one.name: one.cursor for one in StreamSource.objects.all()}


@pytest.fixture
def two(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> Two:
    return Two(feed, monkeypatch)


def stored() -> set[str]:
    return set(Message.objects.values_list("key", flat=True))


@pytest.mark.parametrize("bad", [Refused("http.500", "down"), RuntimeError("a bug of the connector")], ids=str)
def test_a_source_that_fails_keeps_no_other_one_from_being_read(two: Two, bad: Exception) -> None:
    two.script(orders=[bad], returns=[[order(7)]])
    two.deploy()
    two.read()
    assert stored() == {"returns:ORD-00000007"}
    assert two.states == {"orders": "failed", "returns": "succeeded"}
    assert two.cursors == {"orders": None, "returns": {"at": 1}}


def test_a_source_that_asks_to_be_left_alone_is_the_only_one_that_is(two: Two) -> None:
    two.script(orders=[Retriable("429: quota", after=600.0)], returns=[[order(7)], [order(8)]])
    two.deploy()
    two.read()
    assert two.states == {"orders": "running", "returns": "succeeded"}
    two.given["returns"].pages.append([order(9)])
    two.read()
    assert "returns:ORD-00000009" in stored(), "the next run of the other source does not wait either"
    said = {one.name: one.wait_reason for one in StreamSource.objects.all()}
    assert ("429" in said["orders"], said["returns"]) == (True, "")
    looks = {name: state for (_, name), state in source_looks.of([two.feed.stream.pk]).items()}
    assert "asked to be left alone until" in looks["orders"].failing
    assert "429: quota" in looks["orders"].failing
    assert looks["returns"].failing == ""


def test_while_a_slow_source_is_read_another_worker_reads_the_other_one(two: Two) -> None:
    two.script(orders=[[order(1)], [order(2)]], returns=[[order(7)]])
    two.deploy()
    runs.start(FEED, "production", trigger="manual")
    beside: list[str] = []

    def meanwhile() -> None:
        if not beside:
            with connections.connected() as other:
                taken = source_polling.claim(other, owner="second")
                assert taken is not None
                source_polling.collect(other, taken)
                beside.append(taken.source)

    two.given["orders"].before = meanwhile
    two.feed.collect()
    assert beside == ["returns"]
    assert two.states == {"orders": "succeeded", "returns": "succeeded"}
    assert Run.objects.filter(fences__gt=0).count() == 0


def test_a_source_over_its_limit_stops_and_alarms_for_no_other_one(two: Two) -> None:
    two.script(orders=[[wrong(n) for n in range(40)]], returns=[[order(7)]])
    two.deploy()
    two.read()
    assert two.states == {"orders": "failed", "returns": "succeeded"}
    assert two.cursors == {"orders": None, "returns": {"at": 1}}
    looks = {name: state for (_, name), state in source_looks.of([two.feed.stream.pk]).items()}
    assert (looks["orders"].look.looked_at, looks["returns"].failing) == (None, "")
    assert looks["returns"].look.looked_at is not None
    assert "were rejected" in looks["orders"].failing


def test_only_the_source_that_is_late_raises_an_alarm(two: Two) -> None:
    two.script(orders=[Refused("http.500", "down")], returns=[[order(7)]])
    two.deploy(schedule=EVERY_MINUTE)
    two.read()
    SlaTier.objects.update(rules={"max_staleness_s": 900})
    late = clock.now() + timedelta(days=1)
    StreamSource.objects.filter(name="returns").update(read_at=late)
    source_alarms.check(at=late)
    assert list(SourceAlarm.objects.filter(ended_at=None).values_list("source", flat=True)) == ["orders"]


def test_a_waived_limit_counts_for_the_source_that_was_named_and_reads_it_once(two: Two) -> None:
    bad = [wrong(n) for n in range(40)]
    two.script(orders=[bad], returns=[[wrong(n) for n in range(50, 90)]])
    two.deploy()
    two.read()
    assert two.states == {"orders": "failed", "returns": "failed"}
    runs.start(FEED, "production", trigger="manual", waive_limit=True, source="orders")
    WorkerLoop(deliver=False, poll=0.05, name="collector").run(until_idle=True)
    assert two.states == {"orders": "succeeded", "returns": "failed"}
    assert two.cursors == {"orders": {"at": 1}, "returns": None}
    asked = len(two.given["orders"].asked)
    two.read()
    assert two.given["orders"].asked[asked:] == [1], "what was waived is not read again"


def test_records_that_are_rejected_again_are_counted_as_such_and_all_counts_add_up(two: Two) -> None:
    """A run over its limit reads the same bad records each time: they are new once."""
    two.script(orders=[[wrong(n) for n in range(40)]], returns=[[order(7)], [wrong(50), order(9)]])
    two.deploy()
    two.read()
    again = two.read()["orders"]
    assert (again.read, again.rejected_count, again.rejected_again) == (40, 0, 40)
    for run in Run.objects.all():
        rejected = run.rejected_count + run.rejected_again
        assert run.read == run.accepted + run.unchanged + run.older + run.conflicts + rejected
    (line,) = daily_totals.overview(Viewer(system=True), "production", daily_totals.today())
    told = FlowLineSerializer(line).data
    assert (line.read, line.accepted, line.read_rejected, line.read_again, line.difference) == (83, 2, 41, 40, 0)
    parts = ("accepted", "unchanged", "older", "read_refused", "read_refused_again", "read_conflicts")
    assert told["read"] == sum(told[name] for name in parts)
    columns, row = list(_overview_rows([line], daily_totals.today()))
    assert dict(zip(columns, row, strict=True))["read refused again"] == 40


def test_records_that_nothing_accounts_for_are_a_difference(two: Two) -> None:
    two.script(orders=[[order(1), order(2)]], returns=[])
    two.deploy()
    two.read()
    Run.objects.filter(source="orders").update(read=9)
    (line,) = daily_totals.overview(Viewer(system=True), "production", daily_totals.today())
    assert (line.difference, line.tone.word) == (7, "7 not accounted for")


def test_a_corrected_record_goes_to_the_source_that_gave_it(two: Two) -> None:
    two.script(orders=[], returns=[[wrong(7)]])
    two.deploy()
    two.read()
    resubmitting.resubmit_rejected(RejectedMessage.objects.get().pk, payload=order(7), actor=None)
    assert stored() == {"returns:ORD-00000007"}


def test_a_waiver_is_not_lost_on_a_run_that_goes_on_already(two: Two) -> None:
    two.script(orders=[[order(1)]], returns=[])
    two.deploy()
    runs.start(FEED, "production", trigger="manual")
    with pytest.raises(Conflict) as caught:
        runs.start(FEED, "production", trigger="manual", waive_limit=True, source="orders")
    assert caught.value.code == "run.going"


def test_a_due_time_starts_the_sources_that_are_not_being_read(two: Two) -> None:
    two.script(orders=[[order(1)]], returns=[[order(7)]])
    two.deploy(schedule=EVERY_MINUTE)
    runs.start(FEED, "production", trigger="manual", source="orders")
    schedules.fire_due()
    schedules.fire_due(at=clock.now() + timedelta(hours=1))
    assert two.states == {"orders": "running", "returns": "running"}
    assert Run.objects.count() == 2
