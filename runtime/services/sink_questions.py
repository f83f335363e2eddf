"""Asking a target system what it has: by key, by business reference, and as another release would ask."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from msgspec import structs

from runtime.connectors.protocols import (
    AskBy,
    Asked,
    CallContext,
    Comparing,
    ConnectionFault,
    HeldDocument,
    Inspecting,
    OutboundMessage,
    Refused,
    Retriable,
    Secrets,
    SinkConnector,
    Unknown,
    WriteResult,
)
from runtime.domain.held_documents import none_is_it, one_shows
from runtime.domain.templates import NoName
from runtime.ledger.vendor_client import CannotAsk, SendResult, SendStatus
from runtime.services.message_names import MessageNames
from runtime.services.sink_results import result_of
from runtime.services.state_questions import EVERY_NAME, NamesProve
from runtime.services.vendor_calls import vendor_call

T = TypeVar("T")
_CORRECTION = re.compile(r"#[0-9]{1,2}\Z")  # of its key: see runtime.selectors.corrections
_SILENT = SendResult("unknown", detail="the answer says nothing about this message")
_Question = tuple[int, str, Mapping[str, str]]  # place of the message, its name, the address


@dataclass(frozen=True, slots=True)
class SentByRelease:
    """How another release, which sent what is asked about, named and addressed it. `write_address`: the names that its
    path needed, so what it filled them with is where the message went."""

    names: MessageNames
    write_address: frozenset[str] = frozenset()
    business_reference: str = ""


class SinkQuestions:
    """The questions of one connection. `sent_by`: another release has sent what is asked about. Its key and address
    stay those of the message; how to ask is what this connection says."""

    def __init__(
        self,
        sink: SinkConnector,
        secrets: Secrets,
        names: MessageNames,
        *,
        deadline: float,
        sent_by: SentByRelease | None = None,
        prove: NamesProve = EVERY_NAME,
    ) -> None:
        self.sink, self.secrets, self.names, self.deadline, self.sent_by = sink, secrets, names, deadline, sent_by
        self.prove = prove
        holds = list(sink.holds.values()) if isinstance(sink, Comparing) else []
        amount = [sink.amount_sent] if isinstance(sink, Inspecting) and sink.amount_sent else []
        self.compared = frozenset([*holds, *amount])

    @property
    def by_reference_too(self) -> bool:
        """Whether a message that the vendor knows by our key can also be found by a name of the business."""
        return self.names.target.ask_by == "idempotency_key" and bool(self.sink.business_reference)

    def ask(self, items: Sequence[OutboundMessage], *, by: AskBy = "key") -> list[SendResult]:
        """What the vendor has. A key that it does not know is not the last word where a business reference can be asked
        for: it may have forgotten the key earlier than it says. Raises CannotAsk."""
        if by == "reference" and self.names.target.ask_by != "idempotency_key":
            by = "key"  # its name for a message is one of the business: the vendor does not forget it
        if by == "reference" and not self.sink.business_reference:
            raise CannotAsk
        until = time.monotonic() + self.deadline
        results = self._followed(items, until)
        self._by_names(items, [place for place in range(len(items)) if place not in results], by, until, results)
        if by == "key" and self.by_reference_too:
            not_there = [place for place, result in results.items() if result.status == "unsent"]
            again = [place for place in not_there if self._has_reference(items[place])]
            self._by_names(items, again, "reference", until, results)
        return [results[place] for place in range(len(items))]

    def _has_reference(self, item: OutboundMessage) -> bool:
        try:
            return bool(self._names_of(item, "reference"))
        except NoName:
            return False

    def _by_names(
        self,
        items: Sequence[OutboundMessage],
        places: Iterable[int],
        by: AskBy,
        until: float,
        results: dict[int, SendResult],
    ) -> None:
        """Ask about messages by their names, first the one that this release gives them. Stores what is said."""
        rounds: list[list[_Question]] = [[], []]
        for place in places:
            try:
                names, address = self._names_of(items[place], by), self._address(items[place])
            except NoName as error:
                results[place] = SendResult("unknown", detail=f"it cannot be asked about: {error}")
                continue
            for number, name in enumerate(names):
                rounds[number].append((place, name, address))
        first = self._answers(rounds[0], by, until, items)
        results.update(first)
        rest = [question for question in rounds[1] if results[question[0]].status == "unsent"]
        asked_by = {place: name for place, name, _ in rounds[0]}
        for place, result in self._answers(rest, by, until, items).items():
            if result.status != "unsent":
                results[place] = self._found_under_older_name(result, asked_by[place], by)

    def _answers(
        self, questions: Sequence[_Question], by: AskBy, until: float, items: Sequence[OutboundMessage]
    ) -> dict[int, SendResult]:
        groups: dict[tuple[tuple[str, str], ...], list[tuple[int, str]]] = {}
        for place, name, address in questions:
            groups.setdefault(tuple(address.items()), []).append((place, name))
        results: dict[int, SendResult] = {}
        for to, asked in groups.items():
            question = partial(self.sink.ask, [name for _, name in asked], address=dict(to), by=by)
            found = self._question(question, until, [items[place] for place, _ in asked])
            for place, name in asked:
                if isinstance(found, SendResult):
                    results[place] = found
                elif self.prove.by(by) and not items[place].edited and not self._corrected_has(name, by, items[place]):
                    results[place] = _found(found, name, items[place])
                else:
                    results[place] = self._found_of_state(found, name, items[place])
        return results

    def _corrected_has(self, name: str, by: AskBy, item: OutboundMessage) -> bool:
        """Whether what this message corrects has the same name there, because nothing of the log's key is in it."""
        if not item.corrects:
            return False
        first = _CORRECTION.sub("", item.key)
        other = structs.replace(item, key=first, idempotency_key="", target_key="", correlation_id="", position=0)
        try:
            return name in self._names_of(other, by)
        except NoName:
            return False

    def _found_of_state(self, found: dict[str, Asked], name: str, item: OutboundMessage) -> SendResult:
        """Older states have the same name: only what is shown of the content counts."""
        result, said = _found(found, name, item), found.get(name)
        if result.status not in ("confirmed", "differs", "declined", "refused"):
            return result
        documents = said.documents if isinstance(said, WriteResult) else ()
        if result.status == "confirmed" and one_shows(documents, item.document, self.compared):
            return result
        why = result.detail or "nothing in the answer shows that it is this one"
        shown: SendStatus = "other_state" if result.status == "differs" else "any_state"
        what = "the one from before the edit" if item.edited else "an earlier state"
        what = "the one that it corrects" if item.corrects and not item.edited else what
        return replace(result, status=shown, detail=f"what is there may be {what}: {why}")

    # -- names and addresses, where another release has sent -----------------------------------------------------------

    def _names_of(self, item: OutboundMessage, by: AskBy) -> list[str]:
        """The names to ask by, first the one that counts; one, unless another release gave the message another name.
        Raises NoName."""
        mine, its = (partial(self._name, self.names, by), None)
        if self.sent_by is not None:
            its = partial(self._name, self.sent_by.names, by)
            if by == "key" and self.sent_by.names.target.idempotency == "N":
                mine, its = its, None  # the vendor keeps the document under the name that was sent
        names, problem = list[str](), None
        for named in (mine, its):
            try:
                if named is not None:
                    names.append(named(item))
            except NoName as error:
                problem = problem or error
        if not names and problem is not None:
            raise problem
        return list(dict.fromkeys(names))

    def _name(self, names: MessageNames, by: AskBy, item: OutboundMessage) -> str:
        if by == "key":
            return names.name(item)
        earlier = self.sent_by is not None and names is self.sent_by.names
        template = self.sent_by.business_reference if earlier and self.sent_by else self.sink.business_reference
        if not template:
            raise NoName("business_reference", "is not declared")
        return names.filled(template, item)

    def _found_under_older_name(self, result: SendResult, name: str, by: AskBy) -> SendResult:
        """A key that was sent proves what it finds. A template that a later release has changed may have been wrong: a
        person sees both answers."""
        assert self.sent_by is not None
        if by == "key" and self.sent_by.names.names_are_sent:
            return result
        if result.status not in ("confirmed", "accepted", "declined"):
            return result
        where = f" ({result.reference})" if result.reference else ""
        said = f"it is not there under {name!r}, by which this release asks, but under the name of the release that "
        return SendResult("differs", result.reference, f"{said}sent it{where}", answer=result.answer)

    def _address(self, item: OutboundMessage) -> Mapping[str, str]:
        """Where to ask about a message: at the address to which it was sent. Raises NoName."""
        needed = self.sink.ask_address
        if self.sent_by is None:
            return self.names.address(item, needed)
        its, mine = self.sent_by.names, self.names
        made = dict[str, str]()
        for name in sorted(needed):
            both = [its, mine] if name in self.sent_by.write_address else [mine, its]
            source = next((one for one in both if name in one.target.address), None)
            if source is None:
                raise NoName(name, "is in no address")
            made[name] = source.filled(source.target.address[name], item)
        return made

    # -- documents -----------------------------------------------------------------------------------------------------

    def documents(self, items: Sequence[OutboundMessage]) -> list[Sequence[HeldDocument] | SendResult] | None:
        """Every document that the vendor has under the business name of each message, or why there is no answer about
        it; None where the connection cannot list documents."""
        if not isinstance(self.sink, Inspecting):
            return None
        by = self._listed_by
        until = time.monotonic() + self.deadline
        results: list[Sequence[HeldDocument] | SendResult] = [_SILENT] * len(items)
        groups: dict[tuple[tuple[str, str], ...], list[tuple[int, str]]] = {}
        for place, item in enumerate(items):
            try:
                name, address = self._names_of(item, by)[0], self._address(item)
            except NoName as error:
                results[place] = SendResult("unknown", detail=f"it cannot be asked about: {error}")
                continue
            groups.setdefault(tuple(address.items()), []).append((place, name))
        for to, asked in groups.items():
            question = partial(self.sink.documents, [name for _, name in asked], address=dict(to), by=by)
            found = self._question(question, until, [items[place] for place, _ in asked])
            if found is None:
                return None
            for place, name in asked:
                results[place] = found if isinstance(found, SendResult) else found.get(name, _SILENT)
        return results

    @property
    def _listed_by(self) -> AskBy:
        return "reference" if self.by_reference_too else "key"

    def shows_state(self, documents: Sequence[HeldDocument], item: OutboundMessage) -> bool:
        """Whether one of the documents that were listed under the name of a message is surely of its state."""
        by = self._listed_by
        if self.prove.by(by) and not any(self._corrected_has(name, by, item) for name in self._names_of(item, by)):
            return True
        return one_shows([one.holds for one in documents], item.document, self.compared)

    # -- one question --------------------------------------------------------------------------------------------------

    def _followed(self, items: Sequence[OutboundMessage], until: float) -> dict[int, SendResult]:
        """What the vendor says of messages that it has accepted, where it can be asked about what it accepted."""
        jobs = {place: item.accepted_as for place, item in enumerate(items) if item.accepted_as}
        if not jobs:
            return {}
        try:
            found = self._question(partial(self.sink.follow, list(jobs.values())), until, [items[n] for n in jobs])
        except CannotAsk:
            return {}  # asked about by key, like everything else
        if isinstance(found, SendResult):
            return dict.fromkeys(jobs, found)
        return {
            place: (self._found_of_state if items[place].edited else _found)(found, job, items[place])
            for place, job in jobs.items()
        }

    def _question(self, question: Callable[..., T], until: float, items: Sequence[OutboundMessage]) -> T | SendResult:
        """The answer to a question, or what to say of every message where there is none. Raises CannotAsk."""
        left = until - time.monotonic()
        if left <= 0:
            return SendResult("unknown", detail="there was no time left to ask about this message")
        try:
            with vendor_call(self.names.target.system, "ask"):
                return question(call=CallContext(self.secrets, left, doing="ask").about(*items))
        except Refused as error:
            if error.code == "sink.cannot_ask":
                raise CannotAsk from None
            said = f"the question was refused: {error.message} [{error.code}]. Correct the connection's lookup"
            return SendResult("unknown", detail=said, fault="settings")
        except Retriable as error:
            return SendResult("unknown", detail=error.reason, retry_after=error.after)
        except ConnectionFault as error:
            return SendResult("unknown", detail=error.message, fault=error.kind)
        except Unknown as error:
            return SendResult("unknown", detail=error.reason)


def _found(found: dict[str, Asked], name: str, item: OutboundMessage) -> SendResult:
    if name not in found:
        return _SILENT
    said = found[name]
    if not isinstance(said, WriteResult):
        return SendResult("unsent") if said is None else SendResult("confirmed", said)
    result = result_of(said)
    if result.status != "confirmed" or not (why := none_is_it(said.documents, item.document)):
        return result
    where = f" as {said.reference}" if said.reference else ""
    return replace(result, status="differs", detail=f"what is there{where} is not what was sent: {why}")
