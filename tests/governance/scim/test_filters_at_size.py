"""What a question of a provider reads where there are many people."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from governance.models import GroupPattern
from kernel.models import User
from tests.governance import make
from tests.governance.scim.calls import Directory
from tests.governance.scim.test_provisioning import fills

pytestmark = pytest.mark.django_db
MANY = 20_000
# Rows of the tables, by whatever plan; what the planner looks at in an index is not counted.
READ = """
select sum(pg_stat_get_xact_tuples_returned(c.oid) + pg_stat_get_xact_tuples_fetched(c.oid))
  from pg_class c
 where c.oid = any(%s::regclass[])
"""
TABLES = ["governance_provisionedperson", "kernel_user"]
ACCOUNTS = """
insert into kernel_user (username, name_key, password, is_superuser, is_staff, is_active, first_name, last_name, email,
                         date_joined, kind)
select 'p' || n, 'p' || n, '!', false, false, n %% 10 <> 0, '', '', 'p' || n || '@shop.example', now(), 'person'
  from generate_series(1, %s) n
"""
PEOPLE = """
insert into governance_provisionedperson (id, account_id, user_name, external_id, said, made_at, changed_at)
select gen_random_uuid(), u.id, 'P' || substr(u.username, 2), u.username,
       jsonb_build_object('userName', 'P' || substr(u.username, 2), 'externalId', u.username,
                          'active', u.is_active,
                          'displayName', 'Person ' || u.username, 'name', jsonb_build_object('familyName', u.username),
                          'emails', jsonb_build_array(
                            jsonb_build_object('value', 'P' || substr(u.username, 2) || '@Shop.example',
                                               'type', 'work'),
                            jsonb_build_object('value', u.username || '@home.example', 'type', 'home'))),
       now(), now()
  from kernel_user u
 where u.username ~ '^p[0-9]+$'
