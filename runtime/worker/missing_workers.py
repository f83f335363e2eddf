"""Fewer workers than EXPECTED_WORKERS says: told once, when it has lasted for a minute."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction

from kernel import outbox
from kernel.ui.wording import counted
from runtime.selectors import infrastructure

log = logging.getLogger(__name__)
SECONDS = 60.0  # a restart takes less


@dataclass(slots=True)
class MissingWorkers:
    """`report` is called every few seconds."""

    monotonic: Callable[[], float] = time.monotonic
    since: float | None = None
    told: int = 0

    def report(self) -> None:
        missing = sum(infrastructure.missing(infrastructure.workers()).values())
        if not missing:
            self.since, self.told = None, 0
            return
        self.since = self.monotonic() if self.since is None else self.since
        if missing > self.told and self.monotonic() - self.since >= SECONDS:
            log.error("%s missing: fewer run than EXPECTED_WORKERS says", counted(missing, "worker"))
            with transaction.atomic():
                outbox.emit("runtime.workers_missing", key="workers", payload={"missing": missing})
            self.told = missing
