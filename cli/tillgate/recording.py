"""`tillgate record-deployment`, `record-release`, `end-release` and `undeploy`: tell the gate what runs where."""

from __future__ import annotations

import argparse
import json
from typing import Any

from tillgate import asking, options, sending, transport, waiting
from tillgate.answers import json_object
from tillgate.exits import ALLOW, NO_VERDICT, Failure, clean
from tillgate.transport import GateAddress


def record_deployment(arguments: list[str]) -> int:
    return _record("record-deployment", "Tell: this now runs there.", "/api/v1/gate/deployments", arguments)


def record_release(arguments: list[str]) -> int:
    text = "Tell: this may now run there too."
    return _record("record-release", text, "/api/v1/gate/releases", arguments)


def _record(name: str, text: str, path: str, arguments: list[str]) -> int:
    given = options.record(name, text).parse_args(arguments)
    lock = None if given.question and not given.lock else asking.lock_of(given)
    return _tell(given, path, asking.question(given, lock), 201)


def end_release(arguments: list[str]) -> int:
    given = options.end_release().parse_args(arguments)
    body = {"application": given.application, "version": given.version, "environment": given.environment}
    if given.instance:
        body["instance"] = given.instance
    return _tell(given, "/api/v1/gate/releases/end", body, 200)


def undeploy(arguments: list[str]) -> int:
    given = options.undeploy().parse_args(arguments)
    body = {"application": given.application, "environment": given.environment, "instance": given.instance or ""}
    return _tell(given, "/api/v1/gate/undeploy", body, 200)


def _tell(given: argparse.Namespace, path: str, body: dict[str, Any], status: int) -> int:
    """Recording is idempotent, so that it may be tried again where waiting was asked for."""
    gate = sending.gate_of(given)

    def once() -> dict[str, Any]:
        heard, _ = transport.post(gate, path, body, given.timeout)
        return json_object(gate, heard, status)

    answer = waiting.until_settled(once, lambda _: True, given.wait, sending.warn)
    _require_echo(gate, answer, body, status)
    for line in _doubts(answer):
        sending.warn(line)
    try:
        sending.write(json.dumps(answer, indent=2, sort_keys=True) if given.format == "json" else _told(answer, body))
    except OSError as error:
        raise Failure(NO_VERDICT, f"It is recorded; this cannot be written: {error.strerror or error}.") from None
    return ALLOW


def _require_echo(gate: GateAddress, answer: dict[str, Any], body: dict[str, Any], status: int) -> None:
    if status == 200:
        if type(answer.get("ended")) is not int:
            raise Failure(NO_VERDICT, f"The gate at {gate.url} does not say how many records it ended.")
        return
    for key in ("application", "version", "environment", "instance"):
        if answer.get(key) != body.get(key, ""):
            raise Failure(NO_VERDICT, f"The gate at {gate.url} answered about another {key}: {answer.get(key)!a:.80}.")


def _doubts(answer: dict[str, Any]) -> list[str]:
    """What the gate says of the record itself. It is recorded in any case: what runs, runs."""
    if "ended" in answer:
        missed = "the gate would not have allowed to take this away: somebody uses what it provides"
        still = answer.get("still_recorded")
        found = [missed] if answer.get("against_gate") is True else []
        if answer["ended"] == 0 and type(still) is int and still:
            found.append(
                f"nothing of this was recorded there any more; recorded of the application are {still} elsewhere"
            )
        return found
    if answer.get("against_gate") is True:
        return [f"this went live against verdict {clean(answer.get('verdict'))} of the gate, which is a deny"]
    if "verdict" in answer and answer["verdict"] is None:
        return ["the gate was not asked about exactly this; `tillgate check` asks, with the same options"]
    return []


def _told(answer: dict[str, Any], body: dict[str, Any]) -> str:
    about = clean(
        f"{body['application']} {body.get('version', '')} in {body['environment']} {body.get('instance', '')}"
    )
    if "ended" in answer:
        return f"ended: {about}, {answer['ended']} records"
    return f"recorded: {about}"
