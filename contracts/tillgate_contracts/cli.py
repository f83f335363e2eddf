"""The command line of the contract engine: no database, no settings, no Django.

Exit codes (stable): 0 nothing found or all harmless; 1 breaking, incompatible, or a lint error; 2 warnings only, or not
decided; 3 the input cannot be used (unreadable file, unknown option); with --batch: 0 when every line was answered.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

import orjson

from tillgate_contracts import batch, results
from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading import Document, read, read_file
from tillgate_contracts.report import FORMS, Result, render

OK, FAILED, WARNED, UNUSABLE = 0, 1, 2, 3
_DIRECTIONS = ("backward", "forward", "full", "backward-transitive", "forward-transitive", "full-transitive", "none")


class _Parser(argparse.ArgumentParser):
    """Wrong usage ends with 3, because 2 already means warnings."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(UNUSABLE, f"{self.prog}: {message}\n")


def main(
    argv: Sequence[str] | None = None,
    *,
    stdin: IO[bytes] | None = None,
    out: IO[str] | None = None,
    prog: str = "tillgate-contracts",
) -> int:
    """Run one command and return its exit code. `prog` is the name of the command in usage lines."""
    arguments = _parser(prog).parse_args(argv)
    stream = out if out is not None else sys.stdout
    try:
        if getattr(arguments, "batch", False):
            given = stdin if stdin is not None else sys.stdin.buffer
            return batch.run(arguments.batch_case, arguments, given, stream)
        code: int = arguments.run(arguments, stream)
        return code
    except ContractError as error:
        print(f"error: {error}", file=sys.stderr)
        for finding in error.findings[1:20]:
            print(f"  {finding.get('pointer')}: {finding.get('message')}", file=sys.stderr)
        return UNUSABLE
    except BrokenPipeError:
        # The reader went away (head, a closed pager): the interpreter must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = _Parser(prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    _add_read(commands)
    _add_compare(commands)
    _add_compat(commands)
    _add_lint(commands)
    _add_observe(commands)
    rules = commands.add_parser("rules", help="list the rules of the comparison and of the linter")
    rules.add_argument("--of", choices=("compare", "lint", "all"), default="all")
    rules.add_argument("--format", choices=("text", "json", "markdown"), default="text")
    rules.set_defaults(run=_rules)
    return parser


def _common(command: argparse.ArgumentParser, *, formats: Sequence[str] = FORMS) -> None:
    command.add_argument("--format", choices=formats, default="text", help="form of the output (default: text)")
    command.add_argument("--output", type=Path, metavar="FILE", help="write to a file instead of standard output")
    command.add_argument(
        "--root", type=Path, metavar="DIR", help="folder that references may reach (default: the file's own)"
    )
    command.add_argument(
        "--batch", action="store_true", help="read JSON Lines from standard input, write one line each"
    )


def _add_read(commands: Any) -> None:
    command = commands.add_parser("read", help="read a contract and say what is in it")
    command.add_argument("file", nargs="?", metavar="FILE", help="a contract, or - for standard input")
    command.add_argument("--operations", action="store_true", help="list the operations")
    command.add_argument("--tree", action="store_true", help="print the normal form as JSON")
    _common(command, formats=("text", "json"))
    command.set_defaults(run=_read, batch_case=batch.read_case)


def _add_compare(commands: Any) -> None:
    command = commands.add_parser("compare", help="compare two versions of a contract")
    command.add_argument("base", nargs="?", metavar="BASE")
    command.add_argument("revision", nargs="?", metavar="REVISION")
    command.add_argument("--policy", type=Path, metavar="FILE", help="policy file (YAML or JSON)")
    command.add_argument(
        "--as-of", type=_date, metavar="DATE", help="the day against which sunsets are judged (default: today, UTC)"
    )
    command.add_argument(
        "--fail-on",
        choices=("breaking", "warning", "never"),
        default="warning",
        help="from which level the exit code is not 0",
    )
    _common(command)
    command.set_defaults(run=_compare, batch_case=batch.compare_case)


