"""JUnit: a case for each thing that was asked about and for each reason. Waived is not failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tillgate.exits import Failure, clean
from tillgate.reports.told import GateReport, weight

_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


def as_junit(told: GateReport) -> str:
    verdict = told.verdict
    spoken_of = {reason["subject"] for reason in verdict.reasons}
    cases = [_case(name, "judged", "") for name in told.names if name not in spoken_of]
    cases += [_case(r["subject"], r["code"], _outcome(told, r)) for r in verdict.reasons]
    if not cases:
        cases = [_case(verdict.about, "verdict", "")]
    known = {
        "verdict": verdict.word,
        "verdict_id": verdict.number,
        "page": verdict.page,
        "exit_code": told.exit_code,
        "hypothetical": str(verdict.hypothetical).lower(),
    }
    properties = "".join(f"<property name={_quoted(k)} value={_quoted(v)}/>" for k, v in known.items())
    said = f"{verdict.word}: {verdict.about}{told.nature}\nverdict {verdict.number}: {verdict.page}"
    return _suites(cases, properties, said)


def junit_of_failure(failure: Failure) -> str:
    error = f"<error message={_quoted(failure)} type='tillgate.no_verdict'/>"
    return _suites([_case("gate", "no_verdict", error)], "", "no verdict")


def _outcome(told: GateReport, reason: Mapping[str, Any]) -> str:
    kind = weight(told, reason)
    if kind == "waived":
        waived = f"waiver {reason['waived_by']}: {reason['message']}"
        return f"<skipped message={_quoted(waived)}/>"
    if kind == "warning":
        return f"<skipped message={_quoted('the gate only reports so far: ' + reason['message'])}/>"
    detail = "\n".join(
        (reason["message"], f"To change this: {reason['fix']}", f"Verdict {told.verdict.number}: {told.verdict.page}")
    )
    return (
        f"<failure type={_quoted(reason['code'])} message={_quoted(reason['message'])}>"
        f"{_text(detail)}\n{_text(json.dumps(dict(reason), sort_keys=True))}</failure>"
    )


def _suites(cases: list[str], properties: str, said: str) -> str:
    tests, failures, errors, skipped = (
        len(cases),
        *(sum(f"<{kind} " in case for case in cases) for kind in ("failure", "error", "skipped")),
    )
    counts = f"tests='{tests}' failures='{failures}' errors='{errors}' skipped='{skipped}'"
    inside = f"<properties>{properties}</properties>" if properties else ""
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        f"<testsuites name='tillgate' {counts}>\n<testsuite name='tillgate' {counts}>{inside}\n"
        + "\n".join(cases)
        + f"\n<system-out>{_text(said)}</system-out></testsuite>\n</testsuites>\n"
    )


def _case(subject: str, name: str, inside: str) -> str:
    return f"<testcase classname={_quoted('tillgate.' + clean(subject))} name={_quoted(name)}>{inside}</testcase>"


def _quoted(value: object) -> str:
    return f'"{_text(clean(value))}"'


def _text(value: str) -> str:
    """XML 1.0 text in ASCII: what XML has no place for becomes a question mark."""
    allowed = "".join(
        c if c in "\t\n" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" else "?" for c in value
    )
    return allowed.translate(_ESCAPED).encode("ascii", "xmlcharrefreplace").decode()
