"""PATCH of SCIM: the forms of RFC 7644 §3.5.2 in our own words, and what Entra ID and Okta send."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from governance.domain.scim import patches
from governance.domain.scim.errors import ScimError
from governance.domain.scim.schema import ENTERPRISE, GROUPS, PEOPLE, USER, read

OLGA: dict[str, Any] = {
    "userName": "olga",
    "name": {"givenName": "Olga", "familyName": "Ocean"},
    "active": True,
    "emails": [{"value": "olga@shop.example", "type": "work", "primary": True}],
}
TEAM: dict[str, Any] = {"displayName": "tg-price", "members": [{"value": "a"}, {"value": "b"}, {"value": "c"}]}


def person(*operations: dict[str, Any], of: dict[str, Any] = OLGA) -> dict[str, Any]:
    return patches.apply(PEOPLE, of, {"schemas": [patches.MESSAGE], "Operations": list(operations)})


def members(*operations: dict[str, Any]) -> list[str]:
    made = patches.apply(GROUPS, TEAM, {"schemas": [patches.MESSAGE], "Operations": list(operations)})
    return [one["value"] for one in made.get("members", [])]


def op(word: str, path: str | None = None, **value: Any) -> dict[str, Any]:
    return {"op": word} | ({"path": path} if path is not None else {}) | value


# -- the standard ---------------------------------------------------------------------------------------------------
def test_add_without_a_path_joins_values_and_sets_the_rest():
    made = person(op("add", value={"displayName": "Olga O.", "emails": [{"value": "o@home.example", "type": "home"}]}))
    assert made["displayName"] == "Olga O."
    assert [one["type"] for one in made["emails"]] == ["work", "home"]


def test_add_of_members_is_done_once():
    assert members(op("add", "members", value=[{"value": "d"}, {"value": "A"}])) == ["a", "b", "c", "d"]


def test_a_new_primary_value_takes_the_place_of_the_old_one():
    made = person(op("add", "emails", value=[{"value": "new@shop.example", "type": "work", "primary": True}]))
    assert [one["primary"] for one in made["emails"]] == [False, True]
    made = person(
        op("add", "emails", value=[{"value": "x@home.example", "type": "home"}]),
        op("replace", 'emails[type eq "home"].primary', value=True),
    )
    assert [one["primary"] for one in made["emails"]] == [False, True]


def test_replace_writes_a_part_an_attribute_and_a_chosen_value():
    made = person(
        op("replace", "name.familyName", value="Ozean"),
        op("replace", "displayName", value="O."),
        op("replace", 'emails[type eq "work"].value', value="neu@shop.example"),
    )
    assert made["name"] == {"givenName": "Olga", "familyName": "Ozean"}
    assert made["displayName"] == "O."
    assert made["emails"] == [{"value": "neu@shop.example", "type": "work", "primary": True}]
    made = person(op("replace", 'emails[type eq "work"]', value={"value": "z@shop.example", "type": "other"}))
    assert made["emails"] == [{"value": "z@shop.example", "type": "other"}]


def test_replace_of_all_values_leaves_no_other():
    assert members(op("replace", "members", value=[{"value": "z"}])) == ["z"]
    assert person(op("replace", "name", value={"givenName": "O"}))["name"] == {"givenName": "O"}
    assert person(op("add", "name", value={"givenName": "O"}))["name"] == {"givenName": "O", "familyName": "Ocean"}


def test_remove_takes_an_attribute_a_part_a_value_or_a_part_of_it():
    assert "name" not in person(op("remove", "name"))
    assert person(op("remove", "name.givenName"))["name"] == {"familyName": "Ocean"}
    assert members(op("remove", 'members[value eq "b"]')) == ["a", "c"]
    assert members(op("remove", 'members[value eq "a" or value eq "c"]')) == ["b"]
    assert members(op("remove", 'members[value eq "nobody"]')) == ["a", "b", "c"]
    assert members(op("remove", "members")) == []
    assert person(op("remove", 'emails[type eq "work"].primary'))["emails"] == [
        {"value": "olga@shop.example", "type": "work"}
    ]


def test_the_urn_of_the_schema_may_stand_before_a_path():
    assert person(op("replace", f"{USER}:displayName", value="x"))["displayName"] == "x"
    assert person(op("replace", USER, value={"displayName": "y"}))["displayName"] == "y"


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        (op("remove"), "noTarget"),
        (op("replace", 'emails[type eq "fax"].value', value="x@y.example"), "noTarget"),
        (op("remove", "userName"), "mutability"),
        (op("remove", "active"), "mutability"),
        (op("replace", "groups", value=[]), "mutability"),
        (op("replace", "id", value="another"), "mutability"),
        (op("replace", "meta.version", value="x"), "mutability"),
        (op("replace", "nothing", value="x"), "invalidPath"),
        (op("replace", "emails[type eq]", value="x"), "invalidFilter"),
        (op("replace", "emails[", value="x"), "invalidPath"),
        (op("replace", "name[givenName pr]", value="x"), "invalidPath"),
        (op("replace", "emails.fax", value="x"), "invalidPath"),
        (op("replace", "active", value="perhaps"), "invalidValue"),
        (op("replace", "active", value=1.5), "invalidValue"),
        (op("replace", "userName", value=5), "invalidValue"),
        (op("replace", "userName", value="a\nb"), "invalidValue"),
        (op("replace", "userName"), "invalidValue"),
        (op("add", value="x"), "invalidValue"),
        (op("move", "userName", value="x"), "invalidSyntax"),
        (op("add", "emails", value=[{"value": "a@b.example", "primary": True}, {"value": "c", "primary": True}]), None),
    ],
)
def test_an_operation_that_cannot_be_carried_out_changes_nothing_and_says_why(operation, scim_type):
    before = deepcopy(OLGA)
    with pytest.raises(ScimError) as caught:
        person(op("replace", "displayName", value="x"), operation)
    assert caught.value.scim_type == (scim_type or "invalidValue")
    assert caught.value.message.startswith("Operation 2: ")
    assert before == OLGA


@pytest.mark.parametrize("body", [None, [], {}, {"Operations": []}, {"schemas": ["x"], "Operations": [op("remove")]}])
def test_a_body_that_is_no_patch_is_refused(body):
    with pytest.raises(ScimError) as caught:
        patches.apply(PEOPLE, OLGA, body)
    assert caught.value.status == 400


def test_a_thousand_operations_are_the_most():
    with pytest.raises(ScimError) as caught:
        person(*[op("replace", "displayName", value="x")] * 1001)
    assert (caught.value.status, caught.value.scim_type) == (413, "tooMany")


# -- Entra ID -------------------------------------------------------------------------------------------------------
def test_words_and_booleans_of_entra_come_in_capitals_and_as_texts():
    assert person(op("Replace", "active", value="False"))["active"] is False
    assert person(op("Add", "active", value="True"), of=OLGA | {"active": False})["active"] is True
    lower = patches.apply(PEOPLE, OLGA, {"operations": [{"OP": "Replace", "Path": "ACTIVE", "Value": "false"}]})
    assert lower["active"] is False


def test_entra_names_members_to_remove_in_the_value():
    assert members(op("Remove", "members", value=[{"value": "a"}, {"value": "c"}])) == ["b"]


@pytest.mark.parametrize("word", ["remove", "Remove"])
def test_an_empty_list_of_members_to_remove_names_nobody(word: str):
    assert members(op(word, "members", value=[])) == ["a", "b", "c"]
    assert members(op(word, "members")) == []
    assert person(op(word, "emails", value=[]))["emails"] == OLGA["emails"]


def test_entra_writes_paths_as_names_without_a_path():
    made = person(
        op(
            "Replace",
            value={
                "name.givenName": "Olja",
                'emails[type eq "work"].value': "olja@shop.example",
                f"{ENTERPRISE}:department": "Prices",
                "title": "Buyer",
            },
        )
    )
    assert made["name"]["givenName"] == "Olja"
    assert made["emails"][0]["value"] == "olja@shop.example"
    assert "title" not in made


def test_entra_adds_a_value_that_is_not_there_by_its_type():
    made = person(op("Add", 'emails[type eq "home"].value', value="o@home.example"))
    assert made["emails"][1] == {"type": "home", "value": "o@home.example"}


@pytest.mark.parametrize(
    "path",
    [
        "title",
        "name.honorificPrefix",
        'addresses[type eq "work"].country',
        'phoneNumbers[type eq "mobile"].value',
        f"{ENTERPRISE}:manager",
        "urn:ietf:params:scim:schemas:extension:shop:2.0:User:cost",
    ],
)
def test_what_is_not_kept_here_is_taken_without_a_word(path: str):
    assert person(op("Add", path, value="x"), op("Remove", path)) == OLGA


# -- Okta -----------------------------------------------------------------------------------------------------------
def test_okta_closes_by_an_object_without_a_path():
    assert person(op("replace", value={"active": False}))["active"] is False


def test_okta_sends_the_id_beside_a_new_name():
    made = patches.apply(GROUPS, TEAM, {"Operations": [op("replace", value={"id": "7", "displayName": "tg-new"})]})
    assert (made["displayName"], len(made["members"])) == ("tg-new", 3)


def test_a_single_operation_needs_no_list():
    assert patches.apply(PEOPLE, OLGA, {"Operations": op("replace", "active", value=False)})["active"] is False


@pytest.mark.parametrize("urn", [USER, USER.upper()])
@pytest.mark.parametrize("word", ["add", "replace"])
def test_attributes_below_the_urn_of_the_schema_are_those_of_the_resource(urn: str, word: str):
    said = {urn: {"active": "False", "name.givenName": "Olga", "title": "Dr"}, ENTERPRISE: {"department": "x"}}
    made = patches.apply(PEOPLE, {"userName": "o", "active": True}, {"Operations": [{"op": word, "value": said}]})
    assert made == {"userName": "o", "active": False, "name": {"givenName": "Olga"}}
    assert read(PEOPLE, {"userName": "o", urn: {"active": False}}) == {"userName": "o", "active": False}


def test_what_stands_below_the_urn_of_the_schema_is_an_object():
    for value in (False, "x", [{"active": False}], {USER: False}, {USER: {USER: {"active": False}}}):
        with pytest.raises(ScimError) as caught:
            patches.apply(PEOPLE, {"active": True}, {"Operations": [{"op": "replace", "value": {USER: value}}]})
        assert caught.value.scim_type == "invalidValue"
        with pytest.raises(ScimError):
            read(PEOPLE, {"userName": "o", USER: value})
