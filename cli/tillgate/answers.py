"""Is this a well-formed answer to exactly this question? Everything else is no verdict, whatever it says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tillgate import strict_json
from tillgate.exits import CODES, NO_VERDICT, Failure
from tillgate.transport import GateAddress, Heard

SCHEMA = "tillgate.verdict/1"
PRESENT = timedelta(seconds=5)  # an as_of further from now than this is a what-if
CLOCKS = timedelta(minutes=15)  # what two clocks may differ; an answer from longer ago is an old one
TEXTS = ("code", "word", "subject", "pointer", "message", "fix")
WAIVED = {"rule": "code", "subject": "subject", "pointer": "pointer"}  # part of a waiver: part of the reason
CODE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
NEWEST_ENGINE = 6
"""The rules of the gate that this command line was made beside; a newer gate is believed, and it is said."""
NUMBER = re.compile(r"[0-9]{1,18}")
LINK = re.compile(r'<(/[^<>"\s]*)>\s*;\s*rel="alternate"\s*;\s*type="text/html"')


class GateVerdict(NamedTuple):
    """A verdict that was read, its number, and where people and machines find it again."""

    document: Mapping[str, Any]
    number: int
    page: str
    hypothetical: bool
    body: bytes  # as it was received

    @property
    def word(self) -> str:
        return str(self.document["verdict"])

    @property
    def reasons(self) -> list[Mapping[str, Any]]:
        return list(self.document["reasons"])

    @property
    def only_reports(self) -> bool:
        return self.document["enforcing"] is False

    @property
    def about(self) -> str:
        given = self.document
        instance = f" ({given['instance']})" if given["instance"] else ""
        return f"{given['application']} {given['version']} to {given['environment']}{instance}"


def read_verdict(gate: GateAddress, heard: Heard, sent: bytes, question: Mapping[str, Any]) -> GateVerdict:
    """The verdict in a response to `question`, whose bytes were `sent`. Raises Failure 4 with what is wrong."""
    document = json_object(gate, heard, 200)
    wrong = _wrong_headers(heard, sent) or wrong_document(document, question, datetime.now(UTC))
    if wrong:
        raise Failure(NO_VERDICT, f"The gate at {gate.url} sent no verdict on this question: {wrong}.")
    number = int(heard.header("Verdict-Id"))
    return GateVerdict(
        document,
        number,
        _page(gate, heard, number),
        document.get("hypothetical") is True or "as_of" in question,
        heard.body,
    )


def json_object(gate: GateAddress, heard: Heard, status: int) -> dict[str, Any]:
    """The JSON object of a response with this status. Raises Failure 4."""
    if heard.status != status:
        raise Failure(
            NO_VERDICT, f"The gate at {gate.url} answered {heard.status} and not {status}; is this a Tillgate?"
        )
    if heard.media_type != "application/json":
        kind = ascii(heard.header("Content-Type")[:80])
        raise Failure(NO_VERDICT, f"The gate at {gate.url} sent {kind} and no JSON; is this a Tillgate?")
    try:
        found = strict_json.loads(heard.body)
    except ValueError as error:
        raise Failure(
            NO_VERDICT, f"The gate at {gate.url} sent no JSON that can be read: {str(error)[:200]!a}."
        ) from None
    if not isinstance(found, dict):
        raise Failure(NO_VERDICT, f"The gate at {gate.url} sent no JSON object; is this a Tillgate?")
    return found


def is_far(as_of: object, now: datetime) -> bool:
    """Is this time further from now than a verdict may be that something rests on?"""
    at = moment(as_of)
    return at is not None and abs(at - now) > PRESENT


def moment(text: object) -> datetime | None:
    """A time with its zone; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _wrong_headers(heard: Heard, sent: bytes) -> str:
    number = heard.header("Verdict-Id")
    if not (number.isascii() and NUMBER.fullmatch(number)):
        return "it names no stored verdict (header Verdict-Id)"
    if heard.header("Question-Digest") != "sha256:" + hashlib.sha256(sent).hexdigest():
        return "it does not echo the digest of the question (header Question-Digest)"
    return ""


def wrong_document(document: Mapping[str, Any], question: Mapping[str, Any], now: datetime) -> str:
    """What keeps a document from being a verdict on the question; empty when nothing does."""
    return (
        _wrong_shape(document)
        or _wrong_echo(document, question, now)
        or next(
            (f"reason {index}: {wrong}" for index, r in enumerate(document["reasons"]) if (wrong := _wrong_reason(r))),
            "",
        )
        or _contradiction(document)
    )


