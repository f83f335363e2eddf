"""Signing in through an identity provider: the whole code flow against a small provider of our own, and what its groups
mean."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from governance.models import GroupMapping, ProviderCheck
from governance.services import identity, reviews
from governance.web import oidc
from kernel import clock
from kernel.errors import Forbidden
from kernel.models import AuditEntry, User
from tests.governance import make
from tests.governance.fake_provider import Provider, back, oidc_settings, running, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(settings):
    with running() as issuer:
        settings.OIDC = oidc_settings(issuer)
        settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "governance.web.oidc.Backend"]
        yield issuer


def test_the_code_flow_signs_in_and_the_groups_give_and_take_rights_at_once(house: make.House, provider: str):
    GroupMapping.objects.create(claim="grp-architects", group=make.team("architects").group)
    client = Client()
    assert sign_in(client) == "/"
    assert "code_verifier" in Provider.asked
    user = User.objects.get(username="oidc:abc-1")
    assert (str(user), list(user.groups.values_list("name", flat=True))) == ("Olga Ocean", ["architects"])
    assert client.get(reverse("governance:inbox")).status_code == 200
    change = make.approve(make.in_review(house.author), house.owner, user)
    assert change.state == "approved"
    user.groups.add(make.team("stores").group)
    Provider.claims["groups"] = []
    sign_in(Client())
    assert list(user.groups.values_list("name", flat=True)) == ["stores"]
    other = make.in_review(house.author, make.thing("other"))
    with pytest.raises(Forbidden):
        reviews.approve(other, actor=user, seen=reviews.Seen.of(other))
    assert AuditEntry.objects.filter(verb="governance.teams_synchronised").count() == 2


@pytest.mark.parametrize(
    "lie", [{"iss": "https://evil.example"}, {"aud": "another"}, {"nonce": "stale"}, {"exp": 1}, {"aud": ["x", "y"]}]
)
def test_a_token_of_another_issuer_audience_or_time_signs_nobody_in(house: make.House, provider: str, lie: dict):
    Provider.lie = lie
    client = Client(raise_request_exception=False)
    sign_in(client)
    assert not User.objects.filter(username__startswith="oidc:").exists()
    assert "_auth_user_id" not in client.session


def test_user_info_about_somebody_else_signs_nobody_in(house: make.House, provider: str):
    Provider.about = {"sub": "eve"}
    client = Client(raise_request_exception=False)
    sign_in(client)
    assert not User.objects.filter(username__startswith="oidc:").exists()


def test_without_a_provider_the_addresses_are_not_there_and_a_silent_one_is_said(settings):
    settings.OIDC = oidc_settings("")
    assert Client().get(reverse("governance:oidc-start")).status_code == 404
    settings.OIDC = oidc_settings("http://127.0.0.1:9")
    assert Client().get(reverse("governance:oidc-start")).status_code == 503


@pytest.mark.parametrize("claimed", [None, 5, {}, [1, None], "grp-other"])
def test_a_malformed_groups_claim_gives_no_right(house: make.House, claimed: object):
    GroupMapping.objects.create(claim="grp-architects", group=make.team("architects").group)
    user = identity.person_of({"sub": "x", "groups": ["grp-architects"]}, groups_claim="groups")
    identity.sync_groups(user, claimed)
    assert not user.groups.exists()


def test_without_a_subject_nobody_is_let_in():
    with pytest.raises(Forbidden):
        identity.username_of({"email": "eve@example.com"})
    assert oidc.Backend().verify_claims({"email": "eve@example.com"}) is False


def test_the_sign_in_page_offers_the_provider_only_where_there_is_one(provider: str, settings):
    assert reverse("governance:oidc-start") in Client().get("/sign-in/?failed=1").content.decode()
    settings.OIDC = settings.OIDC | {"issuer": ""}
    assert reverse("governance:oidc-start") not in Client().get("/sign-in/").content.decode()


@pytest.fixture
def rechecked(provider: str, settings) -> Client:
    """Olga the architect, signed in through the provider, on pages that ask it again."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "governance.web.oidc.Recheck"]
    GroupMapping.objects.create(claim="grp-architects", group=make.team("architects").group)
    client = Client()
    assert sign_in(client) == "/"
    return client


def olga() -> User:
    return User.objects.get(username="oidc:abc-1")


def later(client: Client, minutes: int) -> None:
    """As if so many minutes had passed since the provider spoke."""
    session = client.session
    session["oidc_id_token_expiration"] -= minutes * 60
    session.save()
    ProviderCheck.objects.update(at=clock.now() - timedelta(minutes=minutes))


def there_and_back(client: Client, page: str) -> str:
    away = client.get(page)
    asked = parse_qs(urlsplit(away["Location"]).query)
    assert asked["prompt"] == ["none"]
    return back(client, asked)


def test_a_group_that_was_left_at_the_provider_alone_is_gone_when_its_word_has_aged(
    house: make.House, rechecked: Client
):
    change = make.in_review(house.author)
    page = reverse("governance:change", args=[change.pk])
    assert rechecked.get(page).status_code == 200, "its word is fresh"
    Provider.claims["groups"] = []
    later(rechecked, 8)
    assert there_and_back(rechecked, page) == page
    assert not olga().groups.exists()
    assert "None of the missing approvals is yours to give." in rechecked.get(page).content.decode()
    with pytest.raises(Forbidden):
        reviews.approve(change, actor=olga(), seen=reviews.Seen.of(change))


def test_who_is_signed_out_at_the_provider_is_signed_out_here(house: make.House, rechecked: Client):
    later(rechecked, 8)
    asked = parse_qs(urlsplit(rechecked.get(reverse("governance:inbox"))["Location"]).query)
    rechecked.get(reverse("governance:oidc-callback"), {"error": "login_required", "state": asked["state"][0]})
    assert "_auth_user_id" not in rechecked.session


def test_no_decision_rests_on_an_old_word_of_the_provider_on_page_or_api(house: make.House, rechecked: Client):
    change = make.in_review(house.author)
    later(rechecked, 16)
    posted = rechecked.post(
        reverse("governance:decide", args=[change.pk]), {"outcome": "approve", **asdict(reviews.Seen.of(change))}
    )
    assert posted.status_code == 403
    assert "Sign in again" in posted.content.decode()
    with pytest.raises(Forbidden) as caught:
        reviews.approve(change, actor=olga(), seen=reviews.Seen.of(change))
    assert caught.value.code == "decision.sign_in_again"
    assert not change.decisions.exists()
    make.approve(change, house.owner)
    assert change.decisions.count() == 1, "a local account has no provider to ask"


def test_a_silent_provider_takes_no_page_away_and_lets_nobody_decide(house: make.House, rechecked: Client, settings):
    change = make.in_review(house.author)
    later(rechecked, 16)
    settings.OIDC = settings.OIDC | {"issuer": "http://127.0.0.1:9"}
    assert rechecked.get(reverse("governance:change", args=[change.pk])).status_code == 200
    with pytest.raises(Forbidden):
        reviews.approve(change, actor=olga(), seen=reviews.Seen.of(change))


def test_a_local_account_and_a_fragment_of_a_page_are_never_sent_away(house: make.House, rechecked: Client):
    later(rechecked, 60)
    change = make.in_review(house.author)
    fragment = rechecked.get(reverse("governance:checks-fragment", args=[change.pk]), headers={"HX-Request": "true"})
    assert fragment.status_code == 200
    local = Client()
    local.force_login(house.owner, backend="django.contrib.auth.backends.ModelBackend")
    assert local.get(reverse("governance:inbox")).status_code == 200
