"""What every connector promises. The ledger knows these shapes, and no vendor.

A connector holds no state that matters: the cursor it gives back is data, the caller stores it in the transaction that
stores the records, and hands it in again. Nothing here touches a database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, Protocol, runtime_checkable

from msgspec import Struct

from kernel.card_data import MaskedCards, masked_text
from runtime.connectors.held_tokens import IN_PROCESS, TokenStore
from runtime.domain.correlation import trace_context
from runtime.domain.secret_spellings import spellings

MOST_LINKS = 100


class Idempotency(StrEnum):
    """What a target does when the same message reaches it twice."""

    KEY = "K"  # it keeps a key that we send, and answers the repetition with the first result
    NATURAL = "N"  # it keys its documents by something of ours: a repetition is an upsert or a refusal
    LOOKUP = "L"  # it keys nothing, but can be asked whether our reference is there
    UNSAFE = "U"  # neither: after an ambiguous outcome only a person may release the message


class CallError(Exception):
    """Base of the four ways in which a call does not succeed."""


class Retriable(CallError):
    """Nothing was applied; the same call may be made again, `after` seconds from now where the target system named a
    time."""

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.after = reason, after


class Refused(CallError):
    """The target system (or our egress rule) says no; the same call will be refused again."""

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(f"{message} [{code}]")
        self.code, self.message, self.status = code, message, status


class Unknown(CallError):
    """The call may or may not have been applied. Ask before anything is sent again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


FaultKind = Literal["credentials", "address", "redirect", "certificate", "secret", "name", "settings"]
"""What is wrong with a connection: the credentials (401, 403), the path or method (404 of the path, 405), an answer
that leads elsewhere (3xx, a sign-in page), the TLS certificate, a secret that is not set, a host name that DNS does not
know, settings with which no client can be opened."""


class ConnectionFault(CallError):
    """The connection is set up wrongly, or no longer right. Nothing was applied, every message would meet the same, and
    a person has to correct it; `message` says what, where and how."""

    def __init__(self, kind: FaultKind, message: str, *, status: int | None = None) -> None:
        super().__init__(f"{message} [{kind}]")
        self.kind, self.message, self.status = kind, message, status


class Secrets(Mapping[str, str]):
    """Secret values, given for one call and never kept. Shows its names only, in repr, str and errors."""

    __slots__ = ("_hidden", "_values", "tokens")

    def __init__(self, values: Mapping[str, str] | None = None, *, tokens: TokenStore = IN_PROCESS) -> None:
        self._values = dict(values or {})
        self.tokens = tokens  # where tokens are kept that were got with them
        self._hidden: list[str] | None = None  # made when something is redacted

    def __getitem__(self, name: str) -> str:
        try:
            return self._values[name]
        except KeyError:
            raise ConnectionFault(
                "secret",
                f"The secret {name!r} is not set for this connection. Set it; what waits then goes out by itself.",
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(f'{name}=***' for name in sorted(self._values))})"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("secrets are not serialised")

    def redact(self, text: str) -> str:
        """`text` without any of the values, however it spells them; used on every message that quotes the target
        system."""
        if self._hidden is None:
            self._hidden = spellings(self._values.values())
        for value in self._hidden:
            if value in text:
                text = text.replace(value, "***")
        return text

    def hide(self, value: str) -> None:
        """Redact this as well: a token that was got with these secrets."""
        self.redact("")
        assert self._hidden is not None
        self._hidden += [one for one in spellings([value]) if one not in self._hidden]


Cursor = dict[str, Any]  # plain JSON; its content is the connector's own


class Record(Struct, frozen=True):
    """One thing read (a Struct, for it is made a million times). `version` orders states of the same key (text as the
    source gives it), None where there is none."""

    key: str
    payload: bytes
    received_at: datetime
    version: str | None = None
    deleted: bool = False
    origin: str = ""  # file and position, or URL: for a person who has to find it again


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """Input that could not become a record: it becomes a dead letter, never a silent skip. Its reason is shown to
    people, and quotes what came: card numbers in it lose their middle. `cut`: only the beginning of a record that is
    too large is in `payload`; its origin tells it from another one that begins alike."""

    origin: str
    reason: str
    payload: bytes = b""
    key: str | None = None
    cut: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", masked_text(self.reason, MaskedCards()))


@dataclass(frozen=True, slots=True)
class Page:
    """`cursor` goes into the next `read`; `done` means that the source has nothing more now (the next run starts
    there). `acknowledges`: a `read` with this cursor tells the source that what came before is stored, and it may not
    give that again (a file is archived). `trouble`: which parts of the source could not be read, and why; the run ends
    as failed once this page is stored. `looked_through`: it holds no cardholder data any more."""

    records: Sequence[Record]
    cursor: Cursor
    done: bool
    rejected: Sequence[RejectedRecord] = ()
    warnings: Sequence[str] = ()
    acknowledges: bool = False
    trouble: str = ""
    looked_through: bool = False


