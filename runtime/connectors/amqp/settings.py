"""Settings of a connection to a broker of AMQP 0-9-1."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from runtime.connectors.settings import wrong_setting
from runtime.connectors.stamps import StampRules

LONGEST_NAME = 255  # octets of a short string
MOST_A_PAGE = 10_000


class AmqpSettings(msgspec.Struct, frozen=True):
    """The address of the system's endpoint is `amqps://host:port/virtual-host`, or `amqp://` inside a network that is
    trusted; without a path the virtual host is `/`. Auth is `basic` (user, password), or `none` with a client
    certificate (EXTERNAL).

    queue          what is read; it has to be there, and nobody else may read it
    key_fields     where the key stands in the body; without it the message's id (`message-id`) is the key
    version_field  orders states of the same key; without it every message of a key stands for itself
    stamps         what the version means where it is a time
    page_size      messages that are stored together, and that the broker gives ahead
    max_size       bytes of a body
    exchange       where messages are published; empty: the default exchange, whose routing keys are names of queues
    routing_key    with fields of the document that is sent: `orders.{country}`
    idempotency    K where the readers of these messages ignore a message id that they know; U where they do not: a
                   person decides after an answer that was lost
    max_batch      messages that are published before their confirmations are awaited
    """

    OF_ROLE: ClassVar[dict[str, frozenset[str]]] = {
        "source": frozenset({"queue", "key_fields", "version_field", "stamps", "page_size", "max_size"}),
        "sink": frozenset({"exchange", "routing_key", "idempotency", "max_batch"}),
    }

    base_url: str
    further_hosts: list[str] = msgspec.field(default_factory=list)
    token_hosts: list[str] = msgspec.field(default_factory=list)
    verify: bool | str = True
    auth: dict[str, Any] = msgspec.field(default_factory=dict)
    queue: str = ""
    key_fields: list[str] = msgspec.field(default_factory=list)
    version_field: str = ""
    stamps: StampRules = msgspec.field(default_factory=StampRules)
    page_size: int = 500
    max_size: int = 4 * 1024 * 1024
    exchange: str = ""
    routing_key: str = ""
    idempotency: Literal["K", "U"] = "U"
    max_batch: int = 200

    def verify_source(self) -> None:
        if not self.queue:
            raise wrong_setting("/queue", "A source needs 'queue': the name of the queue that is read.")
        _short(self.queue, "/queue")
        for name, most in (("page_size", MOST_A_PAGE), ("max_size", 128 * 1024 * 1024)):
            if not 0 < getattr(self, name) <= most:
                raise wrong_setting(f"/{name}", f"From 1 to {most:,}.")

    def verify_sink(self) -> None:
        if not self.exchange and not self.routing_key:
            raise wrong_setting("/exchange", "A target needs 'exchange', or 'routing_key' with the name of a queue.")
        _short(self.exchange, "/exchange")
        if not 0 < self.max_batch <= MOST_A_PAGE:
            raise wrong_setting("/max_batch", f"From 1 to {MOST_A_PAGE:,}.")


def _short(name: str, pointer: str) -> None:
    if len(name.encode()) > LONGEST_NAME or not name.isprintable():
        raise wrong_setting(pointer, f"At most {LONGEST_NAME} bytes, none of them a control character.")


__all__ = ["LONGEST_NAME", "AmqpSettings"]
