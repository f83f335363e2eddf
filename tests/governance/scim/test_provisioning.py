"""An identity provider keeps people and groups by SCIM: joiner, mover, leaver, and what that means for approvals."""

from __future__ import annotations

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.test import Client

from catalog.selectors import teams
from governance.models import GroupMapping, GroupPattern, ProvisionedPerson
from governance.permissions import may_fill
from governance.services import approvals, identity, policies
from kernel import acting, clock, persons, tokens
from kernel.errors import Invalid, NotApproved
from kernel.models import AuditEntry, User
from tests.governance import make
from tests.governance.scim.calls import Directory
from tests.governance.test_rights_given import earlier

pytestmark = pytest.mark.django_db


@pytest.fixture
def directory(house: make.House) -> Directory:
    return Directory()


def account(resource: dict) -> User:
    return ProvisionedPerson.objects.get(pk=resource["id"]).account


def teams_of(resource: dict) -> set[str]:
    return {team.key for team in teams.of_user(account(resource))}


def fills(user: User, key: str, change) -> bool:
    return may_fill([make.team(key).pk], change.pk, user.pk, clock.now())


# -- joiner, mover, leaver ------------------------------------------------------------------------------------------
def test_a_joiner_fills_the_seat_that_a_declared_mapping_gives_and_a_mover_leaves_it(directory: Directory, house):
    GroupMapping.objects.create(claim="grp-architects", group=make.team("architects").group)
    GroupPattern.objects.create(claim="tg-*", team="*")
    olga = directory.person("olga@shop.example", name={"givenName": "Olga", "familyName": "Ocean"})
    made = account(olga)
    assert (str(made), made.email, made.is_superuser, made.is_staff) == (
        "Olga Ocean",
        "olga@shop.example",
        False,
        False,
    )
    assert not made.has_usable_password()
    change = make.in_review(house.author)
    assert not fills(made, "architects", change)
    architects = directory.group("grp-architects", olga)
    assert fills(made, "architects", change)
    moved = directory.patch(
        f"/Groups/{architects['id']}", {"op": "remove", "path": f'members[value eq "{olga["id"]}"]'}
    )
    assert "members" not in moved.json()
    assert not fills(made, "architects", change)
    directory.group("TG-Stores", olga)
    assert teams_of(olga) == {"stores"}


@pytest.mark.parametrize("name", ["Grp-Architects", "GRP-ARCHITECTS", "grp-architects"])
def test_a_mapping_by_name_asks_for_no_capitals_as_patterns_do(directory: Directory, name: str):
    GroupMapping.objects.create(claim="grp-Architects", group=make.team("architects").group)
    olga = directory.person("olga@shop.example")
    directory.group(name, olga)
    assert teams_of(olga) == {"architects"}
    signed_in = identity.person_of({"sub": "s-1", "groups": [name]}, groups_claim="groups")
    assert {team.key for team in teams.of_user(signed_in)} == {"architects"}


def test_a_leaver_fills_no_seat_has_no_session_no_token_and_lends_no_right(directory: Directory, house):
    GroupMapping.objects.create(claim="grp-architects", group=make.team("architects").group)
    olga = directory.person("olga@shop.example")
    directory.group("grp-architects", olga)
    left = account(olga)
    browser = Client()
    browser.force_login(left)
    _, secret = tokens.issue(actor=None, user=left, name="mine", scopes=["catalog:read"])
    thing = make.thing()
    change = make.approve(make.in_review(house.author, thing), house.owner, left)
    assert change.state == "approved"
    subject = thing
    assert approvals.require(subject, subject.digest, change.environment)
    answer = directory.patch(f"/Users/{olga['id']}", {"op": "Replace", "path": "active", "value": "False"})
    assert (answer.status_code, answer.json()["active"]) == (200, False)
    with pytest.raises(NotApproved) as caught:
        approvals.require(subject, subject.digest, change.environment)
    assert [one["code"] for one in caught.value.unmet] == ["approval.approver_lost_right"]
    assert not fills(left, "architects", make.in_review(house.author, make.thing("other")))
    assert SESSION_KEY not in browser.session
    assert tokens.find(secret) is None
    entry = AuditEntry.objects.get(verb="kernel.account_closed", subject_id=str(left.pk))
    assert (entry.actor_id, entry.after["way"]) == (directory.account.pk, "provisioning")


