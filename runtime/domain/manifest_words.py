"""What each member of a manifest means, for people: an editor shows it, and the page of the reference is made from it.

By the type that reads the member and its name. A test holds that every member is here with an example that is valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MemberWords:
    """`said`: one or two sentences. `see`: the page of the reference that says more."""

    said: str
    example: Any
    see: str = ""


W = MemberWords
_DIGEST = "sha256:" + "0" * 64
_API = "Version of an API in the catalog, as slug@label. Pinned together with `contract`."
_CONTRACT = "Digest of that version's contract. The page and the API fill in the present one for `current`."
_SETTINGS = "What the connector takes, on top of the profile's settings. `manage.py connector_schema` has all of them."

WORDS: Mapping[str, MemberWords] = {
    "Manifest.integration": W("Key of the integration. It never changes.", "product-names"),
    "Manifest.title": W("Name for people.", "Products to the stores"),
    "Manifest.domain": W("Key of the business domain whose owner approves.", "product"),
    "Manifest.owner": W("Key of the team that operates it.", "integration"),
    "Manifest.tier": W("SLA tier, 0 the most urgent. Workers serve urgent tiers first.", 2),
    "Manifest.note": W("Free text for those who approve and operate it.", "The ERP is read every minute."),
    "Manifest.lanes": W(
        "How many keys are delivered side by side at a target.", 8, "../how-to/operate.md#more-or-fewer-lanes"
    ),
    "Manifest.sources": W("Where messages come from.", [{"name": "erp", "system": "s4"}]),
    "Manifest.event": W("What a message is.", {"name": "product.changed", "meaning": "state"}),
    "Manifest.targets": W(
        "Where messages go.",
        [
            {
                "name": "stores",
                "system": "pos",
                "mapping": {},
                "idempotency": "N",
                "writes": [{"entity": "product", "kind": "replica"}],
            }
        ],
    ),
    "Manifest.schedule": W(
        "When sources with a connection are read. Without it a person or a call starts each run.", {"when": "every 60s"}
    ),
    "Manifest.degraded_mode": W("What stores may do while it stands still; the start of a new one.", "queue_only"),
    "ManifestSource.name": W("With several sources, keys of messages begin with `name:`.", "erp"),
    "ManifestSource.system": W("Key of the system in the catalog.", "s4"),
    "ManifestSource.api": W(_API, "product-master@v1"),
    "ManifestSource.contract": W(_CONTRACT, _DIGEST),
    "ManifestSource.schema": W(
        "JSON Pointer to the schema of one message in the contract.", "/components/schemas/Product"
    ),
    "ManifestSource.connection": W(
        "How it is read. Without it, the source is fed by intake.",
        {"protocol": "rest", "settings": {"path": "/products", "key_fields": ["id"]}},
        "connections.md",
    ),
    "ManifestSource.poslog": W(
        "Only of a source that is fed by intake: how POSLog that is handed in is read.",
        {"profile": "poslog-drop"},
        "sources.md#poslog-what-is-voided",
    ),
    "ManifestSource.webhook": W(
        "How its vendor's webhooks are signed and read. Without a connection they bring messages; with one they tell "
        "of changes.",
        {"profile": "shopify"},
        "webhooks.md",
    ),
    "ManifestSource.rejected_limit": W("What one run may reject.", {"share": 0.1}, "sources.md#rejected-records"),
    "ManifestSource.valid": W(
        "Where its states say from when until when they are in force.",
        {"from": "/validFrom", "zone": "Europe/Berlin"},
        "dates.md",
    ),
    "ManifestSource.expect_every": W(
        "Only of a source that is fed by intake: how often it gives a sign of life. Without it, the age of its data is "
        "unknown.",
        "15m",
    ),
    "ManifestSource.expect_within": W(
        "The opening hours in which it does. Needs `expect_every`.",
        {"opens": "07:00", "closes": "22:00", "zone": "Europe/Berlin"},
    ),
    "RejectedLimit.share": W("Share of what a run read. 1 accepts everything.", 0.1),
    "RejectedLimit.count": W("So many are always accepted.", 20),
    "Connection.protocol": W("A connector of this installation.", "rest", "connections.md"),
    "Connection.profile": W("A vendor's settings by name.", "s4hana-cloud", "../how-to/add-a-vendor.md"),
    "Connection.settings": W(_SETTINGS, {"path": "/products"}, "rest-settings.md"),
    "HandedPosLog.profile": W("A profile of the protocol `poslog`.", "poslog-drop"),
    "HandedPosLog.settings": W("Settings of `poslog`, without its folders.", {}),
    "HandedWebhook.profile": W(
        "A vendor's profile that says something of webhooks.", "shopify", "webhooks.md#profiles"
    ),
    "HandedWebhook.means": W(
        "`messages`: a webhook holds the message. `changes`: it tells that something is to be read by the connection.",
        "changes",
    ),
    "HandedWebhook.settings": W("On top of the profile's.", {"only": {"type": ["order.paid"]}}, "webhooks.md"),
    "EventContract.name": W("What happened or changed, in the past tense.", "product.changed"),
    "EventContract.meaning": W(
        "`state`: absolute values, the newest of a key counts. `fact`: something that happened and never changes.",
        "state",
    ),
    "EventContract.key": W("JSON Pointer to the key of a message. Needed for intake.", "/id"),
    "EventContract.version": W("JSON Pointer to what orders the states of a key. Facts have none.", "/changedAt"),
    "EventContract.time": W("JSON Pointer to when it happened.", "/soldAt"),
    "EventContract.known_days": W("For how long the keys of facts are known. States have none.", 400),
    "EventContract.schema": W("JSON Schema of a payload, where the source has no contract.", {"type": "object"}),
    "EventContract.valid": W("As at a source, for every source.", {"from": "/validFrom", "zone": "UTC"}, "dates.md"),
    "ManifestTarget.name": W("Name of the target within the integration.", "stores"),
    "ManifestTarget.system": W("Key of the system in the catalog.", "pos"),
    "ManifestTarget.source": W("The source that it listens to. Needed with several sources.", "erp"),
    "ManifestTarget.when": W("Formula over the message. What it is not for is skipped and counted.", "price > 0"),
    "ManifestTarget.after": W("The target that it waits for.", "erp-sales confirmed", "targets-of-one-event.md"),
    "ManifestTarget.instances": W(
        "Names of stores. Each has its own progress and circuit breaker; `{instance}` in `address` and `ask_by` is its "
        "name. None of `/ \\ # ? % & = < >`, no control character, not `..`.",
        ["S001", "S002"],
    ),
    "ManifestTarget.api": W(f"{_API} Needed with a connection.", "store-products@v1"),
    "ManifestTarget.contract": W(_CONTRACT, _DIGEST),
    "ManifestTarget.schema": W(
        "JSON Pointer to the schema of what is sent in the contract.", "/components/schemas/Product"
    ),
    "ManifestTarget.operation": W("The operation that is called, by its id.", "putProduct"),
    "ManifestTarget.connection": W(
        "How it is written to. Either this or `table`.",
        {"protocol": "rest", "profile": "store-server"},
        "connections.md",
    ),
    "ManifestTarget.table": W(
        "A table of the product's own database. Either this or `connection`.", {"name": "prices", "key": ["sku"]}
    ),
    "ManifestTarget.address": W("What fills `{names}` of a path.", {"id": "{id}", "store": "{instance}"}),
    "ManifestTarget.ask_by": W(
        "How the vendor knows a message again: `key`, `idempotency_key`, or a template over fields of the mapped "
        "document.",
        "{id}@{version}",
    ),
    "ManifestTarget.mapping": W(
        "The mapping of a message to what is sent.", {"mapping": "names", "version": 1, "fields": []}, "mapping.md"
    ),
    "ManifestTarget.writes": W(
        "What of which business entities it changes; judged by the systems of record.",
        [{"entity": "product", "kind": "replica"}],
    ),
    "ManifestTarget.idempotency": W(
        "What a repeated call does: K keeps a key of ours, N knows its documents by a key of ours, L can be asked, U "
        "neither. U takes a `batch` of 1.",
        "N",
        "../how-to/add-a-vendor.md",
    ),
    "ManifestTarget.batch": W("Messages of one call.", 1),
    "ManifestTarget.coalesce": W("Whether only the newest state of a key is sent. Not for facts.", True),
    "ManifestTarget.zones": W("Time zones of instances. Needs `valid`.", {"S001": "Europe/Lisbon"}, "dates.md"),
    "ManifestTarget.holds_dates": W("Whether it keeps states of the future itself. Needs `valid`.", True, "dates.md"),
    "ManifestTarget.dated_version": W(
        "The field by which it orders states with dates. Needs `valid`.", {"field": "version", "unit": "ms"}, "dates.md"
    ),
    "ManifestTarget.deadline": W("Seconds of a call.", 20),
    "ManifestTarget.settle": W(
        "Seconds after which a late call has ended; 0: what comes late does no harm. Without it the profile's, else 0 "
        "for class N with a `versioned` lookup, else twice the deadline and at least 30.",
        45,
    ),
    "ManifestTarget.key_kept": W(
        "Only of class K: seconds that the vendor keeps a key, where no profile says it.", 86400
    ),
    "ManifestTarget.max_attempts": W("Tries until a message goes to a person.", 12, "retries.md"),
    "ManifestTarget.objectives": W(
        "Service levels of its own.", {"latency": {"share": "99.5", "within": "30s"}}, "../how-to/service-levels.md"
    ),
    "ManifestTarget.limits": W("How much it is called.", {"rate": 10, "burst": 20}),
    "TargetLimits.rate": W("Calls in a second. Needs `burst`.", 10),
    "TargetLimits.burst": W("Calls at once after a pause.", 20),
    "TargetLimits.concurrency": W("Calls that run at the same time.", 4),
    "TargetLimits.budget": W("Messages of one UTC day.", 100000),
    "TableTarget.name": W("Name of the table, with its schema where it has one.", "prices"),
    "TableTarget.key": W("Columns of its key.", ["sku"]),
    "DeclaredWrite.entity": W("Key of a business entity.", "product"),
    "DeclaredWrite.attribute_group": W("A part of it; null is all of it.", "base-price"),
    "DeclaredWrite.kind": W(
        "`replica` copies away from the system of record, `command` asks the API of the record itself.", "replica"
    ),
    "DeclaredWrite.scope": W("Banner, region or channel for which it writes.", {"region": "de"}),
    "When.when": W("Every so many seconds (`every 60s`) or at a time of day (`daily 06:00`).", "every 60s"),
    "When.zone": W("Time zone of a time of day.", "Europe/Berlin"),
    "When.skipped": W("What becomes of an hour that daylight saving skips.", "shift"),
    "When.repeated": W("Which of two equal hours counts.", "first"),
    "Valid.from": W("JSON Pointer to when the state begins. `from`, `until` or both.", "/validFrom"),
    "Valid.until": W("JSON Pointer to when it ends.", "/validTo"),
    "Valid.zone": W("Whose wall time counts.", "Europe/Berlin"),
    "Valid.zone_from": W("JSON Pointer to a member that names the zone.", "/timeZone"),
    "Valid.of": W("JSON Pointers to what the state is about, where the key alone does not say it.", ["/sku"]),
    "Valid.withdrawn": W("JSON Pointer to what is true once the state does not count any more.", "/cancelled"),
    "Valid.repeated": W("Which of two equal hours counts.", "first"),
    "DatedVersion.field": W("Field of the mapped document.", "version"),
    "DatedVersion.unit": W("What it counts.", "ms"),
    "OpenHours.opens": W("Local time.", "07:00"),
    "OpenHours.closes": W("Local time; before `opens` it is on the next day.", "22:00"),
    "OpenHours.zone": W("Time zone of both.", "Europe/Berlin"),
    "OpenHours.days": W("Days of the week on which it opens.", ["mon", "tue"]),
}
TITLES: Mapping[str, str] = {
    "Manifest": "The manifest",
    "ManifestSource": "A source",
    "EventContract": "The event",
    "ManifestTarget": "A target",
    "Connection": "A connection",
    "DeclaredWrite": "What a target writes",
    "When": "The schedule",
    "RejectedLimit": "Limits of rejected records",
    "TargetLimits": "Limits of a target",
    "TableTarget": "A table",
    "HandedPosLog": "POSLog that is handed in",
    "HandedWebhook": "Webhooks of the vendor",
    "Valid": "Dates of states",
    "DatedVersion": "The version of dated states",
    "OpenHours": "Opening hours",
}
"""The types that read parts of a manifest, in the order of the page."""

__all__ = ["TITLES", "WORDS", "MemberWords"]
