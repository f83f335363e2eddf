"""Annotations: workflow commands for GitHub Actions, a Code Quality report for GitLab."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tillgate.exits import Failure, clean
from tillgate.reports.told import GateReport, weight

_COMMANDS = {"error": "error", "warning": "warning", "waived": "notice"}
_SEVERITIES = {"error": "critical", "warning": "minor"}


def for_github(told: GateReport) -> str:
    verdict = told.verdict
    lines = [f"{verdict.word}: {clean(verdict.about)}{told.nature}"]
    for reason in verdict.reasons:
        file, line = told.place(reason["subject"])
        waived = f"Waived (waiver {reason['waived_by']}). " if reason["waived_by"] is not None else ""
        text = f"{waived}{reason['message']} {reason['fix']} (verdict {verdict.number}: {verdict.page})"
        lines.append(_command(_COMMANDS[weight(told, reason)], text, file=file, line=line, title=reason["code"]))
    for warning in verdict.document["warnings"]:
        file, line = told.place(str(warning.get("subject", "")))
        title = str(warning.get("code", "soon"))
        lines.append(_command("warning", str(warning.get("message", "")), file=file, line=line, title=title))
    lines.append(_command("notice", f"{verdict.word}: {verdict.page}", title=f"Tillgate verdict {verdict.number}"))
    return "\n".join(lines) + "\n"


def github_of_failure(failure: Failure) -> str:
    return _command("error", str(failure), title="No verdict of Tillgate") + "\n"


def _command(name: str, text: str, **properties: object) -> str:
    """A workflow command; `%`, line ends, and in properties also `:` and `,` are escaped as the runner reads them."""
    given = ",".join(
        f"{key}={_data(clean(value)).replace(':', '%3A').replace(',', '%2C')}" for key, value in properties.items()
    )
    return f"::{name} {given}::{_data(clean(text))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def for_gitlab(told: GateReport) -> str:
    """What is waived is no finding: GitLab has no word for it."""
    found = [_finding(told, reason) for reason in told.verdict.reasons if reason["waived_by"] is None]
    for warning in told.verdict.document["warnings"]:
        made = {"fix": "", "pointer": "", **{k: str(warning.get(k, "")) for k in ("code", "subject", "message")}}
        found.append(_finding(told, made, "info"))
    return json.dumps(found, indent=2) + "\n"


def _finding(told: GateReport, reason: Mapping[str, Any], severity: str | None = None) -> dict[str, Any]:
    file, line = told.place(reason["subject"])
    asked = told.verdict.document
    identity = "|".join(
        (asked["application"], asked["environment"], reason["code"], reason["subject"], reason["pointer"])
    )
    page = f"verdict {told.verdict.number}: {told.verdict.page}"
    return {
        "description": clean(f"{reason['message']} {reason['fix']} ({page})"),
        "check_name": reason["code"] or "soon",
        "fingerprint": hashlib.sha256(identity.encode()).hexdigest(),
        "severity": severity or _SEVERITIES[weight(told, reason)],
        "location": {"path": file, "lines": {"begin": line}},
    }


def gitlab_of_failure(failure: Failure) -> str:
    found = {
        "description": clean(failure),
        "check_name": "tillgate.no_verdict",
        "fingerprint": hashlib.sha256(b"tillgate.no_verdict").hexdigest(),
        "severity": "blocker",
        "location": {"path": ".gitlab-ci.yml", "lines": {"begin": 1}},
    }
    return json.dumps([found], indent=2) + "\n"
