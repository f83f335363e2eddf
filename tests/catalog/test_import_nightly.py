"""Sources that are imported every night: from a folder, a Git checkout or a list of addresses; a diff first, and a
notice where something needs a person."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core import mail
from django.core.management import CommandError, call_command

from catalog.models import Api, ImportRun, ImportSchedule, System
from catalog.services.importing import nightly, places
from governance.models import Notice
from kernel import clock, egress, outbox
from kernel.models import AuditEntry
from tests.catalog import make
from tests.catalog.test_import_again import OPENAPI, entity

pytestmark = pytest.mark.django_db
NIGHT = datetime(2027, 1, 5, 2, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()
    ada = make.person("ada")
    ada.email = "ada@example.org"
    ada.save()


def write(folder: Path, *entities: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "catalog-info.yaml").write_text(yaml.safe_dump_all(entities))


def night(day: int = 0) -> list[ImportRun]:
    """What the night of this day did; notices and mails are sent."""
    before = set(ImportRun.objects.values_list("pk", flat=True))
    with clock.frozen(NIGHT + timedelta(days=day)):
        while nightly.run_due():
            pass
    outbox.dispatch()
    return list(ImportRun.objects.exclude(pk__in=before).order_by("pk"))


def add(folder: Path, **more: str) -> None:
    given = [f"--{name}={value}" for name, value in more.items()]
    call_command("import_nightly", "add", "shop", f"--folder={folder}", *given, "--as", "ada")


def test_a_night_shows_a_diff_first_and_takes_over_what_differs(tmp_path):
    write(tmp_path / "shop", entity("System", "s1"))
    add(tmp_path / "shop")
    diff, real = night()
    assert (diff.dry_run, real.dry_run) == (True, False)
    assert diff.source_key == real.source_key == "shop"
    assert [r.outcome for r in real.rows.all()] == ["created"]
    assert System.objects.filter(key="s1").exists()
    assert mail.outbox == []
    assert night() == [], "once a night"
    assert night(1) == [], "a night without a difference leaves no report"
    schedule = ImportSchedule.objects.get()
    assert (schedule.done_on, schedule.error) == ((NIGHT + timedelta(days=1)).date(), "")
    assert schedule.last_run == real


def test_the_hour_is_waited_for(tmp_path):
    write(tmp_path / "shop", entity("System", "s1"))
    add(tmp_path / "shop", at="4")
    assert night() == []
    with clock.frozen(NIGHT + timedelta(hours=2)):
        assert nightly.run_due() == 1


def test_a_person_is_told_once_what_needs_one(tmp_path):
    write(tmp_path / "shop", entity("System", "s1"), entity("System", "s2"))
    add(tmp_path / "shop")
    night()
    write(tmp_path / "shop", entity("System", "s1"), entity("System", "s3"))
    _, real = night(1)
    assert System.objects.filter(key="s3").exists()
    assert [m.to for m in mail.outbox] == [["ada@example.org"]]
    assert "shop" in mail.outbox[0].subject
    assert "1 no longer named" in mail.outbox[0].subject
    notice = Notice.objects.get(person=make.person("ada"))
    assert notice.url == f"/catalog/imports/{real.pk}/?outcome=gone"
    night(2)
    night(3)
    assert len(mail.outbox) == 1, "the same is told once"
    write(tmp_path / "shop", entity("System", "s1"), entity("System", "s3"), entity("API", "---"))
    night(4)
    assert len(mail.outbox) == 2
    assert "1 not understood" in mail.outbox[1].subject


def test_a_careful_source_waits_for_a_person_where_one_is_needed(tmp_path):
    write(tmp_path / "shop", entity("System", "s1"), entity("API", "---"))
    add(tmp_path / "shop", apply="clean")
    (diff,) = night()
    assert diff.dry_run
    assert not System.objects.filter(key="s1").exists()
    assert mail.outbox[0].body.count(f"/catalog/imports/{diff.pk}/")
    write(tmp_path / "shop", entity("System", "s1"))
    assert [r.dry_run for r in night(1)] == [True, False]
    assert System.objects.filter(key="s1").exists()


def test_a_source_may_only_be_compared(tmp_path):
    write(tmp_path / "shop", entity("System", "s1"))
    add(tmp_path / "shop", apply="never")
    (diff,) = night()
    assert diff.dry_run
    assert "1 difference" in mail.outbox[0].subject
    night(1)
    assert len(mail.outbox) == 1
    assert not System.objects.filter(key="s1").exists()


def test_a_source_that_cannot_be_read_changes_nothing_and_is_told_once(tmp_path):
    write(tmp_path / "shop", entity("System", "s1"))
    add(tmp_path / "shop")
    night()
    (tmp_path / "shop" / "catalog-info.yaml").unlink()
    for day in (1, 2):
        assert night(day) == []
    assert len(mail.outbox) == 1
    assert "could not be read" in mail.outbox[0].subject
    assert "shop" in ImportSchedule.objects.get().error
    page = make.shown(make.client("ada").get("/catalog/imports/"))
    assert "could not be read" in page
    write(tmp_path / "shop", entity("System", "s1"))
    night(3)
    assert ImportSchedule.objects.get().error == ""


def test_a_source_that_breaks_keeps_no_other_from_its_night(tmp_path, monkeypatch):
    for name in ("a", "b"):
        write(tmp_path / name, entity("System", f"s-{name}"))
        call_command("import_nightly", "add", name, f"--folder={tmp_path / name}")
    read = places.read

    def broken(kind: str, location: str) -> places.PlaceRead:
        if location.endswith("/a"):
            raise ZeroDivisionError("by zero")
        return read(kind, location)

    monkeypatch.setattr(places, "read", broken)
    night()
    assert System.objects.filter(key="s-b").exists()
    assert "ZeroDivisionError" in ImportSchedule.objects.get(source="a").error


def git(folder: Path, *arguments: str) -> str:
    named = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(["git", *named, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_git_checkout_says_its_commit_and_is_left_alone_while_git_writes(tmp_path):
    folder = tmp_path / "shop"
    write(folder, entity("System", "s1"))
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a system")
    call_command("import_nightly", "add", "shop", f"--git={folder}")
    _, real = night()
    assert git(folder, "rev-parse", "HEAD")[:12] in real.source
    (folder / ".git" / "index.lock").touch()
    assert night(1) == []
    assert "index.lock" in ImportSchedule.objects.get().error
    (folder / ".git" / "index.lock").unlink()
    git(folder, "pack-refs", "--all")
    write(folder, entity("System", "s1"), entity("System", "s2"))
    assert len(night(2)) == 2
    other = tmp_path / "none"
    other.mkdir()
    with pytest.raises(CommandError, match="checkout"):
        call_command("import_nightly", "add", "none", f"--git={other}")


class Shelf(BaseHTTPRequestHandler):
    files: dict[str, bytes] = {}

    def do_GET(self) -> None:
        body = self.files.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Nothing is written about calls."""


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setitem(egress._reaches, "systems", egress.OPERATORS)
    monkeypatch.setattr(Shelf, "files", {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shelf)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_list_of_addresses_is_fetched(tmp_path, shelf):
    Shelf.files = {"/a/orders.json": (OPENAPI % ("Orders", "o")).encode(), "/b/basket-v1.json?x=1": b"{}"}
    listed = tmp_path / "urls.txt"
    listed.write_text(f"# contracts\n{shelf}/a/orders.json\n\n{shelf}/missing.json\n")
    call_command("import_nightly", "add", "shop", f"--urls={listed}")
    assert night() == []
    assert "404" in ImportSchedule.objects.get().error
    listed.write_text(f"{shelf}/a/orders.json\n")
    _, real = night(1)
    assert [(r.source, r.reference) for r in real.rows.all()] == [("a/orders.json", "a-orders@1")]
    assert Api.objects.filter(slug="a-orders").exists()


@pytest.mark.parametrize("line", ["ftp://x.example/a.json", "http://me:secret@x.example/a.json", "file:///etc/passwd"])
def test_an_address_that_is_not_fetched_is_named_without_its_secret(line, tmp_path):
    listed = tmp_path / "urls.txt"
    listed.write_text(line)
    with pytest.raises(CommandError) as refused:
        call_command("import_nightly", "add", "shop", f"--urls={listed}")
    assert "line 1" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_files_that_are_too_large_are_refused(tmp_path, shelf, monkeypatch):
    monkeypatch.setattr("catalog.services.importing.places.MOST_BYTES", 1000)
    Shelf.files = {"/a.json": b" " * 2000}
    (tmp_path / "urls.txt").write_text(f"{shelf}/a.json")
    call_command("import_nightly", "add", "shop", f"--urls={tmp_path / 'urls.txt'}")
    night()
    assert "larger" in ImportSchedule.objects.get().error


def test_the_command_lists_changes_and_removes(tmp_path, capsys):
    write(tmp_path / "shop", entity("System", "s1"))
    add(tmp_path / "shop")
    add(tmp_path / "shop", at="5", team="pricing")
    schedule = ImportSchedule.objects.get()
    assert (schedule.hour, schedule.team.key) == (5, "pricing")
    call_command("import_nightly", "list")
    assert "shop" in capsys.readouterr().out
    call_command("import_nightly", "run", "shop")
    assert System.objects.filter(key="s1").exists()
    call_command("import_nightly", "remove", "shop")
    assert not ImportSchedule.objects.exists()
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"catalog.import_schedule_set", "catalog.import_schedule_removed"} <= verbs
    for wrong in (["add", "x"], ["add", "x", "--folder=/nowhere"], ["run", "nobody"], ["remove", "nobody"]):
        with pytest.raises(CommandError):
            call_command("import_nightly", *wrong)
    with pytest.raises(CommandError, match="team"):
        add(tmp_path / "shop", team="nobody")
    with pytest.raises(CommandError, match="hour"):
        add(tmp_path / "shop", at="25")


def test_architects_see_what_is_imported_every_night(tmp_path):
    write(tmp_path / "shop", entity("System", "s1"))
    add(tmp_path / "shop")
    page = make.shown(make.client("ada").get("/catalog/imports/"))
    assert "Every night" in page
    assert str(tmp_path) in page
    assert str(tmp_path) not in make.shown(make.client("piet").get("/catalog/imports/"))
