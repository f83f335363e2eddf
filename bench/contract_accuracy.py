"""Agreement of the contract comparison with labelled cases: verdicts, recall of breaking findings, false alarms.

    python bench/contract_accuracy.py [--shared DIR] [--list] [--case ID]

Reads the manifests below `contract-diff` of the shared data (TILLGATE_SHARED, or ../shared beside the repository) and
prints the figures and every disagreement. A breaking finding of the reference counts as found when the comparison has a
breaking finding that names the same operation (exactly: the same rule id too).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tillgate_contracts.compare import ComparisonPolicy, compare
from tillgate_contracts.compare.compat import ContentModel, check_compat
from tillgate_contracts.reading import read_file

#: Verdicts by the text of the standards, where the label is a habit of the tool that it comes from.
BY_STANDARD = {
    **dict.fromkeys(
        # JSON Schema Validation 6: a keyword says nothing about values of other types.
        ("OD-0074", "OD-0075", "OD-0077", "OD-0259", "OD-0281", "OD-0355", "OD-0361", "OD-0370"),
        "compatible",
    ),
    "OD-0095": "breaking",  # JSON Schema Validation 6.5.3: a required name needs no property of that name
    **dict.fromkeys(("OD-0153", "OD-0154"), "compatible"),  # OpenAPI 3.0.4 4.7.24.2: readOnly is not in requests
    "OD-0166": "compatible",  # JSON Schema Core 10.2.1.1: a branch that repeats the others adds nothing
}
#: JSON Schema cases where the standard answers otherwise than the label: `[a-z]*` matches every text (Core 6.4), a type
#: without its only value accepts nothing.
RULED = frozenset({"AP-011", "AP-012", "AP-126", "AP-127", "AP-097"})
MODELS: tuple[ContentModel, ...] = ("strict", "tolerant")


def shared_root(argument: str | None) -> Path:
    if argument:
        return Path(argument)
    return Path(os.environ.get("TILLGATE_SHARED") or Path(__file__).resolve().parents[2] / "shared")


def score_openapi(root: Path, only: str | None) -> dict[str, Any]:
    folder = root / "data/contract-diff/openapi"
    manifest = json.loads((folder / "manifest.json").read_text())
    as_of = dt.date.fromisoformat(manifest["as_of"])
    agree = strict_agree = 0
    asserted = found = found_rule = 0
    calm = alarms = 0
    standard = asserted_standard = found_standard = calm_standard = alarms_standard = 0
    lines: list[str] = []
    for case in manifest["cases"]:
        if only and case["id"] != only:
            continue
        policy = ComparisonPolicy.from_mapping(case["policy"])
        base, revision = read_file(folder / case["base"]), read_file(folder / case["revision"])
        result = compare(base, revision, policy=policy, as_of=as_of)
        if only:
            for item in result.findings:
                print(
                    f"  {item.level:9}{item.rule} {item.operations} {item.pointer} {item.old!r} -> {item.new!r}\n      "
                    f"      {item.message}"
                )
        expected = case["verdict"]
        strict_agree += result.verdict == expected
        same = result.verdict == expected or {result.verdict, expected} <= {"none", "compatible"}
        agree += same
        ruled = BY_STANDARD.get(case["id"], expected)
        standard += result.verdict == ruled or {result.verdict, ruled} <= {"none", "compatible"}
        if ruled != "breaking":
            calm_standard += 1
            alarms_standard += result.verdict == "breaking"
        if expected in {"none", "compatible", "warning"}:
            calm += 1
            alarms += result.verdict == "breaking"
        broken = [item for item in result.findings if item.level == "breaking"]
        missed = []
        for want in case["all_findings"]:
            if want["verdict"] != "breaking":
                continue
            asserted += 1
            label = f"{want['operation']} {want['path']}".strip()
            hits = [
                item for item in broken if label in item.operations or not want["operation"] or label in item.operation
            ]
            found += bool(hits)
            if case["id"] not in BY_STANDARD:
                asserted_standard += 1
                found_standard += bool(hits)
            exact = any(item.rule == want["check_id"] for item in hits)
            found_rule += exact
            if not exact:
                missed.append(f"{want['check_id']}{'' if hits else ' (NOT FOUND)'}")
        if not same or missed or result.verdict != expected:
            mark = "DISAGREES" if not same else "nuance"
            ours = sorted(
                {item.rule for item in result.findings if item.level == result.verdict.replace("compatible", "info")}
            )
            theirs = sorted({item["check_id"] for item in case["all_findings"] if item["verdict"] == expected})
            lines.append(
                f"{mark} {case['id']} {case['name']}: expected {expected} {theirs}, got {result.verdict} {ours}"
                + (f"; other rule for {missed}" if missed else "")
            )
    total = len(manifest["cases"])
    return {
        "cases": total,
        "verdict agreement (none counts as compatible)": f"{agree}/{total} = {agree / total:.1%}",
        "verdict agreement (four words)": f"{strict_agree}/{total} = {strict_agree / total:.1%}",
        "recall of breaking findings (operation)": f"{found}/{asserted} = {found / max(asserted, 1):.1%}",
        "recall of breaking findings (operation and rule id)": (
            f"{found_rule}/{asserted} = {found_rule / max(asserted, 1):.1%}"
        ),
        "false breaking": f"{alarms}/{calm} = {alarms / max(calm, 1):.1%}",
        f"verdict agreement, {len(BY_STANDARD)} labels replaced by what the standards say": (
            f"{standard}/{total} = {standard / total:.1%}"
        ),
        "recall of breaking findings, without the cases of these labels": (
            f"{found_standard}/{asserted_standard} = {found_standard / max(asserted_standard, 1):.1%}"
        ),
        "false breaking, these labels replaced": (
            f"{alarms_standard}/{calm_standard} = {alarms_standard / max(calm_standard, 1):.1%}"
        ),
        "lines": lines,
    }


def score_schemas(root: Path, only: str | None, content_model: ContentModel) -> dict[str, Any]:
    manifest = json.loads((root / "data/contract-diff/json-schema/manifest.json").read_text())
    right = total = unknown = standard = 0
    lines: list[str] = []
    for case in manifest["cases"]:
        if only and case["id"] != only:
            continue
        for direction in ("backward", "forward"):
            total += 1
            result = check_compat(case["old"], case["new"], direction=direction, content_model=content_model)
            unknown += result.compatible is None
            right += result.compatible is case[direction]
            standard += result.compatible is case[direction] or case["id"] in RULED
            if only:
                for item in result.findings:
                    print(
                        f"  {direction} {item.level:9}{item.rule} {item.pointer} {item.old!r} -> {item.new!r}\n        "
                        f"    {item.message}"
                    )
            if result.compatible is not case[direction]:
                rules = sorted({item.rule for item in result.findings if item.level != "info"})
                lines.append(
                    f"{case['id']} {case['name']} {direction}: expected {case[direction]}, got {result.compatible} "
                    f"{rules}"
                )
    return {
        "questions": total,
        "agreement": f"{right}/{total} = {right / max(total, 1):.1%}",
        "agreement where the label is what the standard says": (f"{standard}/{total} = {standard / max(total, 1):.1%}"),
        "undecided": unknown,
        "lines": lines,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared")
    parser.add_argument("--list", action="store_true", help="list every disagreement")
    parser.add_argument("--case", help="one case, with all findings")
    options = parser.parse_args()
    root = shared_root(options.shared)
    sections = []
    if not options.case or options.case.startswith("OD"):
        sections.append(("OpenAPI", score_openapi(root, options.case)))
    if not options.case or options.case.startswith("AP"):
        sections += [(f"JSON Schema, {model}", score_schemas(root, options.case, model)) for model in MODELS]
    for title, result in sections:
        lines = result.pop("lines")
        print(f"== {title}")
        for name, value in result.items():
            print(f"   {name}: {value}")
        if options.list or options.case:
            for line in lines:
                print(f"   - {line}")


if __name__ == "__main__":
    main()
