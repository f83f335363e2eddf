"""A version ends: its consumers hear of it in time, answer, and are seen until they have gone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail

from catalog import tasks
from catalog.domain import sunset_schedule
from catalog.models import BrownOut, Subscription, SunsetNotice
from catalog.selectors import versions
from catalog.services import publication, subscriptions, sunset_notices, usage
from governance.models import Notice
from kernel import clock
from kernel.models import OutboxEvent, User
from portal import catalog_notices
from tests.catalog import make
from tests.governance.raw_sql import beneath_guards
from tillgate.deprecation import ending

pytestmark = pytest.mark.django_db

SUNSET = timedelta(days=400)


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


@pytest.fixture
def now() -> datetime:
    """The moment at which v2 was deprecated, with a sunset 400 days later."""
    moment = clock.now().replace(microsecond=0)
    facts = versions.by_reference("price-api@v2")
    publication.deprecate(facts.id, sunset_at=moment + SUNSET, successor=None, guide="", approval_id=2, actor=None)
    return moment


def use() -> Subscription:
    return Subscription.objects.get(application__key="till", version__label="v2", state="active")


def steps() -> list[str]:
    return list(SunsetNotice.objects.order_by("id").values_list("step", flat=True))


def deliver(topic: str, handler: Any) -> None:
    """Hand over every event of this topic twice, as an outbox may."""
    for row in OutboxEvent.objects.filter(topic=topic).order_by("id"):
        for _ in range(2):
            handler({"id": row.pk, "topic": row.topic, "key": row.key, "payload": row.payload})


class TestWhenSomebodyIsTold:
    """`sunset_schedule.due` alone: no database."""

    AT = datetime.fromisoformat("2027-06-01T00:00:00+00:00")

    def told_over(self, begins: int, ends: int, *, answered: bool = False, step: int = 1) -> list[tuple[int, str]]:
        """(days before the sunset, step) of everything that is told when somebody looks every `step` days."""
        said: dict[str, datetime] = {}
        found = []
        for left in range(begins, ends - 1, -step):
            moment = self.AT - timedelta(days=left)
            due = sunset_schedule.due(sunset_at=self.AT, now=moment, said=said, answered=answered)
            if due:
                said[due] = moment
                found.append((left, due))
        return found

    def test_who_has_answered_hears_at_once_and_90_30_7_and_1_day_before_and_each_week_after(self):
        assert self.told_over(200, -14, answered=True) == [
            (200, "announced"),
            (90, "90-days"),
            (30, "30-days"),
            (7, "7-days"),
            (1, "1-day"),
            (0, "past-0"),
            (-7, "past-1"),
            (-14, "past-2"),
        ]

    def test_who_has_not_answered_is_reminded_two_weeks_after_the_last_word(self):
        assert self.told_over(60, 0) == [
            (60, "announced"),
            (46, "reminder-1"),
            (32, "reminder-2"),
            (30, "30-days"),
            (16, "reminder-3"),
            (7, "7-days"),
            (1, "1-day"),
            (0, "past-0"),
        ]

    def test_a_late_announcement_is_one_word_and_not_three(self):
        assert self.told_over(19, 1)[:2] == [(19, "announced"), (7, "7-days")]

    def test_a_process_that_stood_still_for_months_tells_the_nearest_step_alone(self):
        said = {"announced": self.AT - timedelta(days=200)}
        moment = self.AT - timedelta(days=5)
        assert sunset_schedule.due(sunset_at=self.AT, now=moment, said=said, answered=True) == "7-days"
        said["7-days"] = moment
        assert sunset_schedule.due(sunset_at=self.AT, now=moment, said=said, answered=True) is None

    @pytest.mark.parametrize("every", [1, 2, 3, 5, 11])
    def test_however_often_somebody_looks_no_step_is_told_twice(self, every: int):
        told = [step for _, step in self.told_over(300, -60, step=every)]
        assert len(told) == len(set(told))


def test_the_team_of_each_consumer_hears_of_a_deprecation_once(now: datetime):
    User.objects.filter(username="stan").update(email="stan@example.com")
    assert sunset_notices.tell_due(now) == len(steps()) > 0
    assert sunset_notices.tell_due(now) == 0
    deliver("catalog.sunset_notice", catalog_notices.on_sunset_notice)
    told = Notice.objects.filter(kind="sunset", person__username="stan")
    assert [n.text.split(" which ")[0] for n in told] == ["till uses price-api@v2"]
    assert told[0].url == "/catalog/applications/till/"
    assert [m.to for m in mail.outbox if "till uses" in m.subject] == [["stan@example.com"]]


def test_the_deprecation_itself_tells_them_without_waiting_for_a_periodic_job(now: datetime):
    deliver("catalog.version_deprecated", tasks.version_deprecated)
    assert "announced" in steps()


def test_an_answer_closes_the_notice_and_ends_the_reminders(now: datetime):
    sunset_notices.tell_due(now)
    deliver("catalog.sunset_notice", catalog_notices.on_sunset_notice)
    day = (now + timedelta(days=100)).date()
    subscriptions.plan_move(use().pk, actor=make.person("stan"), moves_on=day)
    deliver("catalog.subscription_move_planned", catalog_notices.on_move_planned)
    assert not Notice.objects.filter(kind="sunset", person__username="stan", read_at=None).exists()
    with clock.frozen(now + timedelta(days=20)):
        sunset_notices.tell_due()
    assert not SunsetNotice.objects.filter(application__key="till", step="reminder-1").exists()


def test_a_date_that_the_owner_wrote_down_is_no_answer(now: datetime):
    sunset_notices.tell_due(now)
    subscriptions.plan_move(use().pk, actor=make.person("piet"), moves_on=(now + timedelta(days=100)).date())
    with clock.frozen(now + timedelta(days=20)):
        sunset_notices.tell_due()
    assert SunsetNotice.objects.filter(application__key="till", step="reminder-1").exists()


def test_who_has_gone_is_not_told_any_more(now: datetime):
    subscriptions.plan_move(use().pk, actor=make.person("stan"), moves_on=(now + timedelta(days=10)).date())
    with clock.frozen(now + timedelta(days=11)):
        with beneath_guards():  # weeks later
            Subscription.objects.update(last_seen_at=None)
            use().application.usage.all().update(last_seen_at=now, day=now.date())
        sunset_notices.tell_due()
    assert not SunsetNotice.objects.filter(application__key="till").exists()


def test_a_sunset_that_moves_is_a_new_word_to_everybody(now: datetime):
    sunset_notices.tell_due(now)
    facts = versions.by_reference("price-api@v2")
    later = now + SUNSET + timedelta(days=30)
    publication.deprecate(facts.id, sunset_at=later, successor=None, guide="", approval_id=3, actor=None)
    assert sunset_notices.tell_due(now) > 0
    assert SunsetNotice.objects.filter(application__key="till", step="announced").count() == 2


def test_where_a_team_has_nobody_its_owner_and_the_architects_are_told(now: datetime):
    stan = make.person("stan")
    stan.groups.clear()
    sunset_notices.tell_due(now)
    deliver("catalog.sunset_notice", catalog_notices.on_sunset_notice)
    told = Notice.objects.filter(text__startswith="Nobody to tell: till")
    assert "piet" in told.values_list("person__username", flat=True)
    assert "nobody in the team" in make.shown(make.client("piet").get("/catalog/deprecations/"))


def test_a_promise_lies_before_the_sunset(now: datetime):
    day = (now + SUNSET + timedelta(days=2)).date().isoformat()
    answer = make.client("stan").post(f"/catalog/subscriptions/{use().pk}/move/", {"moves_to": "", "moves_on": day})
    assert answer.status_code == 422
    assert "choose a day not after it" in make.shown(answer)
    assert use().moves_on is None


def test_past_its_sunset_with_a_live_consumer_is_red_on_every_page_that_it_touches(now: datetime):
    seen = {"application": "till", "version": "price-api@v2", "environment": "production", "calls": 4}
    usage.report(actor=None, batch_id="today", rows=[seen])
    pages = (
        "/catalog/apis/price-api/",
        "/catalog/apis/price-api/versions/v2/",
        "/catalog/apis/price-api/consumers/",
        "/catalog/applications/till/",
        f"/catalog/subscriptions/{use().pk}/",
        "/catalog/deprecations/",
    )
    before = [make.shown(make.client("piet").get(page)) for page in pages]
    assert not any("Past its sunset" in page for page in before)
    with clock.frozen(now + SUNSET + timedelta(days=1)):
        for page in pages:
            assert "Past its sunset" in make.shown(make.client("piet").get(page)), page


def test_the_board_says_who_calls_how_much_and_who_promised_what(now: datetime):
    seen = {"application": "till", "version": "price-api@v2", "environment": "production", "calls": 1234}
    usage.report(actor=None, batch_id="today", rows=[seen])
    subscriptions.plan_move(use().pk, actor=make.person("stan"), moves_on=(now + timedelta(days=100)).date())
    body = make.client("piet").get("/api/v1/deprecations?api=price-api").json()
    version = next(v for v in body if v["version"] == "price-api@v2")
    line = next(c for c in version["consumers"] if c["application"] == "till")
    assert (line["calls"], line["answer"], line["moves_to"]) == (1234, "promised", "")
    assert line["moves_on"] == (now + timedelta(days=100)).date().isoformat()

    def answer() -> str:
        listed = make.client("piet").get("/api/v1/deprecations?api=price-api").json()
        return next(c["answer"] for v in listed for c in v["consumers"] if c["application"] == "till")

    with clock.frozen(now + timedelta(days=120)):
        assert answer() == "moved"
        Subscription.objects.update(last_seen_at=clock.now())
        assert answer() == "late"
    assert make.client("piet").get("/api/v1/deprecations?api=nothing").json() == []


class TestBrownOuts:
    URL = "/api/v1/apis/price-api/versions/v2/brown-outs"

    def body(self, now: datetime, *, days: float = 3, hours: float = 1, **more: Any) -> dict[str, Any]:
        begins = now + timedelta(days=days)
        return {
            "environment": "production",
            "starts_at": begins.isoformat(),
            "ends_at": (begins + timedelta(hours=hours)).isoformat(),
            **more,
        }

    def test_its_owner_plans_one_and_the_consumers_hear_of_it_and_of_its_end(self, now: datetime):
        piet = make.client("piet")
        made = piet.post(self.URL, self.body(now), content_type="application/json")
        assert made.status_code == 201, made.content
        deliver("catalog.brown_out_planned", catalog_notices.on_brown_out)
        assert Notice.objects.filter(kind="brown_out", person__username="stan", text__contains="refused").count() == 1
        shown = piet.get("/api/v1/deprecations?api=price-api").json()
        assert [b["id"] for v in shown for b in v["brown_outs"]] == [made.json()["id"]]
        read = ending.read(shown, base_url="https://tillgate.example")["price-api@v2"]
        assert read.brown_out("production", now + timedelta(days=3, minutes=59)).ends_at > read.brown_outs[0].starts_at
        assert read.brown_out("production", now + timedelta(days=3, minutes=61)) is None
        assert piet.post(f"{self.URL}/{made.json()['id']}/cancellation").status_code == 200
        deliver("catalog.brown_out_cancelled", catalog_notices.on_brown_out)
        assert Notice.objects.filter(person__username="stan", text__startswith="Brown-out cancelled").count() == 1
        assert [b for v in piet.get("/api/v1/deprecations").json() for b in v["brown_outs"]] == []

    @pytest.mark.parametrize(
        ("more", "pointer"),
        [
            ({"days": 0.5}, "/starts_at"),
            ({"hours": 25}, "/ends_at"),
            ({"hours": -1}, "/ends_at"),
            ({"environment": "prodution"}, "/environment"),
        ],
    )
    def test_dates_and_places_that_make_no_sense_are_refused_with_their_pointer(self, now, more, pointer):
        answer = make.client("piet").post(self.URL, self.body(now, **more), content_type="application/json")
        assert answer.status_code == 422, answer.content
        assert pointer in [f["pointer"] for f in answer.json()["findings"]]
        assert not BrownOut.objects.exists()

    def test_two_do_not_overlap(self, now: datetime):
        piet = make.client("piet")
        piet.post(self.URL, self.body(now), content_type="application/json")
        assert piet.post(self.URL, self.body(now), content_type="application/json").status_code == 422
        assert piet.post(self.URL, self.body(now, days=4), content_type="application/json").status_code == 201

    def test_others_plan_none_and_a_version_that_stays_has_none(self, now: datetime):
        assert make.client("stan").post(self.URL, self.body(now), content_type="application/json").status_code == 403
        other = self.URL.replace("v2", "v3")
        assert make.client("piet").post(other, self.body(now), content_type="application/json").status_code == 409
        assert not BrownOut.objects.exists()

    def test_the_page_plans_and_cancels(self, now: datetime):
        piet, page = make.client("piet"), "/catalog/apis/price-api/versions/v2/brown-outs/"
        begins = (now + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
        given = {"environment": "production", "starts_at": begins, "hours": "2", "note": "Quiet Tuesday"}
        assert piet.post(page, given).status_code == 302
        assert "Quiet Tuesday" in make.shown(piet.get(page))
        assert piet.post(f"{page}{BrownOut.objects.get().pk}/cancel/").status_code == 302
        assert "Cancelled" in make.shown(piet.get(page))
        assert piet.post(page, given | {"hours": "99"}).status_code == 422
        assert make.client("stan").post(page, given).status_code == 403