def _add_compat(commands: Any) -> None:
    command = commands.add_parser(
        "compat", help="can the new schema read old data (backward), the old one new data (forward)?"
    )
    command.add_argument(
        "files", nargs="*", metavar="FILE", help="OLD NEW; with a -transitive direction: all versions, oldest first"
    )
    command.add_argument("--direction", choices=_DIRECTIONS, default="backward")
    command.add_argument("--content-model", choices=("tolerant", "strict"), default="tolerant")
    _common(command)
    command.set_defaults(run=_compat, batch_case=batch.compat_case)


def _add_lint(commands: Any) -> None:
    command = commands.add_parser("lint", help="check one contract against the rules for retail APIs")
    command.add_argument("file", nargs="?", metavar="FILE")
    command.add_argument("--tier", type=int, choices=(0, 1, 2, 3), help="SLA tier: 0 checkout-critical … 3 back office")
    command.add_argument("--layer", choices=("experience", "process", "system"))
    command.add_argument("--data-class", choices=("public", "internal", "personal", "cardholder"))
    command.add_argument(
        "--rules", type=Path, action="append", default=[], metavar="FILE", help="own rules, or a Spectral rule file"
    )
    command.add_argument("--only-own", action="store_true", help="leave the built-in rules out")
    command.add_argument(
        "--profile",
        choices=("own", "third-party"),
        default="own",
        help="whose contract it is; that of a third party is reported on, and the exit code is 0",
    )
    command.add_argument(
        "--all",
        action="store_true",
        help="each place of each rule in text and markdown, too (default: a rule that fails nearly everywhere is one "
        "finding there)",
    )
    command.add_argument(
        "--fail-on",
        choices=("error", "warning", "never"),
        help="from which level the exit code is not 0 (default: warning; never for a third party)",
    )
    _common(command)
    command.set_defaults(run=_lint, batch_case=batch.lint_case)


def _add_observe(commands: Any) -> None:
    command = commands.add_parser("observe", help="compare recorded traffic with a contract")
    command.add_argument("file", metavar="CONTRACT")
    command.add_argument("traffic", nargs="+", type=Path, metavar="TRAFFIC", help="HTTP archives (HAR) or JSON Lines")
    command.add_argument("--format", choices=("text", "json"), default="text")
    command.add_argument("--output", type=Path, metavar="FILE", help="write to a file instead of standard output")
    command.add_argument("--root", type=Path, metavar="DIR", help="folder that references of the contract may reach")
    command.add_argument("--fail-on", choices=("warning", "never"), default="warning")
    command.set_defaults(run=_observe)


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2026-11-23") from None


def _document(name: str | None, root: Path | None) -> Document:
    if name is None:
        raise ContractError("cli.file", "A file is needed (or --batch).")
    if name == "-":
        return read(sys.stdin.buffer.read())
    return read_file(Path(name), root=root)


def _emit(text: str, arguments: argparse.Namespace, stream: IO[str]) -> None:
    if arguments.output is None:
        stream.write(text)
        return
    try:
        arguments.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ContractError("cli.output", f"{arguments.output} cannot be written: {error.strerror}.") from None


def _code(result: Result, fail_on: str) -> int:
    if fail_on != "never" and result.count("error"):
        return FAILED
    if fail_on == "warning" and result.count("warning"):
        return WARNED
    return OK


def _read(arguments: argparse.Namespace, stream: IO[str]) -> int:
    document = _document(arguments.file, arguments.root)
    if arguments.tree:
        _emit(orjson.dumps(document.tree, option=orjson.OPT_INDENT_2).decode() + "\n", arguments, stream)
        return OK
    facts = results.describe(document, operations=arguments.operations or arguments.format == "json")
    if arguments.format == "json":
        _emit(
            orjson.dumps({"schema_version": "1", "command": "read", **facts}, option=orjson.OPT_INDENT_2).decode()
            + "\n",
            arguments,
            stream,
        )
    else:
        _emit(results.describe_text(document, facts), arguments, stream)
    return OK


