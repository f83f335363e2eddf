"""A person whom the provider renames keeps the account, which is called so from then on: who gets the old name later is
somebody else, and files reach the same person as the provider."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.hashers import make_password

from catalog.services import people
from catalog.services.findings import Findings
from governance.models import ProvisionedPerson
from kernel import persons
from kernel.errors import Invalid
from kernel.models import AuditEntry, User
from tests.governance import make
from tests.governance.scim.calls import Directory

pytestmark = pytest.mark.django_db
OLD, NEW = "maria.old@shop.example", "maria.new@shop.example"


@pytest.fixture
def directory(house: make.House) -> Directory:
    return Directory()


def account(resource: dict[str, Any]) -> User:
    return ProvisionedPerson.objects.get(pk=resource["id"]).account


def renamed(directory: Directory, resource: dict[str, Any], name: str) -> Any:
    return directory.patch(f"/Users/{resource['id']}", {"op": "replace", "path": "userName", "value": name})


def written(*lines: dict[str, Any], actor: User | None = None) -> list[tuple[int, str, str, str]]:
    found = Findings()
    return people.write(people.from_objects(lines, found), found, actor=actor).lines


def test_a_name_that_is_given_again_after_a_renaming_is_a_new_person(directory: Directory):
    maria = directory.person(OLD, externalId="ea")
    hers = account(maria)
    make.team("stores").group.user_set.add(hers)
    assert renamed(directory, maria, NEW).status_code == 200
    assert directory.call("DELETE", f"/Users/{maria['id']}").status_code == 204
    mario = account(directory.person(OLD, externalId="ec", emails=[{"value": "mario@shop.example"}]))
    assert mario.pk != hers.pk
    assert not mario.groups.exists()
    again = account(directory.person(NEW, externalId="ea"))
    assert (again.pk, again.is_active) == (hers.pk, True)


def test_a_file_that_names_who_was_renamed_reaches_the_same_person(directory: Directory):
    maria = directory.person(OLD)
    hers = account(maria)
    assert renamed(directory, maria, NEW).status_code == 200
    assert [line[1:3] for line in written({"username": NEW.upper(), "active": False})] == [(NEW, "closed")]
    hers.refresh_from_db()
    assert (hers.username, hers.is_active, User.objects.filter(username__contains="maria").count()) == (NEW, False, 1)


@pytest.mark.parametrize("here", ["oidc:00u1", "ann"])
def test_who_is_called_otherwise_here_is_found_by_the_name_of_the_provider_too(directory: Directory, here: str):
    User.objects.create(username=here, email=OLD, password=make_password(None))
    maria = directory.person(OLD)
    assert account(maria).username == here
    renamed(directory, maria, NEW)
    assert account(maria).username == here
    [(_, name, outcome, note)] = written({"username": NEW, "active": False})
    assert (name, outcome) == (here, "closed")
    assert f"called so by the identity provider: {NEW}" in note


@pytest.mark.parametrize("how", ["PATCH", "PUT"])
@pytest.mark.parametrize("taken", ["lena", "LENA", "olga@shop.example"])
def test_nobody_is_renamed_to_what_another_person_is_called(directory: Directory, how: str, taken: str):
    User.objects.create(username="lena")
    directory.person("olga@shop.example")
    bob = directory.person("bob@shop.example")
    if how == "PATCH":
        refused = renamed(directory, bob, taken)
    else:
        refused = directory.call("PUT", f"/Users/{bob['id']}", {"userName": taken})
    assert (refused.status_code, refused.json().get("scimType")) == (409, "uniqueness")
    assert taken in refused.json()["detail"]
    assert account(bob).username == "bob@shop.example"


def test_a_name_that_two_accounts_have_by_now_reaches_neither(directory: Directory):
    bob = directory.person("bob@shop.example")
    ProvisionedPerson.objects.filter(pk=bob["id"]).update(user_name="lena")  # as it could be before
    User.objects.create(username="lena")
    with pytest.raises(Invalid) as refused:
        written({"username": "lena", "active": False})
    assert "is called so by the identity provider" in str(refused.value.findings)
    assert persons.Finder([("bob@shop.example", "")]).of("bob@shop.example", "")[0] == account(bob)


def test_no_renaming_makes_an_account_one_of_the_identity_provider(directory: Directory):
    bob = directory.person("bob@shop.example")
    renamed(directory, bob, "oidc:00u9")
    assert account(bob).username == "bob@shop.example"


def test_what_is_closed_here_while_the_provider_has_it_closed_stays_closed(directory: Directory):
    olga = directory.person("olga@shop.example")
    path, boss = f"/Users/{olga['id']}", make.person("boss")
    directory.patch(path, {"op": "replace", "path": "active", "value": False})
    line = {"username": "olga@shop.example", "active": False}
    [(_, _, outcome, note)] = written(line, actor=boss)
    assert (outcome, note) == ("changed", "stays closed, also where the identity provider opens it")
    assert [one[2] for one in written(line, actor=boss)] == ["unchanged"]
    directory.patch(path, {"op": "replace", "path": "active", "value": True})
    assert not account(olga).is_active
    assert AuditEntry.objects.get(verb="kernel.account_kept_closed").actor == boss
    assert [one[2] for one in written({**line, "active": True}, actor=boss)] == ["reopened"]


@pytest.mark.parametrize(
    "body",
    [
        {"userName": "q7", "username": "q8"},
        {"userName": "q7", "active": True, "ACTIVE": False},
        {"userName": "q7", "urn:ietf:params:scim:schemas:core:2.0:User:userName": "q8"},
        {"userName": "q7", "name": {"givenName": "A", "givenname": "B"}},
        {"userName": "q7", "urn:ietf:params:scim:schemas:core:2.0:User": {"username": "q8"}},
        {"userName": "q7", "schemas": [], "Schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]},
    ],
)
def test_a_member_that_stands_twice_in_two_spellings_is_refused(directory: Directory, body: dict[str, Any]):
    refused = directory.call("POST", "/Users", body)
    assert (refused.status_code, refused.json().get("scimType")) == (400, "invalidSyntax")
    assert "twice" in refused.json()["detail"]
    assert not ProvisionedPerson.objects.exists()


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "value": {"userName": "q8", "username": "q9"}},
        {"op": "replace", "path": "userName", "value": "q8", "Value": "q9"},
        {"op": "replace", "path": "name", "value": {"givenName": "A", "GIVENNAME": "B"}},
    ],
)
def test_a_patch_in_which_a_member_stands_twice_is_refused(directory: Directory, operation: dict[str, Any]):
    made = directory.person("q7")
    refused = directory.patch(f"/Users/{made['id']}", operation)
    assert (refused.status_code, "twice" in refused.json()["detail"]) == (400, True)
