"""`python -m portal.scheduler`: due schedules, the outbox, partitions, the watch over silent workers, periodic jobs.

Two schedulers at once do no harm.
"""

from __future__ import annotations

import os
import sys

import django

from kernel.postgresql import sessions
from portal import started_with


def main() -> int:
    started_with.refuse_wrong_settings()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    sessions.serve_as("scheduler")
    django.setup()
    from catalog.services import periodic_jobs as catalog_jobs
    from governance.services import periodic_jobs as governance_jobs
    from runtime.ledger import connections
    from runtime.services import day_sums, service_level_jobs
    from runtime.worker import scheduler

    if (why := connections.refusal()) is not None:
        print(f"tillgate: {why}", file=sys.stderr)
        return 2

    catalog_jobs.start()
    governance_jobs.start()
    service_level_jobs.start()
    day_sums.start()
    scheduler.run_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
