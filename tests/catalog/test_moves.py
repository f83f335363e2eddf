"""Who still uses a version and where do they go: dated migrations, and what they mean for a retirement."""

from __future__ import annotations

from datetime import timedelta

import pytest

from catalog.models import Subscription
from catalog.selectors import consumers, versions
from catalog.services import publication, subscriptions, usage
from kernel import clock
from kernel.errors import Forbidden, Invalid
from tests.catalog import make
from tests.governance.raw_sql import beneath_guards

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def use() -> Subscription:
    return Subscription.objects.get(application__key="till", version__label="v2", state="active")


def published_v3() -> None:
    facts = versions.by_reference("price-api@v3")
    publication.submit_for_review(facts.id)
    publication.publish(facts.id, contract_digest=facts.contract_digest, approval_id=1, actor=None)


def test_the_consumer_or_the_owner_says_where_it_goes_and_nobody_else():
    published_v3()
    day = clock.now().date() + timedelta(days=60)
    for who in ("stan", "piet"):
        done = subscriptions.plan_move(use().pk, actor=make.person(who), moves_to="v3", moves_on=day)
        assert (done.moves_on, done.moves_to.label) == (day, "v3")
    with pytest.raises(Forbidden):
        subscriptions.plan_move(use().pk, actor=make.person("lea"), moves_to="v3", moves_on=day)
    line = next(c for c in consumers.of_version(use().version_id) if c.application_key == "till")
    assert (line.moves_on, line.moves_to) == (day, "v3")


@pytest.mark.parametrize(("moves_to", "days"), [("v1", 60), ("v2", 60), ("v3", 60), ("nothing", 60), ("", -1)])
def test_a_plan_names_a_published_version_and_a_day_to_come(moves_to, days):
    with pytest.raises(Invalid):
        subscriptions.plan_move(
            use().pk, actor=make.person("stan"), moves_to=moves_to, moves_on=clock.now().date() + timedelta(days=days)
        )
    assert use().moves_on is None


def test_a_dated_migration_unblocks_a_retirement_on_its_day_unless_calls_say_otherwise():
    facts = versions.by_reference("price-api@v2")
    now = clock.now()
    publication.deprecate(
        facts.id, sunset_at=now + timedelta(days=400), successor=None, guide="", approval_id=2, actor=None
    )
    subscriptions.plan_move(
        use().pk, actor=make.person("stan"), moves_to="", moves_on=(now + timedelta(days=395)).date()
    )
    with clock.frozen(now + timedelta(days=394)):
        assert [c.application_key for c in consumers.blocking_retirement(facts.id, clock.now())] == ["till"]
    with clock.frozen(now + timedelta(days=412)):
        assert consumers.blocking_retirement(facts.id, clock.now()) == []
        seen = {"application": "till", "version": "price-api@v2", "environment": "production", "calls": 1}
        usage.report(actor=None, batch_id="late", rows=[seen])
        assert [c.application_key for c in consumers.blocking_retirement(facts.id, clock.now())] == ["till"]
        with beneath_guards():  # weeks later
            Subscription.objects.update(last_seen_at=None)
            use().application.usage.update(last_seen_at=now, day=now.date())
        assert publication.retire(facts.id, approval_id=3, actor=None).state == "retired"


def test_the_page_records_a_plan_and_takes_it_back():
    published_v3()
    url = f"/catalog/subscriptions/{use().pk}/move/"
    stan = make.client("stan")
    day = (clock.now().date() + timedelta(days=30)).isoformat()
    assert stan.post(url, {"moves_to": "v3", "moves_on": day}).status_code == 302
    assert use().moves_to.label == "v3"
    shown = make.shown(stan.get("/catalog/apis/price-api/consumers/"))
    assert "v3" in shown
    assert stan.post(url, {"moves_to": "v3", "moves_on": ""}).status_code == 422
    assert stan.post(url, {"moves_to": "", "moves_on": ""}).status_code == 302
    assert use().moves_on is None
    assert make.client("lea").post(url, {"moves_to": "", "moves_on": day}).status_code == 403