def test_who_comes_back_rests_like_everybody_whose_account_was_opened(directory: Directory):
    olga = directory.person("olga@shop.example")
    for active in (False, True):
        directory.patch(f"/Users/{olga['id']}", {"op": "replace", "value": {"active": active}})
    assert account(olga).is_active
    assert AuditEntry.objects.filter(verb="kernel.account_reopened", subject_id=str(account(olga).pk)).exists()


def test_who_was_closed_here_is_not_opened_by_a_provider_that_sends_the_same_again(directory: Directory):
    olga = directory.person("olga@shop.example")
    User.objects.filter(pk=account(olga).pk).update(is_active=False)
    body = {"userName": "olga@shop.example", "active": True, "displayName": "Olga"}
    assert directory.call("PUT", f"/Users/{olga['id']}", body).json()["active"] is False
    assert not account(olga).is_active


def test_a_leaver_has_no_other_account_left_but_that_of_an_administrator_is_closed_by_one(directory: Directory):
    olga = directory.person("olga@shop.example")
    local, boss = make.person("olga.local"), make.person("olga.root")
    User.objects.filter(pk=boss.pk).update(is_superuser=True)
    for other in (local, boss):
        User.objects.filter(pk=other.pk).update(same_person_as=account(olga))
    directory.patch(f"/Users/{olga['id']}", {"op": "replace", "path": "active", "value": False})
    closed = {u.username: u.is_active for u in User.objects.filter(pk__in=persons.accounts_of(local.pk))}
    assert closed == {"olga@shop.example": False, "olga.local": False, "olga.root": True}
    left = AuditEntry.objects.get(verb="kernel.person_left")
    assert left.after == {"accounts": ["olga@shop.example", "olga.local"], "still_open": ["olga.root"]}


def test_a_person_who_is_taken_out_is_closed_kept_and_comes_back_by_the_same_name(directory: Directory):
    GroupPattern.objects.create(claim="tg-*", team="*")
    olga = directory.person("olga@shop.example")
    directory.group("tg-stores", olga)
    make.team("stores")
    gone = account(olga)
    assert directory.call("DELETE", f"/Users/{olga['id']}").status_code == 204
    gone.refresh_from_db()
    assert (gone.is_active, list(gone.groups.all())) == (False, [])
    assert directory.get(f"/Users/{olga['id']}").status_code == 404
    assert directory.call("DELETE", f"/Users/{olga['id']}").status_code == 404
    again = directory.person("OLGA@shop.example")
    assert again["id"] != olga["id"]
    assert (account(again).pk, account(again).is_active) == (gone.pk, True)


@pytest.mark.parametrize("way", ["PATCH", "false then true", "DELETE and POST", "POST", "people"])
@pytest.mark.parametrize("closed_by", ["administrator", "provider"])
def test_only_an_account_that_the_provider_closed_is_opened_by_its_token(
    directory: Directory, way: str, closed_by: str
):
    name = "olga@shop.example"
    olga = directory.person(name)
    made = account(olga)
    path, boss = f"/Users/{olga['id']}", make.person("boss")
    if closed_by == "provider":
        directory.patch(path, {"op": "replace", "path": "active", "value": False})
    else:
        with acting.by(boss):
            User.objects.filter(pk=made.pk).update(is_active=False)
    if way == "false then true":
        directory.patch(path, {"op": "replace", "value": {"active": False, "displayName": "Olga"}})
    if way in ("POST", "DELETE and POST"):
        if way == "POST":
            ProvisionedPerson.objects.all().delete()
        else:
            assert directory.call("DELETE", path).status_code == 204
        assert directory.person(name)["active"] is (closed_by == "provider")
    elif way == "people":
        told = directory.people({"username": name, "active": True})
        assert told["reopened"] == (1 if closed_by == "provider" else 0)
        assert ("closed here" in told["lines"][0]["note"]) is (closed_by == "administrator")
    else:
        directory.patch(path, {"op": "replace", "path": "active", "value": True})
    made.refresh_from_db()
    assert made.is_active is (closed_by == "provider")


