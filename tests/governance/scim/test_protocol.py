"""SCIM over HTTP: lists, pages, conditions, errors, discovery (RFC 7644), tried as a provider's connector would."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from governance.domain.scim.schema import ENTERPRISE, GROUP, USER
from governance.models import ProvisionedPerson
from kernel.models import User
from tests.governance import make
from tests.governance.scim.calls import Directory

pytestmark = pytest.mark.django_db
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


@pytest.fixture
def directory() -> Directory:
    return Directory()


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [one.get("userName") or one["displayName"] for one in answer.json()["Resources"]]


# -- people ---------------------------------------------------------------------------------------------------------
def test_a_person_is_made_read_and_read_again_only_when_changed(directory: Directory):
    body = {
        "schemas": [USER, ENTERPRISE],
        "externalId": "701984",
        "userName": "bjorn@shop.example",
        "name": {"formatted": "Björn Berg", "familyName": "Berg", "givenName": "Björn", "honorificPrefix": "Dr."},
        "emails": [{"value": "bjorn@shop.example", "type": "work", "primary": True, "display": "x"}],
        "phoneNumbers": [{"value": "555"}],
        "title": "Buyer",
        ENTERPRISE: {"department": "Prices"},
        "id": "mine",
        "meta": {"resourceType": "Robot"},
    }
    made = directory.call("POST", "/Users", body)
    assert (made.status_code, made["Content-Type"]) == (201, "application/scim+json")
    person = made.json()
    assert made["Location"] == person["meta"]["location"] == f"http://testserver/scim/v2/Users/{person['id']}"
    assert made["ETag"] == person["meta"]["version"]
    assert person["meta"]["resourceType"] == "User"
    assert {k: v for k, v in person.items() if k not in ("id", "meta")} == {
        "schemas": [USER],
        "externalId": "701984",
        "userName": "bjorn@shop.example",
        "name": {"formatted": "Björn Berg", "familyName": "Berg", "givenName": "Björn"},
        "emails": [{"value": "bjorn@shop.example", "type": "work", "primary": True}],
        "active": True,
    }
    path = f"/Users/{person['id']}"
    read = directory.get(path)
    assert read.json() == person
    assert directory.get(path, If_None_Match=read["ETag"]).status_code == 304
    changed = directory.call("PUT", path, body | {"displayName": "Björn"}, If_Match=read["ETag"])
    assert changed.status_code == 200
    assert changed["ETag"] != read["ETag"]
    stale = directory.call("PUT", path, body, If_Match=read["ETag"])
    assert (stale.status_code, stale.json()["schemas"]) == (412, [ERROR])
    assert directory.get(path).json()["displayName"] == "Björn"
    for call in (
        directory.patch(path, {"op": "remove", "path": "displayName"}, If_Match='W/"old"'),
        directory.call("DELETE", path, If_Match='W/"old"'),
    ):
        assert call.status_code == 412
    same = directory.call("PUT", path, body | {"displayName": "Björn"}, If_Match="*")
    assert same["ETag"] == changed["ETag"]


def test_put_empties_what_it_does_not_say_and_leaves_whether_the_account_is_open(directory: Directory):
    olga = directory.person("olga", displayName="Olga", externalId="1")
    directory.patch(f"/Users/{olga['id']}", {"op": "replace", "path": "active", "value": False})
    now = directory.call("PUT", f"/Users/{olga['id']}", {"userName": "olga2"}).json()
    assert {k for k in now if k not in ("schemas", "id", "meta")} == {"userName", "active"}
    assert (now["userName"], now["active"]) == ("olga2", False)
    user = ProvisionedPerson.objects.get(pk=olga["id"]).account
    assert (user.username, user.email, user.first_name) == ("olga2", "", "")


def test_the_account_has_name_and_address_of_the_person(directory: Directory):
    olga = directory.person(
        "olga",
        displayName="Olga Ocean",
        emails=[{"value": "o@home.example", "type": "home"}, {"value": "o@shop.example", "type": "work"}],
    )
    user = User.objects.get(username="olga")
    assert (str(user), user.email) == ("Olga Ocean", "o@shop.example")
    directory.patch(f"/Users/{olga['id']}", {"op": "add", "path": 'emails[type eq "home"].primary', "value": "True"})
    user.refresh_from_db()
    assert user.email == "o@home.example"


def test_user_names_are_unique_whatever_their_case(directory: Directory):
    directory.person("olga")
    rita = directory.person("rita")
    again = directory.call("POST", "/Users", {"userName": "OLGA"})
    assert (again.status_code, again.json()["scimType"]) == (409, "uniqueness")
    renamed = directory.patch(f"/Users/{rita['id']}", {"op": "replace", "path": "userName", "value": "Olga"})
    assert (renamed.status_code, renamed.json()["scimType"]) == (409, "uniqueness")
    assert directory.get(f"/Users/{rita['id']}").json()["userName"] == "rita"


def test_a_name_that_was_given_up_is_another_persons(directory: Directory):
    olga = directory.person("olga@shop.example")
    directory.patch(
        f"/Users/{olga['id']}",
        {"op": "replace", "value": {"userName": "ocean@shop.example", "emails": [{"value": "ocean@shop.example"}]}},
    )
    other = directory.person("olga@shop.example")
    accounts = {ProvisionedPerson.objects.get(pk=one["id"]).account_id for one in (olga, other)}
    assert len(accounts) == 2


# -- lists ----------------------------------------------------------------------------------------------------------
def test_lists_are_narrowed_and_paged(directory: Directory):
    for number in range(5):
        directory.person(f"p{number}@shop.example", externalId=f"e{number}")
    assert names(directory.get('/Users?filter=userName eq "P3@shop.example"')) == ["p3@shop.example"]
    assert names(directory.get('/Users?filter=externalId eq "e2" and active eq true')) == ["p2@shop.example"]
    assert names(directory.get('/Users?filter=emails[type eq "work" and value sw "p1"]')) == ["p1@shop.example"]
    assert names(directory.get('/Users?filter=userName eq "nobody"')) == []
    page = directory.get('/Users?filter=userName sw "p"&startIndex=2&count=2').json()
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (5, 2, 2)
    assert [one["userName"] for one in page["Resources"]] == ["p1@shop.example", "p2@shop.example"]
    assert names(directory.get("/Users?startIndex=5&count=10")) == ["p4@shop.example"]
    nothing = directory.get("/Users?count=0").json()
    assert (nothing["totalResults"], nothing["Resources"]) == (5, [])
    assert directory.get("/Users?startIndex=-3&count=-1").json()["startIndex"] == 1
    assert len(names(directory.get("/Users?count=100000"))) == 5
    found = directory.call("POST", "/Users/.search", {"filter": 'userName ew "4@shop.example"', "count": 1})
    assert names(found) == ["p4@shop.example"]


def test_a_search_of_everything_finds_people_and_groups(directory: Directory):
    people = [directory.person(f"p{number}") for number in range(3)]
    for number in range(3):
        directory.group(f"g{number}", people[number])
    assert names(directory.call("POST", "/.search", {})) == ["p0", "p1", "p2", "g0", "g1", "g2"]
    page = directory.call("POST", "/.search", {"startIndex": 3, "count": 2, "attributes": ["userName", "displayName"]})
    assert (names(page), page.json()["totalResults"]) == (["p2", "g0"], 6)
    groups = directory.call("POST", "/.search", {"filter": 'meta.resourceType eq "Group" and displayName ew "1"'})
    assert names(groups) == ["g1"]


def test_a_list_reads_with_the_same_number_of_statements_however_long_it_is(directory: Directory):
    counts = []
    for rounds in (1, 10):
        group = [directory.person(f"{rounds}.{n}") for n in range(rounds)]
        directory.group(f"group {rounds}", *group)
        with CaptureQueriesContext(connection) as people:
            directory.get("/Users")
        with CaptureQueriesContext(connection) as groups:
            directory.get("/Groups")
        counts.append((len(people), len(groups)))
    assert counts[0] == counts[1]


def test_attributes_are_shown_and_left_out_as_asked(directory: Directory):
    olga = directory.person("olga", name={"givenName": "O", "familyName": "P"})
    directory.group("tg-price", olga)
    one = directory.get(f"/Users/{olga['id']}?attributes=userName,name.familyName").json()
    assert one == {"schemas": [USER], "id": olga["id"], "userName": "olga", "name": {"familyName": "P"}}
    assert "emails" not in directory.get("/Users?excludedAttributes=emails").json()["Resources"][0]
    listed = directory.get('/Groups?filter=displayName eq "TG-price"&excludedAttributes=members').json()
    assert set(listed["Resources"][0]) == {"schemas", "id", "displayName", "meta"}
    whole = directory.get("/Groups").json()["Resources"][0]
    assert whole["members"][0]["value"] == olga["id"]
    assert whole["meta"]["version"] == listed["Resources"][0]["meta"]["version"]
    assert directory.get(f"/Users/{olga['id']}").json()["groups"][0]["display"] == "tg-price"


# -- groups ---------------------------------------------------------------------------------------------------------
def test_a_group_is_made_changed_renamed_and_taken_out(directory: Directory):
    olga, rita = directory.person("olga"), directory.person("rita")
    group = directory.group("tg-price", olga, externalId="obj-1")
    path = f"/Groups/{group['id']}"
    assert group["schemas"] == [GROUP]
    added = directory.patch(path, {"op": "Add", "path": "members", "value": [{"value": rita["id"]}]})
    assert {one["value"] for one in added.json()["members"]} == {olga["id"], rita["id"]}
    renamed = directory.patch(path, {"op": "replace", "value": {"id": group["id"], "displayName": "tg-prices"}})
    assert (renamed.json()["displayName"], len(renamed.json()["members"])) == ("tg-prices", 2)
    assert names(directory.get(f'/Groups?filter=members[value eq "{rita["id"]}"]')) == ["tg-prices"]
    assert names(directory.get('/Groups?filter=externalId eq "obj-1"')) == ["tg-prices"]
    put = directory.call("PUT", path, {"displayName": "tg-prices", "members": [{"value": rita["id"]}]})
    assert [one["value"] for one in put.json()["members"]] == [rita["id"]]
    assert directory.call("POST", "/Groups", {"displayName": "TG-Prices"}).json()["scimType"] == "uniqueness"
    assert directory.call("DELETE", path).status_code == 204
    assert directory.get(path).status_code == 404


def test_a_member_that_is_nobody_or_a_group_changes_nothing(directory: Directory):
    olga = directory.person("olga")
    group = directory.group("tg-price", olga)
    for value in ("nobody", group["id"], "00000000-0000-4000-8000-000000000000"):
        answer = directory.patch(
            f"/Groups/{group['id']}",
            {"op": "replace", "path": "displayName", "value": "other"},
            {"op": "add", "path": "members", "value": [{"value": value}]},
        )
        assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")
    nested = directory.call(
        "POST", "/Groups", {"displayName": "x", "members": [{"value": group["id"], "type": "Group"}]}
    )
    assert "people alone" in nested.json()["detail"]
    assert names(directory.get("/Groups")) == ["tg-price"]


# -- discovery ------------------------------------------------------------------------------------------------------
def test_the_service_describes_itself(directory: Directory):
    config = directory.get("/ServiceProviderConfig").json()
    assert (config["patch"], config["etag"], config["bulk"]["supported"]) == ({"supported": True},) * 2 + (False,)
    schemas = directory.get("/Schemas").json()
    assert [one["id"] for one in schemas["Resources"]] == [USER, GROUP]
    assert directory.get(f"/Schemas/{USER}").json() == schemas["Resources"][0]
    types = directory.get("/ResourceTypes").json()["Resources"]
    assert [(one["name"], one["endpoint"], one["schema"]) for one in types] == [
        ("User", "/Users", USER),
        ("Group", "/Groups", GROUP),
    ]
    for one in (*schemas["Resources"], *types, config):
        assert directory.get(one["meta"]["location"].partition("/scim/v2")[2]).status_code == 200
    assert directory.get("/Schemas?filter=id pr").status_code == 403


# -- what is refused ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "scim_type"),
    [
        ("GET", "/Users?filter=userName is x", None, 400, "invalidFilter"),
        ("GET", "/Users?startIndex=x", None, 400, "invalidValue"),
        ("GET", "/Users/nobody", None, 404, None),
        ("GET", "/Groups/00000000-0000-4000-8000-000000000000", None, 404, None),
        ("GET", "/Nothing", None, 404, None),
        ("GET", "/", None, 404, None),
        ("GET", "/Me", None, 501, None),
        ("POST", "/Bulk", {}, 501, None),
        ("DELETE", "/Users", None, 405, None),
        ("POST", "/Users", "{", 400, "invalidSyntax"),
        ("POST", "/Users", "[]", 400, "invalidSyntax"),
        ("POST", "/Users", '{"userName": "a", "userName": "b"}', 400, "invalidSyntax"),
        ("POST", "/Users", '{"userName": "a\\u0000"}', None, None),
        ("POST", "/Users", {}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": " "}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "x" * 151}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "x", "active": "perhaps"}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "x", "emails": [{"value": "no address"}]}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "x", "emails": [{"type": "work"}]}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "x", "emails": "a@b.example" * 40}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "x", "name": "Olga"}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "x", "schemas": [GROUP]}, 400, "invalidSyntax"),
        ("POST", "/Groups", {"displayName": "x", "members": ["nobody"]}, 400, "invalidValue"),
        ("POST", "/Users/.search", [], 400, "invalidSyntax"),
        ("POST", "/Users/.search", {"filter": 5}, 400, "invalidFilter"),
        ("PATCH", "/Users/nobody", {"Operations": []}, 404, None),
    ],
)
def test_every_refusal_has_the_form_of_scim(directory: Directory, method, path, body, status, scim_type):
    answer = directory.call(method, path, body)
    assert 400 <= answer.status_code < 600
    assert answer.status_code != 500
    said = answer.json()
    if status is not None:
        assert (answer.status_code, said.get("scimType")) == (status, scim_type)
    assert (said["schemas"], said["status"], answer["Content-Type"]) == (
        [ERROR],
        str(answer.status_code),
        "application/scim+json",
    )
    assert said["detail"]
    assert not ProvisionedPerson.objects.exists()


def test_without_a_token_and_with_an_unreadable_address_the_form_is_the_same():
    for path, status in (("/Users", 401), ("/Users?filter=%00", 422), ("/Nothing", 401)):
        answer = Client().get(f"/scim/v2{path}")
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/scim+json")
        assert answer.json()["schemas"] == [ERROR]
    assert Client().get("/scim/v2/Users")["WWW-Authenticate"].startswith("Bearer")
    assert Client().get("/scim/v1/Users").json()["schemas"] == [ERROR]


def test_plain_json_is_taken_as_well_and_another_form_is_not(directory: Directory):
    plain = Directory(media_type="application/json; charset=utf-8")
    assert plain.call("POST", "/Users", {"userName": "olga"}).status_code == 201
    other = Directory(media_type="application/xml").call("POST", "/Users", {"userName": "rita"})
    assert (other.status_code, other.json()["schemas"]) == (415, [ERROR])
    assert directory.get("/Users/", Accept="application/json").status_code == 200


def test_a_person_that_no_provider_keeps_is_not_shown(directory: Directory):
    make.person("ada")
    assert names(directory.get("/Users")) == []
