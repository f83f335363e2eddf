"""Periodic jobs of governance: deliver due webhooks, apply approved changes whose window is open, compute the coming
intervals of freeze windows, tell of break-glass reviews that are late and of changes that nobody can finish any more,
and drop old stamps of writes; in a thread of their own, the answers to pipelines.
"""

from __future__ import annotations

import threading
import time

from governance.services import applying, breakglass, changes, freezes, pipeline_reviews, unfillable, webhook_delivery
from kernel import periodic_jobs, write_stamps
from kernel.periodic_jobs import run

RUN_SECONDS = 2.0
APPLY_SECONDS = 20.0
LOOK_AGAIN_SECONDS = 300.0
COMPILE_SECONDS = 3600.0


class GovernanceJobs:
    """Remembers when each job last ran, and runs the jobs that are due."""

    def __init__(self) -> None:
        self._applied = self._looked = self._compiled = -COMPILE_SECONDS

    def run_due(self) -> int:
        """Run the jobs that are due. Returns the number of items that they processed."""
        done = run("webhooks", webhook_delivery.deliver_due)
        now = time.monotonic()
        if now - self._applied >= APPLY_SECONDS:
            self._applied = now
            done += run("moved_changes", changes.refresh_moved)
            done += run("approved_changes", applying.apply_due)
        if now - self._looked >= LOOK_AGAIN_SECONDS:
            self._looked = now
            done += run("changes_nobody_can_finish", unfillable.look_again)
        if now - self._compiled >= COMPILE_SECONDS:
            self._compiled = now
            done += run("freeze_intervals", freezes.compile_all)
            done += run("break_glass_reviews", breakglass.tell_overdue)
            done += run("write_stamps", write_stamps.forget)
        return done


def answer_pipelines() -> int:
    """In a thread of its own: a provider that hangs holds up no webhook and no change."""
    return run("pipeline_reviews", pipeline_reviews.answer_due)


def start() -> threading.Event:
    """Start the jobs in new threads. Set the returned event to stop those that are not about pipelines."""
    periodic_jobs.start("pipelines", answer_pipelines, every=RUN_SECONDS)
    return periodic_jobs.start("governance", GovernanceJobs().run_due, every=RUN_SECONDS)
