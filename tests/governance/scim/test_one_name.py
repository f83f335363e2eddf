"""One name is one account, also where two write it at the same moment in two spellings: SCIM, lists of people, a
blueprint, a command, SQL."""

from __future__ import annotations

import importlib
import threading
import unicodedata
from collections.abc import Callable
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections, transaction
from django.forms import modelform_factory

from catalog.services import blueprint, people
from catalog.services.findings import Findings
from kernel import persons, user_names
from kernel.admin import NameTwice
from kernel.models import User
from tests.governance import make
from tests.governance.scim.calls import Directory

WAITS = "select exists (select from pg_locks l where not l.granted and %s = any(pg_blocking_pids(l.pid)))"
LIST, SCIM, BLUEPRINT, SQL = "a list", "SCIM", "a blueprint", "SQL"


def by_list(name: str) -> list[str]:
    found = Findings()
    report = people.write(people.from_objects([{"username": name, "first_name": "Mia"}], found), found, actor=None)
    return [outcome for _, _, outcome, _ in report.lines]


def by_blueprint(name: str) -> list[str]:
    report = blueprint.apply({"blueprint": 1, "people": [{"username": name, "first_name": "Mia"}]}, actor=None)
    return [line[0] for line in report.lines]


def by_sql(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into kernel_user (username, password, first_name, last_name, email, is_active, is_staff,"
            " is_superuser, date_joined, kind) values (%s, '!', '', '', '', true, false, false, now(), 'person')",
            [name],
        )


@pytest.fixture
def ways() -> dict[str, Callable[[str], Any]]:
    directory = Directory()

    def by_scim(name: str) -> int:
        return directory.call("POST", "/Users", {"userName": name}).status_code

    return {LIST: by_list, SCIM: by_scim, BLUEPRINT: by_blueprint, SQL: by_sql}


def both(first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """What the second one came to, while what the first one wrote is not committed yet: it ends, or waits for it."""
    said: list[Any] = []

    def run() -> None:
        try:
            said.append(second())
        except Exception as error:
            said.append(error)
        finally:
            connections.close_all()

    other = threading.Thread(target=run)
    with transaction.atomic():
        first()
        with connection.cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            mine = cursor.fetchone()[0]
            other.start()
            for _ in range(3_000):
                cursor.execute(WAITS, [mine])
                if not other.is_alive() or cursor.fetchone()[0]:
                    break
                other.join(0.01)
    other.join(30)
    assert not other.is_alive()
    return said


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("later", [LIST, SCIM, BLUEPRINT, SQL])
@pytest.mark.parametrize("first", [LIST, SCIM, BLUEPRINT, SQL])
def test_two_spellings_of_one_name_at_the_same_moment_are_one_account(ways, first: str, later: str):
    [said] = both(lambda: ways[first]("MixX@shop.example"), lambda: ways[later]("ｍixx@shop.example"))
    assert User.objects.filter(username__contains="@shop").count() == 1
    if later == SQL or (first, later) == (SCIM, SCIM):
        assert said == 409 or isinstance(said, IntegrityError)
    else:
        assert said in (201, ["changed"], ["unchanged"])


@pytest.mark.django_db(transaction=True)
def test_many_who_write_the_same_names_at_once_make_each_account_once(ways):
    names = [f"person{n}@shop.example" for n in range(12)]
    said: list[Any] = []
    start = threading.Barrier(4)

    def run(spelled: Callable[[str], str], backwards: bool) -> None:
        found = Findings()
        lines = [{"username": spelled(name)} for name in (reversed(names) if backwards else names)]
        try:
            start.wait(30)
            said.append(people.write(people.from_objects(lines, found), found, actor=None).summary())
        except Exception as error:
            said.append(error)
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=run, args=(how, back))
        for how, back in ((str.upper, True), (str.lower, False), (str.title, True), (str.swapcase, False))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(map(str, said)) == ["12 created", "12 unchanged", "12 unchanged", "12 unchanged"]
    assert User.objects.filter(username__icontains="@shop").count() == 12


@pytest.mark.django_db
def test_the_database_reads_names_as_the_product_does():
    """Signs that nobody sees, and the forms of letters, of all of Unicode."""
    unseen = [chr(n) for n in range(0x110000) if unicodedata.category(chr(n)) == "Cf"]
    spelled = ["Zoe\u0308", "ZOË", "ｚoë", " zoë ", *(f"zo{sign}ë" for sign in unseen)]
    assert {user_names.folded(name) for name in spelled} == {"zoë"}
    keys = persons.Finder([(name, "") for name in spelled])
    assert {keys.key(name) for name in spelled} == {"zoë"}


@pytest.mark.django_db
def test_subjects_of_the_provider_that_differ_by_capitals_are_two_people():
    one, other = (User.objects.create(username=f"oidc:{subject}") for subject in ("aBc", "AbC"))
    assert persons.Finder([("oidc:AbC", "")]).of("oidc:AbC", "") == (other, "")
    assert list(User.objects.filter(persons.called("oidc:aBc"))) == [one]


@pytest.mark.django_db
def test_a_name_is_kept_when_the_account_is_saved_and_moves_when_it_is_renamed():
    ann = User.objects.create(username="Ann")
    ann.first_name = "Ann"
    ann.save()
    assert User.objects.filter(name_key="ann").exists()
    ann.username = "Anna"
    ann.save()
    assert list(User.objects.values_list("name_key", flat=True)) == ["anna"]
    User.objects.create(username="ANN")


@pytest.mark.django_db
def test_two_accounts_of_before_stay_and_a_third_one_is_refused():
    first, second = twice()
    assert list(NameTwice(None, {"name": ["twice"]}, User, None).queryset(None, User.objects.all())) == [second]
    second.save()
    assert persons.Finder([("ZOE", "")]).of("ZOE", "")[1].startswith("2 accounts are called 'ZOE'")
    first.username = "first"
    first.save()
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        User.objects.create(username="zOE")
    assert persons.name_is_taken(caught.value)
    second.username = "second"
    second.save()
    assert sorted(User.objects.values_list("name_key", flat=True)) == ["first", "second"]
    User.objects.create(username="zOE")


def twice() -> tuple[User, User]:
    """Two accounts as they were made before the database held them apart."""
    first = User.objects.create(username="Zoe")
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        by_sql("zoE")
        cursor.execute("set local session_replication_role = origin")
    return first, User.objects.get(username="zoE")


@pytest.mark.django_db
def test_an_old_database_with_two_spellings_is_brought_up_with_a_report(capsys):
    """What the migration does with names of before; it may run again."""
    first, second = twice()
    fill = __import__("importlib").import_module("kernel.migrations.0019_names_filled")
    with connection.schema_editor() as editor:
        for _ in range(2):
            fill.fill(None, editor)
    assert dict(User.objects.values_list("username", "name_key")) == {"Zoe": "zoe", "zoE": None}
    assert "zoE (as Zoe)" in capsys.readouterr().out
    assert (first.pk, second.pk) == tuple(User.objects.order_by("pk").values_list("pk", flat=True))


@pytest.mark.django_db
def test_forms_and_commands_say_that_a_name_is_taken():
    make.team("platform")
    ann = User.objects.create(username="ann")
    User.objects.create(username="boss")
    form = modelform_factory(User, fields=["username"])
    assert form({"username": "Ann"}, instance=ann).is_valid()
    for other in (form({"username": "BOSS"}, instance=User.objects.get(username="ann")), form({"username": "BOSS"})):
        assert other.errors == {"__all__": ["Another account has this name, in another spelling. Choose another one."]}
    with pytest.raises(CommandError, match="The account boss has this name in another spelling"):
        call_command("api_token", "BOSS", "--scope", "metrics:read", "--make-in-team", "platform", stdout=StringIO())
    assert User.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["Ann", "ＡＮＮ", "a\u200bnn", " ann "])
