"""Builds the wheels of `cli/`, `contracts/` and `conformance/` into dist/, and uses them in empty environments.

    python -m tests.wheels

Three environments: one with the wheel of the command line alone, one with that of the engine as well, one with the
suite of connectors. Everything runs outside the repository, so that nothing of it can be imported by accident. The
build copies each folder first, because setuptools would otherwise pack files that an earlier build left in it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path
from typing import Any

from deploy import bill_of_materials

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
LEFTOVERS = shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
QUESTION = ("--application", "shop", "--version", "1", "--environment", "test", "--consumes-nothing")
DEAD_GATE = "http://127.0.0.1:9"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        cli, engine, suite = (build(name, work) for name in ("cli", "contracts", "conformance"))
        command_line_alone(Environment(work / "alone", [str(cli)]))
        both(Environment(work / "both", [f"{cli}[contracts]", str(engine)]), work)
        suite_alone(Environment(work / "suite", [str(suite)]))
    print(f"wheels: {cli.name}, {engine.name}, {suite.name} in dist/; each works in an empty environment")
    return 0


def build(name: str, work: Path) -> Path:
    """The wheel of a folder of the repository, in dist/."""
    source, target = work / name, work / f"{name}-wheel"
    shutil.copytree(ROOT / name, source, ignore=LEFTOVERS)
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(target), str(source))
    (made,) = target.glob("*.whl")
    DIST.mkdir(exist_ok=True)
    return with_bill(made, DIST / made.name)


def with_bill(wheel: Path, target: Path) -> Path:
    """The wheel with a bill of its materials, where PEP 770 says: `*.dist-info/sboms/`, and in RECORD. It names the
    versions of the lock by which the wheel is tested."""
    name, version, *_ = wheel.name.split("-")
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(wheel) as old:
        lines = old.read(f"{info}/METADATA").decode().splitlines()
        asked = [
            line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist: ") and "extra" not in line
        ]
        chosen = [re.split(r"[^A-Za-z0-9._-]", one, maxsplit=1)[0] for one in asked]
        lock = (ROOT / ("requirements-dev.lock" if "pytest" in chosen else "requirements.lock")).read_text()
        licences = bill_of_materials.installed_licences()
        made = bill_of_materials.bill(lock, name=name, version=version, chosen=chosen, licences=licences)
        bill = json.dumps(made, indent=1).encode()
        digest = base64.urlsafe_b64encode(hashlib.sha256(bill).digest()).rstrip(b"=").decode()
        path = f"{info}/sboms/{name}.cdx.json"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
            for item in old.infolist():
                data = old.read(item)
                if item.filename == f"{info}/RECORD":
                    data += f"{path},sha256={digest},{len(bill)}\n".encode()
                new.writestr(item, data)
            new.writestr(path, bill)
    return target


def pip(python: str, *arguments: str) -> None:
    subprocess.run([python, "-m", "pip", "--disable-pip-version-check", "-q", *arguments], check=True)


class Environment:
    """A fresh environment that holds the given wheels and their dependencies, and nothing else."""

    def __init__(self, folder: Path, wheels: list[str]) -> None:
        venv.create(folder, with_pip=True)
        self.bin = folder / "bin"
        pip(str(self.bin / "python"), "install", *wheels)

    def run(self, *command: str, code: int = 0) -> str:
        """What a command prints. Fails when it ends with another exit code."""
        done = subprocess.run([self.bin / command[0], *command[1:]], cwd=self.bin, capture_output=True, text=True)
        if done.returncode != code:
            raise SystemExit(
                f"{' '.join(command)} ended with {done.returncode}, not {code}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout + done.stderr

    def lacks(self, *modules: str) -> None:
        for module in modules:
            self.run("python", "-c", f"import {module}", code=1)

    def bill(self, name: str) -> dict[str, Any]:
        """The bill of materials of an installed wheel."""
        said = (
            f"import importlib.metadata as m; print(m.distribution({name!r}).read_text({f'sboms/{name}.cdx.json'!r}))"
        )
        made: dict[str, Any] = json.loads(self.run("python", "-c", said))
        return made


def command_line_alone(environment: Environment) -> None:
    assert environment.bill("tillgate")["components"] == [], "it needs nothing but Python"
    assert "record-deployment" in environment.run("tillgate", "--help")
    assert "does not answer" in environment.run("tillgate", "check", *QUESTION, "--url", DEAD_GATE, code=4)
    assert "tillgate[contracts]" in environment.run("tillgate", "contracts", "rules", code=3)
    assert "tillgate[contracts]" in environment.run("tillgate", "lock", "--consumes", "a@v1=x", code=3)
    environment.lacks("django", "tillgate_contracts", "orjson", "kernel", "portal")


def both(environment: Environment, work: Path) -> None:
    assert {one["name"] for one in environment.bill("tillgate_contracts")["components"]} >= {"orjson", "lxml"}
    old, new = work / "old.json", work / "new.json"
    schema = {"type": "object", "required": ["price"], "properties": {"price": {"type": "string"}}}
    old.write_text(json.dumps(schema))
    new.write_text(json.dumps({**schema, "properties": {"price": {"type": "number"}}}))
    environment.run("tillgate", "contracts", "compare", str(old), str(old))
    assert "a@v1" in environment.run("tillgate", "lock", "--consumes", f"a@v1={old}", "--lock", str(work / "lock.yaml"))
    assert "breaking" in environment.run("tillgate", "contracts", "compare", str(old), str(new), code=1)
    assert "money-not-float" in environment.run("tillgate-contracts", "rules", "--of", "lint")
    environment.run("python", "-m", "tillgate_contracts", "lint", str(old), "--fail-on", "never")
    environment.run("python", "-c", "import tillgate_contracts; from tillgate_contracts.compare import compare")
    environment.lacks("django", "celery", "psycopg", "kernel", "portal")


def suite_alone(environment: Environment) -> None:
    """It says what it needs: the shapes of connectors are the product's."""
    assert {one["name"] for one in environment.bill("tillgate_conformance")["components"]} >= {"pytest"}
    assert "PYTHONPATH=/path/to/tillgate" in environment.run("python", "-c", "import tillgate_conformance", code=1)


if __name__ == "__main__":
    sys.exit(main())
