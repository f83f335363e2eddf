"""A verdict that is held in a file: the same question is not asked again while the gate says that it still stands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tillgate import sending, strict_json, transport
from tillgate.answers import GateVerdict, json_object, wrong_document
from tillgate.exits import BAD_REQUEST, Failure
from tillgate.transport import GateAddress

SCHEMA = "tillgate.held/1"


def still_standing(gate: GateAddress, name: str, question: Mapping[str, Any], seconds: float) -> GateVerdict | None:
    """The verdict in the file, when it is on exactly this question to this gate and the gate says that it stands; None
    otherwise. Raises Failure 4 when the gate cannot be asked."""
    if question.get("as_of"):
        raise Failure(BAD_REQUEST, "--hold and --as-of contradict each other: what is held is about now.")
    held = _read(gate, name, question)
    if held is None:
        return None
    try:
        heard = transport.get(gate, f"/api/v1/gate/verdicts/{held.number}/standing", seconds)
    except Failure as failure:
        if failure.code == BAD_REQUEST:
            return None
        raise
    said = json_object(gate, heard, 200)
    stands = said.get("stands") is True and said.get("id") == held.number and said.get("word") == held.word
    return held if stands else None


def _read(gate: GateAddress, name: str, question: Mapping[str, Any]) -> GateVerdict | None:
    """None for a file that is not there, or holds something else: then the gate is asked."""
    try:
        held = strict_json.loads(Path(name).read_bytes())
        document, number = held["document"], held["verdict_id"]
        same = held["schema"] == SCHEMA and held["url"] == gate.url and held["question"] == _digest(question)
        if not same or type(number) is not int or document.get("hypothetical") is True:
            return None
        if wrong_document(document, question, datetime.now(UTC)):
            return None
        return GateVerdict(document, number, str(held["page"]), False)
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
        "document": dict(verdict.document),
    }
    try:
        sending.write_file(name, json.dumps(held, sort_keys=True) + "\n", 0o600)
    except OSError as error:
        sending.warn(f"{name} cannot be written: {error.strerror or error}")


def _digest(question: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
