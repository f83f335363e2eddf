"""`tillgate`: the subcommands and their exit codes.

`check` asks the gate of a Tillgate server; `record-deployment`, `record-release`, `end-release` and `undeploy` tell it
what runs. Exit codes: 0 allow or recorded, 1 deny, 2 unknown, 3 bad request, 4 no usable answer: whatever goes wrong on
the way is 4 and never looks like a verdict. `contracts` and `lock` need no server: they run the contract engine, a
package of its own (`pip install "tillgate[contracts]"`). A subcommand's module is loaded when it is used.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

from tillgate.exits import BAD_REQUEST, EXPLAINED, NO_VERDICT, Failure, clean

ENGINE = "tillgate_contracts"
INTERRUPTED = 130
COMMANDS = {
    "check": ("tillgate.checking", "run", "Ask: may this go there?"),
    "lock": (
        "tillgate.locking",
        "run",
        "Write tillgate.lock.yaml from the contracts that an application was built against.",
    ),
    "record-deployment": ("tillgate.recording", "record_deployment", "Tell: this now runs there."),
    "record-release": ("tillgate.recording", "record_release", "Tell: this may now run there too."),
    "end-release": ("tillgate.recording", "end_release", "Tell: the support of this version has ended there."),
    "undeploy": ("tillgate.recording", "undeploy", "Tell: nothing of this application runs there any more."),
    "verify": ("tillgate.verifying", "run", "Check a signed statement of the gate; needs no server."),
    "contracts": ("", "", "Read, compare and lint API contracts; needs no server."),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        return _run(given)
    except Failure as failure:
        _say(str(failure))
        return failure.code
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except OSError as error:
        _say(f"the output cannot be written: {clean(error)}")
        return NO_VERDICT
    except Exception as error:  # a fault of this program must not end with 1, which means deny
        if os.environ.get("TILLGATE_DEBUG"):
            raise
        _say(
            f"a fault of the command line itself ({type(error).__name__}: {clean(error)}); TILLGATE_DEBUG=1 shows more"
        )
        return NO_VERDICT
    finally:
        _close_output()


def _run(given: list[str]) -> int:
    name = given[0] if given else ""
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name not in COMMANDS:
        said = f"there is no subcommand {clean(name)!r}" if name else "a subcommand is missing"
        raise Failure(BAD_REQUEST, f"{said}\n{_usage()}")
    if name == "contracts":
        return contracts(given[1:])
    module, function, _ = COMMANDS[name]
    try:
        code: int = getattr(importlib.import_module(module), function)(given[1:])
    except SystemExit as stop:
        return BAD_REQUEST if stop.code else 0
    return code


def contracts(arguments: list[str]) -> int:
    """Hand the rest of the command line to the contract engine. Raises Failure 3 when it is not installed."""
    require_engine("contracts")
    code: int = importlib.import_module(f"{ENGINE}.cli").main(arguments, prog="tillgate contracts")
    return code


def require_engine(name: str) -> None:
    if importlib.util.find_spec(ENGINE) is None:
        raise Failure(
            BAD_REQUEST, f'{name} needs the contract engine; install it with: pip install "tillgate[contracts]"'
        )


def _usage() -> str:
    return f"usage: tillgate [-h] {{{','.join(COMMANDS)}}} ..."


def _help() -> str:
    rows = "\n".join(f"  {name:<18} {text}" for name, (_, _, text) in COMMANDS.items())
    return f"{_usage()}\n\nThe gate between a retailer's tills and its ERP.\n\n{rows}\n\n{EXPLAINED.strip()}"


def _say(text: str) -> None:
    try:
        print(f"tillgate: {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        return


def _close_output() -> None:
    """What cannot be written any more must not change the exit code when the interpreter ends."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)


if __name__ == "__main__":
    sys.exit(main())
