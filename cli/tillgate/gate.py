"""The client of the gate: builds the question, sends it, and says in one exit code why no verdict came."""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ALLOW, DENY, UNKNOWN, BAD_REQUEST, UNREACHABLE = range(5)
CODES = {"allow": ALLOW, "deny": DENY, "unknown": UNKNOWN}
PATHS = {
    "check": "/api/v1/gate/verdicts",
    "record-deployment": "/api/v1/gate/deployments",
    "record-release": "/api/v1/gate/releases",
}


class Failure(Exception):
    """No verdict came; carries the exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def question(options: argparse.Namespace) -> dict[str, Any]:
    """The question as JSON (`docs/reference/gate.md`). Raises Failure 3 for a file that cannot be read."""
    if options.question:
        try:
            given = options.question
            text = sys.stdin.read() if given == "-" else Path(given).read_text(encoding="utf-8")
            loaded = json.loads(text)
        except (OSError, ValueError) as error:
            raise Failure(BAD_REQUEST, f"The question {options.question} cannot be read: {error}") from None
        if not isinstance(loaded, dict):
            raise Failure(BAD_REQUEST, f"The question {options.question} is not a JSON object.")
        return loaded
    body: dict[str, Any] = {
        "application": options.application,
        "version": options.version,
        "environment": options.environment,
        "provides": [_version(item) for item in options.provides],
        "integrations": [_integration(item) for item in options.integration],
    }
    if options.consumes or options.consumes_nothing:
        body["consumes"] = [_version(item) for item in options.consumes or []]
    return body | {k: v for k, v in (("as_of", options.as_of), ("instance", options.instance)) if v}


def _version(item: str) -> str | dict[str, str]:
    reference, _, digest = item.partition("=")
    return {"version": reference, "contract_digest": digest} if digest else reference


def _integration(item: str) -> dict[str, str]:
    key, _, digest = item.partition("=")
    return {"key": key, "digest": digest} if digest else {"key": key}


def ask(url: str, token: str, body: dict[str, Any], timeout: float) -> dict[str, Any]:
    """POST and return the JSON answer. Raises Failure with exit code 3 or 4."""
    if not url.startswith(("http://", "https://")):
        raise Failure(BAD_REQUEST, f"--url starts with http:// or https://, not {url!r}.")
    request = urllib.request.Request(
        url,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Accept": "application/json"},
        method="POST",
    )
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        detail = _detail(error)
        raise Failure(
            UNREACHABLE if error.code >= 500 else BAD_REQUEST, f"The gate answered {error.code}: {detail}"
        ) from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Failure(UNREACHABLE, f"The gate at {url} does not answer: {getattr(error, 'reason', error)}") from None
    if not isinstance(answer, dict):
        raise Failure(UNREACHABLE, f"The gate at {url} gave no verdict; is this a Tillgate?")
    return answer


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        problem = json.load(error)
        points = "".join(f"\n  {f.get('pointer', '')}: {f.get('message', '')}" for f in problem.get("findings", []))
        return f"{problem.get('detail', error.reason)}{points}"
    except (ValueError, AttributeError):
        return str(error.reason)
