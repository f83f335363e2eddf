"""A table of every real contract and of every pair of neighbouring versions: what is in them, what changed, how long it
took.

    python -m bench.real_contracts [--shared DIR] [--write docs/reference/real-contracts.md]

Files come from `specs` of the shared data (TILLGATE_SHARED, or ../shared beside the repository). A file that is refused
is listed with its reason. Neighbours are versions of one contract in the order of their labels. Times are CPU seconds
of one process on the machine at hand; comparisons start from stored contracts (canonical JSON), as the catalog does.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import re
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tillgate_contracts.compare import RULE_PACK, ComparisonPolicy, ComparisonReport, compare
from tillgate_contracts.errors import ContractError
from tillgate_contracts.lint import RULE_PACK as LINT_PACK
from tillgate_contracts.lint import lint
from tillgate_contracts.reading import Document, read_file

ROOT = Path(__file__).resolve().parent.parent
AS_OF = dt.date(2026, 11, 23)
ROUNDS = 3
_VERSIONED = re.compile(r"^(?P<name>.*?)[-.](?P<label>v?\d[\w.-]*|[a-z])$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that was read, or refused."""

    name: str
    size: int
    document: Document | None = None
    seconds: float = 0.0
    lint: str = ""
    refusal: str = ""


def specs_folder(argument: str | None) -> Path:
    shared = Path(argument) if argument else Path(os.environ.get("TILLGATE_SHARED", ROOT.parent / "shared"))
    return shared / "data" / "specs"


def read_all(folder: Path) -> list[Entry]:
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix == ".md":
            continue
        name = path.relative_to(folder).as_posix()
        size = path.stat().st_size
        times = []
        try:
            for _ in range(ROUNDS):
                started = time.process_time()
                document = read_file(path)
                times.append(time.process_time() - started)
        except ContractError as error:
            found.append(Entry(name, size, refusal=str(error)))
            continue
        report = lint(document, tier=1)
        counts = Counter(finding.level for finding in report.findings)
        text = f"{counts['error']} / {counts['warning']} / {counts['info']}"
        found.append(Entry(name, size, document, statistics.median(times), text))
    return found


def neighbours(entries: list[Entry]) -> list[tuple[Entry, Entry]]:
    """Versions of one contract, each with the next: files in one folder whose names differ in their label alone."""
    groups: dict[str, list[tuple[list[int], str, Entry]]] = {}
    for entry in entries:
        if entry.document is None:
            continue
        folder, _, file = entry.name.rpartition("/")
        match = _VERSIONED.match(file.rpartition(".")[0])
        if match:
            numbers = [int(number) for number in re.findall(r"\d+", match["label"])]
            groups.setdefault(f"{folder}/{match['name']}", []).append((numbers, match["label"], entry))
    pairs = []
    for _, versions in sorted(groups.items()):
        ordered = [entry for _, _, entry in sorted(versions, key=lambda item: item[:2])]
        pairs += list(pairwise(ordered))
    return pairs


def judge(base: Entry, revision: Entry) -> tuple[ComparisonReport, float]:
    """The comparison and its median CPU time, both documents loaded from their stored form each time."""
    assert base.document is not None
    assert revision.document is not None
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        one, two = (
            Document.from_canonical(base.document.canonical),
            Document.from_canonical(revision.document.canonical),
        )
        result = compare(one, two, policy=ComparisonPolicy(), as_of=AS_OF)
        times.append(time.process_time() - started)
    return result, statistics.median(times)


def removed_by_direction(result: ComparisonReport) -> Counter[str]:
    """How many properties were removed, by the direction that their schema travels."""
    return Counter(
        finding.direction
        for finding in result.findings
        if "property-removed" in finding.rule and finding.rule.startswith(("request", "response", "event"))
    )


