"""Systems of record and the direction of writes.

A sync job may copy an attribute only away from its system of record. Writing to the system of record is a command and
goes to an API of that system. Without a system of record the direction is unknown, and unknown is refused. Two jobs
that copy the same attribute in both directions would overwrite each other for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

WriteKind = Literal["replica", "command"]
Verdict = Literal["allowed", "denied", "unknown"]


@dataclass(frozen=True, slots=True)
class Write:
    """One entity write of one target of a manifest.

    `source_system` is where the job reads, `target_system` where it writes; `target_api_system` is the system behind
    the API that the operation belongs to (None: the target names no API; empty: nobody says whose API it is), and
    `source_api_system` the one behind the API that is read.
    `target_entities` is what that API states. `scope` limits by banner, region or channel.
    """

    entity: str
    attribute_group: str | None
    kind: WriteKind
    source_system: str
    target_system: str
    target_api_system: str | None
    target_entities: tuple[tuple[str, str | None, str], ...] = ()
    scope: Mapping[str, str] = field(default_factory=dict)
    pointer: str = ""
    source_api_system: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """`code` is `sor.ok`; denied `sor.violation`, `sor.command_elsewhere`, `sor.not_a_command_api`,
    `sor.api_moved`; or unknown `sor.no_record`, `sor.commands_unstated`, `sor.api_unstated`."""

    verdict: Verdict
    code: str
    message: str
    write: Write


Record = Callable[[str, str | None, Mapping[str, str]], Iterable[str]]


def judge(write: Write, record_of: Record) -> Judgement:
    """`record_of(entity, attribute_group, scope)` gives each system of record of any part of it, at the time in
    question.

    More than one system means that the write spans boundaries. It is denied: each part needs a write of its own.
    """
    what = write.entity if write.attribute_group is None else f"{write.entity}/{write.attribute_group}"
    records = tuple(dict.fromkeys(record_of(write.entity, write.attribute_group, write.scope)))
    if not records:
        message = f"There is no system of record of {what} here; name it before anything writes it."
        return Judgement("unknown", "sor.no_record", message, write)
    if len(records) > 1:
        message = (
            f"{what} has several systems of record ({', '.join(records)}): "
            "name the attribute group or the scope that is written."
        )
        return Judgement("denied", "sor.violation", message, write)
    return (_command if write.kind == "command" else _replica)(write, what, records[0])


def _command(write: Write, what: str, record: str) -> Judgement:
    """A command goes to the system of record, through an API of that system which offers commands on the entity."""
    if write.target_system != record:
        message = f"A command on {what} goes to its system of record {record}, not to {write.target_system}."
        return Judgement("denied", "sor.command_elsewhere", message, write)
    if write.target_api_system != record:
        offered = write.target_api_system or "no registered API"
        message = f"A command on {what} is addressed to an API of {record}; this one belongs to {offered}."
        return Judgement("denied", "sor.command_elsewhere", message, write)
    if not write.target_entities:
        message = (
            f"The API at {record} does not state its entities, so nobody can say whether it takes commands on {what}."
        )
        return Judgement("unknown", "sor.commands_unstated", message, write)
    if not _offers_command(write):
        message = f"The API at {record} does not offer commands on {what}."
        return Judgement("denied", "sor.not_a_command_api", message, write)
    return Judgement("allowed", "sor.ok", f"{what} is changed by a command at its system of record {record}.", write)


def _replica(write: Write, what: str, record: str) -> Judgement:
    """A copy is read from the system of record and written anywhere else."""
    if write.target_system == record:
        message = (
            f"{record} is the system of record of {what}; a sync job may not write it there. "
            f"Send a command to an API of {record}."
        )
        return Judgement("denied", "sor.violation", message, write)
    if write.source_system != record:
        message = (
            f"{what} is copied from {write.source_system}, but {record} is its system of record: copy it from there."
        )
        return Judgement("denied", "sor.violation", message, write)
    for api, system in ((write.source_api_system, write.source_system), (write.target_api_system, write.target_system)):
        if api == "":
            message = f"{what} goes through an API that states no system; it should be one of {system}."
            return Judgement("unknown", "sor.api_unstated", message, write)
        if api not in (None, system):
            message = f"{what} goes through an API of {system} that belongs to {api} now."
            return Judgement("denied", "sor.api_moved", message, write)
    return Judgement("allowed", "sor.ok", f"{what} flows away from its system of record {record}.", write)


def _offers_command(write: Write) -> bool:
    return any(
        access == "command" and entity == write.entity and (group is None or group == write.attribute_group)
        for entity, group, access in write.target_entities
    )


def judge_all(writes: Iterable[Write], record_of: Record) -> list[Judgement]:
    """A judgement for each write. A job is allowed when it has at least one write and all are allowed."""
    return [judge(write, record_of) for write in writes]


def job_verdict(judgements: Iterable[Judgement]) -> Verdict:
    """Denied beats unknown beats allowed; a job that declares no write at all is unknown."""
    words = [judgement.verdict for judgement in judgements]
    if not words or "unknown" in words:
        return "denied" if "denied" in words else "unknown"
    return "denied" if "denied" in words else "allowed"
