"""The shape of a manifest as a JSON Schema, so that every finding has a pointer and editors can complete it."""

from __future__ import annotations

from typing import Any

from runtime.domain import after as afters
from runtime.domain import objectives, open_hours, retention, validity
from runtime.domain.batches import LONGEST_BATCH

_KEY = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,79}$"}
_DIGEST = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_REFERENCE = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*@[A-Za-z0-9][A-Za-z0-9._-]*$"}
_NAMES = {"type": "object", "additionalProperties": {"type": "string"}}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


_CONNECTION = _object(["protocol"], protocol={"type": "string"}, profile=_KEY, settings={"type": "object"})
_WRITE = _object(
    ["entity", "kind"],
    entity=_KEY,
    attribute_group={"anyOf": [_KEY, {"type": "null"}]},
    kind={"enum": ["replica", "command"]},
    scope=_NAMES,
)
_SOURCE = _object(
    ["name", "system"],
    name=_KEY,
    system=_KEY,
    api=_REFERENCE,
    contract=_DIGEST,
    schema={"type": "string", "pattern": "^(/.*)?$"},
    connection=_CONNECTION,
    poslog=_object([], profile=_KEY, settings={"type": "object"}),
    webhook=_object([], profile=_KEY, means={"enum": ["messages", "changes"]}, settings={"type": "object"}),
    rejected_limit=_object(
        [], share={"type": "number", "exclusiveMinimum": 0, "maximum": 1}, count={"type": "integer", "minimum": 0}
    ),
    valid=validity.SCHEMA,
    expect_every={"type": "string", "pattern": "^[1-9][0-9]{0,5}[smh]$"},
    expect_within=open_hours.SCHEMA,
)
_TARGET = _object(
    ["name", "system", "mapping", "writes", "idempotency"],
    name=_KEY,
    system=_KEY,
    source=_KEY,
    when={"type": "string", "minLength": 1},
    after={"type": "string", "pattern": afters.PATTERN},
    instances={
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": 80},
        "minItems": 1,
        "uniqueItems": True,
    },
    api=_REFERENCE,
    contract=_DIGEST,
    schema={"type": "string", "pattern": "^(/.*)?$"},
    operation={"type": "string"},
    connection=_CONNECTION,
    table=_object(
        ["name", "key"],
        name={"type": "string", "pattern": "^[a-z_][a-z0-9_]*(\\.[a-z_][a-z0-9_]*)?$"},
        key={"type": "array", "items": {"type": "string"}, "minItems": 1},
    ),
    address=_NAMES,
    ask_by={"type": "string"},
    mapping={"type": "object"},
    writes={"type": "array", "items": _WRITE, "minItems": 1},
    idempotency={"enum": ["K", "N", "L", "U"]},
    batch={"type": "integer", "minimum": 1, "maximum": LONGEST_BATCH},
    coalesce={"type": "boolean"},
    zones=_NAMES,
    holds_dates={"type": "boolean"},
    dated_version=validity.VERSION_SCHEMA,
    deadline={"type": "number", "exclusiveMinimum": 0, "maximum": 60},
    settle={"type": "number", "minimum": 0, "maximum": 86_400},
    key_kept={"type": "number", "minimum": 60, "maximum": 1_000_000_000},
    max_attempts={"type": "integer", "minimum": 1, "maximum": 100},
    objectives=objectives.SCHEMA,
    limits=_object(
        [],
        rate={"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000_000},
        burst={"type": "number", "minimum": 1, "maximum": 1_000_000_000},
        concurrency={"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
        budget={"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
    ),
)
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Tillgate integration manifest",
    **_object(
        ["integration", "title", "domain", "owner", "tier", "sources", "event", "targets"],
        integration=_KEY,
        title={"type": "string", "minLength": 1, "maxLength": 120},
        domain=_KEY,
        owner=_KEY,
        note={"type": "string"},
        tier={"type": "integer", "minimum": 0, "maximum": 3},
        lanes={"type": "integer", "minimum": 1, "maximum": 64},
        sources={"type": "array", "items": _SOURCE, "minItems": 1, "maxItems": 20},
        event=_object(
            ["name", "meaning"],
            name={"type": "string", "pattern": "^[a-z0-9_.-]{1,80}$"},
            meaning={"enum": ["state", "fact"]},
            key={"type": "string"},
            version={"type": "string", "pattern": "^/"},
            time={"type": "string", "pattern": "^/"},
            known_days={"type": "integer", "minimum": retention.SHORTEST, "maximum": retention.LONGEST},
            schema={"type": "object"},
            valid=validity.SCHEMA,
        ),
        targets={"type": "array", "items": _TARGET, "minItems": 1, "maxItems": 50},
        schedule=_object(
            ["when"],
            when={"type": "string"},
            zone={"type": "string"},
            skipped={"enum": ["shift", "skip"]},
            repeated={"enum": ["first", "second", "both"]},
        ),
        degraded_mode={"enum": ["normal", "local_with_caps", "queue_only", "stopped"]},
    ),
}


__all__ = ["SCHEMA"]