def test_what_the_token_closed_by_a_list_it_opens_and_what_came_in_closed_by_an_administrator_it_does_not(
    directory: Directory,
):
    directory.people({"username": "ann"}, {"username": "eve", "active": False})
    directory.people({"username": "ann", "active": False})
    assert directory.people({"username": "ann", "active": True}, {"username": "eve", "active": True})["reopened"] == 2
    with acting.by(make.person("boss")):
        User.objects.create(username="zoe", is_active=False, password=make_password(None))
    assert directory.person("zoe")["active"] is False


# -- what a token of this scope cannot do ---------------------------------------------------------------------------
def test_no_group_makes_a_decider_an_administrator_or_staff_without_a_mapping(directory: Directory):
    olga = directory.person("olga@shop.example", roles=[{"value": "admin"}], password="a-long-password")
    for name in ("architects", "administrators", "superuser", "staff"):
        directory.group(name, olga)
    made = account(olga)
    assert (teams_of(olga), made.is_superuser, made.is_staff, made.has_usable_password()) == (
        set(),
        False,
        False,
        False,
    )


@pytest.mark.parametrize("right", ["is_superuser", "is_staff"])
def test_an_account_that_became_an_administrator_is_neither_changed_nor_closed(directory: Directory, right: str):
    olga = directory.person("olga@shop.example", externalId="abc-1")
    path, pk = f"/Users/{olga['id']}", account(olga).pk
    User.objects.filter(pk=pk).update(**{right: True})
    before = User.objects.filter(pk=pk).values().get()
    same = {"op": "replace", "path": "active", "value": True}
    assert directory.patch(path, same).status_code == 200
    for answer in (
        directory.patch(path, {"op": "replace", "path": "active", "value": False}),
        directory.patch(path, {"op": "replace", "path": "emails", "value": [{"value": "evil@x.example"}]}),
        directory.patch(path, {"op": "replace", "path": "externalId", "value": "evil"}),
        directory.call("PUT", path, {"userName": "evil@x.example"}),
        directory.call("DELETE", path),
    ):
        assert (answer.status_code, "administrator" in answer.json()["detail"]) == (403, True)
    assert User.objects.filter(pk=pk).values().get() == before
    row = ProvisionedPerson.objects.get(pk=olga["id"])
    assert (row.user_name, row.external_id) == ("olga@shop.example", "abc-1")
    User.objects.filter(pk=pk).update(**{right: False})
    assert directory.patch(path, {"op": "replace", "path": "active", "value": False}).json()["active"] is False


def test_a_pattern_reaches_teams_that_decide_across_domains_only_where_it_says_so(directory: Directory):
    olga = directory.person("olga@shop.example")
    pattern = GroupPattern.objects.create(claim="tg-*", team="*")
    directory.group("tg-architects", olga)
    assert teams_of(olga) == set()
    pattern.roles = True
    pattern.save()
    directory.group("tg-security", olga)
    assert "security" in teams_of(olga)


def test_what_the_token_gave_rests_for_the_hours_of_the_policy(directory: Directory, house: make.House):
    GroupMapping.objects.create(claim="grp-architects", group=make.team("architects").group)
    policies.install(level="team:price", document={**make.POLICY, "rights_rest_hours": 24}, actor=None)
    earlier(days=30)
    change = make.in_review(house.author)
    olga = directory.person("olga@shop.example")
    directory.group("grp-architects", olga)
    assert not fills(account(olga), "architects", change)
    earlier(days=2)
    assert fills(account(olga), "architects", change)


def test_a_token_is_made_by_administrators_for_service_accounts_and_administrators(house: make.House):
    robot = make.person("robot", kind="service")
    with pytest.raises(Invalid, match="made by an administrator"):
        tokens.issue(actor=house.author, user=robot, name="x", scopes=[tokens.PROVISION])
    with pytest.raises(Invalid, match="no service account"):
        tokens.issue(actor=None, user=house.author, name="x", scopes=[tokens.PROVISION])
    with pytest.raises(Invalid, match="no service account"):
        tokens.issue(actor=None, user=make.person("agent", kind="agent"), name="x", scopes=[tokens.PROVISION])


