"""A verdict that is held in a file: the same question is not asked again while the gate says that it still stands.

Neither the file nor an answer of before is believed: the gate says which question the verdict answers and the digest of
its bytes, and repeats a number that was made for this call.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tillgate import files, sending, strict_json, transport
from tillgate.answers import GateVerdict, json_object, moment, wrong_document
from tillgate.exits import BAD_REQUEST, Failure, clean
from tillgate.transport import GateAddress

SCHEMA = "tillgate.held/2"
ABOUT = ("application", "version", "environment", "instance")


def still_standing(gate: GateAddress, name: str, question: Mapping[str, Any], seconds: float) -> GateVerdict | None:
    """The verdict in the file, when it is on exactly this question to this gate and the gate says that it stands; None
    otherwise. Raises Failure 4 when the gate cannot be asked."""
    if question.get("as_of"):
        raise Failure(BAD_REQUEST, "--hold and --as-of contradict each other: what is held is about now.")
    if os.path.exists(name) and not os.path.isfile(name):
        raise Failure(BAD_REQUEST, f"--hold {clean(name)} is no plain file.")
    held = _read(gate, name, question)
    if held is None:
        return None
    nonce = secrets.token_urlsafe(18)
    try:
        heard = transport.get(gate, f"/api/v1/gate/verdicts/{held.number}/standing?nonce={nonce}", seconds)
    except Failure as failure:
        if failure.code == BAD_REQUEST:
            return None
        raise
    return held if _stands(json_object(gate, heard, 200), held, question, nonce) else None


def _stands(said: Mapping[str, Any], held: GateVerdict, question: Mapping[str, Any], nonce: str) -> bool:
    """Is this answer of the gate one to this call, about the verdict that is held, and does it say that it stands? A
    gate of before says less; then it is asked anew."""
    at, until = moment(said.get("at")), moment(said.get("until"))
    expected = {
        "stands": True,
        "why": "",
        "id": held.number,
        "word": held.word,
        "nonce": nonce,
        "question_digest": question_digest(question),
        "answer_digest": "sha256:" + hashlib.sha256(held.body).hexdigest(),
        **{key: question.get(key, "") for key in ABOUT},
    }
    same = all(type(said.get(key)) is type(value) and said[key] == value for key, value in expected.items())
    return same and at is not None and until is not None and at < until


def question_digest(question: Mapping[str, Any]) -> str:
    """The digest of the question in the one form in which the gate stores it (`docs/reference/gate.md`)."""

    def entries(key: str, name: str, digest: str) -> list[dict[str, Any]]:
        given = [entry if isinstance(entry, dict) else {name: entry} for entry in question.get(key) or ()]
        return sorted(({"ref": e.get(name), digest: e.get(digest, "")} for e in given), key=lambda e: str(e["ref"]))

    unsaid = question.get("consumes") is None
    made = {
        **{key: question.get(key, "") for key in ABOUT},
        "consumes": None if unsaid else entries("consumes", "version", "contract_digest"),
        "provides": entries("provides", "version", "contract_digest"),
        "integrations": entries("integrations", "key", "digest"),
    }
    text = json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _read(gate: GateAddress, name: str, question: Mapping[str, Any]) -> GateVerdict | None:
    """None for a file that is not there, or holds something else: then the gate is asked."""
    try:
        held = strict_json.loads(files.read(name))
        body, number = held["answer"].encode(), held["verdict_id"]
        document = strict_json.loads(body)
        same = held["schema"] == SCHEMA and held["url"] == gate.url and held["question"] == _digest(question)
        if not same or type(number) is not int or document.get("hypothetical") is True:
            return None
        if wrong_document(document, question, datetime.now(UTC)):
            return None
        return GateVerdict(document, number, str(held["page"]), False, body)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def keep(gate: GateAddress, name: str, question: Mapping[str, Any], verdict: GateVerdict) -> None:
    """Write the verdict to the file, for its owner alone. A file that cannot be written costs a question next time."""
    held = {
        "schema": SCHEMA,
        "url": gate.url,
        "question": _digest(question),
        "verdict_id": verdict.number,
        "page": verdict.page,
        "answer": verdict.body.decode("utf-8", "surrogatepass"),
    }
    try:
        sending.write_file(name, json.dumps(held, sort_keys=True) + "\n", 0o600)
    except OSError as error:
        sending.warn(f"{name} cannot be written: {error.strerror or error}")


def _digest(question: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
