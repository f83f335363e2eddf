"""The Celery application. A message is only a wake-up: it carries ids, and losing or doubling it changes nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from celery import Celery
from celery.signals import celeryd_init, setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")


@setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Django has set the log up; with a receiver here, Celery leaves it as it is."""


@celeryd_init.connect
def ask_the_guard(**_: object) -> None:
    """A worker that somebody starts by Celery's own command is one that serves."""
    from portal.guard.start import end_if_refused

    end_if_refused()


def _refuse_wrong_settings() -> None:
    """Where Celery's own command is this process, no entry point of ours has looked at them."""
    program = Path(sys.argv[0])
    if "celery" in (program.name, program.parent.name):
        from portal.started_with import refuse_wrong_settings

        refuse_wrong_settings()


_refuse_wrong_settings()
app = Celery("tillgate")
app.config_from_object("portal.settings:CELERY")
app.autodiscover_tasks(["catalog", "governance", "runtime", "portal"])