def test_no_session_and_no_other_token_comes_in(directory: Directory, house: make.House):
    boss = User.objects.create_superuser("boss", password="a-long-password")
    browser = Client()
    browser.force_login(boss)
    answer = browser.get("/scim/v2/Users")
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/scim+json")
    assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    _, other = tokens.issue(actor=None, user=directory.account, name="x", scopes=["catalog:read", "governance:write"])
    answer = Client().get("/scim/v2/Users", headers={"Authorization": f"Bearer {other}"})
    assert (answer.status_code, answer.json()["status"]) == (403, "403")
    User.objects.filter(pk=directory.account.pk).update(kind=User.Kind.PERSON)
    assert directory.get("/Users").status_code == 403


# -- one person -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("known", ["olga@shop.example", "olga"])
def test_an_account_that_somebody_named_before_is_taken_over_and_not_made_twice(directory: Directory, known: str):
    named = User(username=known, email="olga@shop.example")
    named.set_unusable_password()
    named.save()
    assert account(directory.person("Olga@shop.example")).pk == named.pk


SPELLINGS = ("Zoe\u0308@shop.example", "ｚｏë@shop.example", "zo\u200bë@shop.example", "\u2060ZOË@shop.example\ufeff")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_user_name_is_one_account_however_its_letters_are_written(directory: Directory, spelling: str):
    before = set(User.objects.values_list("pk", flat=True))
    olga = directory.person("Zoë@shop.example", emails=[])
    answer = directory.call("POST", "/Users", {"userName": spelling})
    assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")
    found = directory.call("POST", "/.search", {"filter": f'userName eq "{spelling}"'}).json()
    assert [one["id"] for one in found["Resources"]] == [olga["id"]]
    assert directory.people({"username": spelling, "first_name": "Zoë"})["created"] == 0
    assert [one.username for one in User.objects.exclude(pk__in=before)] == ["Zoë@shop.example"]
    other = directory.person("other@shop.example")
    said = {"op": "replace", "path": "userName", "value": spelling}
    assert directory.patch(f"/Users/{other['id']}", said).status_code == 409


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_new_account_has_the_prepared_name(directory: Directory, spelling: str):
    assert directory.person(spelling, emails=[])["userName"].casefold() == "zoë@shop.example"
    assert directory.people({"username": "a" + spelling})["lines"][0]["username"].casefold() == "azoë@shop.example"


@pytest.mark.parametrize("by", ["externalId", "mail"])
def test_who_has_signed_in_before_is_the_person_that_comes_in(directory: Directory, by: str):
    claims = {"sub": "abc-1", "email": "olga@shop.example", "email_verified": by == "mail"}
    signed_in = identity.person_of(claims, groups_claim="groups")
    olga = directory.person("olga@shop.example", **({"externalId": "abc-1"} if by == "externalId" else {}))
    assert account(olga) == signed_in
    assert identity.person_of(claims, groups_claim="groups") == signed_in


@pytest.mark.parametrize("kind", ["password", "administrator", "service"])
def test_an_account_with_a_password_or_rights_of_its_own_is_nobodys_to_take(directory: Directory, kind: str):
    made = make.person("olga@shop.example", kind="service" if kind == "service" else "person")
    if kind == "administrator":
        made.set_unusable_password()
        made.is_superuser = True
        made.save()
    answer = directory.call("POST", "/Users", {"userName": "olga@shop.example"})
    assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")
    assert "administrator" in answer.json()["detail"]


def test_all_that_was_done_stands_in_the_ledger_in_the_name_of_the_token(directory: Directory):
    GroupPattern.objects.create(claim="tg-*", team="*")
    make.team("stores")
    olga = directory.person("olga@shop.example")
    group = directory.group("tg-stores", olga)
    directory.patch(f"/Users/{olga['id']}", {"op": "replace", "path": "name.givenName", "value": "O"})
    directory.call("DELETE", f"/Groups/{group['id']}")
    directory.call("DELETE", f"/Users/{olga['id']}")
    told = AuditEntry.objects.filter(actor=directory.account).order_by("pk")
    assert list(told.values_list("verb", flat=True)) == [
        "kernel.account_created",
        "governance.person_provisioned",
        "kernel.role_given",
        "governance.provider_group_made",
        "kernel.account_changed",
        "governance.person_reprovisioned",
        "kernel.role_taken",
        "governance.provider_group_taken_out",
        "kernel.account_closed",
        "kernel.person_left",
        "governance.person_taken_out",
    ]