def render(entries: list[Entry]) -> str:
    operations = sum(len(entry.document.operations) for entry in entries if entry.document)
    schemas = sum(len(entry.document.schemas) for entry in entries if entry.document)
    refused = [entry for entry in entries if entry.document is None]
    size = sum(entry.size for entry in entries)
    total = sum(entry.seconds for entry in entries)
    lines = [
        "# Real contracts",
        "",
        "Every contract of the shared real data, read, linted and compared with its neighbouring version. Made by",
        "`python -m bench.real_contracts --write docs/reference/real-contracts.md`; do not edit.",
        "",
        f"- {len(entries)} files, {size / 1e6:.1f} MB: {len(entries) - len(refused)} read, {len(refused)} refused.",
        f"- {operations:,} operations, {schemas:,} named schemas, {total:.1f} s of CPU to read all of them once.",
        f"- Rules of the comparison {RULE_PACK}, of the linter {LINT_PACK}; sunsets as of {AS_OF}; Python "
        f"{platform.python_version()}.",
        "- Times are medians of three, in milliseconds of CPU. Lint is for tier 1: errors / warnings / notes (at most "
        "200 per rule).",
        "",
        "## Files",
        "",
        "| file | format | KB | operations | schemas | fields | read ms | lint | remarks |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    lines += [_file_row(entry) for entry in entries]
    lines += [
        "",
        "## Neighbouring versions",
        "",
        "Findings are grouped: one per component and change, whatever the number of operations that use it.",
        "",
        "| base | revision | verdict | breaking | warning | compatible | removed properties by direction | ms |",
        "|---|---|---|---:|---:|---:|---|---:|",
    ]
    details: list[str] = []
    for base, revision in neighbours(entries):
        result, seconds = judge(base, revision)
        lines.append(_pair_row(base, revision, result, seconds))
        details += _rules(base, revision, result)
    lines += ["", "## What changed, by rule", ""]
    return "\n".join([*lines, *details]).rstrip("\n") + "\n"


def _file_row(entry: Entry) -> str:
    document = entry.document
    if document is None:
        return f"| {entry.name} | refused | {entry.size // 1000} | | | | | | {entry.refusal} |"
    remarks = [f"{count} × {code}" for code, count in Counter(item.code for item in document.problems).items()]
    if not document.version_label and not document.format.startswith("jsonschema"):
        remarks.append("info.version is empty")
    return (
        f"| {entry.name} | {document.format} | {entry.size // 1000} | {len(document.operations)} | "
        f"{len(document.schemas)} | {len(document.fields)} | {entry.seconds * 1000:.0f} | {entry.lint} | "
        f"{', '.join(remarks)} |"
    )


def _pair_row(base: Entry, revision: Entry, result: ComparisonReport, seconds: float) -> str:
    levels = Counter(finding.level for finding in result.findings)
    removed = sorted(removed_by_direction(result).items())
    return (
        f"| {base.name} | {revision.name.rpartition('/')[2]} | {result.verdict} | {levels['breaking']} | "
        f"{levels['warning']} | {levels['info']} | "
        f"{', '.join(f'{count} {direction}' for direction, count in removed) or 'none'} | {seconds * 1000:.0f} |"
    )


def _rules(base: Entry, revision: Entry, result: ComparisonReport) -> list[str]:
    counts = Counter((finding.level, finding.rule) for finding in result.findings if finding.level != "info")
    if not counts:
        return []
    lines = [f"### {base.name} → {revision.name.rpartition('/')[2]}", ""]
    for level in ("breaking", "warning"):
        rules = [
            f"{rule} × {count}"
            for (of, rule), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            if of == level
        ]
        if rules:
            lines.append(f"- {level}: {', '.join(rules)}")
    return [*lines, ""]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", help="folder that holds data/")
    parser.add_argument("--write", type=Path, help="write the page here instead of printing it")
    arguments = parser.parse_args()
    folder = specs_folder(arguments.shared)
    if not folder.is_dir():
        print(f"real data is not at {folder}; give --shared or set TILLGATE_SHARED", file=sys.stderr)
        return 3
    page = render(read_all(folder))
    if arguments.write:
        arguments.write.write_text(page, encoding="utf-8")
    else:
        print(page, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