class OutboundMessage(Struct):
    """One message on its way to a target (a Struct, for a batch makes thousands).

    key              the message's key in the log
    idempotency_key  stable over attempts, takeovers, releases and replays
    body             what the target gets: the mapped `document`, encoded
    position         its position in its lane
    target_key       the name under which the target keeps its documents (class N); empty: the idempotency key
    address          names that the path or key predicate needs (`{"Product": "TG11"}`), where the target needs any
    own_address      the address comes from the message itself: what is not found there is the message's matter
    match            the ETag that the caller has seen, for conditional writes
    traceparent      the W3C trace context under which it is sent; empty without one
    edited           it may have arrived as it was before a person edited it: what a question finds under its name
                     counts only where it shows the content of now
    corrects         a person let it in, in the place of another one: what a question finds under a name that both have
                     counts only where it shows the content of this one
    accepted_as      the reference under which the target took the message without saying yet what became of it (a
                     job's id): a question is about that
    """

    key: str
    idempotency_key: str
    body: bytes = b""
    document: Any = None
    position: int = 0
    correlation_id: str = ""
    target_key: str = ""
    address: Mapping[str, str] = {}
    match: str | None = None
    accepted_as: str = ""
    own_address: bool = False
    traceparent: str = ""
    edited: bool = False
    corrects: bool = False

    @property
    def sent_key(self) -> str:
        """The key that goes to the target with this message."""
        return self.target_key or self.idempotency_key


@dataclass(frozen=True, slots=True)
class CallContext:
    """Circumstances of one call. `deadline` is the total for everything the method does on the network, in seconds.
    `until` (monotonic seconds) ends it also where the caller has stood still since it decided to call.

    `traceparent` goes with the call. `traced`: it is the trace of the sender, in which the call is a span; else the
    span stands where this thread is, and `traceparent` only names the message. `doing` and `links` describe the span.

    `beat` is called by a source that works for long without a call on the network: what it reads is held on for
    another `deadline`. It raises what ends the reading.
    """

    secrets: Secrets = field(default_factory=Secrets)
    deadline: float = 30.0
    correlation_id: str | None = None
    traceparent: str | None = None
    traced: bool = False
    doing: Literal["read", "send", "ask"] = "read"
    links: tuple[str, ...] = ()
    until: float | None = None
    beat: Callable[[], object] = lambda: None

    def secrets_or_none(self, name: str) -> str | None:
        """A secret that a connection may do without."""
        return self.secrets[name] if name in set(self.secrets) else None

    def about(self, *items: OutboundMessage) -> CallContext:
        """The same circumstances for one message, or for several that go with one call."""
        if len(items) != 1:
            links = tuple(item.traceparent for item in items if item.traceparent)[:MOST_LINKS]
            return replace(self, links=links) if links else self
        item = items[0]
        trace = item.traceparent or trace_context(item.correlation_id, item.idempotency_key)
        return replace(self, correlation_id=item.correlation_id, traceparent=trace, traced=bool(item.traceparent))


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of one item.

    confirmed   the target has it; `reference` is the target's own name for it
    accepted    the target has taken it and says later what became of it: ask
    declined    an answer of the target's business that ends the message ("20 points available, 1000 wanted")
    refused     the target does not have it. With `retry_after` set it may be sent again after that many seconds
                (`retriable`); without, the same message will be refused again
    unknown     it may or may not have it: ask

    `answer`: what the target said about this item, redacted, at most 2,000 characters. `fault`: why it was not sent, or
    why nobody can tell, where the connection is at fault. `documents`: what the documents that a question found hold,
    where they say it: it is compared with what was sent. `there_before`: it is confirmed for something is there under
    its name already, which says nothing of what that is.
    """

    key: str
    status: Literal["confirmed", "accepted", "declined", "refused", "unknown"]
    reference: str | None = None
    code: str = ""
    message: str = ""
    retry_after: float | None = None
    warnings: Sequence[str] = ()
    answer: str | None = None
    fault: FaultKind | None = None
    documents: Sequence[Mapping[str, str]] = ()
    there_before: bool = False

    @property
    def retriable(self) -> bool:
        return self.status == "refused" and self.retry_after is not None


@dataclass(frozen=True, slots=True)
class Health:
    """Answer of `check`. `detail` says what a person has to do when it is not ok, `fault` what is wrong with the
    connection; `looked`: False where there was nothing to read."""

    ok: bool
    detail: str = ""
    fault: FaultKind | None = None
    looked: bool = True


def health_of(error: CallError) -> Health:
    """What an error of a read says about a connection."""
    return Health(False, str(error), error.kind if isinstance(error, ConnectionFault) else None)


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that can be read or written, as `discover` finds it. `change_fields`: those that may say when a row
    changed, the likeliest first."""

    name: str
    key_fields: Sequence[str] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    writable: bool = False
    change_fields: Sequence[str] = ()


