"""Bills of materials are judged by the JSON schema of CycloneDX, and name version, licence and digests of all that is
locked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy import bill_of_materials as bills

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def faults(document: dict[str, Any]) -> str:
    return str(JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) or "")


def of_the_lock(**more: Any) -> dict[str, Any]:
    return bills.bill(LOCK, name="tillgate-portal", version="0.1.0", licences=bills.installed_licences(), **more)


def test_the_bill_that_the_command_prints_is_valid_by_the_schema_of_the_standard() -> None:
    command = [sys.executable, "deploy/bill_of_materials.py", "requirements.lock", "--name", "x", "--version", "1"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert faults(json.loads(made.stdout)) == ""


def test_the_bill_of_a_wheel_is_valid_by_the_schema_of_the_standard() -> None:
    made = of_the_lock(chosen=["PyYAML", "graphql-core"])
    assert {one["name"].lower() for one in made["components"]} == {"pyyaml", "graphql-core"}
    assert faults(made) == ""


@pytest.mark.parametrize(
    ("place", "wrong"),
    [("bomFormat", "SPDX"), ("serialNumber", "urn:uuid:1"), ("components", [{"type": "libary", "name": "x"}])],
)
def test_a_bill_that_the_standard_refuses_is_found(place: str, wrong: Any) -> None:
    assert faults({**of_the_lock(), place: wrong}) != ""


def test_every_package_that_is_locked_has_version_digests_and_licence() -> None:
    pinned = re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==([^\s;]+)", LOCK, re.MULTILINE)
    listed = {(one["name"], one["version"]): one for one in of_the_lock()["components"]}
    assert sorted(listed) == sorted(pinned)
    for (name, _), one in listed.items():
        digests = [digest for ref in one["externalReferences"] for digest in ref["hashes"]]
        assert digests, name
        assert {digest["alg"] for digest in digests} == {"SHA-256"}, name
        assert one.get("licenses") or one["scope"] == "optional", f"{name} has no licence"


def test_without_the_licence_of_a_package_no_bill_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "requirements.lock"
    file.write_text("nobody-has-this==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n    # via x (pyproject.toml)\n")
    assert bills.main([str(file), "--name", "x", "--version", "1"]) == 2
    assert (
        "no licence of nobody-has-this@1.0: run it with the Python that has them installed" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("said", "licences"),
    [
        ({"License-Expression": "MIT OR Apache-2.0", "License": "other"}, [{"expression": "MIT OR Apache-2.0"}]),
        ({"Classifier": "License :: OSI Approved :: MIT License"}, [{"license": {"id": "MIT"}}]),
        ({"Classifier": "License :: OSI Approved :: BSD License"}, [{"license": {"name": "BSD License"}}]),
        ({"License": "BSD-3-Clause"}, [{"license": {"id": "BSD-3-Clause"}}]),
        ({"License": "Permission is hereby granted\nto anybody"}, []),
        ({}, []),
    ],
)
def test_a_licence_is_what_the_package_says_of_itself(said: dict[str, str], licences: list[dict[str, Any]]) -> None:
    message = Message()
    for name, value in said.items():
        message[name] = value
    assert bills.licence_of(message) == licences
