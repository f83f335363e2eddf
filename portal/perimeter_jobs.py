"""Periodic jobs of the perimeter, each minute: the head of the ledger goes to its witness, failed sign-ins are summed
up, people hear what became of their accounts."""

from __future__ import annotations

import threading

from kernel import periodic_jobs, sessions, sign_in_limits, sign_ins
from kernel.factors import held
from kernel.periodic_jobs import run
from portal import account_notices, new_places, token_notices
from portal.witness import witnessing

RUN_SECONDS = 60.0


def run_due() -> int:
    """Returns 0: nothing of this is busy work."""
    run("sign_in_failures", sign_ins.tell_settled)
    run("sign_in_limits", sign_in_limits.forget)
    run("passkey_questions_over", held.forget_challenges)
    run("sessions_over", sessions.forget)
    run("accounts_touched", account_notices.tell_due)
    run("new_places", new_places.tell_due)
    run("tokens_that_end", token_notices.tell_due)
    run("witness", witnessing.witness)  # the last: a disk that is full must not hold up the others
    return 0


def start() -> threading.Event:
    return periodic_jobs.start("perimeter", run_due, every=RUN_SECONDS)
