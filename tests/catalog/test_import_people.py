"""People of a Backstage source come in where an administrator or the operator has chosen that, and no further than the
source's own teams."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from catalog.models import ImportedThing, ImportRun, Team
from catalog.services import importing
from catalog.services.importing.backstage import MOST_NAMED
from catalog.services.importing.sources import ImportSource
from kernel.errors import Forbidden
from kernel.models import AuditEntry, User
from tests.catalog import make
from tests.catalog.test_import_again import entity

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def user(name: str, *member_of: str, email: str = "", display: str = "") -> dict[str, Any]:
    return entity("User", name, profile={"email": email, "displayName": display}, memberOf=list(member_of))


def take(*entities: dict[str, Any], people: str = "yes", actor: User | None = None, source: str = "shop") -> ImportRun:
    files = [ImportSource("catalog-info.yaml", yaml.safe_dump_all(entities).encode())]
    return importing.run(files, actor=actor, source="t", source_key=source, defaults={"people": people})


def said(run: ImportRun, name: str) -> tuple[str, str]:
    row = run.rows.get(reference=name)
    return row.outcome, row.message


def teams_of(name: str) -> list[str]:
    return sorted(User.objects.get(username=name).groups.values_list("team__key", flat=True))


ESTATE = (
    entity("Group", "tills", members=["bob", "user:default/cy"]),
    entity("Group", "prices"),
    user("ann", "tills", "group:default/prices", email="Ann@shop.example", display="Ann Apple"),
    user("bob", email="bob@shop.example"),
    user("cy", "prices"),
)


def test_without_the_choice_people_are_nothing_to_do_here():
    run = take(*ESTATE, people="")
    assert run.rows.filter(code="import.not_here").count() == 3
    assert not User.objects.filter(username__contains="shop.example").exists()


def test_people_come_in_with_the_teams_that_they_or_the_groups_name_and_the_second_time_nothing():
    run = take(*ESTATE)
    assert said(run, "Ann@shop.example") == ("created", "joins tills, prices")
    ann = User.objects.get(username="Ann@shop.example")
    assert (ann.first_name, ann.email, ann.has_usable_password(), ann.is_staff) == (
        "Ann Apple",
        "Ann@shop.example",
        False,
        False,
    )
    assert {name: teams_of(name) for name in ("Ann@shop.example", "bob@shop.example", "cy")} == {
        "Ann@shop.example": ["prices", "tills"],
        "bob@shop.example": ["tills"],
        "cy": ["prices", "tills"],
    }
    entries = AuditEntry.objects.exclude(verb="catalog.estate_imported").count()
    again = take(*ESTATE)
    assert not again.rows.filter(outcome__in=["created", "changed", "refused"]).exists()
    assert AuditEntry.objects.exclude(verb="catalog.estate_imported").count() == entries


def test_a_file_reaches_no_team_of_another_source_and_none_that_decides():
    take(entity("Group", "deciders"), people="")
    Team.objects.filter(key="deciders").update(kind="role")
    run = take(entity("Group", "deciders"), user("eve", "deciders", "pricing", "nothing"))
    assert teams_of("eve") == []
    outcome, message = said(run, "eve")
    assert outcome == "created"
    assert "the team deciders decides across domains" in message
    assert "group:default/pricing is no team of this source" in message


def test_accounts_that_are_there_are_neither_changed_nor_opened():
    boss = User.objects.create_superuser("boss", password="a-long-password", email="boss@shop.example")
    gone = User.objects.create(username="gone", is_active=False)
    there = User.objects.create(username="dee", first_name="Dee", email="dee@home.example")
    User.objects.create(username="robot-2", kind="service")
    run = take(
        entity("Group", "tills"),
        user("BOSS", "tills", display="Evil"),
        user("gone", "tills"),
        user("dee", "tills", display="Other"),
        user("robot-2", "tills"),
    )
    for row in (boss, gone, there):
        row.refresh_from_db()
    assert (boss.first_name, teams_of("boss"), gone.is_active, teams_of("gone")) == ("", [], False, [])
    assert (there.first_name, there.email, teams_of("dee")) == ("Dee", "dee@home.example", ["tills"])
    assert run.rows.get(outcome="refused").message == "robot-2 is no account of a person."


def test_an_architect_takes_no_people_from_a_source():
    with pytest.raises(Forbidden, match="Only an administrator"):
        take(*ESTATE, actor=make.person("ada"))
    body = {"files": [{"name": "catalog-info.yaml", "content": "# backstage.io/"}], "people": True}
    assert make.client("ada").post("/api/v1/imports", body, content_type="application/json").status_code == 403


def test_what_is_no_address_is_the_entitys_own_fault():
    run = take(entity("Group", "tills"), user("ann", email="ann at home"), user("bob", "tills"))
    assert run.rows.get(outcome="refused").source.endswith("document 2")
    assert teams_of("bob") == ["tills"]


def test_every_member_of_a_large_group_comes_in_and_one_beyond_what_is_read_is_told():
    names = [f"clerk-{n}" for n in range(1, 131)]
    group = entity("Group", "tills", members=names)
    run = take(group, *[user(name) for name in names])
    assert said(run, "tills")[0] == "created"
    assert Team.objects.get(key="tills").group.user_set.count() == 130
    huge = entity("Group", "prices", members=[f"p{n}" for n in range(MOST_NAMED + 2)])
    outcome, message = said(take(huge), "prices")
    assert outcome == "created"
    assert f"members: {MOST_NAMED + 2:,}, of which the first {MOST_NAMED:,} are kept" in message


def test_what_of_a_long_list_is_not_kept_is_told():
    links = [{"url": f"https://wiki.example/{n}", "title": f"page {n}"} for n in range(150)]
    many = entity("Component", "app", dependsOn=[f"component:other-{n}" for n in range(400)])
    many["metadata"]["links"] = links
    _, message = said(take(many), "app")
    assert "links: 150, of which the first 100 are kept" in message
    assert "dependsOn" not in message
    assert len(ImportedThing.objects.get(table="application", key="app").facts["dependsOn"]) == 400


@pytest.mark.parametrize("name", ["", "!"])
def test_a_user_without_a_name_is_refused_as_every_other_kind(name: str):
    run = take(*ESTATE, user(name, email="zoe@shop.example"))
    assert [row.code for row in run.rows.filter(outcome="refused")] == ["import.backstage_name"]
    assert not User.objects.filter(email="zoe@shop.example").exists()


def test_two_users_of_one_person_are_told_so():
    run = take(user("u1", email="u@shop.example"), user("u3", email="U@shop.example"))
    assert [row.message for row in run.rows.order_by("source")][1].startswith("user:default/u1 is the same person")


@pytest.mark.parametrize("email", [["a@shop.example"], {"work": "a@shop.example"}])
def test_an_address_that_is_no_text_is_refused_and_no_account_is_made(email: Any):
    run = take(user("u1", email=email))
    assert [(row.outcome, row.code) for row in run.rows.all()] == [("refused", "import.person")]
    assert not User.objects.filter(username="u1").exists()
