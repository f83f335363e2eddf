"""What pipelines are answered: the witness is the journal of the emulated code host."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from catalog.models import Application, Subscription
from governance.models import Notice, PipelineReview, Verdict
from governance.services import pipeline_connections, pipeline_faults, pipeline_reviews, pipeline_rulings
from kernel import clock, outbox
from kernel.errors import Conflict, Forbidden, NotFound
from kernel.models import AuditEntry, OutboxEvent
from tests.governance.pipelines import make

pytestmark = pytest.mark.django_db


def review() -> PipelineReview:
    return PipelineReview.objects.latest("id")


def arrive(row, forge, **more) -> PipelineReview:
    """A webhook of GitHub about a job that waits."""
    waits = {
        name: more[name] for name in ("repository", "repository_id", "environment", "installation") if name in more
    }
    payload = make.github_payload(forge.url, run=forge.run(**waits), **more)
    answer = make.send(row, payload)
    assert answer.status_code == 202, answer.content
    return review()


def subscription_ends() -> None:
    Subscription.objects.filter(application__key="till").update(valid_until=clock.now())


def faults() -> list[str]:
    return [e.payload["fault"] for e in OutboxEvent.objects.filter(topic=pipeline_faults.TOPIC).order_by("id")]


# --- yes, no, not yet -------------------------------------------------------------------------------------------------


def test_what_the_gate_allows_now_is_approved_with_the_page_of_the_verdict(people, github, forge):
    make.ask(people.robot)
    arrive(github, forge)
    assert forge.effects == [], "the webhook is answered before the gate is asked"
    assert make.answer() == 1
    assert forge.effects == ["deployment.approved"]
    newest = Verdict.objects.latest("id")
    assert f"/gate/verdicts/{newest.pk}/" in forge.comment
    assert (review().state, review().word, review().verdict_ids) == ("answered", "passed", [newest.pk])
    ledger = AuditEntry.objects.filter(verb__startswith="governance.pipeline_a").order_by("id")
    assert [entry.verb for entry in ledger] == ["governance.pipeline_approval_sent", "governance.pipeline_answered"]
    assert {tuple(entry.after["verdicts"]) for entry in ledger} == {(newest.pk,)}
    assert make.answer() == 0


def test_what_the_gate_denies_is_rejected_with_its_reasons(people, github, forge):
    make.ask(people.robot, make.DENIED)
    arrive(github, forge)
    make.answer()
    assert forge.effects == ["deployment.rejected"]
    assert "`version.retired`" in forge.comment or "`subscription.missing`" in forge.comment, forge.comment
    assert not AuditEntry.objects.filter(verb="governance.pipeline_approval_sent").exists()


def test_the_gate_is_asked_in_the_moment_of_the_answer(people, github, forge):
    make.ask(people.robot)
    arrive(github, forge)
    subscription_ends()
    make.answer()
    assert forge.effects == ["deployment.rejected"]


def test_a_try_that_got_no_answer_asks_the_gate_anew(people, github, forge):
    make.ask(people.robot)
    arrive(github, forge)
    forge.fault("status", status=503, ops=["github.review"], next=1)
    make.answer()
    assert (review().state, review().attempts, forge.effects) == ("open", 1, [])
    subscription_ends()
    make.answer()
    assert forge.effects == ["deployment.rejected"]


def test_a_webhook_before_the_question_waits_says_so_once_and_is_answered_after_it(people, github, forge):
    arrive(github, forge)
    make.answer()
    make.answer()
    assert forge.effects == ["deployment.reported"]
    assert "tillgate check --application till" in forge.comment
    assert review().state == "waiting"
    PipelineReview.objects.update(ruled_at=clock.now() - timedelta(seconds=60))
    assert pipeline_reviews.answer_due() == 0, "it sleeps"
    make.ask(people.robot)
    assert pipeline_reviews.answer_due() == 1, "a question of the team wakes it"
    assert forge.effects == ["deployment.reported", "deployment.approved"]


def test_what_waits_is_looked_at_soon_after_something_changed(people, github, forge):
    arrive(github, forge)
    make.answer()
    before = review().next_at
    pipeline_reviews.on_change("governance.pipeline_answered")
    assert review().next_at == before, "its own events wake nobody"
    pipeline_reviews.on_change("governance.waiver_granted")
    assert review().next_at < before


@pytest.mark.parametrize(
    ("at_the_end", "effects", "state"), [("reject", ["deployment.rejected"], "answered"), ("leave", [], "undecided")]
)
def test_when_the_time_to_wait_is_over_unknown_is_no_yes(people, forge, at_the_end, effects, state):
    row = make.connection(people, forge.url, at_the_end=at_the_end, wait_minutes=5)
    make.mapping(people, row)
    arrive(row, forge)
    make.answer()
    PipelineReview.objects.update(waits_until=clock.now())
    make.answer()
    assert forge.effects == ["deployment.reported", *effects]
    assert review().state == state


def test_an_unknown_of_the_gate_waits_and_its_reasons_are_told(people, github, forge):
    make.ask(people.robot, ["nobody@v9"])
    arrive(github, forge)
    make.answer()
    assert forge.effects == ["deployment.reported"]
    assert "nobody@v9" in forge.comment
    assert review().word == "pending"


# --- whose question counts --------------------------------------------------------------------------------------------


def test_a_question_of_another_team_says_nothing_for_the_application(people, github, forge):
    make.ask(people.outsider)
    arrive(github, forge)
    make.answer()
    assert forge.effects == ["deployment.reported"]
    make.ask(people.robot, make.DENIED)
    make.ask(people.outsider)
    make.answer()
    assert forge.effects[-1] == "deployment.rejected", "a newer one of a stranger replaces nothing"


def test_the_account_that_asked_counts_for_as_long_as_it_is_of_the_team(people, github, forge):
    make.ask(people.robot)
    arrive(github, forge)
    people.robot.groups.clear()
    make.answer()
    assert forge.effects == ["deployment.reported"]


def test_an_account_that_was_switched_off_has_not_asked(people, github, forge):
    make.ask(people.robot)
    people.robot.is_active = False
    people.robot.save()
    arrive(github, forge)
    make.answer()
    assert forge.effects == ["deployment.reported"]


def test_an_application_without_a_team_is_never_approved(people, github, forge):
    make.ask(people.robot)
    Application.objects.filter(key="till").update(team=None)
    arrive(github, forge)
    make.answer()
    assert forge.effects == ["deployment.reported"]


def test_a_what_if_was_no_question(people, github, forge):
    make.ask(people.robot, as_of=(clock.now() + timedelta(days=3)).isoformat())
    arrive(github, forge)
    make.answer()
    assert forge.effects == ["deployment.reported"]


def test_another_commit_environment_or_application_with_the_same_commit_was_not_asked_about(people, github, forge):
    make.ask(people.robot, sha=make.OTHER_SHA)
    make.ask(people.robot, environment="staging")
    make.ask(people.robot, application="web-shop")
    arrive(github, forge)
    make.answer()
    assert forge.effects == ["deployment.reported"]


def test_the_newest_question_counts_and_each_instance_has_its_own(people, github, forge):
    make.ask(people.robot, make.DENIED)
    make.ask(people.robot)
    arrive(github, forge)
    make.answer()
    assert forge.effects == ["deployment.approved"]
    make.ask(people.robot, make.DENIED, instance="s1")
    arrive(github, forge, deployment=7)
    make.answer()
    assert forge.effects == ["deployment.approved", "deployment.rejected"]


def test_of_several_applications_in_one_repository_each_must_be_allowed(people, github, forge):
    make.mapping(people, github, application="web-shop")
    make.ask(people.robot)
    arrive(github, forge)
    make.answer()
    assert forge.effects == ["deployment.reported"]
    assert "web-shop" in forge.comment


# --- what is mapped ---------------------------------------------------------------------------------------------------


NOT_MAPPED: list[dict[str, object]] = [
    {"repository": "retail/other"},
    {"repository": "Retail/Web-Shop"},
    {"repository_id": 999},
    {"environment": "Production"},
    {"environment": "production-eu"},
]


def test_a_repository_or_environment_that_is_not_mapped_is_rejected(people, github, forge):
    make.ask(people.robot)
    for more in NOT_MAPPED:
        arrive(github, forge, **more)
        make.answer()
        assert forge.effects.pop() == "deployment.rejected"
        assert "is not mapped" in forge.comment
    assert set(forge.effects) == {"deployment.rejected"}


def test_a_mapping_counts_between_the_second_person_and_its_end(people, forge):
    row = make.connection(people, forge.url)
    values = {"repository_id": make.REPOSITORY_ID, "repository": make.REPOSITORY, "place": "production"}
    values |= {"application": "till", "environment": "production"}
    made = pipeline_connections.propose_mapping(row.key, values, actor=people.rita)
    make.ask(people.robot)
    arrive(row, forge, deployment=1)
    make.answer()
    with pytest.raises(Forbidden):
        pipeline_connections.confirm_mapping(row.key, made.pk, actor=people.rita)
    pipeline_connections.confirm_mapping(row.key, made.pk, actor=people.ralf)
    arrive(row, forge, deployment=2)
    make.answer()
    pipeline_connections.end_mapping(row.key, made.pk, actor=people.owner)
    arrive(row, forge, deployment=3)
    make.answer()
    assert forge.effects == ["deployment.rejected", "deployment.approved", "deployment.rejected"]


def test_a_connection_that_ended_answers_nothing_any_more(people, github, forge):
    make.ask(people.robot)
    arrive(github, forge)
    pipeline_connections.end(github.key, actor=people.owner)
    make.answer()
    assert (forge.effects, review().state) == ([], "undecided")


# --- the provider -----------------------------------------------------------------------------------------------------


def test_a_webhook_that_comes_again_has_one_effect(people, github, forge):
    make.ask(people.robot)
    payload = make.github_payload(forge.url, run=forge.run())
    for _ in range(3):
        make.send(github, payload)
        make.answer()
    assert forge.effects == ["deployment.approved"]


def test_an_answer_that_was_lost_on_its_way_has_one_effect(people, github, forge):
    make.ask(people.robot)
    arrive(github, forge)
    forge.fault("cut_after", ops=["github.review"], next=1)
    make.answer()
    assert (review().state, review().sent) == ("open", "passed")
    pipeline_reviews.ask_again(github.key, review().pk, actor=people.owner)
    assert review().attempts == 0, "a person need not wait for the next try"
    make.answer()
    assert forge.effects == ["deployment.approved"]
    assert review().state == "overtaken"
    assert "A call of ours" in review().last_error


def test_what_a_person_decided_at_github_ends_it(people, github, forge):
    make.ask(people.robot)
    run = forge.run(state="rejected")
    make.send(github, make.github_payload(forge.url, run=run))
    make.answer()
    assert (forge.effects, review().state) == ([], "overtaken")
    assert faults() == []


def test_a_limit_of_the_provider_is_obeyed_and_is_no_attempt(people, github, forge):
    make.ask(people.robot)
    arrive(github, forge)
    reset = int(clock.now().timestamp()) + 1800
    limits = [
        {"status": 403, "headers": {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)}},
        {"status": 429, "headers": {"retry-after": "900"}},
        {"status": 429},
    ]
    pauses = []
    for limit in limits:
        forge.order(limit=limit)
        make.answer()
        pauses.append((review().next_at - clock.now()).total_seconds())
    assert [round(pause, -2) for pause in pauses] == [1800, 900, 100]
    assert (review().attempts, review().state, faults()) == (0, "open", [])
    make.answer()
    assert forge.effects == ["deployment.approved"]


def test_wrong_credentials_are_told_to_the_owner_once_and_tried_again(people, github, forge):
    make.ask(people.robot)
    arrive(github, forge)
    forge.order(app={"id": "Iv1.retail", "public_key": "rotated"})
    for _ in range(3):
        make.answer()
    assert len(faults()) == 1
    assert "credentials" in faults()[0]
    event = OutboxEvent.objects.get(topic=pipeline_faults.TOPIC)
    pipeline_faults.tell({"id": event.pk, "topic": event.topic, "payload": event.payload})
    assert {people.owner.pk, people.rita.pk} <= set(Notice.objects.values_list("person", flat=True))
    forge.order(app={"id": "Iv1.retail", "public_key": make.PUBLIC})
    make.answer()
    github.refresh_from_db()
    assert (forge.effects, github.fault) == (["deployment.approved"], "")


def test_a_token_that_ended_between_is_replaced_by_a_new_one(people, github, forge):
    forge.order(set={"token_seconds": -1.0})
    make.ask(people.robot)
    arrive(github, forge)
    make.answer()
    assert (review().state, review().last_status) == ("open", 401)
    forge.order(set={"token_seconds": 3600.0})
    make.answer()
    assert forge.effects == ["deployment.approved"]


def test_the_token_covers_one_repository_and_one_installation(people, github, forge):
    make.ask(people.robot)
    arrive(github, forge, installation=78)
    make.answer()
    arrive(github, forge, deployment=5)
    PipelineReview.objects.filter(pk=review().pk).update(facts={**review().facts, "installation": 99})
    make.answer()
    assert forge.effects == ["deployment.approved"]
    assert review().last_status == 404


def test_after_the_last_try_a_person_asks_again(people, github, forge):
    make.ask(people.robot)
    arrive(github, forge)
    PipelineReview.objects.update(attempts=13)
    forge.fault("status", status=500, ops=["github.token"])
    make.answer()
    assert review().state == "failed"
    assert "could not be answered" in faults()[0]
    forge.order(clear=True)
    with pytest.raises(NotFound):
        pipeline_reviews.ask_again(github.key, review().pk, actor=people.stranger)
    pipeline_reviews.ask_again(github.key, review().pk, actor=people.owner)
    make.answer()
    assert forge.effects == ["deployment.approved"]
    with pytest.raises(Conflict):
        pipeline_reviews.ask_again(github.key, review().pk, actor=people.owner)


def test_no_answer_that_is_not_the_documented_one_counts_as_taken(people, github, forge):
    make.ask(people.robot)
    arrive(github, forge)
    for lie in ("sign_in", "redirect", "error_member", "other", "empty"):
        forge.fault("lie", lie=lie, ops=["github.review"], next=1)
        make.answer()
        assert review().state == "open", lie
    for lie in ("sign_in", "redirect", "error_member", "other", "truncated", "empty"):
        forge.fault("lie", lie=lie, ops=["github.token"], next=1)
        make.answer()
        assert review().state == "open", lie


def test_one_review_that_fails_on_our_side_holds_up_no_other(people, github, forge, monkeypatch):
    make.ask(people.robot)
    first = arrive(github, forge)
    arrive(github, forge, deployment=2)
    rule = pipeline_rulings.rule

    def fails(one):
        if one.pk == first.pk:
            raise RuntimeError("a fault of ours")
        return rule(one)

    monkeypatch.setattr(pipeline_rulings, "rule", fails)
    assert make.answer() == 2
    assert forge.effects == ["deployment.approved"]
    first.refresh_from_db()
    assert (first.state, first.attempts) == ("open", 1)


# --- GitLab -----------------------------------------------------------------------------------------------------------


def asks(row, forge, **more) -> PipelineReview:
    iid = forge.merge_request(more.pop("head", make.SHA))
    assert make.send(row, make.gitlab_payload(iid=iid, **more)).status_code == 202
    return review()


def test_a_merge_request_is_pending_until_the_gate_knows_and_then_passed(people, gitlab, forge):
    asks(gitlab, forge)
    make.answer()
    make.answer()
    assert forge.effects == ["check.pending"]
    make.ask(people.robot)
    make.answer()
    assert forge.effects == ["check.pending", "check.passed"]
    assert review().state == "answered"


def test_retry_asks_anew_what_has_failed_and_nothing_that_has_passed(people, gitlab, forge):
    make.ask(people.robot, make.DENIED)
    iid = forge.merge_request()
    payload = make.gitlab_payload(iid=iid)
    make.send(gitlab, payload)
    make.answer()
    assert make.send(gitlab, payload).json()["repeated"] is True, "at once it is the same webhook"
    PipelineReview.objects.update(ended_at=clock.now() - timedelta(seconds=11))
    make.ask(people.robot)
    assert make.send(gitlab, payload).json()["repeated"] is False
    make.answer()
    PipelineReview.objects.update(ended_at=clock.now() - timedelta(seconds=11))
    assert make.send(gitlab, payload).json()["repeated"] is True
    make.answer()
    assert forge.effects == ["check.failed", "check.passed"]


def test_a_commit_that_is_not_the_head_any_more_is_overtaken(people, gitlab, forge):
    make.ask(people.robot)
    asks(gitlab, forge, head=make.OTHER_SHA)
    make.answer()
    assert (forge.effects, review().state) == ([], "overtaken")


def test_a_wrong_token_of_gitlab_is_told_and_a_branch_that_is_not_mapped_fails(people, gitlab, forge):
    make.ask(people.robot)
    forge.order(auth={"token": "glpat-rotated"})
    asks(gitlab, forge)
    make.answer()
    assert (review().last_status, len(faults())) == (401, 1)
    forge.order(auth="restore")
    make.answer()
    asks(gitlab, forge, branch="develop")
    make.answer()
    assert forge.effects == ["check.passed", "check.failed"]


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_no_secret_and_no_token_is_in_the_database_a_log_or_an_error(people, github, gitlab, forge, caplog):
    caplog.set_level(logging.DEBUG)
    make.ask(people.robot)
    arrive(github, forge)
    asks(gitlab, forge)
    forge.fault("status", status=500, ops=["github.review", "gitlab.status"], next=2)
    make.answer()
    given_out = forge.order(tokens=True)["tokens"]
    make.answer()
    given_out += forge.order(tokens=True)["tokens"]
    assert len(set(given_out)) >= 2
    kept = repr(list(PipelineReview.objects.values())) + repr(list(AuditEntry.objects.values("after", "verb")))
    kept += repr(list(OutboxEvent.objects.values("payload"))) + caplog.text
    for secret in (*given_out, make.SECRET, make.TOKEN, *make.PRIVATE.splitlines()[1:-1]):
        assert secret not in kept


def test_the_wiring_tells_faults_and_wakes_what_waits(people):
    told = outbox.handlers_of("governance.pipeline_fault")
    assert any(getattr(one, "target", "").endswith(":on_pipeline_fault") for one in told)
    assert any(getattr(one, "target", "").endswith(":on_gate_may_differ") for one in outbox.handlers_of("catalog.x"))
