"""What a trace says of a state with dates: from when it is in force at a target, and by which message it came there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from kernel.ui.tones import Tone, quiet, wait
from runtime.domain import manifest as manifests
from runtime.domain import validity
from runtime.domain.correlation import STATE_MARK, subject_of
from runtime.domain.manifest import Manifest
from runtime.domain.validity import Period
from runtime.selectors.sql_rows import rows

_MOMENTS = """
select m.zone, m.at, m.kind, m.position, m.of_position, m.fired_at
  from runtime_validitymoment m
 where m.stream_id = %(stream)s
   and m.subject = %(subject)s
   and ((m.record = %(record)s and m.kind = 'begins' and m.fired_at is null)
        or m.position = %(position)s
        or m.of_position = %(position)s)
 order by m.at"""
_STATE = """
select d.position, d.begins, d.ends, d.zone, d.withdrawn
  from runtime_datedstate d
 where d.stream_id = %(stream)s
   and d.subject = %(subject)s
   and d.record = %(record)s"""
_MANIFEST = """
select r.manifest::text as manifest
  from runtime_stream st
  join runtime_deployment d on d.integration_id = st.integration_id and d.environment = st.environment and d.active
  join runtime_release r on r.id = d.release_id
 where st.id = %(stream)s"""


@dataclass(frozen=True, slots=True)
class DatedStep:
    note: str
    tone: Tone


@dataclass(slots=True)
class DatedMessage:
    """A message of a dated source. `held` until, `came` by another message, each by zone; `moment` and zone where the
    message itself is such a copy."""

    manifest: Manifest
    period: Period
    current: bool
    held: dict[str, datetime] = field(default_factory=dict)
    came: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    copied: tuple[datetime, str] | None = None

    def at_target(self, name: str, instance: str) -> DatedStep | None:
        """Why a target skipped the message, as far as dates are the reason."""
        target = next((one for one in self.manifest.targets if one.name == name), None)
        valid = None if target is None else self.manifest.valid_of(self.manifest.source_of(target))
        if target is None or valid is None:
            return None
        zone = validity.zone_of(valid, self.period, target.zones, instance)
        if self.copied is not None and self.copied[1] != zone:
            return DatedStep(f"put into the log for {self.copied[1]}; here {zone} counts", quiet("Another zone"))
        if zone in self.came:
            at, position = self.came[zone]
            said = f"in force from {local(at, zone)}; sent then as position {position} of this lane"
            return DatedStep(said, quiet("Held until its date", "calendar"))
        if self.current and zone in self.held:
            return DatedStep(f"In force from {local(self.held[zone], zone)}", wait("Held until its date", "calendar"))
        return None


def local(moment: datetime, zone: str) -> str:
    """ "1 Jan 2027, 00:00 (Europe/Lisbon)" """
    here = moment.astimezone(ZoneInfo(zone))
    return f"{here.day} {here:%b %Y, %H:%M} ({zone})"


def of_message(stream: int, key: str, position: int) -> DatedMessage | None:
    """None for a message without dates. Three queries, only for keys that carry a mark of state."""
    if STATE_MARK not in key:
        return None
    place = {"stream": stream, "subject": subject_of(key), "record": key.partition(STATE_MARK)[2], "position": position}
    deployed, state = rows(_MANIFEST, place), rows(_STATE, place)
    if not deployed:
        return None
    period = Period()
    if state:
        period = Period(state[0]["begins"], state[0]["ends"], state[0]["zone"], state[0]["withdrawn"])
    made = DatedMessage(manifests.load(json.loads(deployed[0]["manifest"])), period, False)
    of = {position}
    for row in rows(_MOMENTS, place):
        if row["position"] == position:
            made.copied = (row["at"], row["zone"])
            of.add(row["of_position"])
        elif row["of_position"] == position:
            made.came[row["zone"]] = (row["at"], row["position"])
        else:
            made.held[row["zone"]] = row["at"]
    made.current = bool(state) and state[0]["position"] in of
    return made
