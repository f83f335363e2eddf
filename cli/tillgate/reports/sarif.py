"""SARIF 2.1.0: a rule for each code, a place for each result; a waived reason is a suppressed result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tillgate.exits import Failure
from tillgate.reports.told import GateReport, weight

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_FAMILIES = {
    "approval": "An integration runs only as it was approved, and while its approval holds.",
    "consumes": "What a release calls is what it declares.",
    "contract": "No consumer meets a contract that breaks it.",
    "evidence": "The gate says yes only where it knows everything that it has to know.",
    "freeze": "Nothing goes live in a freeze window.",
    "order": "Providers and consumers are released in the order that their contracts need.",
    "provider": "What is consumed is provided where it is consumed.",
    "sor": "Data flows away from its system of record only.",
    "subscription": "A consumer uses an API with a subscription that was approved.",
    "tier": "Nothing depends on something that promises less.",
    "usage": "What a release calls is what it declares.",
    "version": "Only published API versions before their sunset are used.",
}
_LEVELS = {"error": "error", "warning": "warning", "waived": "note"}


def as_sarif(told: GateReport) -> str:
    verdict = told.verdict
    codes = sorted({reason["code"] for reason in verdict.reasons})
    run = {
        "tool": {"driver": _driver(verdict.page, [_rule(code) for code in codes])},
        "invocations": [{"executionSuccessful": True, "exitCode": told.exit_code}],
        "automationDetails": {"id": f"tillgate/{verdict.document['application']}/{verdict.document['environment']}"},
        "results": [_result(told, reason, codes) for reason in verdict.reasons],
        "properties": {
            "verdict": verdict.word,
            "verdict_id": verdict.number,
            "page": verdict.page,
            "hypothetical": verdict.hypothetical,
            "enforcing": not verdict.only_reports,
            "warnings": verdict.document["warnings"],
        },
    }
    return _document(run)


def sarif_of_failure(failure: Failure) -> str:
    notification = {"level": "error", "message": {"text": str(failure)}, "descriptor": {"id": "tillgate.no_verdict"}}
    run = {
        "tool": {"driver": _driver("", [])},
        "invocations": [
            {"executionSuccessful": False, "exitCode": failure.code, "toolExecutionNotifications": [notification]}
        ],
        "results": [],
    }
    return _document(run)


def _document(run: dict[str, Any]) -> str:
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _driver(page: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    more = {"informationUri": page} if page else {}
    return {"name": "Tillgate", "rules": rules, **more}


def _rule(code: str) -> dict[str, Any]:
    text = _FAMILIES.get(code.partition(".")[0], "A rule of the release gate.")
    words = code.replace(".", ": ").replace("_", " ")
    return {
        "id": code,
        "name": "".join(part.capitalize() for part in code.replace(".", "_").split("_")),
        "shortDescription": {"text": words},
        "fullDescription": {"text": text},
        "help": {"text": f"{text} Codes of the gate: docs/reference/gate.md."},
        "defaultConfiguration": {"level": "error"},
    }


def _result(told: GateReport, reason: Mapping[str, Any], codes: list[str]) -> dict[str, Any]:
    file, line = told.place(reason["subject"])
    kind = weight(told, reason)
    fix = f" {reason['fix']}" if reason["fix"] else ""
    result: dict[str, Any] = {
        "ruleId": reason["code"],
        "ruleIndex": codes.index(reason["code"]),
        "level": _LEVELS[kind],
        "message": {"text": f"{reason['message']}{fix} Verdict {told.verdict.number}: {told.verdict.page}"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": _uri(file)}, "region": {"startLine": line}},
                "logicalLocations": [{"fullyQualifiedName": reason["pointer"] or "/", "name": reason["subject"]}],
            }
        ],
        "partialFingerprints": {"tillgate/1": "|".join((reason["code"], reason["subject"], reason["pointer"]))},
    }
    if kind == "waived":
        said = f"waiver {reason['waived_by']}"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": said}]
    return result


def _uri(file: str) -> str:
    return "".join(
        c if (c.isalnum() and c.isascii()) or c in "/-._~" else "".join(f"%{b:02X}" for b in c.encode()) for c in file
    )
