"""Text for people, and the JSON document with the verdict's number and page."""

from __future__ import annotations

import json

from tillgate.exits import Failure, clean
from tillgate.reports.told import GateReport


def as_text(told: GateReport) -> str:
    verdict = told.verdict
    lines = [f"{verdict.word}: {clean(verdict.about)}{told.nature}"]
    for reason in verdict.reasons:
        waived = f" (waiver {reason['waived_by']})" if reason["waived_by"] is not None else ""
        lines.append(f"  {reason['code']}{waived}  {clean(reason['message'])}")
        if reason["fix"] and not waived:
            lines.append(f"      to change this: {clean(reason['fix'])}")
    for warning in verdict.document["warnings"]:
        lines.append(f"  soon: {clean(warning.get('message', ''))}")
    lines.append(f"  verdict {verdict.number}: {verdict.page}")
    return "\n".join(lines) + "\n"


def text_of_failure(failure: Failure) -> str:
    return f"no verdict: {failure}\n"


def as_json(told: GateReport) -> str:
    verdict = told.verdict
    more = {"hypothetical": verdict.hypothetical, "verdict_id": verdict.number, "page": verdict.page}
    return _dump({**verdict.document, **more, "exit_code": told.exit_code})


def json_of_failure(failure: Failure) -> str:
    return _dump({"schema": "tillgate.no-verdict/1", "verdict": None, "error": str(failure), "exit_code": failure.code})


def _dump(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
