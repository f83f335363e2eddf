"""`tillgate`: the subcommands, their options and their exit codes.

`check`, `record-deployment` and `record-release` speak to the gate of a Tillgate server. Exit codes: 0 allow, 1 deny,
2 unknown, 3 bad request, 4 gate unreachable. `contracts` needs no server: it runs the contract engine, a package of its
own (`pip install "tillgate[contracts]"`), with the exit codes of `docs/reference/contracts-cli.md`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import sys

from tillgate import gate, reports

ENGINE = "tillgate_contracts"
GATE_COMMANDS = (
    ("check", "Ask: may this go there?"),
    ("record-deployment", "Tell: this now runs there."),
    ("record-release", "Tell: this may now run there too."),
)


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["contracts"]:
        return contracts(given[1:])
    try:
        options = parser().parse_args(given)
    except SystemExit as stop:
        return gate.BAD_REQUEST if stop.code else 0
    try:
        answer = gate.ask(
            options.url.rstrip("/") + gate.PATHS[options.command],
            options.token,
            gate.question(options),
            options.timeout,
        )
    except gate.Failure as failure:
        print(f"tillgate: {failure}", file=sys.stderr)
        return failure.code
    if options.command == "check":
        return check(answer, options)
    print(json.dumps(answer, indent=2, sort_keys=True))
    return gate.ALLOW


def check(answer: dict[str, object], options: argparse.Namespace) -> int:
    """Print the verdict in the chosen format and return its exit code."""
    verdict = str(answer.get("verdict"))
    if verdict not in gate.CODES:
        print("tillgate: the answer holds no verdict this version knows; treat it as unknown.", file=sys.stderr)
        return gate.UNKNOWN
    written = reports.FORMATS[options.format](answer)
    if options.output:
        with open(options.output, "w", encoding="utf-8") as out:
            out.write(written)
        written = reports.as_text(answer)
    print(written)
    if verdict == "unknown" and answer.get("enforcing") is False and not options.strict:
        return gate.ALLOW
    return gate.CODES[verdict]


def contracts(arguments: list[str]) -> int:
    """Hand the rest of the command line to the contract engine. 3 when it is not installed."""
    if importlib.util.find_spec(ENGINE) is None:
        print(
            'tillgate: contracts needs the contract engine; install it with: pip install "tillgate[contracts]"',
            file=sys.stderr,
        )
        return gate.BAD_REQUEST
    code: int = importlib.import_module(f"{ENGINE}.cli").main(arguments, prog="tillgate contracts")
    return code


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="tillgate", description="The gate between a retailer's tills and its ERP.")
    commands = top.add_subparsers(dest="command", required=True)
    codes = " Exit codes: 0 allow, 1 deny, 2 unknown, 3 bad request, 4 gate unreachable."
    for name, text in GATE_COMMANDS:
        command = commands.add_parser(name, help=text, description=text + codes)
        _add_question(command)
        _add_connection(command)
    commands.add_parser("contracts", add_help=False, help="Read, compare and lint API contracts; needs no server.")
    return top


def _add_question(command: argparse.ArgumentParser) -> None:
    option = command.add_argument
    option("--application", required=True, help="key of the application, as registered")
    option("--version", required=True, help="version of the application that wants to go")
    option("--environment", required=True, help="test, staging or production")
    option(
        "--consumes",
        action="append",
        metavar="API@VERSION[=DIGEST]",
        help="a version that it calls, and the contract it was built against (repeat)",
    )
    option(
        "--consumes-nothing",
        action="store_true",
        help="it calls no API; without this or --consumes the verdict is unknown",
    )
    option(
        "--provides",
        action="append",
        default=[],
        metavar="API@VERSION[=DIGEST]",
        help="a version that it serves (repeat)",
    )
    option(
        "--integration", action="append", default=[], metavar="KEY=DIGEST", help="a manifest that it deploys (repeat)"
    )
    option("--instance", default="", help="the instance of a fleet, such as a store")
    option("--question", metavar="FILE", help="the whole question as JSON instead (- for standard input)")
    option("--as-of", help="RFC 3339 time; now if left out")


def _add_connection(command: argparse.ArgumentParser) -> None:
    option = command.add_argument
    option("--url", default=os.environ.get("TILLGATE_URL", "http://127.0.0.1:8000"), help="default: $TILLGATE_URL")
    option("--token", default=os.environ.get("TILLGATE_TOKEN", ""), help="default: $TILLGATE_TOKEN")
    option("--format", choices=tuple(reports.FORMATS), default="text")
    option("--output", metavar="FILE", help="write the chosen format there, and text to the terminal")
    option("--strict", action="store_true", help="exit 2 on unknown even while the gate only reports")
    option("--timeout", type=float, default=20.0, help="seconds")


if __name__ == "__main__":
    sys.exit(main())
