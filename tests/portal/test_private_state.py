"""What lies below the state folder is for the account that runs Tillgate alone, also after an upgrade."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest
from django.core import mail

from kernel import life_signs
from portal import private_state
from portal.embedded import Embedded
from portal.up import StartRefused, only_one

OTHERS = 0o077


@pytest.fixture(autouse=True)
def open_umask():
    """As careless as an account can be: every file that says nothing about itself is open to all."""
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    return sorted(
        f"{path.relative_to(folder)} {path.stat().st_mode & 0o777:o}"
        for path in folder.rglob("*")
        if path.stat().st_mode & OTHERS
    )


def of_before(state: Path) -> None:
    """What a release of before left there."""
    for name in ("mail/20261101.log", "sandbox/erp.journal.jsonl", "life/12.alive", "postgres.log", "up.lock"):
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        path.chmod(0o644)


def test_a_start_closes_what_a_release_of_before_left_open(tmp_path: Path):
    state = tmp_path / "state"
    of_before(state)
    (state / "sandbox" / "elsewhere").symlink_to(tmp_path)
    assert len(open_to_others(state)) >= 8
    with only_one(state):
        assert open_to_others(state) == ["sandbox/elsewhere " + f"{tmp_path.stat().st_mode & 0o777:o}"] * bool(
            tmp_path.stat().st_mode & OTHERS
        ), "but for where a link leads"
        assert state.stat().st_mode & OTHERS == 0
    assert private_state.tighten(state) == 0


def test_mail_of_the_demo_is_for_its_owner(tmp_path: Path):
    folder = tmp_path / "mail"
    folder.mkdir(0o755)
    backend = mail.get_connection("portal.mail_files.EmailBackend", file_path=str(folder))
    assert backend.send_messages([mail.EmailMessage("subject", "body", "a@example.test", ["b@example.test"])]) == 1
    assert [file.read_text().count("body") for file in folder.iterdir()] == [1]
    assert open_to_others(tmp_path) == []


def test_signs_of_life_are_given_in_a_closed_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(life_signs.FOLDER, str(tmp_path / "life"))
    place = life_signs.folder(make=True)
    assert place is not None
    assert place.stat().st_mode & OTHERS == 0


@pytest.mark.thorough
def test_the_private_servers_leave_nothing_open(tmp_path: Path):
    """As root, the account of PostgreSQL passes through the folder; nobody else does."""
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    state = tmp_path / "state"
    for _ in range(2):
        servers = Embedded(state, durable=False)
        try:
            assert servers.state == state
            servers.start_postgres()
            servers.start_valkey()
            assert open_to_others(state) == []
            assert state.stat().st_mode & (0o067 if os.geteuid() == 0 else OTHERS) == 0
        finally:
            servers.stop()


def test_a_second_start_that_is_refused_changes_nothing(tmp_path: Path):
    """Root's folder is open for the group of the private PostgreSQL, which runs already."""
    (tmp_path / "mail").mkdir()
    with only_one(tmp_path):
        tmp_path.chmod(0o710)
        (tmp_path / "mail").chmod(0o750)
        with pytest.raises(StartRefused, match="already up"), only_one(tmp_path):
            pass
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o710
        assert stat.S_IMODE((tmp_path / "mail").stat().st_mode) == 0o750


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as somebody else")
def test_a_server_that_starts_again_may_enter_its_folder_whatever_became_of_its_mode(tmp_path: Path):
    servers = Embedded(tmp_path / "state", durable=False)
    try:
        servers.start_postgres()
        servers.stop()
        servers.state.chmod(0o700)
        servers.start_postgres()
    finally:
        servers.stop()


def test_who_may_pass_is_told_by_owner_group_and_others(tmp_path: Path):
    nobody, me = pwd.getpwnam("nobody"), pwd.getpwuid(os.geteuid())
    folder = tmp_path / "a"
    folder.mkdir(0o700)
    assert private_state.may_enter(folder, me)
    assert not private_state.may_enter(folder, nobody)
