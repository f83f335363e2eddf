"""Which states a target gets now: a mapper that leaves out those that do not count in its zone at this moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runtime.domain import validity
from runtime.domain.correlation import STATE_MARK, subject_of
from runtime.domain.manifest import ManifestTarget
from runtime.domain.validity import BadValidity, KnownState, Period, Valid
from runtime.ledger.dated_states import AtHand
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Mapper, Skipped
from runtime.ledger.quarantine import QuarantineEntry


@dataclass(frozen=True, slots=True)
class TargetDating:
    """How one instance of a target counts dated states."""

    valid: Valid
    target: ManifestTarget
    instance: str
    prefix: str = ""

    def zone(self, period: Period) -> str:
        return validity.zone_of(self.valid, period, self.target.zones, self.instance)

    def moment(self, message: LoggedMessage, known: AtHand) -> datetime | None:
        """The moment from which a state counts here: that which put the message into the log once more, or the
        beginning of its period; None where it has none. Raises Skipped for a message that this instance does not get
        now."""
        subject, record = subject_of(message.key), message.key.partition(STATE_MARK)[2]
        states, copies = known.states.get(subject, []), known.copies.get(subject, [])
        copy = next((one for one in copies if one[2] == message.position), None)
        if self.target.holds_dates:
            if copy is not None:
                raise Skipped
            return None
        mine = next((state for state in states if state.record == record), None)
        if mine is None:
            mine = KnownState(record, self._own_period(message), 0, message.position)
            states = [*states, mine]
        zone = self.zone(mine.period)
        if copy is not None and copy[0] != zone:
            raise Skipped
        if mine.position != (message.position if copy is None else copy[3]):
            raise Skipped  # a newer version of the same state has a message of its own
        if validity.counting(states, known.now, self.zone, self.valid.repeated) is not mine:
            raise Skipped
        if copy is None and (zone, record) in known.to_come.get(subject, ()):
            raise Skipped  # it is in force, and its moment has not passed yet: the copy follows
        if copy is None and any(one[0] == zone and one[3] == message.position for one in copies):
            raise Skipped  # its moment has passed meanwhile: the copy follows
        return validity.begins_at(mine.period, zone, self.valid.repeated) if copy is None else copy[1]

    def _own_period(self, message: LoggedMessage) -> Period:
        """Of a message from before the integration dated its states, or of a state that has ended everywhere."""
        try:
            return validity.read(self.valid, message.document)
        except BadValidity:
            return Period()

    def finish(self, document: Any, moment: datetime | None) -> Any:
        version = self.target.dated_version
        if moment is None or version is None or not isinstance(document, dict):
            return document
        return {**document, version.field: version.at_least(document.get(version.field), moment)}


@dataclass(frozen=True)
class DatedMapper(Mapper):
    """The mapper of a target whose source is dated. `look_up` answers what is known of the subjects of some keys, once
    for a whole batch."""

    dating: TargetDating | None = None
    look_up: Callable[[Sequence[str]], AtHand] | None = None
    inner: Mapper | None = None

    def many(
        self, messages: Sequence[LoggedMessage]
    ) -> tuple[list[tuple[LoggedMessage, Any]], list[QuarantineEntry], list[int]]:
        assert self.dating is not None
        assert self.look_up is not None
        assert self.inner is not None
        moments: dict[int, datetime | None] = {}
        mine = [message for message in messages if message.key.startswith(self.dating.prefix)]
        known = self.look_up([message.key for message in mine])
        for message in mine:
            try:
                moments[message.position] = self.dating.moment(message, known)
            except Skipped:
                continue
        kept = [message for message in messages if message.position in moments]
        mapped, entries, skipped = self.inner.many(kept)
        dated = [(message, self.dating.finish(document, moments[message.position])) for message, document in mapped]
        left_out = [message.position for message in messages if message.position not in moments]
        return dated, entries, sorted([*skipped, *left_out])


def dated(mapper: Mapper, dating: TargetDating, look_up: Callable[[Sequence[str]], AtHand]) -> Mapper:
    """The same mapper for states that count now."""

    def one(message: LoggedMessage) -> Any:
        moment = dating.moment(message, look_up([message.key]))
        return dating.finish(mapper.one(message), moment)

    return DatedMapper(one, None, dating, look_up, Mapper(mapper.one))
