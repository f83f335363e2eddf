"""People, exclusive teams and groups of the provider in a blueprint; who is no longer named is shown, and closed by
choice."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from catalog.services import blueprint
from governance.models import GroupMapping, GroupPattern
from governance.services import identity
from kernel.errors import Invalid
from kernel.models import AuditEntry, User
from tests.governance.scim.calls import Directory

pytestmark = pytest.mark.django_db
MOST = 60
"""So many statements a blueprint of people has at most, however many they are."""


def document(*, stores: dict[str, Any] | None = None, **people: list[str]) -> dict[str, Any]:
    return {
        "blueprint": 1,
        "teams": [{"key": "price", "exclusive": True}, {"key": "stores", **(stores or {})}],
        "people": [{"username": name, "email": f"{name}@shop.example", "teams": keys} for name, keys in people.items()],
    }


def applied(made: dict[str, Any], **how: Any) -> list[str]:
    """What was done to people, without what stayed."""
    report = blueprint.apply(made, actor=how.pop("actor", None), **how)
    return [
        " ".join(line[:3]) for line in report.lines if line[1] in ("person", "membership") and line[0] != "unchanged"
    ]


def teams_of(name: str) -> list[str]:
    return sorted(User.objects.get(username=name).groups.values_list("team__key", flat=True))


def is_open(name: str) -> bool:
    return User.objects.get(username=name).is_active


def test_who_moves_leaves_an_exclusive_team_and_stays_in_another():
    applied(document(ann=["price", "stores"], bob=["price"]))
    bob = User.objects.get(username="bob")
    assert applied(document(ann=["stores"], bob=["price"])) == ["changed membership ann"]
    assert (teams_of("ann"), teams_of("bob")) == (["stores"], ["price"])
    assert applied(document(ann=[], bob=["price"])) == []
    assert teams_of("ann") == ["stores"]
    bob.groups.clear()
    User.objects.create(username="eve").groups.add(User.objects.get(username="ann").groups.get())
    assert applied(document(stores={"exclusive": True}, ann=["stores"], bob=["price"])) == [
        "changed membership bob",
        "changed membership eve",
    ]
    assert applied(document(stores={"exclusive": True}, ann=["stores"], bob=["price"])) == []


def test_an_exclusive_team_of_a_document_without_people_is_refused():
    applied(document(ann=["price"]))
    made = document(ann=["price"])
    for empty in ({k: v for k, v in made.items() if k != "people"}, made | {"people": []}):
        with pytest.raises(Invalid) as caught:
            blueprint.apply(empty, actor=None)
        assert caught.value.findings[0]["pointer"] == "/teams/0/exclusive"
    assert teams_of("ann") == ["price"]


def test_who_is_no_longer_named_is_shown_and_closed_by_choice():
    boss = User.objects.create_superuser("boss", password="a-long-password")
    applied(document(ann=["price"], bob=["price"], boss=[], cy=[]))
    User.objects.create(username="zoe")  # whom no blueprint has named
    now = document(bob=["price"])
    User.objects.filter(username="cy").update(is_active=False)
    assert applied(now) == ["changed membership ann", "missing person ann", "missing person boss"]
    assert (is_open("ann"), teams_of("ann")) == (True, [])
    dry = applied(now, prune=True, dry_run=True, actor=boss)
    assert is_open("ann")
    assert applied(now, prune=True, actor=boss) == dry == ["closed person ann", "kept person boss"]
    assert (is_open("ann"), is_open("boss"), is_open("zoe"), is_open("bob")) == (False, True, True, True)
    assert AuditEntry.objects.get(verb="kernel.person_left").actor == boss
    assert applied(now, actor=boss) == ["missing person boss"]


def test_the_command_shows_first_and_closes_when_told(tmp_path: Path):
    path = tmp_path / "estate.yaml"

    def run(made: dict[str, Any], *flags: str) -> str:
        path.write_text(yaml.safe_dump(made))
        out = StringIO()
        call_command("apply_blueprint", path, *flags, stdout=out)
        return out.getvalue()

    run(document(ann=["price"], bob=[]))
    assert "1 no longer named" in run(document(bob=[]))
    shown = run(document(bob=[]), "--prune")
    assert "missing    person ann no longer named" in shown
    assert "Nobody was closed. Say --prune --yes" in shown
    assert is_open("ann")
    assert "closed     person ann" in run(document(bob=[]), "--prune", "--yes")
    assert not is_open("ann")
    with pytest.raises(CommandError, match="--yes belongs to --prune"):
        call_command("apply_blueprint", path, "--yes")


def test_who_signed_in_before_is_the_person_whom_the_document_names():
    claims = {"sub": "abc-1", "email": "ann@shop.example", "email_verified": True}
    ann = identity.person_of(claims, groups_claim="groups")
    applied(document(ann=["price"]))
    assert teams_of("oidc:abc-1") == ["price"]
    assert not User.objects.filter(username="ann").exists()
    assert applied(document(ann=["price"])) == []
    assert identity.person_of(claims, groups_claim="groups") == ann


def test_people_are_read_as_strictly_as_the_lines_of_a_list():
    User.objects.create(username="pipeline", kind="service")
    made = document(ann=["price"])
    odd: list[dict[str, Any]] = [
        {"username": "bob", "is_staff": True, "x-note": "ours"},
        {"username": "ＡＮＮ", "teams": ["stores"]},
        {"username": "pipeline", "teams": ["price"]},
        {"username": "cy", "teams": 5},
        {"username": "dee", "teams": ["price", ["stores"]]},
        {"username": "eve", "email": "eve at home"},
        {"username": "fay", "teams": "price, nothing"},
    ]
    with pytest.raises(Invalid) as caught:
        blueprint.apply(made | {"people": made["people"] + odd}, actor=None)
    assert [(one["pointer"], one["message"]) for one in caught.value.findings] == [
        ("/people/1/is_staff", "Not read. Fields: username, first_name, last_name, email, kind, superuser, teams."),
        ("/people/2/username", "/people/0 is about the same person."),
        ("/people/3/username", "'pipeline' is no account of a person. To put it into teams, say kind: service."),
        ("/people/4/teams", "Give keys of teams, as a list or with commas between."),
        ("/people/5/teams", "Give keys of teams, as a list or with commas between."),
        ("/people/6/email", "'eve at home' is no address of mail."),
        ("/people/7/teams", "There is no team 'nothing'."),
    ]
    assert list(User.objects.values_list("username", flat=True)) == ["pipeline"]


def test_teams_as_a_text_and_a_service_account_that_is_meant_are_read():
    User.objects.create(username="pipeline", kind="service")
    made = document() | {
        "people": [
            {"username": "ａnn\u200b", "teams": "price, stores"},
            {"username": "pipeline", "kind": "service", "teams": ["price"]},
        ]
    }
    assert applied(made) == ["created person ann", "changed membership ann", "changed membership pipeline"]
    assert (teams_of("ann"), teams_of("pipeline")) == (["price", "stores"], ["price"])
    assert applied(made) == []


def test_two_thousand_people_cost_few_statements(django_assert_max_num_queries):
    made = document() | {
        "people": [{"username": f"p{n}", "email": f"p{n}@x.example", "teams": "stores"} for n in range(300)]
    }
    with django_assert_max_num_queries(MOST):
        report = blueprint.apply(made, actor=None)
    assert (report.number("created", "person"), report.number("changed", "membership")) == (300, 300)
    assert AuditEntry.objects.filter(verb="catalog.person_declared").count() == 300
    entry = AuditEntry.objects.get(verb="catalog.membership_changed", subject_id="p7")
    assert (entry.after, entry.before) == ({"joined": ["stores"]}, None)
    assert User.objects.filter(groups__team__key="stores").count() == 300
    with django_assert_max_num_queries(MOST):
        assert not blueprint.apply(made, actor=None).changed_anything


def test_groups_of_the_provider_are_declared_and_count_at_once():
    directory = Directory()
    olga = directory.person("olga@shop.example")
    directory.group("tg-price", olga)
    directory.group("grp-shops", olga)
    made = document(ann=["stores"]) | {
        "groups": [
            {"group": "tg-*", "team": "*", "note": "by name"},
            {"group": "grp-shops", "team": "stores"},
            {"group": "role-*", "team": "*", "roles": True},
        ]
    }
    del made["teams"][0]["exclusive"]
    report = blueprint.apply(made, actor=None)
    assert report.number("created", "group_pattern") == 2
    assert teams_of("olga@shop.example") == ["price", "stores"]
    assert set(GroupPattern.objects.values_list("claim", "team", "roles")) == {
        ("tg-*", "*", False),
        ("role-*", "*", True),
    }
    assert GroupMapping.objects.get().claim == "grp-shops"
    entries = AuditEntry.objects.count()
    assert not blueprint.apply(made, actor=None).changed_anything
    assert AuditEntry.objects.count() == entries


def test_what_is_no_rule_about_groups_is_told_by_its_place():
    made = document(ann=[]) | {
        "groups": [
            {"group": "*", "team": "*"},
            {"group": "a*b*", "team": "x"},
            {"group": "tg-*", "team": "Price Team"},
            {"group": "exact", "team": "nothing"},
            {"group": "exact", "team": "price", "roles": False},
            {"group": "exact", "team": "*"},
            {"team": "price"},
            {"group": "x", "team": "price", "roles": "yes"},
        ]
    }
    with pytest.raises(Invalid) as caught:
        blueprint.apply(made, actor=None)
    assert [one["pointer"] for one in caught.value.findings] == [
        "/groups/0/group",
        "/groups/1/group",
        "/groups/2/team",
        "/groups/3/team",
        "/groups/4/roles",
        "/groups/5/group",
        "/groups/6/group",
        "/groups/7/roles",
    ]
