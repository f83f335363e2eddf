"""People and memberships from a CSV and by API: all of it or nothing, findings by line."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from catalog.services import people
from catalog.services.findings import Findings
from kernel import persons, tokens
from kernel.errors import Invalid
from kernel.models import AuditEntry, User
from tests.governance import make

pytestmark = pytest.mark.django_db
TEXT = """User Name;Given name;Surname;Mail;Teams;Active
ann@shop.example;Ann;Apple;ann@shop.example;price, stores;yes
bob@shop.example;Bob;Bär;bob@shop.example;;
"""


@pytest.fixture(autouse=True)
def teams() -> None:
    for key in ("price", "stores"):
        make.team(key)


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss", password="a-long-password")


def written(text: str | bytes, **how: object) -> people.PeopleReport:
    found = Findings()
    data = text if isinstance(text, bytes) else text.encode()
    return people.write(people.from_csv(data, found), found, actor=how.pop("actor", None), **how)


def refused(text: str, **how: object) -> list[tuple[int, str]]:
    with pytest.raises(Invalid) as caught:
        written(text, **how)
    return [(one.get("line", 0), one["message"]) for one in caught.value.findings] or [(0, caught.value.message)]


def outcomes(report: people.PeopleReport) -> list[str]:
    return [outcome for _, _, outcome, _ in report.lines]


def test_a_csv_writes_people_once_and_the_second_time_nothing(boss: User):
    dry = written(TEXT, actor=boss, dry_run=True)
    assert not User.objects.filter(username__contains="@").exists()
    done = written(TEXT, actor=boss)
    assert (
        dry.lines
        == done.lines
        == [(2, "ann@shop.example", "created", "joins price, stores"), (3, "bob@shop.example", "created", "")]
    )
    ann = User.objects.get(username="ann@shop.example")
    assert (str(ann), ann.email, ann.has_usable_password()) == ("Ann Apple", "ann@shop.example", False)
    assert {group.name for group in ann.groups.all()} == {"price", "stores"}
    entries = AuditEntry.objects.count()
    assert outcomes(written(TEXT, actor=boss)) == ["unchanged", "unchanged"]
    assert AuditEntry.objects.count() == entries
    told = AuditEntry.objects.filter(verb="kernel.role_given", subject_id=str(ann.pk))
    assert {entry.actor_id for entry in told} == {boss.pk}


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("utf-8-sig"),
        TEXT.encode("cp1252"),
        TEXT.encode("utf-16"),
        TEXT.replace(";", "\t").encode(),
        ("sep=;\r\n" + TEXT.replace("\n", "\r\n")).encode(),
        TEXT.replace("price, stores", '"price;stores"').encode(),
    ],
)
def test_every_spelling_of_a_spreadsheet_is_read(data: bytes):
    assert outcomes(written(data)) == ["created", "created"]
    assert User.objects.get(username="bob@shop.example").last_name == "Bär"


def test_only_what_a_line_says_is_changed_and_nobody_leaves_a_team():
    written(TEXT)
    report = written("email,first_name,teams\nann@shop.example,Anna,\n")
    ann = User.objects.get(username="ann@shop.example")
    assert (outcomes(report), str(ann), ann.groups.count()) == (["changed"], "Anna Apple", 2)
    assert outcomes(written("username,last_name\nann@shop.example,\n")) == ["changed"]


def test_who_left_is_closed_and_who_comes_back_is_opened(boss: User):
    written(TEXT)
    assert outcomes(written("username,active\nann@shop.example,no\nbob@shop.example,yes\n", actor=boss)) == [
        "closed",
        "unchanged",
    ]
    assert AuditEntry.objects.get(verb="kernel.person_left").actor == boss
    assert outcomes(written("username,active\nANN@shop.example,true\n")) == ["reopened"]


def test_every_finding_names_its_line_and_nothing_is_written():
    text = "username,email,active,teams,shoe size\n" + "\n".join(
        [
            "ann,no address,,,",
            ",,yes,,",
            '"multi\nline",,,,',
            "bob,,perhaps,,",
            "cy,,,nothing price,",
            "dan,,,,",
            "DAN,,,,",
            "x" * 200 + ",,,,",
        ]
    )
    found = refused(text)
    assert [line for line, _ in found] == [1, 2, 3, 5, 6, 7, 9, 10]
    assert [
        word
        for word in ("shoe_size", "address", "username", "one line", "yes or no", "'nothing'", "Line 8", "150")
        if not any(word in message for _, message in found)
    ] == []
    assert not User.objects.exists()


def test_a_quote_that_is_not_closed_and_a_cell_too_many_are_told():
    found = refused('username,email\nann,ann@x.example\n"bob,bob@x.example\ncy,cy@x.example\n')
    assert found == [(0, found[0][1])]
    assert "Below line 2, a quotation mark opens a cell" in found[0][1]
    [(line, said)] = refused("username,first_name\nann,Ann\nbob,Bear, Bob\ncy,Cy,,\n")
    assert (line, "The line has 3 cells, and the first line names 2 columns" in said) == (3, True)
    assert not User.objects.exists()
    assert outcomes(written('username,first_name\nann,"Ann, ""A"""\n\n\n')) == ["created"]
    assert User.objects.get().first_name == 'Ann, "A"'


