"""What a change is about. Governance knows a thing of another room only as `(kind, id, digest)`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kernel.digest import PREFIX, short


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """The exact thing that a change is about. A different digest is a different subject.

    `kind` is `version`, `integration`, `boundary`, `policy`, `waiver`, …; `id` the room's own reference
    (`price-api@v3`, an integration key); `digest` is `sha256:<64 hex digits>`.
    """

    kind: str
    id: str
    digest: str

    def __str__(self) -> str:
        return f"{self.id} @ {short(self.digest)}"


def digest_of_subjects(subjects: Iterable[Subject]) -> str:
    """One digest for all subjects of a change: the subject's own where there is one, else SHA-256 over sorted lines.

    The database computes the same in `governance_subject_digest(change)`; a trigger keeps the stored value right.
    """
    ordered = sorted(subjects, key=lambda s: (s.kind.encode(), s.id.encode()))
    if not ordered:
        return ""
    if len(ordered) == 1:
        return ordered[0].digest
    text = "".join(f"{s.kind}\n{s.id}\n{s.digest}\n" for s in ordered)
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class AffectedConsumer:
    """A known consumer that the change affects. `last_seen_at` None means never seen, which does not prove that it
    makes no calls. `apis`: the slugs of those that it uses, where they are no subject of the change.
    """

    application: str
    name: str
    team_id: int | None
    team_key: str
    environment: str
    state: str = "active"
    last_seen_at: datetime | None = None
    moves_at: datetime | None = None
    apis: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubjectFacts:
    """What the owning room knows about a subject at this moment.

    `digest` is the present digest of the thing, so that an outdated change shows. None or an empty tuple of owners
    means unknown, which never helps an approval. `consumers_affected` None: unknown; empty: known to have none. `old`
    and `new` are JSON documents for the difference; `old` None where there is no predecessor. `contributor_ids`: the
    people who made this digest; they may not decide on it. `least_risk` is the risk that the change has at least.
    `loosened`: findings about facts that were stricter before, by which it is judged, and `loosened_ids` their numbers;
    `more_domain_keys` are domains of before among them. `bound`: what the approval binds beside the digest, by name;
    None where it is the digest alone.
    """

    title: str
    digest: str | None
    tier: int | None = None
    data_class: str | None = None
    owner_team_ids: tuple[int, ...] = ()
    record_owner_team_ids: tuple[int, ...] = ()
    entities: tuple[str, ...] = ()
    consumers_affected: tuple[AffectedConsumer, ...] | None = None
    base_digest: str | None = None
    revision_digest: str | None = None
    domain_key: str | None = None
    system_keys: tuple[str, ...] = ()
    contributor_ids: tuple[int, ...] = ()
    least_risk: str = ""
    url: str = ""
    bound: Mapping[str, Any] | None = None
    loosened: tuple[Mapping[str, Any], ...] = ()
    loosened_ids: tuple[int, ...] = ()
    more_domain_keys: tuple[str, ...] = ()
    old: Any = None
    new: Any = None
    extras: dict[str, Any] = field(default_factory=dict)
