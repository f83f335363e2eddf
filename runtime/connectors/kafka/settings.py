"""Settings of a connection to brokers of Kafka."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

import msgspec

from runtime.connectors.settings import wrong_setting
from runtime.connectors.stamps import StampRules

MOST_A_PAGE = 10_000
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}\Z")


class KafkaSettings(msgspec.Struct, frozen=True):
    """The address of the system's endpoint is `kafkas://host:port`, or `kafka://` inside a network that is trusted.
    Each broker that the cluster names has to be registered too, under the endpoint's further hosts. Auth is `basic`
    (user, password), or `none`, with a client certificate where there is one.

    topic          what is read or written; it has to be there
    sasl           how `basic` signs in
    dialect        `auto`, or the version of Kafka whose calls a broker knows (`2.3`)
    key_fields     where the key stands in the value; without it the record's own key, and without that its place
    version_field  orders states of the same key; without it the later one is the newer one
    stamps         what the version means where it is a time
    framing        `schema_registry`: five bytes of a registry of schemas stand before the JSON
    page_size      records that are stored together
    max_size       bytes of a record
    key            of the records that are written, with fields of the document (`{customer}`); empty: the message's key
    idempotency    K where the readers of the topic ignore a header `idempotency-key` that they know; L: the topic
                   itself, which must not be compacted, is looked through for it before anything is sent again; U: a
                   person decides
    look_back      seconds of the topic that are looked through
    most_looked_at  records of a partition that are looked through at most; where that is less than `look_back`, a
                   record that is not found may still be there
    max_batch      records that are produced before their confirmations are awaited
    """

    OF_ROLE: ClassVar[dict[str, frozenset[str]]] = {
        "source": frozenset({"key_fields", "version_field", "stamps", "framing", "page_size", "max_size"}),
        "sink": frozenset({"key", "idempotency", "look_back", "most_looked_at", "max_batch"}),
    }

    base_url: str
    topic: str = ""
    further_hosts: list[str] = msgspec.field(default_factory=list)
    token_hosts: list[str] = msgspec.field(default_factory=list)
    verify: bool | str = True
    auth: dict[str, Any] = msgspec.field(default_factory=dict)
    sasl: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    dialect: str = "auto"
    key_fields: list[str] = msgspec.field(default_factory=list)
    version_field: str = ""
    stamps: StampRules = msgspec.field(default_factory=StampRules)
    framing: Literal["none", "schema_registry"] = "none"
    page_size: int = 500
    max_size: int = 4 * 1024 * 1024
    key: str = ""
    idempotency: Literal["K", "L", "U"] = "U"
    look_back: float = 86_400.0
    most_looked_at: int = 100_000
    max_batch: int = 500

    def examine(self) -> None:
        """Raises Invalid, with the place, for what leads nowhere."""
        if not _TOPIC.match(self.topic):
            raise wrong_setting("/topic", "The name of a topic: letters, digits, dots, _ and -, at most 249.")
        if self.dialect != "auto" and not re.match(r"[0-9]{1,2}\.[0-9]{1,2}\Z", self.dialect):
            raise wrong_setting("/dialect", "'auto', or a version of Kafka such as 2.3.")
        for name, most in (
            ("page_size", MOST_A_PAGE),
            ("max_size", 128 * 1024 * 1024),
            ("max_batch", MOST_A_PAGE),
            ("most_looked_at", 10_000_000),
            ("look_back", 366 * 86_400),
        ):
            if not 0 < getattr(self, name) <= most:
                raise wrong_setting(f"/{name}", f"More than 0, at most {most:,}.")

    @property
    def api_version(self) -> tuple[int, ...] | None:
        return None if self.dialect == "auto" else tuple(int(part) for part in self.dialect.split("."))


__all__ = ["KafkaSettings"]
