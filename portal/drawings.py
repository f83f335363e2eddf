"""Drawings of the tables of each room and of the states of a message, made from the models; lists of metrics and of
the serving role's rights.

Mermaid: code hosts show it as a picture.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import Field, ForeignKey, Model

from portal import database_roles, metric_list

ROOMS = {
    "kernel": "what every room uses: people, tokens, audit ledger, outbox",
    "catalog": "facts: APIs, versions, contracts, owners, consumers, systems of record",
    "governance": "decisions: changes, checks, slots, decisions, approvals, verdicts",
    "runtime": "action: integrations, deployments, the message log, deliveries, exceptions, runs",
}
MADE = "Made from the models by `make drawings`; do not edit."


def documents() -> dict[str, str]:
    """File name below docs/reference → its content."""
    made = {f"tables-{room}.md": tables(room) for room in ROOMS}
    return made | {
        "message-states.md": message_states(),
        "metrics.md": metric_list.page(),
        "database-roles.md": database_roles.page(),
    }


def tables(room: str) -> str:
    """One page: a drawing of the relations, then every table with its columns."""
    models = sorted(
        (m for m in apps.get_app_config(room).get_models() if m._meta.managed or m._meta.db_table),
        key=lambda m: m._meta.db_table,
    )
    lines = [f"# Tables of the room `{room}`", "", f"{ROOMS[room].capitalize()}. {MADE}", ""]
    lines += ["```mermaid", "erDiagram", *sorted(set(_relations(models))), "```", ""]
    for model in models:
        lines += [f"## {model._meta.db_table}", "", *_promise(model), "| column | type | |", "|---|---|---|"]
        lines += [_column(field) for field in model._meta.concrete_fields]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _relations(models: list[type[Model]]) -> Iterator[str]:
    for model in models:
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey) and isinstance(other := field.related_model, type):
                one = "|o" if field.null else "||"
                many = "o|" if field.unique else "o{"
                yield f'  {other._meta.db_table} {one}--{many} {model._meta.db_table} : "{field.name}"'


def _promise(model: type[Model]) -> list[str]:
    """The first sentence of the model's docstring; Django writes one itself where there is none."""
    said = inspect.cleandoc(model.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    if not said or said.startswith(f"{model.__name__}("):
        return []
    return [f"`{model.__name__}`: {said}", ""]


def _column(field: Field[Any, Any]) -> str:
    kind = "composite" if field.column is None else field.db_type(connection) or ""
    notes = ["primary key"] if field.primary_key else []
    if isinstance(field, ForeignKey) and isinstance(other := field.related_model, type):
        notes.append(f"→ {other._meta.db_table}")
    if field.choices:
        notes.append(", ".join(f"`{value}`" for value, _ in field.flatchoices if value not in ("", None)))
    if field.null:
        notes.append("may be null")
    return f"| `{field.column or field.name}` | {kind} | {'; '.join(notes)} |"


# What happens to one message at one target. QUARANTINED are the states of a row of the quarantine; a test compares them
# with the model.
MOVES = (
    ("[*]", "waiting", "stored in the log"),
    ("waiting", "claimed", "a worker claims the lane"),
    ("claimed", "waiting", "the worker stops before the call"),
    ("claimed", "confirmed", "the target confirms"),
    ("claimed", "superseded", "a newer state of the key goes"),
    ("claimed", "skipped", "condition of the target"),
    ("claimed", "declined", "an answer of the vendor's business"),
    ("claimed", "waiting", "the connection is at fault, the circuit breaker opens"),
    ("claimed", "waiting", "the target is unavailable (no connection, 429), the lane pauses"),
    ("claimed", "waiting", "no trustworthy answer, the next worker asks the target"),
    ("claimed", "retry", "the target answers for this one message that it must wait"),
    ("claimed", "behind", "an earlier message of the key is quarantined, or another target must have it first"),
    (
        "claimed",
        "sending",
        "the worker is gone, the gate closed after the call, or the target has accepted it for later",
    ),
    ("claimed", "dead", "refused, or the mapping fails"),
    ("claimed", "unknown", "no answer, class U"),
    ("retry", "sending", "a worker claims it"),
    ("sending", "sending", "the target cannot be reached"),
    ("behind", "sending", "the earlier message is settled, the other target has it"),
    ("behind", "skipped", "the other target ended it without delivery"),
    ("sending", "confirmed", "the target confirms, or has it already"),
    ("sending", "skipped", "condition of the target"),
    ("sending", "declined", "an answer of the vendor's business"),
    ("sending", "retry", "the target asks to wait for this message"),
    ("sending", "dead", "refused, or too many attempts"),
    ("sending", "unknown", "the target cannot be asked, or has another document under its name"),
    ("sending", "retry", "a person says that it did not arrive"),
    ("sending", "discarded", "a person discards it"),
    ("dead", "retry", "a person redrives it"),
    ("dead", "sending", "a person redrives it, an earlier attempt has no answer"),
    ("dead", "discarded", "a person discards it"),
    ("unknown", "sending", "a person redrives it, the target is asked first"),
    ("unknown", "retry", "a person redrives it and says that it did not arrive"),
    ("unknown", "discarded", "a person discards it"),
)
QUARANTINED = ("retry", "behind", "sending", "dead", "unknown")
EXPLAINED = {
    "waiting": "its position is after the progress of the target. A target that is unavailable keeps its messages here",
    "claimed": "a worker holds the lane under a lease; the intent is stored before a call leaves",
    "confirmed": "the target has it; `runtime_delivery` or `runtime_attempt` holds the evidence",
    "superseded": "not sent: a newer state of the same key went",
    "skipped": "not sent: the condition of the target says that it is not meant for it, or the target that must have "
    "it first ended it without delivery",
    "declined": "sent, and ended by an answer of the vendor's business, such as too few points; no failure",
    "retry": "quarantined alone, while other keys go on; tried again when its pause is over",
    "behind": "quarantined; waits for an earlier message of its key, or for another target (`after`)",
    "sending": "quarantined; a call may have reached the target, which is asked first where it can be",
    "dead": "quarantined; a dead letter that waits for a person",
    "unknown": "quarantined; waits for a person, because the target can neither be asked nor be sent the same again",
    "discarded": "a person closed it without delivery and gave a reason",
}


def message_states() -> str:
    """One page: the states of a message at one target, and what each means."""
    ends = sorted({to for _, to, _ in MOVES} - {start for start, _, _ in MOVES})
    lines = ["# States of a message at one target", ""]
    lines += [
        "A message is stored once; each target of its stream has a state of its own for it. While all goes well, the "
        "state follows from the",
        "positions of lane and target. The quarantine has a row per message; its column `state` holds the word. "
        f"{MADE}",
        "",
        "```mermaid",
        "stateDiagram-v2",
        *(f"  {start} --> {to}: {why}" for start, to, why in MOVES),
        *(f"  {end} --> [*]" for end in ends),
        "```",
        "",
        "| state | meaning |",
        "|---|---|",
        *(f"| `{state}` | {meaning} |" for state, meaning in EXPLAINED.items()),
    ]
    return "\n".join(lines) + "\n"