def test_a_command_says_that_another_spelling_of_a_name_is_taken(name: str, monkeypatch: pytest.MonkeyPatch):
    User.objects.create_user("ann")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long word of an administrator")
    with pytest.raises(CommandError, match=r"called .* already, perhaps in another spelling|Enter a valid username"):
        call_command("createsuperuser", username=name, email="ann@shop.example", interactive=False, verbosity=0)
    with pytest.raises(ValidationError, match="Choose another name"):
        User.objects.create_user(name)
    assert User.objects.filter(persons.called(name)).count() == 1


@pytest.mark.django_db
def test_a_command_makes_an_account_of_a_free_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long word of an administrator")
    call_command("createsuperuser", username="Root", email="root@shop.example", interactive=False, verbosity=0)
    assert User.objects.get(username="Root").is_superuser


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("one", "other"),
    [("νίκος", "ΝΊΚΟΣ"), ("Παύλος@shop.example", "παύλοσ@SHOP.example"), ("\u1c82лег", "ОЛЕГ")]
    + [("invoice", f"in{sign}voice") for sign in "\u034f\ufe0f\U000e0100\u180b\u115f\u1160\u3164\uffa0\u17b4\u2065"],
)
def test_letters_that_share_a_capital_and_signs_that_nobody_sees_make_no_second_person(ways, one: str, other: str):
    found = Findings()
    people.write(people.from_objects([{"username": one}], found), found, actor=None)
    again = people.write(people.from_objects([{"username": other}], found), found, actor=None)
    assert [line[2] for line in again.lines] == ["unchanged"]
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(username=other)
    assert user_names.folded(one) == user_names.folded(other)


@pytest.mark.django_db
def test_every_small_letter_that_shares_its_capital_is_known():
    """Of all of Unicode, by its folding of single letters; ypogegrammeni is a mark, and has no capital of its own."""
    found = {}
    for sign in map(chr, range(0x110000)):
        plain, fold = user_names.prepared(sign), sign.casefold()
        if plain == sign and len(fold) == 1 and sign.islower() and fold != sign and not fold.isupper():
            found[sign] = fold
    assert found.keys() <= {*user_names.FORMS, "\u0345"}
    keys = persons.Finder([(f"x{sign}y", "") for sign in user_names.FORMS])
    assert all(keys.key(f"x{sign}y") == f"x{fold}y" for sign, fold in user_names.FORMS.items())


@pytest.mark.django_db
def test_accounts_of_before_get_their_key_anew_and_the_younger_of_two_stays_without(capsys):
    one, two, three, same = (User.objects.create(username=name) for name in ("νίκος", "x", "Παύλος", "ann"))
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute("update kernel_user set name_key = 'νίκος' where id = %s", [one.pk])
        cursor.execute("update kernel_user set username = 'ΝΊΚΟΣ', name_key = 'νίκοσ' where id = %s", [two.pk])
        cursor.execute("update kernel_user set name_key = 'παύλος' where id = %s", [three.pk])
        cursor.execute("set local session_replication_role = origin")
    importlib.import_module("kernel.migrations.0025_keys_again").fill(None, SimpleNamespace(connection=connection))
    keys = dict(User.objects.values_list("pk", "name_key"))
    assert (keys[one.pk], keys[two.pk], keys[three.pk], keys[same.pk]) == ("νίκοσ", None, "παύλοσ", "ann")
    assert "ΝΊΚΟΣ (as νίκος)" in capsys.readouterr().out
