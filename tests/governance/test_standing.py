"""Who holds a verdict learns within five seconds that it does not stand any more, whatever it was made from changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from catalog.models import ApiVersion, Subscription
from governance.models import Verdict
from governance.services import policies
from kernel import clock, tokens
from tests.catalog import make as catalog
from tests.governance import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    return of("robot")


def of(name: str) -> Client:
    _, secret = tokens.issue(actor=None, user=catalog.person(name), name="ci", scopes=["gate:ask"])
    return Client(headers={"Authorization": f"Bearer {secret}"})


def ask(client: Client, **more: object) -> str:
    question = {"application": "till", "version": "7.1", "environment": "production", "consumes": ["price-api@v2"]}
    sent = client.post("/api/v1/gate/verdicts", json.dumps(question | more), content_type="application/json")
    return f"/api/v1/gate/verdicts/{sent.headers['Verdict-Id']}/standing"


def test_a_verdict_that_stands_is_fresh_for_five_seconds_and_costs_no_new_verdict(client: Client):
    address = ask(client)
    answer = client.get(address)
    assert (answer.status_code, answer.json()["word"], answer.json()["stands"]) == (200, "allow", True)
    assert answer.headers["Cache-Control"] == "private, max-age=5"
    again = client.get(address, headers={"If-None-Match": f'"x", {answer.headers["ETag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == answer.headers["ETag"]
    assert Verdict.objects.count() == 1


def subscription_ends() -> None:
    Subscription.objects.filter(application__key="till").update(valid_until=clock.now() - timedelta(seconds=1))


def version_is_deprecated() -> None:
    ApiVersion.objects.filter(api__slug="price-api", label="v2").update(deprecated_at=clock.now())


def sunset_passes() -> None:
    late = clock.now() - timedelta(seconds=1)
    ApiVersion.objects.filter(api__slug="price-api", label="v2").update(sunset_at=late, deprecated_at=late)


CHANGES: dict[str, Callable[[], object]] = {
    "subscription ends": subscription_ends,
    "version is deprecated": version_is_deprecated,
    "sunset passes": sunset_passes,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_the_answer_ends_the_standing_at_once(client: Client, change: str):
    address = ask(client)
    etag = client.get(address).headers["ETag"]
    CHANGES[change]()
    answer = client.get(address, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.json()["stands"], answer.json()["why"]) == (200, False, "changed")
    assert answer.headers["ETag"] != etag
    assert answer.headers["Cache-Control"] == "private, max-age=0"


def test_time_alone_ends_a_standing(client: Client):
    address = ask(client)
    etag = client.get(address).headers["ETag"]
    soon = clock.now() + timedelta(minutes=3)
    Subscription.objects.filter(application__key="till").update(valid_until=soon)
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 304
    with clock.frozen(soon + timedelta(seconds=1)):
        assert client.get(address).json()["why"] == "changed"
    with clock.frozen(clock.now() + timedelta(minutes=15)):
        answer = client.get(address, headers={"If-None-Match": etag}).json()
    assert (answer["stands"], answer["why"]) == (False, "expired")


def test_a_change_elsewhere_leaves_it_standing(client: Client):
    address = ask(client)
    etag = client.get(address).headers["ETag"]
    Subscription.objects.exclude(application__key="till").update(valid_until=clock.now() - timedelta(days=1))
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 304


def test_a_deny_stands_until_it_would_be_an_allow(client: Client):
    version = ApiVersion.objects.get(api__slug="price-api", label="v2")
    subscription = Subscription.objects.filter(application__key="till", version=version)
    ends = subscription.get().valid_until
    subscription.update(valid_until=clock.now() - timedelta(days=1))
    address = ask(client)
    answer = client.get(address).json()
    assert (answer["word"], answer["stands"], answer["why"]) == ("deny", True, "")
    subscription.update(valid_until=ends)
    assert client.get(address).json()["stands"] is False


def test_a_what_if_never_stands(client: Client):
    address = ask(client, as_of=(clock.now() + timedelta(days=1)).isoformat())
    assert client.get(address).json()["why"] == "what-if"


def test_what_somebody_may_not_see_is_not_there(client: Client):
    address = ask(client)
    other = of("lea")
    assert other.get(address).status_code == 404
    assert client.get(address.replace("standing", "statement") + "?audience=a").status_code in (200, 503)
    assert other.get(address.replace("standing", "statement") + "?audience=a").status_code == 404
    assert Client().get(address).status_code in (401, 403)