@runtime_checkable
class SourceConnector(Protocol):
    """Reads in pages. Raises Retriable or Refused, never Unknown: reading applies nothing."""

    def check(self, *, call: CallContext) -> Health: ...

    def discover(self, *, call: CallContext) -> Sequence[Resource]: ...

    def read(self, cursor: Cursor | None, *, call: CallContext) -> Page: ...

    def close(self) -> None: ...


@runtime_checkable
class Sweeping(Protocol):
    """A source that can also list all keys, so that deletions, invisible to a change cursor, are found by
    comparison."""

    def sweep(self, cursor: Cursor | None, *, call: CallContext) -> Page: ...


AskBy = Literal["key", "reference"]
"""What a question names a message by: the key that went out with it, or its business reference, for a target that has
forgotten our keys."""

Asked = str | WriteResult | None
"""One answer to a question: the target's reference, None where it does not have the message, or what it says itself
(accepted and still at work, declined, refused, unknown)."""


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A document that a target has. `amount` as the target says it, None where it does not; `holds` is everything of it
    that is compared, as text, by the field of what was sent."""

    reference: str
    amount: Decimal | None = None
    holds: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Inspecting(Protocol):
    """A sink that can list every document that the target has under a name, so that a second effect shows.

    amount_sent  the field of the document that is sent which the amounts under its name add up to; empty: not compared
    """

    amount_sent: str

    def documents(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None = None, by: AskBy = "key"
    ) -> dict[str, Sequence[HeldDocument]] | None: ...


@runtime_checkable
class Comparing(Protocol):
    """A sink that compares a document which it finds with what was sent. `holds`: members of what is found, and the
    fields of what is sent that they have to equal."""

    holds: Mapping[str, str]


@runtime_checkable
class StartsAtDate(Protocol):
    """A source that can be read from a date. None where these settings do not allow it. Nothing is called."""

    def cursor_at(self, moment: datetime) -> Cursor | None: ...


@runtime_checkable
class JudgesAgain(Protocol):
    """A source that makes a record of what it once gave and that was rejected. Nothing is called."""

    def judged_again(self, payload: bytes) -> Record | RejectedRecord: ...


@runtime_checkable
class SetsAside(Protocol):
    """A source whose parts have no order (files): one that is over the limit of rejected records waits beside the
    others, and is read again by each run, behind them. Answers the cursor with which the reading goes on."""

    def set_aside(self, cursor: Cursor, reason: str) -> Cursor: ...


@runtime_checkable
class SinkConnector(Protocol):
    """Writes a batch. `write` answers every item, in order, or raises Retriable, Refused or ConnectionFault when
    *nothing* was applied.

    business_reference  a template over fields of the mapped document (`{reference}`), by which the target can be asked
                        about a message when it no longer knows our keys; empty where it cannot
    write_address, ask_address  the names that a write and a question need from an address
    match_field         the field of the document that holds the ETag for a conditional write; empty: none
    not_sent            fields of the document that serve address or match, and are no part of what is sent
    asks_by             where there is one: what `ask_by` of the manifest has to be, for the sink looks for nothing else
    """

    idempotency: Idempotency
    max_batch: int
    business_reference: str
    write_address: frozenset[str]
    ask_address: frozenset[str]
    match_field: str
    not_sent: frozenset[str]

    def check(self, *, call: CallContext) -> Health: ...

    def write(self, batch: Sequence[OutboundMessage], *, call: CallContext) -> list[WriteResult]: ...

    def ask(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None = None, by: AskBy = "key"
    ) -> dict[str, Asked]:
        """Key (or business reference) → the target's own reference, None where the target does not have it; left out
        where it does not say. Raises Retriable, Refused `sink.cannot_ask` or ConnectionFault."""
        ...

    def follow(self, accepted: Sequence[str], *, call: CallContext) -> dict[str, Asked]:
        """What became of what was accepted, by the reference that `accepted` came with. Raises like `ask`."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class DecisionConnector(Protocol):
    """A question inside a checkout: one try, no queue. The caller has a declared fallback for each of the three
    errors."""

    def decide(self, question: bytes, *, call: CallContext) -> bytes: ...

    def close(self) -> None: ...