def _compare(arguments: argparse.Namespace, stream: IO[str]) -> int:
    if arguments.base is None or arguments.revision is None:
        raise ContractError("cli.file", "BASE and REVISION are needed (or --batch).")
    base, revision = (_document(name, arguments.root) for name in (arguments.base, arguments.revision))
    policy = results.policy_from(arguments.policy)
    result = results.compare_result(
        base, revision, policy=policy, as_of=arguments.as_of, names=(arguments.base, arguments.revision)
    )
    _emit(render(result, arguments.format), arguments, stream)
    return _code(result, arguments.fail_on)


def _compat(arguments: argparse.Namespace, stream: IO[str]) -> int:
    files: list[str] = arguments.files
    if len(files) < 2 or (len(files) > 2 and not arguments.direction.endswith("-transitive")):
        raise ContractError(
            "cli.file", "OLD and NEW are needed (or --batch); more than two versions need a -transitive direction."
        )
    result, compatible = results.compat_result(
        [_document(name, arguments.root) for name in files],
        files,
        direction=arguments.direction,
        content_model=arguments.content_model,
    )
    _emit(render(result, arguments.format), arguments, stream)
    return {True: OK, False: FAILED, None: WARNED}[compatible]


def _lint(arguments: argparse.Namespace, stream: IO[str]) -> int:
    document = _document(arguments.file, arguments.root)
    result = results.lint_result(
        document,
        name=arguments.file,
        tier=arguments.tier,
        layer=arguments.layer,
        data_class=arguments.data_class,
        rule_files=arguments.rules,
        only_own=arguments.only_own,
        profile=arguments.profile,
        each=arguments.all or arguments.format not in ("text", "markdown"),
    )
    _emit(render(result, arguments.format), arguments, stream)
    fail_on = arguments.fail_on or ("warning" if arguments.profile == "own" else "never")
    return _code(result, "breaking" if fail_on == "error" else fail_on)


def _observe(arguments: argparse.Namespace, stream: IO[str]) -> int:
    from tillgate_contracts.observe import Observer, read_exchanges
    from tillgate_contracts.observe.report import as_text

    observer = Observer(_document(arguments.file, arguments.root))
    source = "jsonl"
    for path in arguments.traffic:
        source, exchanges = read_exchanges(path)
        for exchange in exchanges:
            observer.add(exchange)
    result = observer.result(source)
    if arguments.format == "json":
        text = orjson.dumps(result.as_dict(), option=orjson.OPT_INDENT_2).decode() + "\n"
    else:
        text = as_text(result)
    _emit(text, arguments, stream)
    if result.contradictions and arguments.fail_on == "warning":
        return WARNED
    if not result.is_evidence and arguments.fail_on == "warning":
        raise ContractError(
            "observe.nothing_compared",
            f"Nothing speaks for the contract: {result.exchanges:,} exchanges, {result.bodies:,} bodies compared and "
            f"{result.unread_bodies:,} not readable. Record JSON bodies as plain text.",
        )
    return OK


def _rules(arguments: argparse.Namespace, stream: IO[str]) -> int:
    rows = results.rule_rows(arguments.of)
    if arguments.format == "json":
        stream.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif arguments.format == "markdown" and arguments.of == "lint":
        stream.write("| rule | tier 0 / 1 / 2 / 3 | for | what | why | what to do |\n|---|---|---|---|---|---|\n")
        columns = ("tiers", "for", "title", "why", "hint")
        stream.writelines(f"| `{row['id']}` | {' | '.join(row[column] for column in columns)} |\n" for row in rows)
    elif arguments.format == "markdown":
        stream.write("| rule | of | level | what |\n|---|---|---|---|\n")
        stream.writelines(f"| `{row['id']}` | {row['of']} | {row['level']} | {row['title']} |\n" for row in rows)
    else:
        stream.writelines(f"{row['of']:8} {row['level']:9} {row['id']}\n" for row in rows)
    return OK
