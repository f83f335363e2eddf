"""What another release has sent, and nobody can be asked about, goes out again as the release of now sends it: where
that is the same, under the same key, to the same place."""

from __future__ import annotations

from copy import copy
from typing import Any

from kernel.errors import DomainError
from runtime.connectors.protocols import OutboundMessage
from runtime.domain.manifest import Manifest, ManifestTarget
from runtime.domain.templates import NoName
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Mapper, Skipped, Unmappable
from runtime.mapping import encode
from runtime.services import system_connections
from runtime.services.message_names import MessageNames

ONLY_JUDGE_OR_ASK = frozenset(
    [
        *("answers", "check_path", "errors", "job", "lookup", "nothing_done", "page_errors", "reference", "success"),
        *("codes", "user_errors"),  # of GraphQL
        *("phases", "poll", "reads", "results"),  # of jobs
        *("log", "required"),  # of SOAP
    ]
)
"""Settings of a connection that say nothing of what is sent, or where."""


class SameAgain:
    """The target of a claim as the release of now sends to it, beside the release that has sent a message."""

    def __init__(self, before: Manifest, now: Manifest, name: str, instance: str, mapper: Mapper) -> None:
        self._mapper = mapper
        self._before, self._now = (_named(manifest, name, instance) for manifest in (before, now))
        self._elsewhere = _elsewhere(before.target(name), now.target(name))

    def differs(self, message: LoggedMessage, sent: OutboundMessage) -> str:
        """Why the same key at the same vendor would not be the same once more; empty where it would. Uses no
        database."""
        if self._elsewhere:
            return self._elsewhere
        again = copy(sent)
        try:
            again.document = self._mapper.one(message)
            if self._before.address(sent) != self._now.address(again):
                return "another address"
            natural = self._now.target.idempotency == "N"
            if natural and self._before.name(sent) != self._now.name(again):
                return "another name"
        except Skipped:
            return "nothing of it"
        except (Unmappable, NoName) as error:
            return f"nothing of it ({error})"
        if encode(sent.document) == encode(again.document) or (natural and self._now.fields_of_address):
            return ""
        return "another content"


def _named(manifest: Manifest, name: str, instance: str) -> MessageNames:
    target = manifest.target(name)
    return MessageNames(target, instance, manifest.prefix(manifest.source_of(target)))


def _elsewhere(before: ManifestTarget, now: ManifestTarget) -> str:
    if before.system != now.system:
        return f"to another system ({now.system})"
    if before.idempotency != now.idempotency:
        return f"as another class ({now.idempotency})"
    if before.connection is None or now.connection is None or before.connection.protocol != now.connection.protocol:
        return "over another protocol"
    try:
        settings = [system_connections.settings_of(one) for one in (before.connection, now.connection)]
    except DomainError as error:
        return f"over a connection that cannot be read ({error.message})"
    changed = sorted(name for name in _names(settings) if settings[0].get(name) != settings[1].get(name))
    return f"over another connection ({', '.join(changed)})" if changed else ""


def _names(settings: list[dict[str, Any]]) -> set[str]:
    return set().union(*settings) - ONLY_JUDGE_OR_ASK
