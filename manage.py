#!/usr/bin/env python
"""Django's command line. `make up` starts everything; this is for single steps."""

import os
import sys

from kernel import acting
from kernel.postgresql import sessions
from kernel.postgresql.pooler import PoolerInTheWay
from portal import running_here, started_with

ROLES = {"migrate": "migration", "boot": "migration", "runserver": "web"}


def main(arguments: list[str]) -> int | None:
    """Runs one command. 2, after one line, where the address of the database can never do for it."""
    command = arguments[1] if len(arguments) > 1 else ""
    try:
        if found := running_here.adopt(command, started_with.state_folder().resolve(), os.environ):
            sys.stderr.write(f"tillgate: {found}\n")
    except running_here.NotRunning as error:
        sys.stderr.write(f"tillgate: {error}\n")
        return 2
    started_with.refuse_wrong_settings()
    role = ROLES.get(command, "report")
    sessions.serve_as(role)
    acting.command = command
    from django.core.management import execute_from_command_line

    try:
        if role == "migration":
            from runtime.ledger import connections

            if (why := connections.refusal()) is not None:
                sys.stderr.write(f"tillgate: {why}\n")
                return 2
        execute_from_command_line(arguments)
    except PoolerInTheWay as error:
        sys.stderr.write(f"tillgate: {error}.\n")
        return 2
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv))
