"""A process that serves asks the guard first: outside of the demo it does not start with what is refused, and says all
of it at once, one line each."""

from __future__ import annotations

import logging
import os
import sys
import time
from datetime import timedelta

from django.conf import settings

from kernel import clock, life_signs
from portal.guard import acceptance, judgement
from portal.guard.judgement import GuardJudgement

log = logging.getLogger(__name__)
REFUSED, UNANSWERED = 2, 3  # exit codes
AGAIN_SECONDS = 5.0  # until a database that did not answer is asked again
READ_ON = "docs/how-to/secure.md"


def lines(found: GuardJudgement) -> list[str]:
    """What a person reads who started it."""
    until = clock.now().date() + timedelta(days=30)
    first = found.refusals[0].id
    count = f"{len(found.refusals)} thing{'' if len(found.refusals) == 1 else 's'}"
    return [
        f"tillgate: this does not serve: {count} of its set-up will do for the demo only ({READ_ON}).",
        *(f"tillgate: {one}" for one in found.refusals),
        f"tillgate: to go on for a while with one that you know of: {acceptance.SETTING}={first}:{until}",
    ]


class Door:
    """The guard at the start of one process. `asked`: the database and all else answered, and nothing is refused."""

    def __init__(self) -> None:
        self.asked = False

    def refused(self) -> bool:
        """Whether this process must not serve; then it has said why. What is accepted for a while is in the log."""
        found = judgement.present()
        if found.refusals:
            sys.stderr.write("\n".join(lines(found)) + "\n")
            sys.stderr.flush()
            return True
        for one, until in found.accepted:
            log.warning("accepted until %s by %s: %s", until, acceptance.SETTING, one.logged)
        for warned in found.warnings:
            log.warning("%s", warned.logged)
        self.asked = found.complete
        return False

    def refused_in_a_child(self) -> bool:
        """The same for a supervisor that keeps nothing in memory of what it takes to know."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = REFUSED if self.refused() else 0 if self.asked else UNANSWERED
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.asked = code == 0
        return code not in (0, UNANSWERED)

    def wait_until_asked(self) -> None:
        """Before work that needs the database: where that did not answer at the start, it is asked until it does."""
        while not self.asked:
            if self.refused():
                raise SystemExit(REFUSED)
            if not self.asked:
                life_signs.give()
                time.sleep(1.0)


def end_if_refused() -> None:
    """The first thing of an entry point without a supervisor of ours. Never in a test, whose settings are no setup."""
    if not settings.TESTING and Door().refused():
        raise SystemExit(REFUSED)
