"""The options of the subcommands that speak to the gate."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from tillgate import files
from tillgate.exits import BAD_REQUEST, EXPLAINED, Failure

FORMATS = ("text", "json", "junit", "sarif", "github", "gitlab")
LONGEST = 86_400.0


class CommandParser(argparse.ArgumentParser):
    """Wrong usage is exit code 3. An option is written in full: a shortened one could mean another tomorrow."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise Failure(BAD_REQUEST, message)


def command(name: str, text: str) -> CommandParser:
    return CommandParser(prog=f"tillgate {name}", description=text + EXPLAINED, allow_abbrev=False)


def check() -> CommandParser:
    parser = command("check", "Ask: may this go there?")
    _add_question(parser)
    option = parser.add_argument
    option("--as-of", action=Once, metavar="TIME", help="RFC 3339 time with its zone; now if left out")
    option("--what-if", action="store_true", help="let --as-of be another time than now; nothing may go live on that")
    option("--strict", action="store_true", help="exit 2 on unknown even while the gate only reports")
    _add_connection(parser)
    option("--wait", type=_seconds(0), default=0.0, metavar="SECONDS", help="ask again on unknown and on 408, 429, 503")
    option("--hold", metavar="FILE", help="keep the verdict there, and ask next time only whether it still stands")
    option("--format", choices=FORMATS, default="text")
    option("--output", metavar="FILE", help="write the chosen format there, and text to the terminal")
    return parser


def record(name: str, text: str) -> CommandParser:
    parser = command(name, text)
    _add_question(parser)
    _add_recording(parser)
    return parser


def end_release() -> CommandParser:
    parser = command("end-release", "Tell: the support of this version has ended there.")
    _add_words(parser, "application", "version", "environment")
    parser.add_argument("--instance", type=_word, help="there alone; everywhere without it")
    _add_recording(parser)
    return parser


def undeploy() -> CommandParser:
    parser = command("undeploy", "Tell: nothing of this application runs there any more.")
    _add_words(parser, "application", "environment")
    parser.add_argument("--instance", type=_word, help="the instance of a fleet, such as a store")
    _add_recording(parser)
    return parser


def _add_words(parser: CommandParser, *names: str) -> None:
    for name in names:
        parser.add_argument(f"--{name}", action=Once, required=True, type=_word)


def _word(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; is a variable unset?")
    return _spelled(text)


def _spelled(text: str) -> str:
    return files.one_spelling(text.strip())


def _add_recording(parser: CommandParser) -> None:
    _add_connection(parser)
    parser.add_argument("--wait", type=_seconds(0), default=0.0, metavar="SECONDS", help="try again on 408, 429, 503")
    parser.add_argument("--format", choices=("text", "json"), default="json")


class Once(argparse.Action):
    """Of two values the last would be taken, which answers a question that nobody asked."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        if getattr(namespace, self.dest, None) is not None:
            parser.error(f"{option_string} is said twice")
        setattr(namespace, self.dest, values)


def _add_question(parser: CommandParser) -> None:
    option = parser.add_argument
    option("--application", action=Once, type=_word, help="key of the application, as registered")
    option("--version", action=Once, type=_word, help="version of the application that wants to go")
    option("--environment", action=Once, type=_word, help="test, staging or production")
    option("--instance", action=Once, type=_word, help="the instance of a fleet, such as a store")
    option("--consumes", action="append", metavar="API@VERSION[=DIGEST]", help="a version that it calls (repeat)")
    option("--consumes-nothing", action="store_true", help="it calls no API")
    option("--provides", action="append", metavar="API@VERSION[=DIGEST]", help="a version that it serves (repeat)")
    option("--integration", action="append", metavar="KEY=DIGEST", help="a manifest that it deploys (repeat)")
    option(
        "--question",
        action=Once,
        metavar="FILE",
        help="the question as JSON (- for standard input); options may add to it",
    )
    option("--lock", action=Once, metavar="FILE", help="the lock file; tillgate.lock.yaml where it lies here")
    option("--no-lock", action="store_true", help="read no lock file")


def _add_connection(parser: CommandParser) -> None:
    option = parser.add_argument
    option("--url", default=os.environ.get("TILLGATE_URL", "http://127.0.0.1:8000"), help="default: $TILLGATE_URL")
    option("--token", help="default: $TILLGATE_TOKEN; other users of the machine can read an option")
    option("--token-file", metavar="FILE", help="read the token from there")
    option("--ca-file", metavar="FILE", help="certificates that are trusted instead of the machine's own")
    option("--timeout", type=_seconds(0.001), default=20.0, metavar="SECONDS", help="for one whole answer (20)")


def _seconds(least: float) -> Callable[[str], float]:
    def seconds(text: str) -> float:
        value = float(text)
        if not math.isfinite(value) or not least <= value <= LONGEST:
            raise argparse.ArgumentTypeError(f"seconds, from {least:g} to {LONGEST:g}")
        return value

    return seconds