def _wrong_shape(document: Mapping[str, Any]) -> str:
    if document.get("schema") != SCHEMA:
        return f"its schema is {document.get('schema')!a:.60} and not {SCHEMA}"
    engine = document.get("engine")
    if type(engine) is not int or engine < 1:
        return "it names no engine"
    if document.get("verdict") not in list(CODES):
        return "its verdict is none of allow, deny and unknown"
    for key in ("reasons", "flip", "warnings", "waivers"):
        if not isinstance(document.get(key), list):
            return f"{key} is no list"
    if not all(isinstance(line, str) for line in document["flip"]):
        return "flip holds something else than texts"
    if not all(isinstance(entry, dict) for key in ("warnings", "waivers") for entry in document[key]):
        return "warnings or waivers hold something else than objects"
    if type(document.get("enforcing")) is not bool or type(document.get("hypothetical", False)) is not bool:
        return "enforcing and hypothetical are true or false"
    if not _is_digest(document.get("input_digest")):
        return "it names no digest of its evidence"
    if "policy_digest" not in document or not (
        document["policy_digest"] is None or _is_digest(document["policy_digest"])
    ):
        return "its policy digest is none"
    return ""


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and DIGEST.fullmatch(value) is not None


def _wrong_echo(document: Mapping[str, Any], question: Mapping[str, Any], now: datetime) -> str:
    for key in ("application", "version", "environment", "instance"):
        if document.get(key) != question.get(key, ""):
            return f"it is about {key} {document.get(key)!a:.80}, asked was {question.get(key, '')!a:.80}"
    judged = moment(document.get("as_of"))
    if judged is None:
        return "it does not say as of when it was judged"
    asked = moment(question.get("as_of"))
    if asked is not None and judged != asked:
        return f"it was judged as of {judged.isoformat()}, asked was {asked.isoformat()}"
    if asked is None and abs(judged - now) > CLOCKS:
        return f"it was judged as of {judged.isoformat()}: an old answer, or the clock of one of the machines is wrong"
    return ""


def _wrong_reason(reason: object) -> str:
    if not isinstance(reason, dict) or not all(isinstance(reason.get(key), str) for key in TEXTS):
        return "it lacks one of " + ", ".join(TEXTS)
    if not CODE.fullmatch(reason["code"]) or reason["word"] not in ("deny", "unknown"):
        return "its code or word is none"
    waiver = reason.get("waived_by")
    if not (waiver is None or type(waiver) is int) or type(reason.get("report_only")) is not bool:
        return "waived_by or report_only is none"
    return "an unknown is never waived" if waiver is not None and reason["word"] == "unknown" else ""


def open_reasons(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [reason for reason in document["reasons"] if reason["waived_by"] is None]


def _covers(waiver: Mapping[str, Any], reason: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether the waiver names this reason of this application here. One of before applications were named stands at
    the place of one consumer."""
    same = all(waiver.get(part) == reason[name] for part, name in WAIVED.items())
    unnamed = waiver.get("application") == "none" and "/consumers/items/" in reason["pointer"]
    here = waiver.get("environment") == document["environment"]
    return same and here and (unnamed or waiver.get("application") == document["application"])


def _contradiction(document: Mapping[str, Any]) -> str:
    found = open_reasons(document)
    follows = "deny" if any(r["word"] == "deny" for r in found) else "unknown" if found else "allow"
    if document["verdict"] != follows:
        return f"it says {document['verdict']}, and its reasons say {follows}"
    used = {reason["waived_by"] for reason in document["reasons"] if reason["waived_by"] is not None}
    waivers = {waiver.get("id"): waiver for waiver in document["waivers"] if type(waiver.get("id")) is int}
    if used - set(waivers):
        return "a reason is waived by a waiver that is not listed"
    judged = moment(document["as_of"])
    ends = {number: moment(waiver.get("expires_at")) for number, waiver in waivers.items()}
    over = sorted(number for number in used if (end := ends[number]) is None or judged is None or end <= judged)
    if over:
        return f"waiver {over[0]} is over, or does not say until when it is granted"
    for reason in document["reasons"]:
        if reason["waived_by"] is not None and not _covers(waivers[reason["waived_by"]], reason, document):
            return f"waiver {reason['waived_by']} is for something else than the reason that it sets aside"
    if document["enforcing"] is False and not (follows == "unknown" and all(r["report_only"] for r in found)):
        return "it only reports, and its reasons do not"
    if document["policy_digest"] is None and (follows == "allow" or document["enforcing"] is False):
        return f"it says {follows} by no policy"
    return ""


def newer_engine(engine: object) -> str:
    """What to say where the rules are newer than this command line; empty otherwise."""
    if type(engine) is int and engine <= NEWEST_ENGINE:
        return ""
    return f"judged by engine {engine!a:.20}; this command line knows engines up to {NEWEST_ENGINE}, see if it is old"


def _page(gate: GateAddress, heard: Heard, number: int) -> str:
    """The page for people where the gate names one below its own address, else the stored verdict of the API."""
    origin = gate.url.removesuffix(gate.path)
    link = LINK.search(heard.header("Link"))
    return f"{origin}{link[1]}" if link else f"{gate.url}/api/v1/gate/verdicts/{number}"
