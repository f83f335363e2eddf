"""From options to the gate, and what every subcommand does with its answer: standard output that cannot fail unseen."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tillgate import files, transport
from tillgate.exits import BAD_REQUEST, Failure, clean
from tillgate.transport import GateAddress


def gate_of(options: argparse.Namespace) -> GateAddress:
    """The gate that the options name. Raises Failure 3."""
    if options.token is not None and options.token_file:
        raise Failure(BAD_REQUEST, "--token and --token-file contradict each other.")
    token = options.token if options.token is not None else os.environ.get("TILLGATE_TOKEN", "")
    if options.token_file:
        try:
            token = files.read_text(options.token_file)
        except (OSError, ValueError) as error:
            raise Failure(BAD_REQUEST, f"--token-file {options.token_file} cannot be read: {clean(error)}") from None
    gate = transport.address(options.url, token, ca_file=options.ca_file, environ=dict(os.environ))
    if gate.in_clear:
        warn(f"the token travels to {gate.host} unencrypted; use https")
    return gate


def warn(text: str) -> None:
    """A line for people on standard error. It decides nothing, so that it may be lost."""
    try:
        print(f"tillgate: {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return


def write(text: str) -> None:
    """To standard output, and through: raises OSError where it does not arrive."""
    if sys.stdout is None:
        raise OSError("standard output is closed")
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def write_file(name: str, text: str, mode: int = 0o666) -> None:
    """A report is there whole or not at all; what is no plain file (a pipe, a device) is written as it is."""
    path = Path(name)
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
