"""A person whom a blueprint, a file or SCIM named before is the one who then signs in through the provider."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from governance.models import GroupMapping, ProviderIdentity
from governance.services import identity, policies
from kernel import clock, persons
from kernel.errors import Forbidden
from kernel.models import AuditEntry, User
from tests.governance import make
from tests.governance.scim.calls import Directory
from tests.governance.test_rights_given import approve, earlier

pytestmark = pytest.mark.django_db
OLGA = {"sub": "abc-1", "email": "olga@shop.example", "email_verified": True, "given_name": "Olga"}


def named(username: str = "olga@shop.example", *teams: str, email: str = "Olga@shop.example", **more) -> User:
    user = User(username=username, email=email, **more)
    user.set_unusable_password()
    user.save()
    for key in teams:
        user.groups.add(make.team(key).group)
    return user


def signs_in(**claims: object) -> User:
    return identity.person_of({**OLGA, **claims}, groups_claim="groups")


def test_who_was_named_in_a_blueprint_and_signs_in_is_one_account_with_its_teams(house: make.House):
    olga = named("olga@shop.example", "architects")
    assert signs_in() == olga
    assert signs_in(email="olga@elsewhere.example") == olga
    olga.refresh_from_db()
    assert (olga.username, olga.first_name, olga.email) == ("olga@shop.example", "Olga", "olga@elsewhere.example")
    assert [group.name for group in olga.groups.all()] == ["architects"]
    assert (ProviderIdentity.objects.get().subject, identity.is_of_provider(olga)) == ("abc-1", True)
    entry = AuditEntry.objects.get(verb="governance.account_linked")
    assert (entry.subject_id, entry.actor_text, entry.after["rule"]) == (str(olga.pk), "identity provider", "mail")


def test_who_was_provisioned_is_found_by_the_providers_own_name_without_an_address(house: make.House):
    Directory().person("olga@shop.example", externalId="abc-1", emails=[])
    assert signs_in(email="").username == "olga@shop.example"
    assert ProviderIdentity.objects.get().rule == "provider"


@pytest.mark.parametrize(
    "other",
    [
        "unverified",
        "password",
        "administrator",
        "staff",
        "service",
        "two of them",
        "of another subject",
        "of a sign-in",
    ],
)
def test_where_it_is_not_certain_an_account_of_its_own_is_made(house: make.House, other: str):
    olga = named()
    match other:
        case "password":
            olga.set_password("a-long-password")
        case "administrator":
            olga.is_superuser = True
        case "staff":
            olga.is_staff = True
        case "service":
            olga.kind = User.Kind.SERVICE
        case "two of them":
            named("olga2")
        case "of another subject":
            ProviderIdentity.objects.create(person=olga, subject="abc-0", rule="mail")
        case "of a sign-in":
            olga.username = "oidc:abc-0"
    olga.save()
    assert signs_in(email_verified=other != "unverified").username == "oidc:abc-1"


def test_a_closed_account_is_found_and_lets_nobody_in(house: make.House):
    """Otherwise a leaver who is still known at the provider would come back as somebody new."""
    olga = named()
    User.objects.filter(pk=olga.pk).update(is_active=False)
    assert signs_in() == olga
    assert not signs_in().is_active


def test_an_address_that_others_wrote_is_not_proved_by_a_sign_in_without_one(house: make.House):
    Directory().person("olga@shop.example", externalId="abc-1")
    olga = signs_in(email="", email_verified=False)
    assert olga.email == "olga@shop.example"
    assert not persons.has_proved(olga)


def test_the_seat_of_a_linked_account_rests_and_needs_the_providers_word(house: make.House, settings):
    GroupMapping.objects.create(claim="grp-architects", group=make.team("architects").group)
    named("olga@shop.example", "architects")
    policies.install(level="team:price", document={**make.POLICY, "rights_rest_hours": 24}, actor=None)
    earlier(days=30)
    change = make.in_review(house.author)
    olga = signs_in(groups=["grp-architects"])
    with pytest.raises(Forbidden, match="was found to be the one of somebody at the identity provider"):
        approve(change, olga)
    earlier(days=2)
    settings.OIDC = settings.OIDC | {"issuer": "https://id.example", "recheck_minutes": 15}
    olga.provider_check.at = clock.now() - timedelta(minutes=60)
    olga.provider_check.save()
    with pytest.raises(Forbidden, match="identity provider last confirmed"):
        identity.require_fresh(olga)


def test_the_provider_signs_out_who_it_signed_in_to_an_account_of_before(house: make.House):
    olga = named()
    signs_in()
    browser = Client()
    browser.force_login(olga)
    ended = identity.signed_out_there("abc-1", sid="", issued=clock.now(), skew=timedelta(minutes=1))
    assert ended == 1
