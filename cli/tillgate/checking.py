"""`tillgate check`: ask, wait where that was asked for, report, and end with the verdict's exit code."""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path

from tillgate import asking, holding, options, reports, sending, transport, waiting
from tillgate.answers import GateVerdict, newer_engine, read_verdict
from tillgate.exits import ALLOW, BAD_REQUEST, CODES, NO_VERDICT, UNKNOWN, Failure

PATH = "/api/v1/gate/verdicts"


def run(arguments: list[str]) -> int:
    """Raises Failure when there is no verdict to end with."""
    try:
        given = options.check().parse_args(arguments)
        told = _ask(given)
    except Failure as failure:
        _leave_no_old_report(arguments, failure)
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
    if given.hold and given.as_of is not None:
        raise Failure(BAD_REQUEST, "--hold and --as-of contradict each other: what is held is about now.")
    gate = sending.gate_of(given)
    lock = None if given.question and not given.lock else asking.lock_of(given)
    question = asking.question(given, lock)

    def once() -> GateVerdict:
        begun = time.monotonic()
        if given.hold and (found := holding.still_standing(gate, given.hold, question, given.timeout)):
            return found
        left = given.timeout - (time.monotonic() - begun)
        heard, sent = transport.post(gate, PATH, question, max(left, 0.001))
        return read_verdict(gate, heard, sent, question)

    verdict = waiting.until_settled(
        once, lambda found: exit_code(found, given) != UNKNOWN or found.word != "unknown", given.wait, sending.warn
    )
    if newer := newer_engine(verdict.document["engine"]):
        sending.warn(newer)
    if given.hold:
        holding.keep(gate, given.hold, question, verdict)
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


def _leave_no_old_report(arguments: list[str], failure: Failure) -> None:
    """The report of an earlier run must not stand for this one: it says instead that there is no verdict. So it is with
    a command line that is refused, too, which is why the options are looked for in the arguments themselves."""
    name, form = _said(arguments, "--output"), _said(arguments, "--format")
    if not name:
        return
    try:
        sending.write_file(name, reports.write_failure(form if form in options.FORMATS else "text", failure))
    except OSError as error:
        sending.warn(f"{name} cannot be written: {error.strerror or error}")


def _said(arguments: list[str], option: str) -> str:
    """What stands behind an option."""
    values = [word.partition("=")[2] for word in arguments if word.startswith(f"{option}=")]
    values += [after for word, after in pairwise(arguments) if word == option]
    return values[-1] if values else ""
