"""`tillgate`: starts with the standard library alone, and hands `contracts` to the engine where it is installed."""

from __future__ import annotations

import importlib.util
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.witness import FaultyGate
from tillgate import main as command
from tillgate.main import main

CLI = Path(__file__).resolve().parents[2] / "cli"


def test_it_imports_the_standard_library_only():
    code = (
        "import sys; before = set(sys.modules); import tillgate.main\n"
        "names = {name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "print(sorted(names))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=CLI, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['tillgate']"


def test_help_names_every_subcommand(capsys: pytest.CaptureFixture[str]):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("check", "record-deployment", "record-release", "contracts"))


@pytest.mark.parametrize("arguments", [[], ["shout"]])
def test_an_unknown_or_missing_subcommand_is_3(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 3
    assert "usage: tillgate" in capsys.readouterr().err


def test_contracts_runs_the_engine_with_its_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps({"type": "object", "properties": {"a": {"type": "string"}}}))
    new.write_text(json.dumps({"type": "object", "properties": {"a": {"type": "integer"}}}))
    assert main(["contracts", "compare", str(old), str(old)]) == 0
    assert main(["contracts", "compare", str(old), str(new)]) == 1
    assert main(["contracts", "read", str(tmp_path / "absent.json")]) == 3
    assert "compare: breaking" in capsys.readouterr().out


def test_usage_of_contracts_names_the_command_that_was_typed(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(["contracts", "compare", "--format", "shout"])
    assert caught.value.code == 3
    assert "usage: tillgate contracts compare" in capsys.readouterr().err


def test_contracts_without_the_engine_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert command.main(["contracts", "rules"]) == 3
    assert capsys.readouterr().err == (
        'tillgate: contracts needs the contract engine; install it with: pip install "tillgate[contracts]"\n'
    )


def cpu_of(*command: str) -> float:
    """CPU seconds of a whole process that succeeds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-I", *command], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_a_check_takes_four_times_the_cpu_of_a_bare_python_at_most(gate: FaultyGate):
    """80 ms where Python alone takes 20. The least of several counts: what else the machine does only adds."""
    start = f"import sys; sys.path.insert(0, {str(CLI)!r}); from tillgate.main import main; sys.exit(main())"
    question = "check --application web-shop --version 1 --environment production --consumes price-api@v2 --url"
    bare, asked = [], []
    for _ in range(7):
        bare.append(cpu_of("-c", "pass"))
        asked.append(cpu_of("-c", start, *question.split(" "), gate.url))
    assert min(asked) <= 4 * min(bare), (min(asked), min(bare))
