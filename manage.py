#!/usr/bin/env python
"""Django's command line. `make up` starts everything; this is for single steps."""

import sys

from kernel.postgresql import sessions
from portal import started_with

ROLES = {"migrate": "migration", "boot": "migration", "runserver": "web"}

if __name__ == "__main__":
    started_with.refuse_wrong_settings()
    sessions.serve_as(ROLES.get(sys.argv[1] if len(sys.argv) > 1 else "", "report"))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
