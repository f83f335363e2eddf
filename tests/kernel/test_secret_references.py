"""A reference names a secret of a system, and no other variable or file of this machine."""

from __future__ import annotations

import os

import pytest

from kernel import secret_references
from kernel.errors import Unavailable
from kernel.secret_references import SecretPlaces


@pytest.fixture
def folder(settings, tmp_path):
    inside = tmp_path / "secrets"
    inside.mkdir()
    own = frozenset({"DATABASE_URL", "ERP_OWN"})
    settings.SECRET_PLACES = SecretPlaces.of("ERP_", str(inside), own)
    return inside


@pytest.mark.parametrize(
    "reference",
    [
        "env:DATABASE_URL",
        "env:SECRET_KEY",
        "env:PATH",
        "env:HOME",
        "env:REDIS_URL",
        "env:OIDC_CLIENT_SECRET",
        "env:TILLGATE_PLACE_POSLOG",
        "env:TILLGATE_PIPELINE_GITHUB",
        "env:ERP_OWN",
        "env:ERP_OWN_FILE",
        "env:",
        "env:ERP-X",
        "file:/etc/passwd",
        "file:/proc/self/environ",
        "file:../outside",
        "file:a/../../outside",
        "file:",
        "file:database_url",
        "file:secret_key",
        "file:postgres-password",
        "vault:erp",
        "ERP_PASSWORD",
        "",
    ],
)
def test_what_is_no_secret_of_a_system_is_refused_and_never_read(folder, monkeypatch, reference):
    for name in ("SECRET_KEY", "ERP_OWN", "ERP_OWN_FILE", "TILLGATE_PIPELINE_GITHUB", "DATABASE_URL"):
        monkeypatch.setenv(name, "found-out")
    (folder.parent / "outside").write_text("found-out")
    for name in ("database_url", "secret_key", "postgres-password"):
        (folder / name).write_text("found-out")
    assert secret_references.problem(reference)
    with pytest.raises(Unavailable) as refused:
        secret_references.read(reference)
    assert "found-out" not in refused.value.message


def test_secrets_of_systems_are_read(folder, monkeypatch):
    monkeypatch.setenv("TILLGATE_SECRET_S4", " one\n")
    monkeypatch.setenv("ERP_LOGIN", "two")
    (folder / "s4.json").write_text("three\n")
    (folder / "deep").mkdir()
    (folder / "deep" / "s4").write_text("four")
    read = [secret_references.read(f"env:{name}") for name in ("TILLGATE_SECRET_S4", "ERP_LOGIN")]
    files = ["s4.json", "deep/s4", str(folder / "s4.json")]
    assert [*read, *(secret_references.read(f"file:{name}") for name in files)] == [
        "one",
        "two",
        "three",
        "four",
        "three",
    ]


def test_links_are_followed_within_the_folder_and_none_leads_out_of_it(folder):
    (folder / "..data").mkdir()
    (folder / "..data" / "s4").write_text("mounted")
    (folder / "s4").symlink_to("..data/s4")
    assert secret_references.read("file:s4") == "mounted"
    (folder.parent / "outside").write_text("found-out")
    (folder / "out").symlink_to(folder.parent / "outside")
    (folder / "away").symlink_to("/etc")
    for name in ("out", "away/passwd", "nowhere"):
        with pytest.raises(Unavailable) as refused:
            secret_references.read(f"file:{name}")
        assert "found-out" not in refused.value.message


def test_a_file_that_this_process_has_its_own_settings_from_is_none(folder, monkeypatch):
    (folder / "pg").write_text("postgresql://owner:word@db/tillgate")
    monkeypatch.setenv("SOME_SETTING_FILE", str(folder / "pg"))
    with pytest.raises(Unavailable):
        secret_references.read("file:pg")


def test_without_a_folder_no_file_is_one(settings):
    settings.SECRET_PLACES = SecretPlaces.of("", "")
    assert "SECRETS_FOLDER" in secret_references.problem("file:s4")


@pytest.mark.parametrize(
    ("prefixes", "folder"),
    [
        ("*", ""),
        ("E", ""),
        ("DATABASE_", ""),
        ("SECRET_", ""),
        ("erp_", ""),
        ("", "secrets"),
        ("", os.sep),
        ("PG_", ""),
    ],
)
def test_prefixes_and_folders_that_would_open_everything_are_refused(prefixes, folder):
    with pytest.raises(ValueError, match="is no"):
        SecretPlaces.of(prefixes, folder)
