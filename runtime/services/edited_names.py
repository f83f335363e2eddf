"""A message that may have arrived stays the one that was sent: what a person edits is not how its target knows it."""

from __future__ import annotations

from typing import Any

from kernel.errors import Conflict
from runtime.connectors.protocols import OutboundMessage
from runtime.domain.manifest import Manifest, ManifestTarget
from runtime.domain.templates import NoName
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Skipped, Unmappable
from runtime.models import TargetSubscription
from runtime.services import target_times
from runtime.services.mappers import mapper_of
from runtime.services.message_names import MessageNames


def keep(subscription: TargetSubscription, manifest: Manifest, key: str, sent: Any, edited: Any) -> bool:
    """Whether the edited document is another one for the target. Raises Conflict `dead_letter.name_sent` where it would
    be asked about, or sent, under another name, reference or address than the one that may have arrived: it would not
    be found, and sent a second time."""
    target = manifest.target(subscription.target)
    if target.connection is None or subscription.idempotency == "U":
        return False  # a table has one row of each key; where nobody can be asked, sending is a person's decision
    mapper = mapper_of(manifest, target)
    names = MessageNames(target, subscription.instance)

    def mapped(document: Any) -> Any:
        try:
            return mapper.one(LoggedMessage(0, key, document, ""))
        except (Skipped, Unmappable):
            return None

    def known_as(document: Any) -> list[str] | None:
        item = OutboundMessage(key, "", b"", document, 0, "")
        return None if document is None else _filled(names, _templates(target), item)

    documents = mapped(sent), mapped(edited)
    before, after = map(known_as, documents)
    if before is not None and after is not None and before != after:
        was, now = next((one, other) for one, other in zip(before, after, strict=True) if one != other)
        raise Conflict(
            "dead_letter.name_sent",
            f"This message may have arrived as {was!r}, and edited it would be {now!r}, which the target does not know:"
            " it could be there twice. Nothing was changed. Redrive it as it is, so that the target is asked, or "
            "discard it once you know, and hand the corrected one in as a message of its own.",
            {"sent": was, "edited": now},
        )
    return bool(documents[0] != documents[1])


def _templates(target: ManifestTarget) -> list[str]:
    asked = [] if target.ask_by in ("key", "idempotency_key") else [target.ask_by]
    reference = target_times.business_reference(target)
    return [*asked, *target.address.values(), *([reference] if reference else [])]


def _filled(names: MessageNames, templates: list[str], item: OutboundMessage) -> list[str]:
    made = []
    for template in templates:
        try:
            made.append(names.filled(template, item))
        except NoName:
            made.append("")
    return made


__all__ = ["keep"]
