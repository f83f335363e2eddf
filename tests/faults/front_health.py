"""What the web server says of its own health while something is wrong: goals R10 (readiness tells the truth) and R11
(health answers whatever hangs).

Asked beside everything else, each time over a new connection, which does not wait behind anybody's body. A spell's kind
has its longest answer, how often readiness was red meanwhile, and after how many seconds it was green again.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.judge import Verdict
from tests.faults.waits import AS_LONG_AS_A_LEASE, GOOD_WITHIN, MOST_FAILED, Spell

EVERY = 0.1  # seconds between two questions
LONGEST = 5.0  # seconds that one of them may take, as the probes of a platform have it
SEEN_BEFORE = 20  # answers, of all processes of the web server
WHOLE = frozenset({"frozen", "reader", "bodies"})  # the product serves meanwhile, so it has to say so


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about readiness: when it began, in seconds since 1970, how long it took, what it was answered (0:
    nothing), and what was wrong with the database by that."""

    at: float
    took: float
    status: int
    said: str = ""

    @property
    def in_vain(self) -> bool:
        """Nobody looked in time: the machine was slow, or the database is away."""
        return self.status == 0 or "no answer within" in self.said


@dataclass
class FrontHealth:
    """Asks until it is told to stop; `place` answers where the server listens now, None while there is none."""

    place: Callable[[], tuple[str, int] | None]
    answers: list[Asked] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(2 * LONGEST)

    def _ask(self) -> None:
        while not self._over.wait(EVERY):
            if (place := self.place()) is not None:
                self.answers.append(ask(place))


def ask(place: tuple[str, int]) -> Asked:
    """Ask once."""
    began, clock, status, said = time.time(), time.monotonic(), 0, ""
    connection = http.client.HTTPConnection(*place, timeout=LONGEST)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        found = json.loads(answer.read())
        status, said = answer.status, ", ".join(f"{key}: {word}" for key, word in found.items() if word != "ok")
    except (OSError, http.client.HTTPException, ValueError):
        pass
    finally:
        connection.close()
    return Asked(began, time.monotonic() - clock, status, said)


def judge(
    verdict: Verdict, spells: Iterable[Spell], answers: Sequence[Asked], disturbed: Sequence[float]
) -> dict[str, dict[str, Any]]:
    """By kind: questions, how many were not answered "ready" and what was said, seconds until it was ready again, the
    longest answer.

    As with the tills a spell into whose time something else falls, or before which it was not well, is not judged. When
    it is over, readiness has to be green within the time that tills are given; where the database is whole all the
    time, it says at most once that it is not. Answers that only came too late are told, and no fault in themselves:
    others load the machine, too.
    """
    known, told = list(spells), dict[str, dict[str, Any]]()
    for spell in known:
        over = spell.over
        if over is None or any(
            spell.began < at < over + GOOD_WITHIN for at in (*disturbed, *(o.began for o in known if o != spell))
        ):
            continue
        within = AS_LONG_AS_A_LEASE.get(spell.kind, GOOD_WITHIN)
        meant = [one for one in answers if spell.began <= one.at <= over + within]
        before = [one.status for one in answers if one.at < spell.began][-SEEN_BEFORE:]
        if not before or set(before) != {200}:
            continue  # not all processes of the web server had loaded yet
        if not meant or meant[-1].at < over:
            continue  # the round ended with it
        after = [one for one in meant if one.at >= over]
        green = next((one.at + one.took - over for one in after if one.status == 200), None)
        kind = told.setdefault(spell.kind, {"asked": 0, "red": 0, "said": [], "green after": 0.0, "longest": 0.0})
        kind["asked"] += len(meant)
        red = [one for one in meant if one.status != 200]
        wrong = sorted({one.said for one in red if not one.in_vain})
        kind["red"] += len(red)
        kind["said"] = sorted({*kind["said"], *(one.said for one in red if one.said)})
        kind["green after"] = round(max(kind["green after"], within if green is None else green), 2)
        kind["longest"] = round(max(kind["longest"], *(one.took for one in meant)), 2)
        if green is None:
            said = sorted({one.status for one in after})
            verdict.add("untrue", f"readiness said {said} for {within:g} s after {spell.kind} was over")
        elif spell.kind in WHOLE and sum(not one.in_vain for one in red) > MOST_FAILED:
            verdict.add("untrue", f"readiness said {wrong} during {spell.kind}")
    return told
