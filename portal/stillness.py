"""Which of the processes that give signs of life stands still, so that its supervisor ends and replaces it.

Who looks counts the seconds in its own looks, so that nothing counts against others that happened to itself as well:

- a look that comes late (the machine slept, the supervisor was stopped or had no processor), or that cannot give a
  sign of its own, counts nothing and begins all counts anew;
- one that has not given its first sign is still loading; it counts only where a signal has stopped it;
- a process that gets processor time, waits for it or for a disk has four times as long: a busy machine is no reason;
- one that is traced by a debugger is left alone;
- one process is ended at a time, and after each one longer pauses pass, but for those that were stopped by a signal and
  can do nothing: a fault that all have does not go away by ending them all.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from kernel import clock, life_signs
from kernel.life_signs import EndedProcess
from kernel.retry import RetryPolicy

LOOK_SECONDS = 1.0
STILL_SECONDS = 30.0  # without a sign of life; TILLGATE_STILL_SECONDS sets another time
BUSY_TIMES = 4  # as long, for one that works or waits for the processor
LATE_TIMES = 5  # a look that comes later than so many pauses between looks
CALM_SECONDS = 3600.0  # after which the pauses begin anew
REPLACED_STILL = RetryPolicy(base=30.0, ceiling=600.0)
"""Between the ends of two processes that are not stopped."""
STOPPED, TRACED, BUSY, WAITS = "stopped", "traced", "busy", "waits"
_STATES = {"T": STOPPED, "t": TRACED, "R": BUSY, "D": BUSY}


class Doing(NamedTuple):
    """What the kernel says of a process: its state, and its processor time in ticks."""

    state: str
    used: int


def doing(pid: int) -> Doing:
    """From /proc; where there is none, every process waits."""
    try:
        said = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return Doing(WAITS, 0)
    return Doing(_STATES.get(said[0], WAITS), int(said[11]) + int(said[12]))


@dataclass(slots=True)
class _Seen:
    mark: int | None
    used: int
    still: float = 0.0
    busy: bool = False


@dataclass(slots=True)
class Stillness:
    """`look` is called every `pause` seconds and answers who is to be ended now, with the seconds it stood still."""

    still: float = field(default_factory=lambda: float(os.environ.get("TILLGATE_STILL_SECONDS") or STILL_SECONDS))
    pause: float = LOOK_SECONDS
    monotonic: Callable[[], float] = time.monotonic
    doing: Callable[[int], Doing] = doing
    seen: dict[int, _Seen] = field(default_factory=dict)
    ended: int = 0
    _last: float | None = None
    _ended_at: float = float("-inf")

    def due(self) -> float:
        """The moment of the next look, in monotonic seconds."""
        return 0.0 if self._last is None else self._last + self.pause

    def look(self, pids: Iterable[int], marks: Mapping[int, int], *, able: bool = True) -> dict[int, float]:
        now = self.monotonic()
        passed = 0.0 if self._last is None else now - self._last
        late = passed > LATE_TIMES * self.pause or not able
        self._last = now
        before, self.seen = self.seen, {}
        found: dict[int, float] = {}
        for pid in pids:
            mark, does = marks.get(pid), self.doing(pid)
            known = before.get(pid)
            loads = mark is None and does.state != STOPPED
            if known is None or late or loads or mark != known.mark or does.state == TRACED:
                known = _Seen(mark, does.used)
            else:
                known.still += passed
                known.busy = known.busy or does.state == BUSY or does.used > known.used
                known.used = does.used
            self.seen[pid] = known
            if known.still >= self.still * (BUSY_TIMES if known.busy and does.state != STOPPED else 1):
                found[pid] = known.still
        return self._chosen(found, now)

    def _chosen(self, found: dict[int, float], now: float) -> dict[int, float]:
        chosen = {pid: still for pid, still in found.items() if self.doing(pid).state == STOPPED}
        if now - self._ended_at > CALM_SECONDS:
            self.ended = 0
        others = {pid: still for pid, still in found.items() if pid not in chosen}
        if others and (not self.ended or now - self._ended_at >= REPLACED_STILL.pause(self.ended - 1)):
            longest = max(others, key=lambda pid: others[pid])
            chosen[longest] = others[longest]
            self.ended, self._ended_at = self.ended + 1, now
        for pid in chosen:
            self.seen.pop(pid, None)
        return chosen


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@dataclass(slots=True)
class Attendant:
    """What a supervisor does every second: it gives a sign of its own, ends the children that stand still and leaves a
    note of each one that has ended. It starts none."""

    place: Path | None
    say: Callable[[str], object]
    stillness: Stillness = field(default_factory=Stillness)
    ended: set[int] = field(default_factory=set)

    def attend(self, roles: Mapping[int, str], end: Callable[[int], object] = kill) -> None:
        """`roles`: what each child does. Called as often as one likes."""
        if self.place is None or self.stillness.monotonic() < self.stillness.due():
            return
        able = life_signs.give()
        for pid, seconds in self.stillness.look(roles, life_signs.given(self.place), able=able).items():
            said = f"gave no sign of life for {seconds:.0f} s"
            self.say(f"{roles[pid]} (process {pid}) {said}; it is ended and replaced")
            self.ended.add(pid)
            end(pid)
            self._note(roles[pid], pid, "still", said)

    def has_ended(self, role: str, pid: int, said: str) -> None:
        """A child has ended; one that this attendant has ended is on record already."""
        if pid in self.ended:
            self.ended.discard(pid)
        else:
            self._note(role, pid, "ended", said)

    def _note(self, role: str, pid: int, why: str, said: str) -> None:
        life_signs.note(self.place, EndedProcess(role, pid, why, said, clock.now().timestamp()))
