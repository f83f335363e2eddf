"""`tillgate check`: ask the gate from a release pipeline. Standard library only, so that it starts in a blink.

Exit codes are the contract: 0 allow, 1 deny, 2 unknown, 3 bad request, 4 gate unreachable. Text is for people; JSON is
versioned; JUnit and SARIF files are for the pipeline's own pages.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any
from xml.sax.saxutils import escape, quoteattr

ALLOW, DENY, UNKNOWN, BAD_REQUEST, UNREACHABLE = range(5)
CODES = {"allow": ALLOW, "deny": DENY, "unknown": UNKNOWN}


class Failure(Exception):
    """No verdict came; carries the exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="tillgate", description="The gate between a retailer's tills and its ERP.")
    commands = top.add_subparsers(dest="command", required=True)
    for name, text in (
        ("check", "Ask: may this go there?"),
        ("record-deployment", "Tell: this now runs there."),
        ("record-release", "Tell: this may now run there too."),
    ):
        one = commands.add_parser(
            name,
            help=text,
            description=text + " Exit codes: 0 allow, 1 deny, 2 unknown, 3 bad request, 4 gate unreachable.",
        )
        one.add_argument("--application", required=True, help="key of the application, as registered")
        one.add_argument("--version", required=True, help="version of the application that wants to go")
        one.add_argument("--environment", required=True, help="test, staging or production")
        one.add_argument(
            "--consumes",
            action="append",
            metavar="API@VERSION[=DIGEST]",
            help="a version that it calls, and the contract it was built against (repeat)",
        )
        one.add_argument("--consumes-nothing", action="store_true", help="say that it calls no API; unsaid is unknown")
        one.add_argument(
            "--provides",
            action="append",
            default=[],
            metavar="API@VERSION[=DIGEST]",
            help="a version that it serves (repeat)",
        )
        one.add_argument(
            "--integration",
            action="append",
            default=[],
            metavar="KEY=DIGEST",
            help="a manifest that it deploys (repeat)",
        )
        one.add_argument("--instance", default="", help="the instance of a fleet, such as a store")
        one.add_argument("--question", metavar="FILE", help="the whole question as JSON instead (- for standard input)")
        one.add_argument("--as-of", help="RFC 3339 time; now if left out")
        one.add_argument(
            "--url", default=os.environ.get("TILLGATE_URL", "http://127.0.0.1:8000"), help="default: $TILLGATE_URL"
        )
        one.add_argument("--token", default=os.environ.get("TILLGATE_TOKEN", ""), help="default: $TILLGATE_TOKEN")
        one.add_argument("--format", choices=("text", "json", "junit", "sarif"), default="text")
        one.add_argument("--output", metavar="FILE", help="write the chosen format there, and text to the terminal")
        one.add_argument("--strict", action="store_true", help="exit 2 on unknown even while the gate only reports")
        one.add_argument("--timeout", type=float, default=20.0, help="seconds")
    return top


def question(options: argparse.Namespace) -> dict[str, Any]:
    """The body of the question as documented in docs/reference/gate.md."""
    if options.question:
        try:
            text = sys.stdin.read() if options.question == "-" else open(options.question, encoding="utf-8").read()  # noqa: SIM115
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


def as_text(verdict: dict[str, Any]) -> str:
    about = f"{verdict.get('application', '')} {verdict.get('version', '')} to {verdict.get('environment', '')}".strip()
    report_only = "" if verdict.get("enforcing", True) else " (the gate only reports so far)"
    lines = [f"{verdict['verdict']}: {about}{report_only}"]
    for reason in verdict.get("reasons", []):
        waived = f" (waiver {reason['waived_by']})" if reason.get("waived_by") else ""
        lines.append(f"  {reason.get('code', '')}{waived}  {reason.get('message', '')}")
        if reason.get("fix"):
            lines.append(f"      to change this: {reason['fix']}")
    lines += [
        f"  soon: {warning.get('message', warning) if isinstance(warning, dict) else warning}"
        for warning in verdict.get("warnings", [])
    ]
    return "\n".join(lines)


def as_junit(verdict: dict[str, Any]) -> str:
    reasons = verdict.get("reasons", []) or [{"code": "gate", "message": verdict["verdict"]}]
    failed = verdict["verdict"] != "allow"
    cases = "".join(
        f"<testcase classname='tillgate' name={quoteattr(r.get('code', ''))}>"
        + (f"<failure message={quoteattr(r.get('message', ''))}>{escape(json.dumps(r))}</failure>" if failed else "")
        + "</testcase>"
        for r in reasons
    )
    return f"<?xml version='1.0' encoding='UTF-8'?><testsuite name='tillgate' tests='{len(reasons)}' failures='{len(reasons) if failed else 0}'>{cases}</testsuite>\n"


def as_sarif(verdict: dict[str, Any]) -> str:
    level = {"allow": "note", "deny": "error", "unknown": "warning"}[verdict["verdict"]]
    results = [
        {"ruleId": r.get("code", ""), "level": level, "message": {"text": r.get("message", "")}}
        for r in verdict.get("reasons", [])
    ]
    driver = {"name": "Tillgate", "rules": [{"id": code} for code in sorted({r["ruleId"] for r in results})]}
    return json.dumps(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "results": results}],
        },
        indent=2,
    )


FORMATS = {
    "text": as_text,
    "json": lambda v: json.dumps(v, indent=2, sort_keys=True),
    "junit": as_junit,
    "sarif": as_sarif,
}
PATHS = {
    "check": "/api/v1/gate/verdicts",
    "record-deployment": "/api/v1/gate/deployments",
    "record-release": "/api/v1/gate/releases",
}


def main(arguments: list[str] | None = None) -> int:
    try:
        options = parser().parse_args(arguments)
    except SystemExit as stop:
        return BAD_REQUEST if stop.code else 0
    try:
        answer = ask(
            options.url.rstrip("/") + PATHS[options.command], options.token, question(options), options.timeout
        )
    except Failure as failure:
        print(f"tillgate: {failure}", file=sys.stderr)
        return failure.code
    if options.command != "check":
        print(json.dumps(answer, indent=2, sort_keys=True))
        return ALLOW
    if answer.get("verdict") not in CODES:
        print("tillgate: the answer holds no verdict this version knows; treat it as unknown.", file=sys.stderr)
        return UNKNOWN
    written = FORMATS[options.format](answer)
    if options.output:
        with open(options.output, "w", encoding="utf-8") as out:
            out.write(written)
        written = as_text(answer)
    print(written)
    if answer["verdict"] == "unknown" and answer.get("enforcing") is False and not options.strict:
        return ALLOW
    return CODES[answer["verdict"]]


if __name__ == "__main__":
    sys.exit(main())
