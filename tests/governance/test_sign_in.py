"""Signing in through an identity provider: the whole code flow against a small provider of our own, and what its groups
mean."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client
from django.urls import reverse

from governance.models import GroupMapping, ProviderCheck
from governance.services import identity, reviews
from governance.web import oidc
from kernel import clock
from kernel.errors import Forbidden
from kernel.models import AuditEntry, User
from tests.governance import make

pytestmark = pytest.mark.django_db


class Provider(BaseHTTPRequestHandler):
    """Discovery, keys, token and user info; `claims` are what it says, `lie` is put over the token, `about` over the
    user info."""

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims: dict[str, object] = {}
    lie: dict[str, object] = {}
    about: dict[str, object] = {}
    nonce = ""
    asked: dict[str, list[str]] = {}

    def do_GET(self) -> None:
        me = f"http://127.0.0.1:{self.server.server_port}"
        if self.path.endswith("openid-configuration"):
            names = {
                "authorization_endpoint": "auth",
                "token_endpoint": "token",
                "userinfo_endpoint": "me",
                "jwks_uri": "keys",
            }
            self.answer({"issuer": me} | {name: f"{me}/{path}" for name, path in names.items()})
        elif self.path == "/keys":
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(Provider.key.public_key()))
            self.answer({"keys": [public | {"kid": "k1", "alg": "RS256", "use": "sig"}]})
        else:
            self.answer(Provider.claims | Provider.about)

    def do_POST(self) -> None:
        Provider.asked = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        me = f"http://127.0.0.1:{self.server.server_port}"
        token = {
            "iss": me,
            "aud": "tillgate",
            "sub": Provider.claims["sub"],
            "nonce": Provider.nonce,
            "iat": int(time.time()),
            "exp": int(time.time()) + 60,
        } | Provider.lie
        self.answer(
            {
                "access_token": "a",
                "token_type": "Bearer",
                "id_token": jwt.encode(token, Provider.key, algorithm="RS256", headers={"kid": "k1"}),
            }
        )

    def answer(self, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def provider(settings):
    server = HTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Provider.claims, Provider.lie, Provider.about = (
        {"sub": "abc-1", "given_name": "Olga", "family_name": "Ocean", "groups": ["grp-architects", "other"]},
        {},
        {},
    )
    issuer = f"http://127.0.0.1:{server.server_port}"
    settings.OIDC = {
        "issuer": issuer,
        "client_id": "tillgate",
        "client_secret": "s",
        "groups_claim": "groups",
        "recheck_minutes": 15,
    }
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "governance.web.oidc.Backend"]
    yield issuer
    server.shutdown()
    server.server_close()
    thread.join()


def sign_in(client: Client) -> str:
    """The browser's way: to the provider, back with a code. Returns where it ends."""
    away = client.get(reverse("governance:oidc-start"))
    assert away.status_code == 302, away.content
    asked = parse_qs(urlsplit(away["Location"]).query)
    Provider.nonce = asked["nonce"][0]
    assert asked["code_challenge_method"] == ["S256"]
    back = client.get(reverse("governance:oidc-callback"), {"code": "c", "state": asked["state"][0]})
    return str(back.get("Location", back.status_code))


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
    settings.OIDC = {
        "issuer": "",
        "client_id": "",
        "client_secret": "",
        "groups_claim": "groups",
        "recheck_minutes": 15,
    }
    assert Client().get(reverse("governance:oidc-start")).status_code == 404
    settings.OIDC = {
        "issuer": "http://127.0.0.1:9",
        "client_id": "x",
        "client_secret": "x",
        "groups_claim": "groups",
        "recheck_minutes": 15,
    }
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
    Provider.nonce = asked["nonce"][0]
    back = client.get(reverse("governance:oidc-callback"), {"code": "c", "state": asked["state"][0]})
    return str(back["Location"])


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
