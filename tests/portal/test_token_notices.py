"""Who can make another token hears of one that ends, once and in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail

from governance.models import Notice
from kernel import clock, outbox, tokens
from kernel.models import ApiToken, User
from portal import token_notices, wiring
from tests.portal import make

pytestmark = pytest.mark.django_db


def ending(owner: User, *, days: float = 3, used: bool = True, age: int = 30) -> ApiToken:
    token, _ = tokens.issue(actor=owner, user=owner, name="nightly", scopes=["catalog:read"])
    now = clock.now()
    ApiToken.objects.filter(pk=token.pk).update(
        created_at=now - timedelta(days=age), expires_at=now + timedelta(days=days), last_used_at=now if used else None
    )
    return token


def told() -> dict[str, str]:
    wiring.connect()
    token_notices.tell_due()
    while outbox.dispatch():
        pass
    return dict(Notice.objects.filter(kind="token").values_list("person__username", "text"))


def test_a_person_hears_of_a_token_that_is_used_and_ends_within_a_week_once() -> None:
    ending(make.person("ann", email="ann@example.com"))
    found = told()
    assert found["ann"].startswith("The token nightly of ann ends on ")
    assert told() == found
    assert len([message for message in mail.outbox if "The token nightly" in message.subject]) == 1


def test_of_a_service_account_the_people_of_its_teams_hear() -> None:
    group = make.team("tills")
    make.person("tom", group)
    make.person("bob")
    ending(make.service("till-01", group))
    assert set(told()) == {"tom"}


def test_of_a_service_account_without_a_team_administrators_hear() -> None:
    make.person("boss", is_superuser=True)
    ending(make.service("lost"))
    assert set(told()) == {"boss"}


@pytest.mark.parametrize("more", [{"days": 8}, {"days": -1}, {"used": False}, {"age": 2}])
def test_nobody_hears_of_one_that_lasts_has_ended_is_not_used_or_was_made_for_a_few_days(more: dict) -> None:
    ending(make.person("ann"), **more)
    assert told() == {}


def test_nobody_hears_of_one_that_was_revoked() -> None:
    ann = make.person("ann")
    tokens.revoke(actor=ann, token=ending(ann))
    assert told() == {}
