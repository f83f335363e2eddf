"""A manifest with another number of lanes: approved knowingly, deployed under load, seen on the page."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bench.installation import TABLE
from bench.installation import manifest as order_feed
from bench.order_server import order
from governance.domain.subject import Subject
from governance.services import approvals
from kernel.viewer import SYSTEM
from runtime.ledger import connections
from runtime.models import Deployment, Integration, LaneChange, Progress, Stream, TargetSubscription
from runtime.selectors import backlog, flow_measures, traces
from runtime.selectors import lane_changes as selectors
from runtime.services import deployments, erasure, intake, integrations, lane_changes
from runtime.worker.loop import WorkerLoop
from tests.governance.make import person
from tests.runtime import make

pytestmark = pytest.mark.django_db(transaction=True)
FEED = "order-feed"
TARGET = order_feed()["targets"][0]
COPY = {**TARGET, "name": "copy"}


@pytest.fixture
def catalog() -> None:
    make.catalog_of_orders()
    with connections.connected() as conn:
        conn.execute(TABLE)
        conn.execute("delete from order_target")


def deployed(*, lanes: int, targets: list[dict[str, Any]] | None = None) -> Deployment:
    manifest = {**order_feed(source=False, lanes=lanes, batch=50), "targets": targets or [TARGET]}
    release = integrations.register(integrations.pinned(manifest), actor=None)
    with connections.connected() as conn:
        make.approval(conn, subject_id=FEED, digest=release.digest)
    approval = approvals.require(Subject("integration", FEED, release.digest), release.digest, "production")
    return deployments.deploy(FEED, approval=approval, actor=None)


def hand_in(generation: int) -> None:
    documents = [order(number, generation) for number in range(1, 21)]
    assert {one.status for one in intake.accept(FEED, "production", documents)} == {"accepted"}


def work() -> int:
    return WorkerLoop(poll=0.05).run(until_idle=True, seconds=30).passed


def waiting(name: str = "read-model") -> int:
    subscription = TargetSubscription.objects.get(target=name).pk
    return backlog.of([subscription])[subscription].waiting


def logged() -> float:
    return sum(found.value for found in flow_measures.read() if found.of.name == flow_measures.LOGGED.name)


def test_a_redeploy_with_another_number_of_lanes_takes_effect_and_loses_no_order(catalog: None) -> None:
    deployed(lanes=2)
    hand_in(1)
    deployed(lanes=5)
    stream = Stream.objects.get()
    assert stream.wanted_lanes == 5
    assert lane_changes.attend()
    hand_in(2)
    stream.refresh_from_db()
    assert (stream.lanes, stream.wanted_lanes) == (5, None)
    assert waiting() == 40
    standing = selectors.of(FEED, "production")
    assert standing is not None
    assert (standing.before, standing.lanes, standing.past, standing.targets, standing.waiting) == (2, 5, 0, 1, 20)
    assert work() == 20, "the old lanes alone"
    assert waiting() == 20
    assert lane_changes.attend()
    assert work() == 20
    assert (waiting(), lane_changes.attend(), selectors.of(FEED, "production")) == (0, 0, None)
    with connections.connected() as conn:
        assert conn.execute(
            "select count(*), min(total - floor(total)), max(total - floor(total)) from order_target"
        ).fetchone() == (20, Decimal("0.5"), Decimal("0.5"))


def test_going_back_to_the_number_before_takes_no_second_change(catalog: None) -> None:
    deployed(lanes=2)
    deployed(lanes=5)
    deployed(lanes=2, targets=[TARGET, COPY])
    assert Stream.objects.get().wanted_lanes is None
    assert (lane_changes.attend(), LaneChange.objects.count()) == (0, 0)


def test_a_target_that_is_added_later_takes_everything_in_the_order_of_then(catalog: None) -> None:
    deployed(lanes=3)
    hand_in(1)
    for generation, lanes in enumerate((1, 4), 2):
        deployed(lanes=lanes)
        lane_changes.attend()
        work()
        while lane_changes.attend() or work():
            pass
        hand_in(generation)
    deployed(lanes=4, targets=[TARGET, COPY])
    copy = TargetSubscription.objects.get(target="copy")
    assert dict(Progress.objects.filter(subscription=copy).values_list("lane", "upto"))[3] == 0
    passed = []
    while (done := work()) or lane_changes.attend():
        passed.append(done)
    assert sum(passed) == 80, "60 by the new target, 20 by the other"
    assert waiting("copy") == 0


def test_those_who_approve_are_told(catalog: None) -> None:
    deployed(lanes=2)
    integration = Integration.objects.get()
    assert lane_changes.told(integration.pk, "production", 2) is None
    assert "2 lanes become 9" in str(lane_changes.told(integration.pk, "production", 9))


def test_the_page_shows_how_far_the_targets_are(catalog: None) -> None:
    deployed(lanes=2)
    hand_in(1)
    deployed(lanes=5)
    viewer = person("olga")
    viewer.is_superuser = True
    viewer.save()
    client = Client()
    client.force_login(viewer)
    page = reverse("runtime:integration", args=[FEED])
    assert "2 lanes, 5 wanted: begins in a moment" in client.get(page).content.decode()
    lane_changes.attend()
    assert "0 of 1 targets are past it" in client.get(page).content.decode()


def test_a_trace_follows_a_key_over_the_change_and_counts_leave_out_the_gap(catalog: None) -> None:
    deployed(lanes=2)
    hand_in(1)
    deployed(lanes=5)
    lane_changes.attend()
    hand_in(2)
    assert logged() == 40
    (found,) = traces.search(SYSTEM, str(order(7)["number"]))
    history = traces.trace(found).history
    assert len(history) == 1
    assert history[0].position < found.position


def test_a_key_is_erased_on_both_sides_of_the_change(catalog: None) -> None:
    deployed(lanes=2)
    hand_in(1)
    deployed(lanes=5)
    while lane_changes.attend() or work():
        pass
    hand_in(2)
    work()
    erased = erasure.erase(Stream.objects.get().pk, key=str(order(7)["number"]), actor=None, reason="asked for")
    assert erased == 2
