"""Does a verdict still stand? The same question on what is known now, without a new verdict.

A pipeline may hold a verdict and ask this again: the answer is fresh for five seconds, so that what changes reaches
every holder within them. It is computed from the facts, not from a list of what may have changed: nothing can be left
out of such a list.

Who asks again soon is spared the computing while nothing can have changed it: nobody wrote anything to the catalog, to
what was decided or to people since (`kernel.write_stamps`), and time alone changes nothing for a while (`_quiet`).
Where either cannot be known, it is computed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from catalog.selectors import gate_asking
from governance.domain.statements import VALID
from governance.domain.verdict import decide
from governance.models import Verdict, Waiver
from governance.selectors import freezes
from governance.services import gate_evidence, verdicts
from kernel import clock, write_stamps
from kernel.digest import digest_bytes, digest_of
from kernel.viewer import Viewer

FRESH = timedelta(seconds=5)
QUIET = timedelta(seconds=30)
"""So far ahead it is looked whether time alone changes an answer. Shorter than any freeze: a calendar knows minutes."""
MOST_REMEMBERED = 10_000
_OF_ITS_MOMENT = ("as_of", "input_digest")


@dataclass(frozen=True, slots=True)
class HeldVerdict:
    """Whether a verdict stands at `at`, until when it may at most, and in a word why it does not; and what it is about,
    so that who holds it can tell it from any other."""

    id: int
    word: str
    stands: bool
    why: str
    at: datetime
    until: datetime
    application: str
    version: str
    environment: str
    instance: str
    question_digest: str
    answer_digest: str

    @property
    def etag(self) -> str:
        """Another one as soon as the verdict does not stand any more."""
        return f'"{self.id}-{digest_of([self.word, self.stands, self.why])[7:23]}"'


class _Remembered(NamedTuple):
    """What was found, at which moment of the database, and until when by this process' clock it may be believed."""

    found: HeldVerdict
    moment: str
    ends: float

    def good_at(self, now: datetime) -> bool:
        """By the database's clock, which may have been set meanwhile."""
        return self.found.at <= now < min(self.found.at + QUIET, self.found.until)


_remembered: dict[Hashable, _Remembered] = {}
_moments: dict[int, str] = {}


def moment_of(verdict_id: int) -> str | None:
    """The moment of the database at which this verdict was computed last, in this process."""
    return _moments.get(verdict_id)


def of(verdict_id: int, viewer: Viewer, unchanged_since: str | None = None) -> HeldVerdict:
    """The standing of a verdict for who may see it: `expired` after fifteen minutes, `what-if`, `changed` when the gate
    would answer anything else now, be it a reason, a warning, a waiver, or the policies. `unchanged_since` is a moment
    since which nothing was written, where the caller has just asked. Raises NotFound."""
    who = (verdict_id, viewer.id, viewer.sees_everything, viewer.team_ids)
    known, now = _remembered.get(who), clock.now()
    if known is not None and time.monotonic() < known.ends and known.good_at(now):
        if known.moment == unchanged_since or write_stamps.unchanged_since(known.moment):
            return replace(known.found, at=now)
        del _remembered[who]
    began = time.monotonic()
    with gate_evidence.snapshot():
        moment = write_stamps.moment()
        row = verdicts.find(verdict_id, viewer)
        found = _computed(row, now, viewer)
        quiet = found.stands and moment is not None and _quiet(row, now, viewer)
    if quiet and moment is not None:
        if len(_remembered) >= MOST_REMEMBERED:
            forget()
        _moments[verdict_id] = moment
        _remembered[who] = _Remembered(found, moment, began + QUIET.total_seconds())
    return found


def forget() -> None:
    """Everything that was found is computed again."""
    _remembered.clear()
    _moments.clear()


def _computed(row: Verdict, now: datetime, viewer: Viewer) -> HeldVerdict:
    until = row.at + VALID
    given = json.loads(row.answer)
    if given.get("hypothetical") or abs(row.as_of - row.at) > FRESH:
        why = "what-if"
    elif now >= until:
        why = "expired"
    else:
        why = "" if _answers(row, given, now, viewer) else "changed"
    return HeldVerdict(
        id=row.pk,
        word=row.word,
        stands=not why,
        why=why,
        at=now,
        until=until,
        application=row.application,
        version=row.version,
        environment=row.environment,
        instance=row.question["instance"],
        question_digest=digest_of(row.question),
        answer_digest=digest_bytes(row.answer.encode()),
    )


def _answers(row: Verdict, given: Mapping[str, Any], at: datetime, viewer: Viewer) -> bool:
    return _same(given, decide(row.question, gate_evidence.gather(row.question, at, viewer)))


def _quiet(row: Verdict, now: datetime, viewer: Viewer) -> bool:
    """Whether nothing but a write changes the answer within `QUIET`: it is the same at the end, and nothing that comes
    and goes does so in between. What passes for good (a sunset, an end of support) would show at the end. Integrations
    are judged by what the runtime knows, whose writes are not stamped."""
    if row.question["integrations"]:
        return False
    end = now + QUIET
    between = (now, end)
    return (
        not freezes.edges_between(now, end)
        and not Waiver.objects.filter(starts_at__range=between).exists()
        and not Waiver.objects.filter(expires_at__range=between).exists()
        and not gate_asking.subscriptions_move(row.application, between)
        and _answers(row, json.loads(row.answer), end, viewer)
    )


def _same(given: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    """Equal but for the moment. An answer of an older engine is none that the gate would give now."""
    plain = json.loads(json.dumps(present))
    keys = (set(given) | set(plain)) - set(_OF_ITS_MOMENT)
    return all(given.get(key, _MISSING) == plain.get(key, _MISSING) for key in keys)


_MISSING = object()
