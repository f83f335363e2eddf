"""A wrong contract costs nothing that cannot be had again: rejected messages are judged again, sources read again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bench.order_server import order
from kernel import clock
from kernel.errors import Conflict, Forbidden, Invalid, NotApproved
from kernel.models import AuditEntry, User
from runtime.models import ConflictCase, Message, ReadAgain, RejectedMessage, Run
from runtime.services import reading_again, rejudging
from tests.runtime import make
from tests.runtime.scripted_source import FEED, Feed, Scripted, feed, script, wrong

__all__ = ["feed", "script"]
pytestmark = pytest.mark.django_db(transaction=True)
CHANGES = {
    "path": "orders",
    "items": "data",
    "key_fields": ["number"],
    "changes": {"param": "since", "field": "updated_at"},
}


def judge(*, dry_run: bool = False, **more: Any) -> rejudging.Rejudgement:
    return rejudging.judge_again(FEED, "production", dry_run=dry_run, actor=None, reason="contract corrected", **more)


def plan(**more: Any) -> ReadAgain:
    return reading_again.plan(FEED, "production", actor=None, **{"reason": "the contract was wrong", **more})


@pytest.fixture
def rejected(feed: Feed, script: Callable[..., Scripted]) -> Scripted:
    """Thirty orders that a release rejected whose event demanded what no order has."""
    source = script([order(n) for n in range(30)], [wrong(77)])
    strict = {"name": "order.changed", "meaning": "state", "key": "/number", "schema": {"required": ["nonsense"]}}
    feed.deploy_with(event=strict)
    assert feed.run().state == "failed"
    assert (RejectedMessage.objects.count(), Message.objects.count()) == (31, 0)
    return source


# -- judging again -----------------------------------------------------------------------------------------------------
def test_rejected_messages_are_judged_by_the_release_of_now_and_what_passes_is_stored_once(
    feed: Feed, rejected: Scripted
) -> None:
    feed.deploy()
    tried = judge(dry_run=True)
    assert (tried.total, tried.passed, tried.still.total()) == (31, 30, 1)
    assert (RejectedMessage.objects.filter(state="open").count(), Message.objects.count()) == (31, 0)
    done = judge()
    assert (done.total, done.passed, done.still.total()) == (31, 30, 1)
    assert (RejectedMessage.objects.filter(state="fixed").count(), Message.objects.count()) == (30, 30)
    left = RejectedMessage.objects.get(state="open")
    assert "lost" in left.reason
    assert judge().passed == 0
    assert feed.run().state == "succeeded"
    assert Message.objects.count() == 30
    assert AuditEntry.objects.filter(verb="runtime.rejected_judged_again").exists()


def test_judging_one_group_leaves_the_others_alone(feed: Feed, rejected: Scripted) -> None:
    feed.deploy()
    judge()
    pattern = RejectedMessage.objects.get(state="open").fingerprint
    assert judge(pattern=pattern).total == 1
    assert judge(pattern="0" * 16).total == 0


def test_a_state_without_version_that_has_a_newer_one_by_now_is_not_stored_over_it(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    source = script([wrong(1)])
    feed.deploy(connection={"protocol": "rest", "settings": {**CHANGES, "changes": None}})
    feed.run()
    source.pages += [[order(1)]]
    feed.run()
    RejectedMessage.objects.update(last_at=clock.now() - timedelta(hours=1))
    loose = {"name": "order.changed", "meaning": "state", "key": "/number"}
    feed.deploy_with(event=loose, sources=[{"name": "orders", "system": "shop", "connection": feed.connection}])
    done = judge()
    assert (done.passed, done.outdated, Message.objects.count()) == (0, 1, 1)


def test_what_is_kept_only_in_part_is_not_taken_for_the_whole(feed: Feed, rejected: Scripted) -> None:
    feed.deploy()
    one = RejectedMessage.objects.order_by("id")[0]
    RejectedMessage.objects.filter(pk=one.pk).update(raw=one.raw[:-10])
    assert judge().passed == 29
    one.refresh_from_db()
    assert "only a part" in one.reason


# -- reading again -----------------------------------------------------------------------------------------------------
def test_a_source_is_read_again_from_the_start_and_what_is_known_is_stored_once(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    source = script([order(1)], [order(2)])
    feed.deploy()
    feed.run()
    made = plan()
    assert (made.messages, made.needs_approval, source.asked) == (2, False, [0, 1])
    started = reading_again.start(made.pk, actor=None)
    assert reading_again.start(made.pk, actor=None).run_id == started.run_id
    run = feed.collect()
    assert (run.pk, run.state, run.read, run.unchanged) == (started.run_id, "succeeded", 2, 2)
    assert source.asked == [0, 1, 0, 1]
    assert Message.objects.count() == 2
    assert not ConflictCase.objects.exists()
    assert set(AuditEntry.objects.filter(verb__startswith="runtime.reading").values_list("verb", flat=True)) == {
        "runtime.reading_planned",
        "runtime.reading_started",
    }


def test_a_source_is_read_again_from_a_date_where_it_takes_one(feed: Feed, script: Callable[..., Scripted]) -> None:
    script([order(1)])
    feed.deploy(connection={"protocol": "rest", "settings": CHANGES})
    feed.run()
    since = clock.now() - timedelta(days=2)
    reading_again.start(plan(since=since).pk, actor=None)
    assert feed.source.cursor == {"since": since.strftime("%Y-%m-%dT%H:%M:%SZ")}


def test_what_cannot_be_read_again_is_refused_with_what_to_do(feed: Feed, script: Callable[..., Scripted]) -> None:
    script([order(1)])
    feed.deploy()
    with pytest.raises(Invalid, match="only from its start"):
        plan(since=clock.now() - timedelta(days=2))
    with pytest.raises(Invalid, match="in the past"):
        plan(since=clock.now() + timedelta(days=2))
    with pytest.raises(Invalid, match="no source"):
        plan(source="nobody")
    with pytest.raises(Invalid, match="reason"):
        plan(reason=" ")


def test_while_a_run_reads_the_source_another_reading_does_not_begin(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    script([order(1)])
    feed.deploy()
    feed.start()
    with pytest.raises(Conflict, match="is reading"):
        reading_again.start(plan().pk, actor=None)
    assert not ReadAgain.objects.filter(state="started").exists()


def test_above_the_limit_a_reading_and_a_judgement_need_an_approval(
    feed: Feed, rejected: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.deploy()
    judge()
    monkeypatch.setattr(reading_again, "APPROVAL_ABOVE", 5)
    monkeypatch.setattr(rejudging, "APPROVAL_ABOVE", 0)
    made = plan()
    assert (made.messages, made.needs_approval) == (6, True)
    with pytest.raises(NotApproved):
        reading_again.start(made.pk, actor=None)
    with pytest.raises(NotApproved):
        judge()
    about = reading_again.subject(made)
    held = make.approval(feed.conn, subject_id=about.id, digest=about.digest, kind="reading")
    assert reading_again.start(made.pk, actor=None).approval_id == held


def test_only_operators_read_again_and_judge_again(feed: Feed, rejected: Scripted) -> None:
    stranger = User.objects.create_user("stranger")
    with pytest.raises(Forbidden):
        reading_again.plan(FEED, "production", actor=stranger, reason="x")
    with pytest.raises(Forbidden):
        rejudging.judge_again(FEED, "production", dry_run=False, actor=stranger, reason="x")


# -- pages -------------------------------------------------------------------------------------------------------------
def test_the_page_plans_starts_and_judges(feed: Feed, rejected: Scripted, client: Client) -> None:
    feed.deploy()
    client.force_login(User.objects.create_superuser("root"))
    page = reverse("runtime:read-again", args=[FEED])
    assert "31" in client.get(page).content.decode()
    tried = client.post(reverse("runtime:judge-rejected", args=[FEED]), {"act": "try"})
    assert "30 of 31" in " ".join(tried.content.decode().split())
    client.post(reverse("runtime:judge-rejected", args=[FEED]), {"act": "judge", "reason": "corrected"})
    assert Message.objects.count() == 30
    assert client.post(page, {"source": "orders", "reason": ""}).status_code == 422
    answer = client.post(page, {"source": "orders", "reason": "start over"}, follow=True)
    assert "Start reading" in answer.content.decode()
    made = ReadAgain.objects.get()
    answer = client.post(reverse("runtime:reading-act", args=[made.pk]), {"act": "start"}, follow=True)
    assert answer.status_code == 200
    assert Run.objects.filter(state="running").count() == 1


def test_the_page_of_dead_letters_leads_to_judging_a_group_again(
    feed: Feed, rejected: Scripted, client: Client
) -> None:
    client.force_login(User.objects.create_superuser("root"))
    pattern = RejectedMessage.objects.order_by("id")[0].fingerprint
    text = client.get(reverse("runtime:dead-letters"), follow=True).content.decode()
    address = reverse("runtime:read-again", args=[FEED])
    assert f"{address}?pattern={pattern}" in text
    assert f'value="{pattern}"' in client.get(address, {"pattern": pattern}).content.decode()


def test_a_run_page_says_what_the_run_met(feed: Feed, rejected: Scripted, client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    run = Run.objects.get()
    Run.objects.filter(pk=run.pk).update(fences=3, warnings=["till 7: 4 not seen"], warned=5)
    text = " ".join(client.get(reverse("runtime:run", args=[run.pk])).content.decode().split())
    for said in ("31 of 31 records of orders were rejected", "3 times", "till 7: 4 not seen", "without the limit"):
        assert said in text
    client.post(reverse("runtime:start", args=[FEED]), {"waive_limit": "yes"})
    assert feed.collect().state == "succeeded"
