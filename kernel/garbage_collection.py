"""How often a process looks for reference cycles."""

from __future__ import annotations

import gc


def collect_rarely(young: int = 50_000) -> None:
    """Look for cycles at every so many new objects instead of at every 700, and never among the objects that exist now.

    A batch of a worker is thousands of objects that are freed together without cycles. Looking among them at the
    default rate found nothing and took a tenth of a worker's CPU; at this rate memory still stays flat. Objects made by
    imports live as long as the process; a look through all of them would stop every thread of a web process for a tenth
    of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, 20, 20)
