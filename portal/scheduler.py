"""`python -m portal.scheduler`: due schedules, the outbox, partitions, the watch over silent workers, periodic jobs.

The work is done in a child, which its supervisor replaces when it ends or stands still. Two schedulers at once do no
harm.
"""

from __future__ import annotations

import os
import sys

import django

from kernel.postgresql import sessions
from portal import private_state, started_with
from portal.process_supervisor import ProcessSupervisor


def prepare() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    sessions.serve_as("scheduler")
    django.setup()


def main() -> int:
    started_with.refuse_wrong_settings()
    private_state.tighten(started_with.state_folder())
    prepare()
    from catalog.services import periodic_jobs as catalog_jobs
    from governance.services import periodic_jobs as governance_jobs
    from portal import perimeter_jobs, role_checks
    from portal.guard import telling
    from portal.guard.start import REFUSED, Door
    from runtime.ledger import connections
    from runtime.services import day_sums, service_level_jobs
    from runtime.worker import scheduler

    if (why := connections.refusal()) is not None:
        print(f"tillgate: {why}", file=sys.stderr)
        return 2
    door = Door()
    if door.refused():
        return REFUSED
    role_checks.say()

    def work(_: int) -> int:
        door.wait_until_asked()
        telling.tell()
        catalog_jobs.start()
        governance_jobs.start()
        perimeter_jobs.start()
        service_level_jobs.start()
        day_sums.start()
        scheduler.run_forever()
        return 0

    return ProcessSupervisor(work, roles=lambda _: "scheduler").run()


if __name__ == "__main__":
    sys.exit(main())
