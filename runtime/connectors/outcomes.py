"""What the status of an HTTP answer means, by kind of call. The only place that decides it; docs/reference/outcomes.md
shows the table.

A status settles whose matter an answer is: the message's, the connection's, or nobody's that can be told. Whether a 2xx
proves anything is read in the answer itself (`answer_rules.py`), and rules of a target come before this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from runtime.connectors.protocols import ConnectionFault, FaultKind, Refused, Retriable, Unknown

CallKind = Literal["read", "write", "addressed"]
"""read: changes nothing. write: may change something, at an address that every message shares (also a batch).
addressed: a write whose address comes from the message itself."""

Meaning = Literal[
    "answer", "not_now", "unknown", "message", "again", "credentials", "address", "redirect", "certificate"
]
"""answer: the body has to prove it. not_now: nothing was done, ask later. unknown: done or not. message: refused, this
message is meant. again: refused now, for a reason of this message that passes. The others are faults of the
connection."""

FAULTS = frozenset(get_args(FaultKind))


@dataclass(frozen=True, slots=True)
class StatusRow:
    """Statuses that mean the same: what they mean for each kind of call, and why."""

    statuses: tuple[int, ...]
    read: Meaning
    write: Meaning
    addressed: Meaning
    why: str

    def of(self, kind: CallKind) -> Meaning:
        return {"read": self.read, "write": self.write, "addressed": self.addressed}[kind]


def _row(statuses: list[int], meanings: tuple[Meaning, Meaning, Meaning], why: str) -> StatusRow:
    return StatusRow(tuple(statuses), *meanings, why)


def _same(meaning: Meaning) -> tuple[Meaning, Meaning, Meaning]:
    return meaning, meaning, meaning


TABLE = (
    _row([*range(200, 300)], _same("answer"), "Success only where the success rule finds its proof in the answer."),
    _row(
        [302, 303],
        ("redirect", "unknown", "unknown"),
        "A fault like the other redirects; but after a write they also name the result of something that was done "
        "(RFC 9110 §15.4.4), so the target system is asked before anything is sent again.",
    ),
    _row(
        [300, 301, 304, 305, 306, 307, 308],
        _same("redirect"),
        "The call was sent elsewhere; redirects are never followed.",
    ),
    _row([400, 409, 413, 415, 422, 424, 451], _same("message"), "The content was read and refused."),
    _row([401, 403, 407, 402, 419, 440, 498], _same("credentials"), "The caller is refused, whatever it sends."),
    _row(
        [404, 410, 414],
        ("address", "address", "message"),
        "The path is wrong for every message; where the path comes from the message, the message names something that "
        "is not there. A page of HTML is the path's in each case.",
    ),
    _row(
        [405, 406, 411, 416, 417, 418, 426, 431, 494, 497, 501, 505],
        _same("address"),
        "Method, headers or protocol of the call do not fit; nothing that a message could change.",
    ),
    _row([495, 496], _same("certificate"), "The target system wants a client certificate, or another one (nginx)."),
    _row(
        [412, 423, 428],
        ("not_now", "again", "again"),
        "The document has changed or is locked: read it anew, then this message may go.",
    ),
    _row([421, 425, 429], _same("not_now"), "Said before anything was done; Retry-After is obeyed."),
    _row(
        [408, 499],
        ("not_now", "unknown", "unknown"),
        "A gateway stopped waiting; what it passed on may have been done.",
    ),
    _row([511], _same("redirect"), "A network in between wants somebody to sign in."),
    _row(
        [500, 502, 503, 504, *[s for s in range(506, 600) if s != 511]],
        ("not_now", "unknown", "unknown"),
        "Gateways give these also when the system behind them has acted, 503 among them. `nothing_done` lists those by "
        "which a vendor proves that it has not.",
    ),
)
OTHER_4XX = StatusRow((), "address", "address", "address", "Every other 4xx: no standard defines it; a rule may.")
OTHER = StatusRow((), "not_now", "unknown", "unknown", "Every other number: no HTTP status.")
_BY_STATUS = {status: row for row in TABLE for status in row.statuses}


def meaning(status: int, kind: CallKind) -> Meaning:
    row = _BY_STATUS.get(status) or (OTHER_4XX if 400 <= status < 500 else OTHER)
    return row.of(kind)


def is_about_message(status: int | None, kind: CallKind) -> bool:
    """Whether a refusal with this status may end a message. A refusal that no status came with is the connector's own
    word about the message."""
    return status is None or meaning(status, kind) in ("message", "again")


def fault_kind(status: int | None) -> FaultKind:
    """The fault that a status of the connection stands for."""
    found = meaning(status or 0, "write")
    return _kind(found) if found in FAULTS else "address"


def _kind(found: str) -> FaultKind:
    for kind in get_args(FaultKind):
        if kind == found:
            made: FaultKind = kind
            return made
    raise LookupError(f"{found!r} is no fault of a connection")


_CURES: dict[str, str] = {
    "credentials": "Correct the secret of the system's endpoint, or have its account given the right to make this call",
    "address": "Correct path, method or headers in the connection's settings, or the address of the system's endpoint",
    "redirect": "Correct the address of the system's endpoint or the way it signs in; redirects are not followed",
    "certificate": "Renew the certificate, or register the certificates that the system's own is signed by (trust_ref)",
    "secret": "Set the secret that the system's endpoint names",
    "settings": "Correct the connection's settings",
    "name": "Correct the host name of the system's endpoint, or have it entered in DNS",
}


def fault(kind: FaultKind, what: str, *, status: int | None = None) -> ConnectionFault:
    """A fault with its cure: what waits goes out by itself afterwards."""
    return ConnectionFault(kind, f"{what}. {_CURES[kind]}; what waits then goes out by itself.", status=status)


def error_for(
    found: Meaning, status: int, where: str, said: str, *, after: float | None = None, code: str = ""
) -> Retriable | Refused | Unknown | ConnectionFault:
    """The error that a meaning (other than `answer`) is raised as. `where` is method and address, `said` the other
    side's words."""
    shown = said or "without a word"
    if found == "not_now":
        return Retriable(f"{status}: {shown}", after=after)
    if found == "unknown":
        return Unknown(f"{status}: {shown}")
    if found in ("message", "again"):
        return Refused(code or f"http.{status}", said or f"the answer was {status}", status=status)
    return fault(_kind(found), f"{where} was answered {status} ({shown})", status=status)


__all__ = [
    "FAULTS",
    "OTHER",
    "OTHER_4XX",
    "TABLE",
    "CallKind",
    "Meaning",
    "StatusRow",
    "error_for",
    "fault",
    "fault_kind",
    "is_about_message",
    "meaning",
]