@pytest.mark.parametrize(
    "data", [b"", b"a,b\n1,2\n", b"username\n\0\n", b"\xff\xfe\x00", b'username\n"' + b"x" * 200_000]
)
def test_what_is_no_csv_of_people_is_told(data: bytes):
    with pytest.raises(Invalid) as caught:
        written(data)
    assert caught.value.code in ("people.csv", "people.invalid")


def test_more_people_than_are_written_at_once_are_told():
    with pytest.raises(Invalid, match="More than 20,000"):
        written("username\n" + "".join(f"p{n}\n" for n in range(20_001)))


def test_a_person_who_signed_in_before_is_the_same_one_by_the_proved_address():
    ann = User(username="oidc:abc", email="ann@shop.example")
    ann.set_unusable_password()
    ann.save()
    persons.prove(ann, "Ann@shop.example", way=persons.PROVIDER)
    report = written(TEXT)
    assert report.lines[0] == (2, "oidc:abc", "changed", report.lines[0][3])
    assert "known by the address of mail of ann@shop.example" in report.lines[0][3]
    assert not User.objects.filter(username="ann@shop.example").exists()


def test_nobody_closes_their_own_account_and_a_service_is_no_person(boss: User):
    make.person("robot", kind="service")
    assert [message for _, message in refused("username,active\nboss,no\nrobot,\n", actor=boss)] == [
        "Nobody closes their own account.",
        "'robot' is no account of a person.",
    ]


# -- by API and by command ------------------------------------------------------------------------------------------
def post(body: object, *, secret: str = "", user: User | None = None):
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user)
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return client.post("/api/v1/people", body, content_type="application/json", headers=headers)


def test_an_administrator_writes_people_by_api(boss: User):
    body = {"people": [{"email": "ann@shop.example", "first_name": "Ann", "teams": ["price"]}], "dry_run": True}
    assert post(body, user=boss).json()["created"] == 1
    answer = post(body | {"dry_run": False}, user=boss)
    assert (answer.status_code, answer.json()["lines"]) == (
        200,
        [{"line": 1, "username": "ann@shop.example", "done": "created", "note": "joins price"}],
    )
    assert post({"csv": TEXT}, user=boss).json()["created"] == 1
    wrong = post({"people": [{"username": "x"}, {"username": "y", "teams": ["no"]}, 5]}, user=boss)
    assert (wrong.status_code, [(f["pointer"], f["line"]) for f in wrong.json()["findings"]]) == (
        422,
        [("/people/1/teams", 2), ("/people/2", 3)],
    )
    for body in ({}, {"people": [], "csv": "username\n"}, {"people": "x"}, []):
        assert post(body, user=boss).status_code in (400, 422)


def test_nobody_else_does(boss: User):
    ann = make.person("ann")
    body = {"people": [{"username": "eve"}]}
    assert post(body, user=ann).status_code == 403
    assert post(body).status_code == 401
    _, other = tokens.issue(actor=None, user=boss, name="x", scopes=["catalog:write"])
    assert post(body, secret=other).status_code == 403


def test_a_token_puts_nobody_into_a_team_and_touches_no_account_with_rights(boss: User):
    robot = make.person("robot", kind="service")
    _, secret = tokens.issue(actor=None, user=robot, name="x", scopes=[tokens.PROVISION])
    ann = make.person("ann")
    assert post({"people": [{"username": "eve", "first_name": "Eve"}]}, secret=secret).json()["created"] == 1
    assert post({"people": [{"username": "eve", "active": False}]}, secret=secret).json()["closed"] == 1
    for line in (
        {"username": "zoe", "teams": ["price"]},
        {"username": "ann", "email": "eve@shop.example"},
        {"username": "ann", "active": False},
        {"username": "boss", "active": False},
        {"username": "boss", "first_name": "Eve"},
    ):
        answer = post({"people": [line]}, secret=secret)
        assert (answer.status_code, answer.json()["code"]) == (422, "people.invalid"), line
    ann.refresh_from_db()
    assert (ann.is_active, ann.email) == (True, "ann@example.com")


def test_the_command_tells_what_it_did_and_what_is_wrong(tmp_path: Path):
    path = tmp_path / "people.csv"
    path.write_text(TEXT)
    out = StringIO()
    call_command("import_people", path, "--dry-run", stdout=out)
    assert "Would be: 2 created" in out.getvalue()
    call_command("import_people", path, stdout=out)
    path.write_text("username,teams\nann,no\n")
    with pytest.raises(CommandError, match=r"line 2, /csv/teams: There is no team 'no'"):
        call_command("import_people", path)
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_people", tmp_path / "none.csv")
