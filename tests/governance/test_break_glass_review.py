"""The review of a break-glass: by a third person, whoever writes to the database; late ones are red and told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from governance.domain.emergency import review_due, review_state
from governance.models import BreakGlass, Notice
from governance.services import breakglass, notices
from kernel import audit, clock
from kernel.errors import Invalid
from kernel.models import OutboxEvent, User
from tests.governance import make
from tests.governance.test_freeze_changes import in_session

pytestmark = pytest.mark.django_db


@pytest.fixture
def case(house: make.House) -> BreakGlass:
    made = breakglass.open_case(
        actor=house.owner, subject=make.thing(), environment="production", reason="The tills stand still."
    )
    breakglass.confirm(made.pk, actor=house.architect)
    made.refresh_from_db()
    return made


def by_hand(case: BreakGlass, reviewer: User) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "update governance_breakglass set reviewed_by_id = %s, reviewed_at = now(), review_note = 'Fine.' "
            "where id = %s",
            [reviewer.pk, case.pk],
        )
        about = {"subject": case.subject_id, "digest": case.digest, "environment": case.environment}
        audit.record("governance.break_glass_reviewed", "break_glass", case.pk, actor=reviewer, after=about)


def ended(case: BreakGlass, ago: timedelta) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(
            "update governance_breakglass set starts_at = now() - %s - interval '4 h', ends_at = now() - %s "
            "where id = %s",
            [ago, ago, case.pk],
        )
        cursor.execute("set local session_replication_role = origin")
    case.refresh_from_db()


def page_of(user: User, address: str) -> str:
    client = Client()
    client.force_login(user)
    return client.get(address).content.decode()


def test_the_database_takes_the_review_of_a_third_person_only(house: make.House, case: BreakGlass):
    for one_of_two in (house.owner, house.architect):
        with pytest.raises(IntegrityError):
            by_hand(case, one_of_two)
    by_hand(case, house.releaser)
    case.refresh_from_db()
    assert case.reviewed_by == house.releaser
    for other in (house.architect, house.security):
        with pytest.raises(IntegrityError):
            by_hand(case, other)


def test_a_review_is_owed_then_overdue_then_done():
    at = clock.now()
    due = review_due(at)
    assert due - at == timedelta(days=3)
    assert review_state(at, None, due - timedelta(seconds=1)) == "owed"
    assert review_state(at, None, due) == "overdue"
    assert review_state(at, due, due) == "done"
    assert review_state(at, due + timedelta(days=1), due) == "overdue", "it was not written yet at that time"


def test_a_late_review_is_red_where_it_is_seen_and_its_owners_are_told_once(house: make.House, case: BreakGlass):
    ended(case, timedelta(hours=1))
    assert "Review due" in page_of(house.owner, "/break-glass/")
    assert breakglass.tell_overdue() == 0
    ended(case, timedelta(days=3, hours=1))
    assert "Review overdue" in page_of(house.owner, "/break-glass/")
    assert "A break-glass review is overdue" in page_of(house.owner, "/inbox/")
    assert in_session(house.owner, "GET", "break-glass")[1]["results"][0]["review"] == "overdue"
    assert (breakglass.tell_overdue(), breakglass.tell_overdue()) == (1, 0)
    (event,) = OutboxEvent.objects.filter(topic="governance.break_glass_overdue")
    notices.tell({"topic": event.topic, "id": event.pk, "payload": event.payload})
    told = Notice.objects.filter(text="Break-glass review is overdue: price-feed in production")
    assert {notice.person for notice in told} >= {house.author, house.owner, house.architect, house.releaser}
    breakglass.review(case.pk, actor=house.releaser, note="Rolled back, and a test was added.")
    assert "Review overdue" not in page_of(house.owner, "/break-glass/")


def test_a_break_glass_names_an_environment_that_is_there(house: make.House):
    with pytest.raises(Invalid) as refused:
        breakglass.open_case(
            actor=house.owner, subject=make.thing(), environment="nope", reason="The tills stand still."
        )
    assert [one["pointer"] for one in refused.value.data["findings"]] == ["/environment"]
