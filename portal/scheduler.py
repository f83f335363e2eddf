"""`python -m portal.scheduler`: due schedules, the outbox, partitions, the watch over silent workers, and governance's own duties. Two at once are harmless."""

from __future__ import annotations

import os
import sys

import django


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    from governance.services import duties
    from runtime.services import scheduling

    duties.start()
    scheduling.run_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
