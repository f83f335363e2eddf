"""One call of a vendor over the network, as seen from outside: how long it took and how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from runtime.connectors.protocols import ConnectionFault, Refused, Retriable, Unknown, WriteResult
from runtime.ledger.measures import CALL_SECONDS

NOT_ASKED = "sink.cannot_ask"


@dataclass(slots=True)
class CallOutcome:
    """`word` is answered, refused, unsent, unknown, fault, or failed by an error of our own."""

    word: str = "answered"

    def of(self, results: Iterable[WriteResult]) -> None:
        """An answer that is worth nothing counts as none."""
        found = list(results)
        if any(one.fault is not None for one in found):
            self.word = "fault"
        elif any(one.status == "unknown" for one in found):
            self.word = "unknown"
        elif any(one.code == "not_sent" for one in found):
            self.word = "unsent"
        elif found and all(one.status == "refused" for one in found):
            self.word = "refused"


@contextmanager
def vendor_call(system: str, call: str) -> Iterator[CallOutcome]:
    began, outcome = time.monotonic(), CallOutcome()
    try:
        yield outcome
    except BaseException as error:
        outcome.word = _word(error)
        raise
    finally:
        if outcome.word != NOT_ASKED:
            CALL_SECONDS.labels(system, call, outcome.word).observe(time.monotonic() - began)


def _word(error: BaseException) -> str:
    if isinstance(error, Refused):
        return NOT_ASKED if error.code == NOT_ASKED else "refused"
    words = ((Retriable, "unsent"), (ConnectionFault, "fault"), (Unknown, "unknown"))
    return next((word for kind, word in words if isinstance(error, kind)), "failed")
