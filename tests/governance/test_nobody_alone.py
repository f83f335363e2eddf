"""Nobody alone gets a change approved: each way into the product, by each role. A way is refused, or it stands in the
ledger, with who it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test import Client

from catalog.models import Api
from governance.models import Approval, ChangeRequest, Decision, GroupMapping, Policy
from governance.services import identity, policies, reviews
from kernel import acting, persons, tokens
from kernel.errors import DomainError
from kernel.models import AuditEntry, User
from portal import database_roles
from portal.witness import verifying
from tests.governance import make
from tests.governance.forging import Forger, as_serving
from tests.governance.raw_sql import DECIDE, SEAL, beneath_guards, run
from tests.governance.test_one_person import at_provider
from tests.governance.test_rights_given import earlier

pytestmark = pytest.mark.django_db
EVERYDAY = 3
BACKEND = "django.contrib.auth.backends.ModelBackend"
PASSWORD = "known-to-one-alone"
REFUSED = (DomainError, IntegrityError, ProgrammingError)


@dataclass(frozen=True)
class Case:
    """A change in review of a house that is a month old, and an administrator."""

    house: make.House
    change: ChangeRequest
    boss: User

    def approved(self) -> bool:
        self.change.refresh_from_db()
        return self.change.state == "approved" or Approval.objects.filter(voided_at=None).exists()


@pytest.fixture
def case(house: make.House) -> Case:
    policies.install(level="team:price", document={**make.POLICY, "rights_rest_hours": 24}, actor=None)
    boss = User.objects.create_superuser("boss", password="a-long-password", first_name="Bea", last_name="Boss")
    earlier(days=30)
    return Case(house, make.in_review(house.author), boss)


def browser(user: User) -> Client:
    made = Client()
    made.force_login(user, backend=BACKEND)
    return made


def seen(change: ChangeRequest) -> dict[str, str]:
    change.refresh_from_db()
    found = reviews.Seen.of(change)
    return {name: getattr(found, name) for name in found.__slots__}


def decides_over_http(client: Client, change: ChangeRequest) -> int:
    body = {"outcome": "approve", **seen(change)}
    return client.post(f"/api/v1/changes/{change.pk}/decisions", body, content_type="application/json").status_code


def decides(change: ChangeRequest, *people: User) -> None:
    """In a shell: any code may call a service in anybody's name."""
    for person in people:
        change.refresh_from_db()
        reviews.approve(change, actor=person, seen=reviews.Seen.of(change))


def both(case: Case) -> tuple[User, User]:
    """Those whose approvals are asked for."""
    return case.house.owner, case.house.architect


# -- HTTP: pages and the REST API ------------------------------------------------------------------------------------


def http_author(case: Case) -> None:
    assert decides_over_http(browser(case.house.author), case.change) == 403


def http_second_account(case: Case) -> None:
    """The author has a colleague's roles at the provider as well."""
    persons.prove(case.house.author, "ada@home.example", way=persons.LINK)
    other = at_provider("ada", "Ada@home.example", "price", "architects")
    earlier(days=2)
    assert decides_over_http(browser(other), case.change) == 403


def http_consumer(case: Case) -> None:
    assert decides_over_http(browser(case.house.stranger), case.change) in (403, 404)


def http_administrator(case: Case) -> None:
    assert decides_over_http(browser(case.boss), case.change) == 403


def http_one_approver_twice(case: Case) -> None:
    """Somebody who is in both teams, from of old."""
    owner = browser(case.house.owner)
    case.house.owner.groups.add(make.team("architects").group)
    earlier(days=2)
    decides_over_http(owner, case.change)
    assert decides_over_http(owner, case.change) == 403


def http_stolen_token(case: Case) -> None:
    for person in both(case):
        _, secret = tokens.issue(
            actor=None, user=person, name="stolen", scopes=["governance:write", "catalog:write", "gate:ask"]
        )
        assert decides_over_http(Client(headers={"Authorization": f"Bearer {secret}"}), case.change) == 403


def http_lent_to_an_accomplice_of_oneself(case: Case) -> None:
    persons.prove(case.house.owner, "olaf@home.example", way=persons.LINK)
    other = at_provider("olaf", "olaf@home.example", "architects")
    earlier(days=2)
    decides_over_http(browser(case.house.owner), case.change)
    assert decides_over_http(browser(other), case.change) == 403


