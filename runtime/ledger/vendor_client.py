"""What the ledger asks of a vendor client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from runtime.connectors.protocols import AskBy, FaultKind, OutboundMessage
from runtime.domain.storable import storable_text

SendStatus = Literal[
    "confirmed",
    "accepted",
    "declined",
    "refused",
    "retry",
    "unsent",
    "unknown",
    "blocked",
    "deferred",
    "unsettled",
    "forgotten",
    "differs",
    "any_state",
    "other_state",
]


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of one message.

    A client answers with one of ten:
    confirmed   the vendor has it (`reference` names it there)
    accepted    the vendor has taken it and says later what became of it: it is asked about
    declined    an answer of the vendor's business that ends the message, and no failure
    refused     the vendor will never take it
    retry       not now, for a reason of this message alone
    unsent      surely not acted on, for a reason of the vendor (down, throttled) or of the connection (`fault`)
    unknown     sent, or partly sent, and no answer that can be trusted; with `fault` where the connection is at
                fault as well (a page to sign in after a write proves nothing)
    differs     a question found a document under its name that is not what was sent (another amount): a person decides
    any_state   a question found a document under a name that every state of the key has, and nothing in it shows that
                it is this one
    other_state the same, and it shows another one

    The ledger adds four: blocked     not sent, for an earlier message of its key is not confirmed deferred    not sent
    by this release, for its gate closed or another one was deployed unsettled   not there when asked, and the vendor
    may still act on what was sent (`settle`) forgotten   it may have arrived under a key that the vendor has forgotten
    since (`key_kept`) or that is lost, and the
                vendor cannot be asked by business reference

    `pattern` is the text by which equal failures are grouped, `retry_after` in seconds, `fault` what is wrong with the
    connection, `answer` what the vendor said, redacted, at most 2,000 characters. Text that the database cannot hold
    (NUL, halves of surrogate pairs) has question marks there: no character of an answer costs its outcome.
    """

    status: SendStatus
    reference: str | None = None
    detail: str = ""
    pattern: str = ""
    retry_after: float | None = None
    fault: FaultKind | None = None
    answer: str | None = None

    def __post_init__(self) -> None:
        for name in ("reference", "detail", "pattern", "answer"):
            text = getattr(self, name)
            if text and not (text.isprintable() or storable_text(text) == text):
                object.__setattr__(self, name, storable_text(text))


class CannotAsk(Exception):
    """This vendor offers no way to learn whether a message has arrived."""


class VendorClient(Protocol):
    """A vendor client. It never raises for what a vendor does: it answers. `guard` is called right before every request
    leaves, and raises when there is no time left in the lease. `moved_at`: since when, in monotonic seconds, it calls
    the address that it calls now; None where there was no other one before."""

    moved_at: float | None

    @property
    def deadline(self) -> float:
        """Longest time in seconds that one call of `send` or `ask` may take; well below the lease."""
        ...

    def send(self, messages: Sequence[OutboundMessage], *, guard: Callable[[], None]) -> list[SendResult]:
        """One result per message, in order."""
        ...

    def check(self) -> SendResult:
        """A read that shows whether messages would be answered: `confirmed`, or `unsent` with what is wrong. Nothing is
        written. Raises CannotAsk where the connection has nothing to read."""
        ...

    def ask(self, messages: Sequence[OutboundMessage], *, by: AskBy = "key") -> list[SendResult]:
        """`confirmed` for what the vendor has, `unsent` for what it surely has not, `unknown` where it does not say;
        with `fault` where the connection is wrong and nothing was asked. `accepted`, `declined` and `refused` where
        the vendor says so.

        `by="reference"` asks by the business reference, for a vendor that has forgotten our keys. Raises CannotAsk
        where the vendor offers no such question.
        """
        ...
