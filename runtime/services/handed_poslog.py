"""POSLog that is handed in, or was: by which rules a source reads it."""

from __future__ import annotations

import msgspec

from kernel.errors import NotFound
from runtime.connectors.poslog.connector import PosLogSettings, transaction_again
from runtime.connectors.poslog.rules import PLAIN, PosLogRules
from runtime.connectors.protocols import RejectedRecord
from runtime.connectors.settings import read_settings
from runtime.domain.batches import IntakeItem, read_item
from runtime.domain.manifest import Connection, ManifestSource
from runtime.ledger import pool
from runtime.services import intake_place, system_connections

_RULES = frozenset(field.encode_name for field in msgspec.structs.fields(PosLogRules))
_FOLDERS = frozenset(field.encode_name for field in msgspec.structs.fields(PosLogSettings)) - _RULES


def rules_of(source: ManifestSource) -> PosLogRules:
    """Those of its connection, where that reads POSLog, else those that it declares for what is handed in. Raises
    Invalid where they cannot be meant."""
    said = source.connection
    if said is not None and said.protocol == "poslog":
        settings = {name: value for name, value in system_connections.settings_of(said).items() if name not in _FOLDERS}
    elif source.poslog is not None:
        of_profile = system_connections.settings_of(Connection("poslog", source.poslog.profile))
        settings = {name: value for name, value in of_profile.items() if name not in _FOLDERS} | source.poslog.settings
    else:
        return PLAIN
    made: PosLogRules = read_settings(PosLogRules, settings)
    return made


def rules_at(integration: str, environment: str, source: str | None) -> PosLogRules:
    """Those of what is deployed there. What is not there is told by intake, as with every batch; until then there are
    no rules."""
    try:
        with pool.connection() as conn:
            manifest = intake_place.deployment(intake_place.deployed_row(conn, (integration, environment)))[2]
        return rules_of(manifest.source(source))
    except (NotFound, KeyError):
        return PLAIN


def is_xml(payload: bytes) -> bool:
    return payload.lstrip().startswith(b"<")


def item_again(source: ManifestSource, payload: bytes) -> IntakeItem | RejectedRecord:
    """A transaction that was handed in as XML, or the document that was made of it, as if it came now."""
    record = transaction_again(payload, rules_of(source))
    return record if isinstance(record, RejectedRecord) else read_item(record.payload)


def is_receipt(payload: bytes) -> bool:
    """Whether what was rejected is a receipt of POSLog: its XML, or the document that was made of it."""
    if is_xml(payload):
        return True
    try:
        document = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    control = document.get("control") if isinstance(document, dict) else None
    return isinstance(control, dict) and isinstance(control.get("ok"), bool) and "kind" in document


__all__ = ["is_receipt", "is_xml", "item_again", "rules_at", "rules_of"]
