"""`python -m portal.scheduler`: due schedules, the outbox, partitions and the watch over silent workers. Two at once are harmless."""

from __future__ import annotations

import os
import sys

import django


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    from runtime.services import scheduling

    scheduling.run_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
