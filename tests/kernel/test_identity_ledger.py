"""Who may do what is a ledger entry, whoever writes it: a page, the administration, a shell, an import or plain SQL."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test import Client

from governance.models import GroupMapping
from kernel import acting, clock, tokens
from kernel.models import ApiToken, AuditEntry, User
from tests import serving_role

pytestmark = pytest.mark.django_db
ADMIN = "django.contrib.auth.backends.ModelBackend"


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def told(*, after: int = 0, kind: str | None = None) -> list[tuple[str, str]]:
    """(verb, subject) of the entries about who may do what, oldest first."""
    rows = AuditEntry.objects.filter(pk__gt=after).order_by("pk")
    return [(row.verb, row.subject_id) for row in rows if kind is None or row.subject_kind == kind]


def newest() -> int:
    row = AuditEntry.objects.order_by("-pk").first()
    return row.pk if row else 0


@pytest.fixture
def sofia() -> User:
    return User.objects.create_user("sofia", password="a-long-password", first_name="Sofia")


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss", password="a-long-password")


@pytest.fixture
def administration(boss: User) -> Client:
    made = Client()
    made.force_login(boss, backend=ADMIN)
    return made


def test_an_administrator_who_resets_a_password_stands_in_the_ledger_and_the_password_does_not(
    administration: Client, boss: User, sofia: User
):
    before = newest()
    new = {"password1": "another-long-one", "password2": "another-long-one"}
    assert administration.post(f"/admin/kernel/user/{sofia.pk}/password/", new).status_code == 302
    [entry] = AuditEntry.objects.filter(pk__gt=before)
    assert (entry.verb, entry.subject_kind, entry.subject_id) == ("kernel.password_reset", "user", str(sofia.pk))
    assert entry.actor == boss
    sofia.refresh_from_db()
    assert sofia.password not in repr(vars(entry))
    assert "another-long-one" not in repr(vars(entry))


def test_roles_teams_and_mappings_given_in_the_administration_are_entries(
    administration: Client, boss: User, sofia: User
):
    group = Group.objects.create(name="Release managers")
    before = newest()
    form = {"username": "sofia", "kind": "person", "is_active": "on", "groups": [group.pk], "first_name": "Sofia"}
    form |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert administration.post(f"/admin/kernel/user/{sofia.pk}/change/", form).status_code == 302
    mapping = {"claim": "everyone", "group": group.pk}
    assert administration.post("/admin/governance/groupmapping/add/", mapping).status_code == 302
    assert administration.post(f"/admin/auth/group/{group.pk}/change/", {"name": "Others"}).status_code == 302
    made = {"username": "sofia2", "usable_password": "false"}
    assert administration.post("/admin/kernel/user/add/", made).status_code == 302
    verbs = [verb for verb, _ in told(after=before)]
    assert verbs == [
        "kernel.role_given",
        "governance.group_mapping_added",
        "kernel.group_renamed",
        "kernel.account_created",
    ]
    assert set(AuditEntry.objects.filter(pk__gt=before).values_list("actor", flat=True)) == {boss.pk}
    given = AuditEntry.objects.get(verb="kernel.role_given")
    assert given.after == {"group": group.pk, "team": "Release managers"}


@pytest.mark.parametrize(
    ("statement", "verb"),
    [
        ("update kernel_user set password = 'pbkdf2$x' where username = 'sofia'", "kernel.password_reset"),
        ("update kernel_user set is_superuser = true where username = 'sofia'", "kernel.superuser_given"),
        ("update kernel_user set is_staff = true where username = 'sofia'", "kernel.staff_given"),
        ("update kernel_user set is_active = false where username = 'sofia'", "kernel.account_closed"),
        ("update kernel_user set username = 'oidc:stranger' where username = 'sofia'", "kernel.account_changed"),
        ("update kernel_user set email = 'x@example.com' where username = 'sofia'", "kernel.account_changed"),
        ("update kernel_user set kind = 'service' where username = 'sofia'", "kernel.account_changed"),
        (
            "insert into kernel_user_groups (user_id, group_id) select u.id, g.id from kernel_user u, auth_group g",
            "kernel.role_given",
        ),
        ("insert into auth_group (name) values ('Second')", "kernel.group_made"),
        ("delete from auth_group", "kernel.group_deleted"),
        (
            "insert into kernel_user_user_permissions (user_id, permission_id)"
            " select u.id, p.id from kernel_user u, (select min(id) as id from auth_permission) p",
            "kernel.permission_given",
        ),
        (
            "insert into auth_group_permissions (group_id, permission_id)"
            " select g.id, p.id from auth_group g, (select min(id) as id from auth_permission) p",
            "kernel.permission_given",
        ),
        (
            "insert into governance_groupmapping (claim, group_id, note) select 'all', id, '' from auth_group",
            "governance.group_mapping_added",
        ),
        (
            "insert into kernel_apitoken (user_id, name, prefix, token_hash, scopes, expires_at)"
            """ select id, 'x', 'tg_x', 'hash-of-it', '["catalog:read"]', now() + interval '1 day' from kernel_user""",
            "kernel.token_issued",
        ),
    ],
)
def test_plain_sql_is_an_entry_that_names_the_role_and_the_program(statement: str, verb: str, sofia: User):
    Group.objects.create(name="First")
    before = newest()
    sql(statement)
    entry = AuditEntry.objects.get(pk__gt=before, verb=verb)
    assert entry.actor is None
    role = connection.settings_dict["USER"]
    assert role in entry.written_by
    assert "pbkdf2$x" not in repr(vars(entry))
    assert "hash-of-it" not in repr(vars(entry))


def test_somebody_who_writes_by_raw_sql_alone_is_named_by_the_role_of_the_database(sofia: User):
    before = newest()
    with connection.cursor() as cursor:
        raw = cursor.cursor.connection
        raw.execute("select set_config('tillgate.acting', '', true)")
        raw.execute("update kernel_user set is_superuser = true")
    entry = AuditEntry.objects.get(pk__gt=before, verb="kernel.superuser_given")
    assert entry.actor_text.startswith(f"database role {connection.settings_dict['USER']}")


def test_taking_away_and_giving_back_are_entries_too(boss: User, sofia: User):
    group = Group.objects.create(name="First")
    with acting.by(boss):
        sofia.groups.add(group)
        sofia.groups.clear()
        User.objects.filter(pk=sofia.pk).update(is_active=False, is_staff=True)
        User.objects.filter(pk=sofia.pk).update(is_active=True, is_staff=False)
    assert told(kind="user")[-6:] == [
        ("kernel.role_given", str(sofia.pk)),
        ("kernel.role_taken", str(sofia.pk)),
        ("kernel.staff_given", str(sofia.pk)),
        ("kernel.account_closed", str(sofia.pk)),
        ("kernel.staff_taken", str(sofia.pk)),
        ("kernel.account_reopened", str(sofia.pk)),
    ]


def test_a_person_who_changes_their_own_password_is_told_apart_from_one_who_got_a_new_one(sofia: User):
    before = newest()
    with acting.by(sofia):
        sofia.set_password("the-next-long-one")
        sofia.save(update_fields=["password"])
    assert told(after=before) == [("kernel.password_changed", str(sofia.pk))]


def test_a_password_that_is_only_stored_in_a_newer_way_is_no_reset(sofia: User, settings):
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    before = newest()
    assert sofia.check_password("a-long-password")
    assert told(after=before) == [("kernel.password_stored_anew", str(sofia.pk))]


def test_a_sign_in_changes_nothing_about_the_account(sofia: User):
    before = newest()
    sql("update kernel_user set last_login = now()")
    assert told(after=before) == []


def test_a_shell_and_a_command_are_named_as_what_they_are(sofia: User, monkeypatch):
    monkeypatch.setattr(acting, "command", "changepassword")
    before = newest()
    call_command("shell", command="from kernel.models import User; User.objects.update(is_staff=True)", verbosity=0)
    entry = AuditEntry.objects.get(pk__gt=before)
    assert entry.actor is None
    assert "manage.py changepassword" in entry.actor_text


def test_a_token_is_told_once_with_who_made_it_and_its_end_once(boss: User, sofia: User):
    before = newest()
    token, secret = tokens.issue(actor=boss, user=sofia, name="till", scopes=["catalog:read"], days=7)
    tokens.revoke(actor=boss, token=token)
    tokens.revoke(actor=boss, token=token)
    rows = list(AuditEntry.objects.filter(pk__gt=before).order_by("pk"))
    assert [row.verb for row in rows] == ["kernel.token_issued", "kernel.token_revoked"]
    assert {row.actor for row in rows} == {boss}
    assert rows[0].after["user"] == "sofia"
    assert rows[0].after["scopes"] == ["catalog:read"]
    assert secret not in repr(vars(rows[0]))
    assert ApiToken.objects.get().token_hash not in repr(vars(rows[0]))


def test_more_scopes_and_a_longer_life_for_a_token_are_an_entry_and_its_use_is_none(sofia: User):
    tokens.issue(actor=sofia, user=sofia, name="till", scopes=["catalog:read"], days=7)
    before = newest()
    sql("update kernel_apitoken set last_used_at = now()")
    assert told(after=before) == []
    sql("""update kernel_apitoken set scopes = '["catalog:write"]', expires_at = expires_at + interval '1 year'""")
    entry = AuditEntry.objects.get(pk__gt=before)
    assert entry.verb == "kernel.token_changed"
    assert entry.after["scopes"] == ["catalog:write"]


def test_the_time_and_the_writer_of_an_entry_are_the_databases_own():
    sql(
        "insert into kernel_auditentry (at, actor_text, verb, subject_kind, subject_id, reason, request_id, written_by)"
        " values (now() - interval '30 days', 'Rita Hansen', 'x', 'x', 'x', '', '', 'somebody else')"
    )
    entry = AuditEntry.objects.get(verb="x")
    assert abs(entry.at - clock.now()) < timedelta(minutes=1)
    assert connection.settings_dict["USER"] in entry.written_by
    assert "somebody else" not in entry.written_by


def test_a_mapping_of_a_group_is_changed_and_removed_in_the_open(boss: User):
    group, other = Group.objects.create(name="First"), Group.objects.create(name="Second")
    before = newest()
    with acting.by(boss):
        mapping = GroupMapping.objects.create(claim="all", group=group)
        GroupMapping.objects.update(group=other)
        mapping.delete()
    assert [verb for verb, _ in told(after=before)] == [
        "governance.group_mapping_added",
        "governance.group_mapping_changed",
        "governance.group_mapping_removed",
    ]


def test_an_import_that_makes_an_administrator_says_who_ran_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "estate.yaml"
    file.write_text(
        "blueprint: 1\n"
        "teams: [{key: security, name: Security, kind: role}]\n"
        "people: [{username: mallory, superuser: true, teams: [security]}]\n"
    )
    monkeypatch.setattr(acting, "command", "apply_blueprint")
    before = newest()
    call_command("apply_blueprint", str(file), stdout=StringIO())
    rows = AuditEntry.objects.filter(pk__gt=before)
    verbs = set(rows.values_list("verb", flat=True))
    assert {"kernel.account_created", "kernel.superuser_given", "kernel.role_given"} <= verbs
    assert all("by manage.py apply_blueprint" in row.actor_text for row in rows)


def test_the_serving_role_changes_accounts_only_in_the_open(sofia: User):
    """What a database of two roles refuses and what it tells, in a transaction that is undone."""
    role = serving_role.given()
    before = newest()
    with connection.cursor() as cursor:
        cursor.execute(f"set local role {role}")
        cursor.execute("update kernel_user set is_superuser = true, password = 'x' where username = 'sofia'")
        cursor.execute("reset role")
    assert [verb for verb, _ in told(after=before)] == ["kernel.password_reset", "kernel.superuser_given"]
