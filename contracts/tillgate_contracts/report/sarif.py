"""SARIF 2.1.0 (OASIS), for code scanning pages and editors."""

from __future__ import annotations

from typing import Any

import orjson

from tillgate_contracts.report.result import ReportItem, Result


def to_sarif(result: Result) -> str:
    """One run. Findings have the file's line, the JSON Pointer as a logical location, and a stable fingerprint."""
    known = {rule.id: number for number, rule in enumerate(result.rules)}
    driver = {
        "name": "tillgate-contracts",
        "semanticVersion": _semantic(result.rule_pack),
        "version": result.rule_pack,
        "rules": [
            {
                "id": rule.id,
                "shortDescription": {"text": rule.summary or rule.id},
                "defaultConfiguration": {"level": rule.level},
                **({"help": {"text": rule.help}} if rule.help else {}),
            }
            for rule in result.rules
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "properties": {"verdict": result.verdict, **result.facts},
        "results": [_result(item, known) for item in result.sorted()],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return orjson.dumps(log, option=orjson.OPT_INDENT_2).decode() + "\n"


def _result(item: ReportItem, known: dict[str, int]) -> dict[str, Any]:
    location = _location(item.file, item.line, item.pointer)
    text = f"{item.message} {item.hint}".strip() if item.severity != "note" else item.message
    made: dict[str, Any] = {"ruleId": item.rule, "level": item.severity, "message": {"text": text}}
    if item.rule in known:
        made["ruleIndex"] = known[item.rule]
    if location:
        made["locations"] = [location]
    if item.count > 1:
        made["occurrenceCount"] = item.count
        made["relatedLocations"] = [_location(more.file, more.line, more.pointer) for more in item.further]
    if item.fingerprint:
        made["partialFingerprints"] = {"tillgate/v1": item.fingerprint}
    if item.operations:
        made["properties"] = {"operations": list(item.operations)}
    return made


def _location(file: str, line: int | None, pointer: str) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if file:
        location["physicalLocation"] = {"artifactLocation": {"uri": file.replace("\\", "/")}}
        if line:
            location["physicalLocation"]["region"] = {"startLine": line}
    if pointer:
        location["logicalLocations"] = [{"fullyQualifiedName": pointer}]
    return location


def _semantic(rule_pack: str) -> str:
    parts = [str(int(part)) for part in rule_pack.split(".")[:3] if part.isdecimal()]
    return ".".join([*parts, "0", "0", "0"][:3])
