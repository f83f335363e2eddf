"""Places inside of a run from which it cannot go on: a position that the service refuses, pages in a circle. A run that
takes up such a place begins anew, once; one that finds out that its own place is lost fails and stores where it began,
so that the next one begins anew. What is known comes again and is dropped.
"""

from __future__ import annotations

from runtime.connectors.outcomes import meaning
from runtime.connectors.protocols import ConnectionFault, Cursor, Page, Refused

VOID = "void"  # in a cursor: why the run that stored it could not go on


class VoidPlaces:
    """Of one reader: the failure goes through a cursor, so that it is stored with what was read, and is raised by the
    call behind it. A reader that begins with such a cursor begins anew."""

    def __init__(self) -> None:
        self.begun = False

    def taken_up(self, cursor: Cursor | None) -> Cursor:
        """The cursor to go on with. Raises Refused where this reader has left its place."""
        taken, first = dict(cursor or {}), not self.begun
        self.begun = True
        void = taken.pop(VOID, None)
        if void and not first:
            self.begun = False
            raise Refused(str(void[0]), str(void[1]))
        return taken

    def left(self, beginning: Cursor, reason: Refused) -> Page:
        return Page([], {**beginning, VOID: [reason.code, reason.message]}, False)


def refused_here(error: Refused | ConnectionFault) -> Refused | None:
    """What is said of a position that a service has given and does not take any more; None where the error is not about
    the position. 404 and 410 name the position then, and no wrong address."""
    if error.status is None or meaning(error.status, "read") not in ("message", "address"):
        return None
    words = error.message.removesuffix(".")
    return Refused(
        "paging.void",
        f"The service does not go on at the place that it gave itself ({error.status}: {words[:500]})",
        status=error.status,
    )
