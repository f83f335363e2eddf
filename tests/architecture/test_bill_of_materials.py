"""The bill of materials says what the lock says, no more and no less."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deploy import bill_of_materials as bills

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def made() -> dict:
    return bills.bill(LOCK, name="tillgate-portal", version="0.1.0")


def test_every_package_of_the_lock_is_in_it_once_with_version_and_digests() -> None:
    listed = {(one["name"], one["version"]): one for one in made()["components"]}
    pinned = re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==([^\s;]+)", LOCK, re.MULTILINE)
    assert sorted(listed) == sorted(pinned)
    assert len(pinned) > 50
    digests = [d["content"] for one in listed.values() for ref in one["externalReferences"] for d in ref["hashes"]]
    assert sorted(digests) == sorted(set(re.findall(r"sha256:([0-9a-f]{64})", LOCK)))


def test_whom_each_package_asks_for_is_what_the_lock_says() -> None:
    graph = {one["ref"]: one["dependsOn"] for one in made()["dependencies"]}
    root = "pkg:pypi/tillgate-portal@0.1.0"
    names = {ref.partition("@")[0].removeprefix("pkg:pypi/") for ref in graph[root]}
    assert {"django", "celery", "psycopg", "orjson"} <= names
    assert "kombu" not in names, "celery asks for it"
    celery = next(ref for ref in graph if ref.startswith("pkg:pypi/celery@"))
    assert any(ref.startswith("pkg:pypi/kombu@") for ref in graph[celery])
    assert {ref for refs in graph.values() for ref in refs} <= set(graph), "no reference leads nowhere"
    reached, more = set(), {root}
    while more:
        reached |= more
        more = {ref for one in more for ref in graph[one]} - reached
    assert reached == set(graph), "nothing is in it that nobody asks for"


def test_the_same_lock_makes_the_same_bill_and_another_one_another() -> None:
    assert json.dumps(made()) == json.dumps(made())
    other = bills.bill(LOCK.replace("celery==", "celery==9."), name="tillgate-portal", version="0.1.0")
    assert other["serialNumber"] != made()["serialNumber"]


def test_it_is_of_the_form_of_the_standard() -> None:
    """https://cyclonedx.org/docs/1.6/json/: what it requires, and what its patterns ask for."""
    bill = made()
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", bill["serialNumber"])
    refs = [one["bom-ref"] for one in bill["components"]]
    assert len(refs) == len(set(refs))
    assert {one["scope"] for one in bill["components"]} <= {"required", "optional"}
    assert {one["type"] for one in bill["components"]} == {"library"}


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ("django>=5\n", "line 1 pins no version"),
        ("django==5.2 \\\n    # via x (pyproject.toml)\n", "no digest of django"),
        ("    --hash=sha256:00\n", "line 1 belongs to no package"),
        ("# nothing\n", "names no package"),
    ],
)
def test_a_lock_that_does_not_say_it_makes_no_bill(lock: str, said: str, tmp_path: Path, capsys) -> None:
    file = tmp_path / "requirements.lock"
    file.write_text(lock)
    assert bills.main([str(file), "--name", "x", "--version", "1"]) == 2
    assert said in capsys.readouterr().err


def test_the_image_holds_the_bill_of_what_it_installed() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    assert "bill_of_materials.py requirements.lock" in text
    assert "COPY --from=builder /build/sbom.cdx.json /app/sbom.cdx.json" in text
