"""Connectors and profiles of packages that are installed beside the product; a broken one costs itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from kernel import tokens
from kernel.errors import Invalid
from runtime import profiles
from runtime.connectors import registry
from runtime.domain import plug_ins
from runtime.domain.manifest import Connection
from runtime.selectors import connectors, manifest_schema
from tests.catalog import make as catalog
from tests.runtime import scene

ROOT = Path(__file__).resolve().parents[3]
ACME = Path(__file__).parent / "acme_plug_in"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Acme's package as Acme gives it away."""
    folder = tmp_path_factory.mktemp("acme")
    shutil.copytree(ACME, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    asked = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*asked, "-w", str(folder), str(folder / "source")], check=True, capture_output=True, timeout=120)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the product's packages, and Acme's wheel."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True).stdout.strip()
    Path(place, "product.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    asked = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", place, str(wheel)]
    subprocess.run(asked, check=True, capture_output=True, timeout=120)
    return python


def run(python: Path, *command: str, cwd: Path = ROOT, **more: str) -> Any:
    environment = {"PATH": os.environ["PATH"], "SECRET_KEY": "k" * 50, **more}
    return subprocess.run(
        [python, *command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_an_installed_wheel_adds_its_connector_and_profile_and_its_broken_one_costs_itself(installed: Path) -> None:
    listed = run(installed, "manage.py", "connector_schema")
    assert listed.returncode == 0, listed.stderr
    assert "acme         source" in listed.stdout
    assert "broken" not in listed.stdout
    assert "rest         source, sink, decision" in listed.stdout
    assert "the connector broken of acme-tillgate 1.2.3 is not used" in listed.stderr
    schema = json.loads(run(installed, "manage.py", "connector_schema", "acme", "--profile", "acme-shop").stdout)
    assert schema["properties"]["path"]["description"] == "path of the list"
    assert "base_url" not in schema["properties"]
    refused = run(installed, "manage.py", "connector_schema", "broken")
    assert refused.returncode != 0
    assert "of acme-tillgate 1.2.3 is not used: acme_tillgate.broken cannot be imported" in refused.stderr
    asked = "from runtime import profiles as p; print([(o.name, o.fault) for o in p.plugged_in() if o.fault])"
    told = run(installed, "manage.py", "shell", "-v0", "-c", asked, DATABASE_URL="postgresql://a@127.0.0.1:1/b").stdout
    assert "it cannot be used: acme-half.toml is not TOML" in told
    assert "('klaviyo', 'the product has a profile of this name" in told


def test_a_connector_of_others_passes_the_suite_that_it_inherits(installed: Path, tmp_path: Path) -> None:
    shutil.copy(ACME / "suite_of_acme.py", tmp_path / "test_acme.py")
    path = os.pathsep.join([str(ROOT), str(ROOT / "conformance")])
    told = run(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_acme.py", cwd=tmp_path, PYTHONPATH=path)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "8 passed" in told.stdout


# -- what is found in this process -------------------------------------------------------------------------------------
@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the path, in which packages can be installed."""
    monkeypatch.syspath_prepend(tmp_path)
    again()
    yield tmp_path
    monkeypatch.undo()
    for name in [one for one in sys.modules if one.startswith("plugged_")]:
        del sys.modules[name]
    again()


def again() -> None:
    plug_ins.forget()
    profiles.forget()


def package(place: Path, name: str, code: str, protocol: str, version: str = "1.0", group: str = plug_ins.CONNECTORS):
    module = f"plugged_{name}"
    (place / f"{module}.py").write_text(code)
    info = place / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{protocol} = {module}\n")
    again()


GOOD = """
import msgspec
class TillSettings(msgspec.Struct):
    path: str
    base_url: str = ""
class Source:
    def __init__(self, settings): self.settings = settings
    def close(self): pass
def source(settings): return Source(settings)
"""


def test_a_connector_that_says_nothing_is_taken_for_one_whose_reading_acknowledges(place: Path) -> None:
    package(place, "till", GOOD, "till")
    assert "till" in registry.names()
    assert registry.traits("till") == registry.ConnectorTraits(read_only=False, reads_files=False)
    assert registry.needs_address("till", {})
    assert registry.open_source("till", {"path": "/"}).settings == {"path": "/"}
    row = next(one for one in connectors.listed() if one.protocol == "till")
    assert (row.package, row.version, row.roles) == ("till", "1.0", ["source"])
    assert "till-source" in manifest_schema.for_editors()["$defs"]


BROKEN = [
    ("raise RuntimeError('no licence')", "till", "RuntimeError: no licence"),
    ("raise SystemExit(3)", "till", "SystemExit: 3"),
    ("def source(:", "till", "SyntaxError"),
    ("x = 1", "till", "none of the functions source, sink, decision"),
    ("def source(settings): ...", "till", "0 classes of settings"),
    (GOOD, "rest", "rest is a connector of the product"),
    (GOOD, "Till-1", "its name is no protocol"),
]


@pytest.mark.parametrize(("code", "protocol", "words"), BROKEN)
def test_a_broken_plug_in_is_named_with_its_fault_and_everything_else_goes_on(
    place: Path, code: str, protocol: str, words: str
) -> None:
    package(place, "broken", code, protocol)
    package(place, "good", GOOD, "good")
    (fault,) = [one for one in registry.plugged_in() if one.fault]
    assert (fault.package, fault.version) == ("broken", "1.0")
    assert words in fault.fault
    assert set(registry.names()) == {*registry.built_in(), "good"}
    registry.load()
    assert registry.settings_type("rest", "source").__module__.startswith("runtime.")
    if protocol == "till":
        with pytest.raises(Invalid, match=r"of broken 1\.0 is not used"):
            registry.open_source("till", {})


def test_two_packages_with_one_protocol_are_both_left_out(place: Path) -> None:
    package(place, "one", GOOD, "till")
    package(place, "two", GOOD, "till")
    assert "till" not in registry.names()
    assert {one.package for one in registry.plugged_in() if "two packages" in one.fault} == {"one", "two"}


PROFILE = (ACME / "acme_tillgate" / "profiles" / "acme-shop.toml").read_text().replace('"acme"', '"rest"')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(profiles.SETTING, f"{tmp_path}{os.pathsep}{tmp_path / 'gone'}")
    again()
    yield tmp_path
    monkeypatch.undo()
    again()


def test_a_folder_of_profiles_adds_them_and_what_is_wrong_there_is_said(folder: Path) -> None:
    (folder / "acme-shop.toml").write_text(PROFILE.replace("page_size = 2", 'key_fields = ["id"]'))
    (folder / "Acme Shop.toml").write_text(PROFILE)
    (folder / "shopify.toml").write_text(PROFILE)
    again()
    one = profiles.profile("acme-shop")
    assert (one.vendor, one.origin) == ("Acme", str(folder))
    assert one.digest.startswith("sha256:")
    assert profiles.profile("shopify").origin == ""
    faults = {plug_in.name: plug_in.fault for plug_in in profiles.plugged_in() if plug_in.fault}
    assert "other characters" in faults["Acme Shop"]
    assert "the product has a profile" in faults["shopify"]
    assert "no folder" in faults["gone"]
    (said,) = connectors.of_others(Connection("rest", "acme-shop"))
    assert said == f"The profile acme-shop is of {folder} ({one.digest}), no part of the product."


@pytest.mark.django_db
def test_pages_and_api_say_what_is_there_and_what_is_not_used(place: Path) -> None:
    scene.estate()
    package(place, "till", GOOD, "till")
    package(place, "broken", "raise RuntimeError('no <b>licence</b>')", "lame")
    page = catalog.shown(catalog.client("rita").get("/runtime/connectors/"))
    assert "till 1.0" in page
    assert "no &lt;b&gt;licence&lt;/b&gt;" in page
    _, secret = tokens.issue(actor=None, user=catalog.person("rita"), name="ci", scopes=["runtime:read"])
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    told = {one["name"]: one for one in client.get("/api/v1/plug-ins").json()}
    assert told["till"]["fault"] == ""
    assert "RuntimeError" in told["lame"]["fault"]
    row = next(one for one in client.get("/api/v1/connectors").json() if one["protocol"] == "till")
    assert (row["package"], row["version"]) == ("till", "1.0")


def test_what_a_connector_says_of_itself_is_asked_by_no_name_of_a_protocol() -> None:
    """The table that stood beside the worker."""
    found = {name: registry.traits(name) for name in registry.built_in()}
    assert {name for name, one in found.items() if one.reads_files} == {"file_drop", "poslog"}
    assert {"rest", "odata_v2", "odata_v4", "graphql"} <= {name for name, one in found.items() if one.read_only}
    assert not found["file_drop"].read_only
