"""How a target knows a message again, and where it goes: names and addresses, filled from the mapped document."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.connectors.protocols import OutboundMessage
from runtime.domain.correlation import subject_of
from runtime.domain.manifest import ManifestTarget
from runtime.domain.templates import INSTANCE, NoName, field, fill, names_in


class MessageNames:
    """Names and addresses of the messages of one target as one release declares it. `prefix` is what the ledger puts
    before the keys of the source."""

    def __init__(self, target: ManifestTarget, instance: str, prefix: str = "") -> None:
        self.target, self.instance, self.prefix = target, instance, prefix
        self.fields_of_address = {
            name for template in target.address.values() for name in names_in(template) if name != INSTANCE
        }
        self.shared: Mapping[str, str] | None = None
        self.unfilled = ""
        try:
            if not self.fields_of_address:
                self.shared = {name: fill(value, {INSTANCE: instance}.__getitem__) for name, value in self._templates()}
        except NoName as error:
            self.unfilled = error.name

    def _templates(self) -> list[tuple[str, str]]:
        return list(self.target.address.items())

    def filled(self, template: str, item: OutboundMessage) -> str:
        """A template over the mapped document. Raises NoName."""
        return fill(template, lambda name: self.instance if name == INSTANCE else field(item.document, name))

    def name(self, item: OutboundMessage) -> str:
        """How the vendor knows this message again. Raises NoName."""
        if self.target.ask_by == "key":
            return subject_of(item.key).removeprefix(self.prefix)
        if self.target.ask_by == "idempotency_key":
            return item.idempotency_key
        if not set(names_in(self.target.ask_by)) - {INSTANCE}:
            raise NoName("ask_by", "is the same for every message, so no answer would be about this one")
        return self.filled(self.target.ask_by, item)

    @property
    def names_are_sent(self) -> bool:
        """Whether the name of a message is the key that went out with it, and no template that only asks."""
        return self.target.idempotency == "N" or self.target.ask_by in ("key", "idempotency_key")

    def address(self, item: OutboundMessage, only: frozenset[str] | None = None) -> Mapping[str, str]:
        """Where this message goes. Raises NoName."""
        if self.shared is not None:
            return self.shared
        return {
            name: self.filled(template, item) for name, template in self._templates() if only is None or name in only
        }
