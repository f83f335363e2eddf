"""A right or a password that somebody gave lately decides nothing, where no change is decided on either: break-glass,
the end of a freeze, a connection of pipelines. Nobody becomes two people in an afternoon."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from governance.models import BreakGlass, GroupMapping
from governance.services import breakglass, freezes, policies
from kernel import acting, clock
from kernel.errors import Forbidden
from kernel.models import User
from tests.governance import make
from tests.governance.raw_sql import refused, run
from tests.governance.test_rights_given import approve, earlier, reset

pytestmark = pytest.mark.django_db
RESTS = r"Your password was set by Bea Boss on .*; it breaks no glass before .* UTC"
OPEN = """insert into governance_breakglass (subject_kind, subject_id, digest, environment, reason, owner_team_ids,
   hours, opened_by_id, review_note)
   values ('thing', 'price-feed', %s, 'production', 'fire', %s, 4, %s, '')"""


@pytest.fixture
def set_up(house: make.House) -> make.House:
    policies.install(level="team:price", document={**make.POLICY, "rights_rest_hours": 24}, actor=None)
    earlier(days=30)
    return house


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss", password="a-long-password", first_name="Bea", last_name="Boss")


def opened(person: User) -> BreakGlass:
    return breakglass.open_case(
        actor=person, subject=make.thing(), environment="production", reason="The tills stand still."
    )


def stolen(person: User) -> Client:
    client = Client()
    sent = {"username": person.username, "password": "known-to-the-boss"}
    assert client.post("/sign-in/", sent).status_code == 302
    return client


def test_an_administrator_who_resets_three_passwords_breaks_no_glass(set_up: make.House, boss: User):
    """Over REST, as each of the people that it takes."""
    thing = make.thing()
    asked = {"kind": "thing", "id": thing.id, "digest": thing.digest}
    body = {"subject": asked, "environment": "production", "reason": "The tills stand still."}
    reset(boss, set_up.owner)
    answer = stolen(set_up.owner).post("/api/v1/break-glass", body, content_type="application/json")
    assert answer.status_code == 403, answer.content
    assert "Your password was set by Bea Boss" in answer.json()["detail"]
    assert "it breaks no glass before" in answer.json()["detail"]
    case = opened(set_up.releaser)
    reset(boss, set_up.architect)
    thief = stolen(set_up.architect)
    answer = thief.post(f"/api/v1/break-glass/{case.pk}/confirm", content_type="application/json")
    assert answer.status_code == 403, answer.content
    assert "confirms and reviews no break-glass before" in answer.json()["detail"]
    assert "Your password was set by Bea Boss" in thief.get("/break-glass/").text
    case.refresh_from_db()
    assert case.confirmed_by_id is None


def test_the_review_rests_as_well(set_up: make.House, boss: User):
    case = opened(set_up.owner)
    breakglass.confirm(case.pk, actor=set_up.architect)
    reset(boss, set_up.releaser)
    with pytest.raises(Forbidden, match="Your password was set by Bea Boss"):
        breakglass.review(case.pk, actor=set_up.releaser, note="The pin was corrected again.")
    earlier(hours=25)
    breakglass.review(case.pk, actor=set_up.releaser, note="The pin was corrected again.")


GIVEN: dict[str, Callable[[User, User, Group], None]] = {
    "a password": lambda boss, person, group: reset(boss, person),
    "a role": lambda boss, person, group: person.groups.remove(group) or person.groups.add(group),
}


@pytest.mark.parametrize("what", GIVEN)
def test_plain_sql_breaks_no_glass_either(set_up: make.House, boss: User, what: str):
    digest, price = make.thing().digest, [make.team("price").pk]
    with acting.by(boss):
        GIVEN[what](boss, set_up.owner, make.team("price").group)
        GIVEN[what](boss, set_up.architect, make.team("architects").group)
    refused("break_glass_right_rests", OPEN, digest, price, set_up.owner.pk)
    case = opened(set_up.releaser)
    confirm = """update governance_breakglass
                    set confirmed_by_id = %s, starts_at = now(), ends_at = now() + interval '4 h'
                  where id = %s"""
    refused("break_glass_right_rests", confirm, set_up.architect.pk, case.pk)


def test_after_a_day_and_where_no_policy_asks_for_one_glass_breaks(set_up: make.House, boss: User):
    reset(boss, set_up.owner)
    with pytest.raises(Forbidden, match=RESTS):
        opened(set_up.owner)
    earlier(hours=24, minutes=1)
    opened(set_up.owner)


def test_an_emergency_on_the_first_day_is_not_kept_waiting(house: make.House, boss: User):
    """The policies of this house say 0 hours; and what was given before the first policy is the set-up."""
    reset(boss, house.owner)
    reset(boss, house.architect)
    case = opened(house.owner)
    breakglass.confirm(case.pk, actor=house.architect)


def test_the_first_people_of_an_installation_break_glass_at_once(house: make.House, boss: User):
    policies.install(level="team:price", document={**make.POLICY, "rights_rest_hours": 24}, actor=None)
    case = opened(house.owner)
    breakglass.confirm(case.pk, actor=house.architect)


def test_another_right_that_counts_is_enough(set_up: make.House, boss: User):
    """Who is a release manager since long breaks the glass on the day of joining the owners."""
    with acting.by(boss):
        set_up.releaser.groups.add(make.team("price").group)
    opened(set_up.releaser)


def planned(house: make.House) -> Any:
    begins = clock.now() + timedelta(days=2)
    ends = begins + timedelta(days=1)
    calendar = {"kind": "once", "zone": "UTC", "from": f"{begins:%Y-%m-%dT%H:%M}", "until": f"{ends:%Y-%m-%dT%H:%M}"}
    return freezes.plan(
        actor=house.releaser, name="Peak", strictness="changes", calendar=calendar, reason="Peak trading."
    )


def test_a_freeze_ends_by_no_right_of_today(set_up: make.House, boss: User):
    window = planned(set_up)
    reset(boss, set_up.architect)
    with pytest.raises(Forbidden, match="it ends no freeze before"):
        freezes.end(window.pk, actor=set_up.architect)
    assert "it ends no freeze before" in stolen(set_up.architect).get("/freezes/").text
    freezes.end(window.pk, actor=set_up.releaser)


def test_ending_break_glass_early_asks_for_no_rest(set_up: make.House, boss: User):
    """It takes away what was allowed."""
    case = opened(set_up.owner)
    breakglass.confirm(case.pk, actor=set_up.architect)
    reset(boss, set_up.architect)
    breakglass.end(case.pk, actor=set_up.architect)


def test_the_word_of_the_provider_is_believed_of_its_own_accounts_alone(set_up: make.House):
    """Anybody can say that the identity provider gave it."""
    change = make.in_review(set_up.author)
    GroupMapping.objects.create(claim="architects", group=make.team("architects").group)
    earlier(days=2)
    with acting.by(None, way=acting.PROVIDER, text="identity provider"):
        fresh = User.objects.create_user("mallory", password="a-long-password")
        fresh.groups.add(make.team("architects").group)
        named = User.objects.create_user("oidc:mallory", password="a-long-password")
        named.groups.add(make.team("architects").group)
        unmapped = User(username="oidc:olga")
        unmapped.set_unusable_password()
        unmapped.save()
        unmapped.groups.add(make.team("price").group)
    for person in (fresh, named, unmapped):
        with pytest.raises(Forbidden, match=r"was (made|given) by identity provider"):
            approve(change, person)


def test_a_connection_of_pipelines_is_confirmed_by_no_right_of_today(set_up: make.House, boss: User):
    insert = """insert into governance_pipelineconnection (key, name, provider, api_url, app_id, webhook_secret_ref,
       old_webhook_secret_ref, credential_ref, owner_team_id, wait_minutes, at_the_end, tells_reasons, proposed_by_id,
       confirmed_by_id, confirmed_at, fault)
      values ('gl', 'GL', 'gitlab', 'http://127.0.0.1:1', '', 'env:A', '', 'env:B', %s, 60, 'reject', true, %s, %s, %s,
              '')"""
    price = make.team("price").pk
    refused("pipeline_is_confirmed_afterwards", insert, price, set_up.owner.pk, set_up.releaser.pk, clock.now())
    run(insert, price, set_up.owner.pk, None, None)
    confirm = "update governance_pipelineconnection set confirmed_by_id = %s, confirmed_at = now()"
    refused("pipeline_needs_a_right", confirm, set_up.architect.pk)
    reset(boss, set_up.releaser)
    refused("pipeline_needs_a_right", confirm, set_up.releaser.pk)
    earlier(hours=25)
    run(confirm, set_up.releaser.pk)
