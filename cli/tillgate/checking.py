"""`tillgate check`: ask, wait where that was asked for, report, and end with the verdict's exit code."""

from __future__ import annotations

import argparse
from pathlib import Path

from tillgate import asking, options, reports, sending, transport, waiting
from tillgate.answers import GateVerdict, read_verdict
from tillgate.exits import ALLOW, CODES, NO_VERDICT, UNKNOWN, Failure

PATH = "/api/v1/gate/verdicts"


def run(arguments: list[str]) -> int:
    """Raises Failure when there is no verdict to end with."""
    given = options.check().parse_args(arguments)
    try:
        told = _ask(given)
    except Failure as failure:
        _leave_no_old_report(given, failure)
        raise
    report = reports.write(given.format, told)
    try:
        if given.output:
            sending.write_file(given.output, report)
            report = reports.write("text", told)
        sending.write(report)
    except OSError as error:
        raise Failure(NO_VERDICT, f"The verdict cannot be written: {error.strerror or error}.") from None
    return told.exit_code


def _ask(given: argparse.Namespace) -> reports.GateReport:
    gate = sending.gate_of(given)
    lock = None if given.question and not given.lock else asking.lock_of(given)
    question = asking.question(given, lock)

    def once() -> GateVerdict:
        heard, sent = transport.post(gate, PATH, question, given.timeout)
        return read_verdict(gate, heard, sent, question)

    verdict = waiting.until_settled(
        once, lambda found: exit_code(found, given) != UNKNOWN or found.word != "unknown", given.wait, sending.warn
    )
    files = [Path(name) for name in (lock and lock.path, given.question) if name and str(name) != "-"]
    names = tuple(asking.names(question))
    return reports.GateReport(verdict, exit_code(verdict, given), names, asking.places(names, files), files)


def exit_code(verdict: GateVerdict, given: argparse.Namespace) -> int:
    """A what-if that nobody asked for is no yes; an unknown is one while the gate only reports."""
    if verdict.word == "unknown" and verdict.only_reports and not given.strict:
        code = ALLOW
    else:
        code = CODES[verdict.word]
    return UNKNOWN if code == ALLOW and verdict.hypothetical and not given.what_if else code


def _leave_no_old_report(given: argparse.Namespace, failure: Failure) -> None:
    """The report of an earlier run must not stand for this one: it says instead that there is no verdict."""
    if not given.output:
        return
    try:
        sending.write_file(given.output, reports.write_failure(given.format, failure))
    except OSError as error:
        sending.warn(f"{given.output} cannot be written: {error.strerror or error}")