"""


def many() -> None:
    """People as a provider wrote them, without what triggers tell of each: here only the reading counts."""
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(ACCOUNTS, [MANY])
        cursor.execute(PEOPLE)
        cursor.execute("set local session_replication_role = default")
        cursor.execute("analyze kernel_user, governance_provisionedperson")


def rows_read() -> int:
    with connection.cursor() as cursor:
        cursor.execute(READ, [TABLES])
        return int(cursor.fetchone()[0] or 0)


def asked(directory: Directory, text: str, more: str = "") -> tuple[dict, int, int]:
    """The answer, how many rows the database read for it, and how many queries there were."""
    before = rows_read()
    with CaptureQueriesContext(connection) as queries:
        answer = directory.get(f"/Users?filter={quote(text)}{more}")
    assert answer.status_code == 200, answer.content
    return answer.json(), rows_read() - before, len(queries)


def test_a_question_about_one_person_reads_few_of_twenty_thousand():
    directory = Directory()
    many()
    for text in (
        'userName eq "p4711"',
        'userName eq "P4711"',
        'emails.value eq "p4711@shop.example"',
        'emails eq "P4711@HOME.example"',
        'emails[type eq "work"].value eq "p4711@SHOP.example"',
        'emails[type eq "Work" and value eq "p4711@SHOP.example"]',
        'externalId eq "p4711" and active eq true',
        'userName eq "p4711" or emails.value eq "p4711@shop.example"',
        'name.familyName eq "P4711"',
        'displayName eq "person P4711"',
    ):
        found, rows, _ = asked(directory, text)
        assert [one["userName"] for one in found["Resources"]] == ["P4711"], text
        assert found["totalResults"] == 1
        assert rows < 100, (text, rows)


def test_a_page_of_open_accounts_is_counted_by_the_database_and_no_more_than_the_page_is_read():
    directory = Directory()
    many()
    for text, total in (
        ("active eq true", 18_000),
        ('active eq "False"', 2_000),
        ("active ne true", 2_000),
        ("not (active eq true)", 2_000),
        ('emails.type eq "work"', 20_000),
        ("externalId pr", 20_000),
        ("not (externalId pr)", 0),
        ('displayName co "N P471"', 11),
        ('userName sw "p471" and active eq true', 10),
        ('emails.value ew "4711@HOME.example"', 2),
        ('name.familyName co "p4711" or emails[type eq "home"].value sw "P4712@"', 2),
        ('active eq true and meta.lastModified gt "2020-01-01T00:00:00Z"', 18_000),
        ('meta.created lt "2020-01-01T00:00:00Z"', 0),
    ):
        found, _, queries = asked(directory, text, "&count=20&startIndex=101")
        assert (found["totalResults"], found["itemsPerPage"]) == (total, min(20, max(0, total - 100))), text
        assert queries < 12, (text, queries)


def test_the_database_and_the_filter_find_the_same_people():
    directory = Directory()
    anna = directory.person("Anna@shop.example", externalId="A", displayName='An "a" \\ Ölander', active=False)
    ben = directory.person("ben@shop.example", name={"familyName": "Straße", "givenName": "BEN"})
    eve = directory.person(
        "eve@shop.example",
        emails=[{"value": "Eve@x.example", "type": "home"}, {"value": "e@y.example", "primary": True}],
    )
    directory.group("tg-one", anna, ben)
    two = directory.group("TG-two", ben, eve)
    for text, names in (
        ("active eq true", "ben eve"),
        ("active ne true", "anna"),
        ("not (active eq false) and userName pr", "ben eve"),
        ("active eq 5", ""),
        ("active eq null", ""),
        ('active eq "sometimes"', ""),
        ('displayName eq "an \\"A\\" \\\\ ölander"', "anna"),
        ('displayName ne "an \\"A\\" \\\\ ölander"', "ben eve"),
        ("displayName eq null", "ben eve"),
        ('name.familyName eq "STRAßE"', "ben"),
        ('name.givenName eq "ben" and active eq true', "ben"),
        ('emails.value eq "EVE@x.example"', "eve"),
        ('emails eq "E@Y.example"', "eve"),
        ('emails.primary eq true and not (userName eq "eve@shop.example")', "anna ben"),
        ('emails[type eq "home" and primary eq true]', ""),
        ('emails[type eq "home"].value sw "eve"', "eve"),
        ('emails[not (type eq "work")].value pr', "eve"),
        ('emails.value ne "eve@X.example"', "anna ben"),
        (f'groups eq "{two["id"]}"', "ben eve"),
        (f'groups.value eq "{two["id"]}" and active eq true', "ben eve"),
        (f'groups eq "{two["id"]}" and groups.display eq "TG-ONE"', "ben"),
        (f'not (groups.value eq "{two["id"]}")', "anna"),
        ('groups.display eq "tg-TWO"', "ben eve"),
        (f'id eq "{ben["id"]}" or externalId eq "A"', "anna ben"),
        ('externalId eq "a"', ""),
        ('id eq "nobody"', ""),
        ('title eq "x" or active eq false', "anna"),
        ('displayName co "\\"A\\" \\\\ ö"', "anna"),
        ('displayName sw "AN" and not (title pr)', "anna"),
        ('name.familyName ew "AßE"', "ben"),
        ('name.familyName sw "ben"', ""),
        ('userName co "@SHOP"', "anna ben eve"),
        ('userName sw "ｂＥＮ"', "ben"),
        ('emails.value co ""', "anna ben eve"),
        ("name pr", "ben"),
        ("name.familyName pr and emails pr", "ben"),
        ("not (externalId pr)", "ben eve"),
        ("displayName pr or externalId pr", "anna"),
        ("groups pr and not (displayName pr)", "ben eve"),
        ('title pr or userName eq "BEN@shop.example"', "ben"),
        (f'meta.created le "{eve["meta"]["created"]}"', "anna ben eve"),
        (f'meta.lastModified gt "{eve["meta"]["lastModified"]}"', ""),
        ('meta.lastModified gt "yesterday"', ""),
    ):
        answer = directory.get(f"/Users?filter={quote(text)}")
        found = sorted(one["userName"].partition("@")[0].lower() for one in answer.json()["Resources"])
        assert found == names.split(), text
        assert answer.json()["totalResults"] == len(found), text


def test_groups_of_two_people_are_found_by_both():
    directory = Directory()
    anna, ben = directory.person("anna"), directory.person("ben")
    both = directory.group("both", anna, ben)
    directory.group("one", anna)
    text = f'members eq "{anna["id"]}" and members.value eq "{ben["id"]}"'
    answer = directory.get(f"/Groups?filter={quote(text)}").json()
    assert [one["id"] for one in answer["Resources"]] == [both["id"]]


@pytest.mark.thorough
def test_who_comes_moves_and_leaves_reads_few_of_twenty_thousand():
    directory = Directory()
    many()
    before = rows_read()
    made = directory.person("newcomer@shop.example", externalId="N-1")
    group = directory.group("tg-new", made)
    came = rows_read() - before
    assert directory.patch(f"/Groups/{group['id']}", {"op": "remove", "path": "members"}).status_code == 200
    assert directory.patch(f"/Users/{made['id']}", {"op": "replace", "value": {"active": False}}).status_code == 200
    gone = rows_read() - before - came
    assert (came < 500, gone < 500) == (True, True), (came, gone)


@pytest.mark.thorough
def test_a_joiner_a_mover_and_a_leaver_count_at_their_seats_within_a_second_among_twenty_thousand(house: make.House):
    directory = Directory()
    many()
    GroupPattern.objects.create(claim="tg-role-*", team="*", roles=True)
    change = make.in_review(house.author)
    took: dict[str, float] = {}

    def within(what: str, began: float, *, of: User, fills_it: bool) -> None:
        assert fills(of, "architects", change) is fills_it, what
        took[what] = time.perf_counter() - began

    group = directory.group("tg-role-architects")
    began = time.perf_counter()
    made = directory.person("newcomer@shop.example", externalId="N-1")
    directory.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": made["id"]}]})
    person = User.objects.get(username="newcomer@shop.example")
    within("joiner", began, of=person, fills_it=True)
    began = time.perf_counter()
    directory.patch(f"/Groups/{group['id']}", {"op": "remove", "path": f'members[value eq "{made["id"]}"]'})
    within("mover", began, of=person, fills_it=False)
    directory.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": made["id"]}]})
    assert fills(person, "architects", change)
    began = time.perf_counter()
    directory.patch(f"/Users/{made['id']}", {"op": "replace", "path": "active", "value": False})
    within("leaver", began, of=person, fills_it=False)
    assert max(took.values()) < 1, took