# -- Django's administration -----------------------------------------------------------------------------------------


def admin_sets_two_passwords(case: Case) -> None:
    for person in both(case):
        new = {"password1": PASSWORD, "password2": PASSWORD}
        address = f"/admin/kernel/user/{person.pk}/password/"
        assert browser(case.boss).post(address, new).status_code == 302
        stolen = Client()
        assert stolen.post("/sign-in/", {"username": person.username, "password": PASSWORD}).status_code == 302
        assert decides_over_http(stolen, case.change) == 403


def admin_takes_both_roles(case: Case) -> None:
    groups = [make.team(key).group_id for key in ("price", "architects")]
    sent = {"username": "boss", "kind": "person", "is_active": "on", "is_superuser": "on", "is_staff": "on"}
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    address = f"/admin/kernel/user/{case.boss.pk}/change/"
    assert browser(case.boss).post(address, {**sent, **dates, "groups": groups}).status_code == 302
    assert case.boss.groups.count() == 2
    assert decides_over_http(browser(case.boss), case.change) == 403


def admin_makes_two_people(case: Case) -> None:
    client = browser(case.boss)
    for name, team in (("ivy", "price"), ("ivo", "architects")):
        new = {"username": name, "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
        assert client.post("/admin/kernel/user/add/", new).status_code == 302
        made = User.objects.get(username=name)
        with acting.by(case.boss):
            made.groups.add(make.team(team).group)
        assert decides_over_http(browser(made), case.change) == 403


def admin_maps_everybody(case: Case) -> None:
    client = browser(case.boss)
    for team in ("price", "architects"):
        sent = {"claim": "everyone", "group": make.team(team).group_id}
        assert client.post("/admin/governance/groupmapping/add/", sent).status_code == 302
    assert GroupMapping.objects.count() == 2
    claims = {"sub": "eve", "groups": ["everyone"]}
    eve = identity.person_of(claims, groups_claim="groups")
    assert eve.groups.count() == 2
    with pytest.raises(DomainError):
        decides(case.change, eve)


def admin_parts_the_authors_accounts(case: Case) -> None:
    other = make.person("ada-2", "price", "architects")
    User.objects.filter(pk=other.pk).update(same_person_as=case.house.author)
    earlier(days=2)
    with acting.by(case.boss):
        User.objects.filter(pk=other.pk).update(same_person_as=None)
    assert decides_over_http(browser(other), case.change) == 403


def admin_writes_decisions(case: Case) -> None:
    """What stands on its pages is looked at, not written."""
    client = browser(case.boss)
    for model in ("changerequest", "decision", "approval", "slot", "policy", "waiver", "delegation", "breakglass"):
        assert client.post(f"/admin/governance/{model}/add/", {}).status_code in (403, 404), model
    assert client.post(f"/admin/governance/changerequest/{case.change.pk}/change/", {}).status_code in (403, 404)


# -- a shell: the ORM ------------------------------------------------------------------------------------------------


def shell_says_approved(case: Case) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ChangeRequest.objects.filter(pk=case.change.pk).update(state="approved")


def shell_writes_decisions(case: Case) -> None:
    """Rows without what a service says of them."""
    given = seen(case.change) | {"change": case.change, "revision": case.change.revision, "outcome": "approve"}
    with pytest.raises(IntegrityError), by_owner():
        Decision.objects.create(person=case.house.owner, **given)


def shell_gives_roles(case: Case) -> None:
    for name, team in (("sid", "price"), ("sam", "architects")):
        made = User.objects.create_user(name, password=PASSWORD)
        made.groups.add(make.team(team).group)
        with pytest.raises(DomainError):
            decides(case.change, made)


def shell_decides_for_others(case: Case) -> None:
    """Code in the process acts in anybody's name: what it says stands in the ledger, beside who wrote it."""
    decides(case.change, *both(case))


def shell_lowers_the_bar(case: Case) -> None:
    """Policies are not edited, and a looser one is not put into force."""
    with pytest.raises(REFUSED), transaction.atomic():
        policies.install(level="organisation", document={"rules": make.POLICY["rules"][:1]}, actor=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        Policy.objects.update(document={"rules": []})


# -- imports ---------------------------------------------------------------------------------------------------------


def import_of_people(case: Case) -> None:
    """A blueprint that puts one's own people into both teams."""
    people = [
        {"username": "bob", "first_name": "Bob", "teams": ["price"]},
        {"username": "bea", "first_name": "Bea", "teams": ["architects"]},
    ]
    applied({"blueprint": 1, "people": people})
    for name in ("bob", "bea"):
        with pytest.raises(DomainError):
            decides(case.change, User.objects.get(username=name))


def import_of_facts(case: Case) -> None:
    """A sheet gives nobody a right and decides nothing."""
    sheet = "slug,name,owner_team,tier\nnew-api,New API,stores,3\n"
    applied_sheet(sheet)
    assert Api.objects.filter(slug="new-api").exists()


def applied(document: dict[str, Any]) -> None:
    call_command("apply_blueprint", written("blueprint.yaml", json.dumps(document)), stdout=StringIO())


def applied_sheet(sheet: str) -> None:
    call_command("import_estate", written("apis.csv", sheet), stdout=StringIO())


def written(name: str, text: str) -> str:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / name).write_text(text)
    return str(FOLDER / name)


FOLDER = Path()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    globals()["FOLDER"] = tmp_path / "given"


# -- plain SQL -------------------------------------------------------------------------------------------------------


@contextmanager
def by_owner() -> Iterator[None]:
    """As the owner, who leaves the triggers on. What is deferred is judged at the end."""
    with transaction.atomic():
        yield
        run("set constraints all immediate")
        run("set constraints all deferred")


SQL_ROLES = {"the serving role": as_serving, "the owner": by_owner}


def sql_state(case: Case) -> None:
    run("update governance_changerequest set state = 'approved' where id = %s", case.change.pk)


def sql_decisions_without_entries(case: Case) -> None:
    for person in both(case):
        run(DECIDE, person.pk, "approve", "", case.change.pk)


def sql_own_decision(case: Case) -> None:
    run(DECIDE, case.house.author.pk, "approve", "", case.change.pk)


def sql_seal_without_decisions(case: Case) -> None:
    run(SEAL, "[]", [], case.change.pk)


def sql_forged_whole(case: Case) -> None:
    forger(case).forge()


def sql_role_of_ones_own(case: Case) -> None:
    run(
        "insert into kernel_user_groups (user_id, group_id) values (%s, %s)",
        case.house.stranger.pk,
        make.team("price").group_id,
    )
    run(DECIDE, case.house.stranger.pk, "approve", "", case.change.pk)


def sql_password_of_others(case: Case) -> None:
    run("update kernel_user set password = 'x' where id = %s", case.house.owner.pk)
    run(DECIDE, case.house.owner.pk, "approve", "", case.change.pk)


def sql_forgets_a_proof(case: Case) -> None:
    other = make.person("ada-3", "price")
    for account in (case.house.author, other):
        persons.prove(account, "ada@home.example", way=persons.LINK)
    run("delete from kernel_provedmail where user_id = %s", other.pk)
    run(DECIDE, other.pk, "approve", "", case.change.pk)


def sql_looser_policy(case: Case) -> None:
    run("update governance_policy set document = '{\"rules\": []}' where level = 'organisation'")


def sql_slots_dropped(case: Case) -> None:
    run("delete from governance_slot where change_id = %s", case.change.pk)
    run(SEAL, "[]", [], case.change.pk)


def sql_forged_with_entries(case: Case) -> None:
    """Decisions in two names, each with its entry."""
    replace(forger(case), recorded=True).forge()


def forger(case: Case) -> Forger:
    owners, architects = make.team("price").pk, make.team("architects").pk
    facts = {"tier": 2, "data_class": "internal", "entities": [], "consumers": 0, "breaking": 0, "domain": "price"}
    return Forger(
        author=case.house.author,
        subject=make.thing(),
        people=both(case),
        slots=(("team:price", (owners,)), ("architect", (architects,))),
        facts=facts | {"domains": ["price"]},
        levels=("organisation", "domain:price", "team:price"),
        owners=(owners,),
    )


# -- the walk --------------------------------------------------------------------------------------------------------

WAYS: dict[str, Callable[[Case], None]] = {
    "HTTP: the author": http_author,
    "HTTP: the author by another account": http_second_account,
    "HTTP: a consumer": http_consumer,
    "HTTP: an administrator": http_administrator,
    "HTTP: an approver who is in both teams": http_one_approver_twice,
    "HTTP: an approver by another account": http_lent_to_an_accomplice_of_oneself,
    "HTTP: tokens of both approvers": http_stolen_token,
    "admin: two passwords": admin_sets_two_passwords,
    "admin: both roles": admin_takes_both_roles,
    "admin: two new people": admin_makes_two_people,
    "admin: everybody of the provider": admin_maps_everybody,
    "admin: parted accounts": admin_parts_the_authors_accounts,
    "admin: rows of decisions": admin_writes_decisions,
    "shell: the state": shell_says_approved,
    "shell: rows of decisions": shell_writes_decisions,
    "shell: roles": shell_gives_roles,
    "shell: a looser policy": shell_lowers_the_bar,
    "import: people": import_of_people,
    "import: facts": import_of_facts,
}
TOLD = {
    "admin: two passwords": ("kernel.password_reset", "Bea Boss"),
    "admin: both roles": ("kernel.role_given", "Bea Boss"),
    "admin: two new people": ("kernel.account_created", "Bea Boss"),
    "admin: everybody of the provider": ("governance.group_mapping_added", "Bea Boss"),
    "admin: parted accounts": ("kernel.accounts_parted", "Bea Boss"),
    "shell: roles": ("kernel.role_given", "system"),
    "import: people": ("kernel.role_given", "system"),
}
"""What was given on the way is in the ledger, by whom."""
SQL_WAYS: dict[str, Callable[[Case], None]] = {
    "the state": sql_state,
    "decisions without entries": sql_decisions_without_entries,
    "one's own decision": sql_own_decision,
    "a seal without decisions": sql_seal_without_decisions,
    "a whole approval without entries": sql_forged_whole,
    "a role of one's own": sql_role_of_ones_own,
    "a password of others": sql_password_of_others,
    "a proof that is forgotten": sql_forgets_a_proof,
    "a looser policy": sql_looser_policy,
    "slots that are dropped": sql_slots_dropped,
}


@pytest.mark.parametrize("way", WAYS)
def test_nobody_alone_gets_a_change_approved(case: Case, way: str):
    before = AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    WAYS[way](case)
    assert not case.approved()
    if way in TOLD:
        verb, who = TOLD[way]
        told = AuditEntry.objects.filter(pk__gt=before, verb=verb)
        assert {entry.actor_text for entry in told} == {who}


@pytest.mark.parametrize("role", SQL_ROLES)
@pytest.mark.parametrize("way", SQL_WAYS)
def test_nor_does_plain_sql(case: Case, role: str, way: str):
    with pytest.raises((IntegrityError, ProgrammingError)), transaction.atomic(), SQL_ROLES[role]():
        SQL_WAYS[way](case)
    assert not case.approved()


def test_what_a_shell_decides_for_others_stands_in_the_ledger_with_who_wrote_it(case: Case):
    shell_decides_for_others(case)
    told = AuditEntry.objects.filter(verb="governance.decision_approved")
    assert {entry.actor for entry in told} == {*both(case)}
    assert all(entry.written_by for entry in told)
    assert verifying.unrecorded.approvals() == []


@pytest.mark.parametrize("role", SQL_ROLES)
def test_what_is_forged_with_its_entries_stands_in_the_ledger_with_the_role_that_wrote_it(case: Case, role: str):
    with SQL_ROLES[role]():
        sql_forged_with_entries(case)
    told = AuditEntry.objects.filter(verb="governance.decision_approved")
    assert {entry.actor for entry in told} == {*both(case)}
    with connection.cursor() as cursor:
        cursor.execute("select session_user")
        assert all(entry.written_by.startswith(cursor.fetchone()[0]) for entry in told[:1])


def test_what_the_owner_forges_beneath_the_triggers_is_found_by_the_verification(house: make.House):
    case = Case(house, make.in_review(house.author), house.stranger)
    with beneath_guards():
        forger(case).forge()
    (said,) = verifying.unrecorded.approvals()
    assert "has no entry in the ledger" in said


def test_the_serving_role_writes_no_entry_and_no_row_that_counts_by_itself():
    for table in ("kernel_auditentry", "kernel_auditlink", "governance_loosenedfact"):
        assert database_roles.RIGHTS[table] == "select"


def test_a_change_that_two_others_approve_is_approved(case: Case):
    """Else the walk would prove nothing."""
    for person in both(case):
        assert decides_over_http(browser(person), case.change) == 201
    assert case.approved()
