"""Does a verdict still stand? The same question on what is known now, without a new verdict.

A pipeline may hold a verdict and ask this again: the answer is fresh for five seconds, so that what changes reaches
every holder within them. It is computed from the facts, not from a list of what may have changed: nothing can be left
out of such a list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from governance.domain.statements import VALID
from governance.domain.verdict import decide
from governance.models import Verdict
from governance.services import gate_evidence
from kernel import clock
from kernel.digest import digest_of
from kernel.viewer import Viewer

FRESH = timedelta(seconds=5)
_OF_ITS_MOMENT = ("as_of", "input_digest")


@dataclass(frozen=True, slots=True)
class HeldVerdict:
    """Whether a verdict stands at `at`, until when it may at most, and in a word why it does not."""

    id: int
    word: str
    stands: bool
    why: str
    at: datetime
    until: datetime

    @property
    def etag(self) -> str:
        """Another one as soon as the verdict does not stand any more."""
        return f'"{self.id}-{digest_of([self.word, self.stands, self.why])[7:23]}"'


def of(row: Verdict, viewer: Viewer) -> HeldVerdict:
    """The standing of a verdict for who may see it: `expired` after fifteen minutes, `what-if`, `changed` when the gate
    would answer anything else now, be it a reason, a warning, a waiver, or the policies."""
    now, until = clock.now(), row.at + VALID
    given = json.loads(row.answer)
    if given.get("hypothetical") or abs(row.as_of - row.at) > FRESH:
        why = "what-if"
    elif now >= until:
        why = "expired"
    else:
        known = gate_evidence.gather(row.question, now, viewer)
        why = "" if _same(given, decide(row.question, known)) else "changed"
    return HeldVerdict(row.pk, row.word, not why, why, now, until)


def _same(given: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    """Equal but for the moment. An answer of an older engine is none that the gate would give now."""
    plain = json.loads(json.dumps(present))
    keys = (set(given) | set(plain)) - set(_OF_ITS_MOMENT)
    return all(given.get(key, _MISSING) == plain.get(key, _MISSING) for key in keys)


_MISSING = object()
