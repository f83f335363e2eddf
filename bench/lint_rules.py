"""Spectral rule files: findings and seconds beside Spectral CLI, rule by rule, in the same run.

    python -m bench.lint_rules --rules DIR --spectral PATH [--shared DIR] [--rounds N] [--only NAME]

`--rules` is a folder outside of the repository: each YAML file in it is one rule set, and each folder in it is one that
stands in several files. `--spectral` names the executable of a throw-away installation (`npm install
@stoplight/spectral-cli`). Rules that call a program (own functions of the set) and changes of other sets are left out
on both sides, and counted. Where one of the two is missing, the run says so and ends with 0: nothing was measured.

A rule counts as equal when both tools report the same number of findings. Rules that are mapped in part, or not at all,
are listed as what they are. Seconds are wall time of the two commands, from the file to the report.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tillgate_contracts.lint.functions import FUNCTIONS

CONTRACTS = (
    "adyen/checkout-v72.json",
    "klaviyo/stable-2023-10-15.json",
    "talon-one/openapi-v25.17.0.yaml",
    "wms-shipwire/carrier.yml",
    "oracle-fusion/ess-scheduler.yaml",
    "sap-s4hana/openapi/API_SALES_ORDER_SRV.json",
)
CORE = frozenset(FUNCTIONS)
SECONDS = 600
"""The longest that one command may take."""


def rule_set(path: Path) -> tuple[dict[str, Any], int]:
    """The rules of a file, or of all files of a folder, that are data alone; and how many are left out."""
    rules: dict[str, Any] = {}
    aliases: dict[str, Any] = {}
    for file in sorted(path.rglob("*.y*ml")) if path.is_dir() else [path]:
        data = yaml.safe_load(file.read_text())
        aliases |= data.get("aliases") or {}
        rules |= data.get("rules") or {}
    kept = {name: body for name, body in rules.items() if _is_data(body)}
    return {"extends": [], "rules": kept, **({"aliases": aliases} if aliases else {})}, len(rules) - len(kept)


def _is_data(body: Any) -> bool:
    if not isinstance(body, Mapping) or "then" not in body:
        return False
    steps = body["then"] if isinstance(body["then"], list) else [body["then"]]
    return all(step.get("function") in CORE for step in steps)


def peer(program: str, contract: Path, rules: Path) -> tuple[float, Counter[str]]:
    """Wall seconds of Spectral CLI and its findings by rule."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [program, "lint", str(contract), "-r", str(rules), "-f", "json", "-o", str(report), "-q"]
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
        seconds = time.perf_counter() - started
        if not report.exists():
            raise SystemExit(f"Spectral gave no report on {contract.name}: {(done.stdout + done.stderr)[:600]}")
        return seconds, Counter(str(found["code"]) for found in json.loads(report.read_text() or "[]"))


def ours(contract: Path, rules: Path) -> tuple[float, dict[str, Any]]:
    """Wall seconds of our command line and its report."""
    command = [sys.executable, "-m", "tillgate_contracts", "lint", str(contract), "--rules", str(rules), "--only-own"]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, "--format", "json", "--fail-on", "never"],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{contract.name} with {rules.name}: {done.stderr[:600]}")
    return seconds, json.loads(done.stdout)


def measure(program: str, sets: list[Path], shared: Path, rounds: int, only: str) -> None:
    for path in sets:
        data, left_out = rule_set(path)
        with tempfile.TemporaryDirectory() as folder:
            rules = Path(folder) / f"{path.stem}.yaml"
            rules.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
            print(f"\n{path.stem}: {len(data['rules'])} rules; {left_out} left out (programs, other sets)")
            for name in CONTRACTS:
                if only in name:
                    one(program, rules, shared / name, list(data["rules"]), rounds)


def one(program: str, rules: Path, contract: Path, names: list[str], rounds: int) -> None:
    times: list[tuple[float, float]] = []
    theirs: Counter[str] = Counter()
    report: dict[str, Any] = {}
    for _ in range(rounds):
        mine, report = ours(contract, rules)
        other, theirs = peer(program, contract, rules)
        times.append((mine, other))
    totals = {item["rule"]: item["total"] for item in report["rules"]}
    unmapped = {item["rule"]: item["reason"] for item in report["unmapped"]}
    partly = {item["rule"]: item["reason"] for item in report.get("partly_mapped", [])}
    equal = sum(1 for name in names if name not in unmapped and totals.get(name, 0) == theirs[name])
    mine, other = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"  {contract.parent.name + '/' + contract.name:48} equal {equal:3} of {len(names):3}   findings "
        f"{sum(totals.values()):6} / {sum(theirs[name] for name in names):6}   seconds {mine:6.2f} / {other:6.2f}"
    )
    for name in names:
        if name in unmapped:
            print(f"      {name}: not mapped: {unmapped[name]} (Spectral: {theirs[name]})")
        elif totals.get(name, 0) != theirs[name]:
            why = f"; mapped in part: {partly[name]}" if name in partly else ""
            print(f"      {name}: {totals.get(name, 0)} here, {theirs[name]} there{why}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", help="folder with data/specs")
    parser.add_argument("--rules", type=Path, help="folder with public rule sets, outside of the repository")
    parser.add_argument("--spectral", default="spectral", help="executable of Spectral CLI 6")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="contracts whose name holds this text")
    options = parser.parse_args()
    shared = Path(options.shared or os.environ.get("TILLGATE_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    specs = shared / "data/specs"
    program = shutil.which(options.spectral)
    for missing, hint in (
        (program is None, "Spectral CLI is not installed here: npm install @stoplight/spectral-cli, then --spectral"),
        (options.rules is None or not options.rules.is_dir(), "there is no folder with rule sets: --rules"),
        (not specs.is_dir(), f"there are no contracts in {specs}: --shared"),
    ):
        if missing:
            print(f"skipped: {hint}")
            return 0
    sets = sorted(path for path in options.rules.iterdir() if path.is_dir() or path.suffix in (".yml", ".yaml"))
    measure(str(program), sets, specs, options.rounds, options.only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
