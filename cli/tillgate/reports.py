"""A verdict as text for people, as JSON, and as the JUnit and SARIF files of a pipeline's own pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape, quoteattr


def as_text(verdict: dict[str, Any]) -> str:
    about = f"{verdict.get('application', '')} {verdict.get('version', '')} to {verdict.get('environment', '')}".strip()
    report_only = "" if verdict.get("enforcing", True) else " (the gate only reports so far)"
    lines = [f"{verdict['verdict']}: {about}{report_only}"]
    for reason in verdict.get("reasons", []):
        waived = f" (waiver {reason['waived_by']})" if reason.get("waived_by") else ""
        lines.append(f"  {reason.get('code', '')}{waived}  {reason.get('message', '')}")
        if reason.get("fix"):
            lines.append(f"      to change this: {reason['fix']}")
    lines += [
        f"  soon: {warning.get('message', warning) if isinstance(warning, dict) else warning}"
        for warning in verdict.get("warnings", [])
    ]
    return "\n".join(lines)


def as_junit(verdict: dict[str, Any]) -> str:
    reasons = verdict.get("reasons", []) or [{"code": "gate", "message": verdict["verdict"]}]
    failed = verdict["verdict"] != "allow"
    cases = "".join(
        f"<testcase classname='tillgate' name={quoteattr(r.get('code', ''))}>"
        + (f"<failure message={quoteattr(r.get('message', ''))}>{escape(json.dumps(r))}</failure>" if failed else "")
        + "</testcase>"
        for r in reasons
    )
    failures = len(reasons) if failed else 0
    return (
        "<?xml version='1.0' encoding='UTF-8'?>"
        f"<testsuite name='tillgate' tests='{len(reasons)}' failures='{failures}'>{cases}</testsuite>\n"
    )


def as_sarif(verdict: dict[str, Any]) -> str:
    level = {"allow": "note", "deny": "error", "unknown": "warning"}[verdict["verdict"]]
    results = [
        {"ruleId": r.get("code", ""), "level": level, "message": {"text": r.get("message", "")}}
        for r in verdict.get("reasons", [])
    ]
    driver = {"name": "Tillgate", "rules": [{"id": code} for code in sorted({r["ruleId"] for r in results})]}
    return json.dumps(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "results": results}],
        },
        indent=2,
    )


FORMATS: dict[str, Callable[[dict[str, Any]], str]] = {
    "text": as_text,
    "json": lambda v: json.dumps(v, indent=2, sort_keys=True),
    "junit": as_junit,
    "sarif": as_sarif,
}
