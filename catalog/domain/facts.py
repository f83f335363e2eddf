"""What other rooms learn about the catalog: frozen values, never model instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

Access = Literal["authoritative_read", "replica_read", "command", "event"]
SubscriptionState = Literal["active", "expired", "pending", "none"]


@dataclass(frozen=True, slots=True)
class EntityUse:
    """An entity that an API exposes; `attribute_group` None means all of it."""

    entity: str
    attribute_group: str | None
    access: Access


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """One API version with what the gate needs to know of its API.

    `reference` is `<api slug>@<label>`. `tier` is 0 (checkout-critical) to 3, None where it is not stated; `data_class`
    is public, internal, personal or cardholder, "" where it is not stated. `origin` is `registered`, `imported` or
    `declared` (by a reviewed blueprint); an imported version without `approval_id` has not been reviewed: the gate
    answers `unknown`, and reports only until `enforced_from`. `proposed_digest` is a contract change that waits for its
    approval. `third_party` (the API's own word, else its system's) and `per_instance` are None where nobody has said;
    `pins` is the rule of its tier. The last two are read for the gate only.
    """

    id: int
    reference: str
    api_id: int
    api_slug: str
    api_name: str
    label: str
    state: str
    contract_digest: str | None
    contract_format: str
    tier: int | None
    data_class: str
    owner_team_id: int | None
    owner_team_key: str
    domain_key: str
    domain_owner_team_id: int | None
    layer: str
    style: str
    system_key: str
    entities: tuple[EntityUse, ...]
    deprecated_at: datetime | None
    sunset_at: datetime | None
    successor_reference: str
    migration_guide: str
    published_at: datetime | None
    origin: str = "registered"
    approval_id: int | None = None
    enforced_from: datetime | None = None
    proposed_digest: str | None = None
    predecessor_reference: str = ""
    created_at: datetime | None = None
    third_party: bool | None = None
    per_instance: bool | None = None
    pins: str = ""

    @property
    def judged(self) -> bool:
        """False for an imported version that no decision has looked at yet."""
        return self.origin != "imported" or self.approval_id is not None


@dataclass(frozen=True, slots=True)
class ConsumerFacts:
    """An application's use of one version in one environment. `state` is the subscription's, "unsubscribed" where usage
    was reported without any subscription. `moves_on` and `moves_to` (a label) are its dated migration,
    `moves_said_by_owner` where nobody of the consumer's own team said it. `calls` counts
    the reported days, None where nothing was ever reported."""

    application_key: str
    name: str
    team_id: int | None
    team_key: str
    environment: str
    state: str
    last_seen_at: datetime | None
    valid_until: datetime | None
    valid_from: datetime | None = None
    calls: int | None = None
    subscription_id: int | None = None
    version_reference: str = ""
    moves_on: date | None = None
    moves_to: str = ""
    version_id: int = 0
    moves_said_by_owner: bool = False

    @property
    def is_live(self) -> bool:
        """It would notice the end of the version: an active or requested subscription, or calls in the last 30 days."""
        return self.state in {"active", "requested"} or bool(self.calls)

    @property
    def has_answered(self) -> bool:
        """Its own team has said by when it goes. A date that the API's owner wrote down is no answer."""
        return self.moves_on is not None and not self.moves_said_by_owner

    def has_moved(self, at: datetime) -> bool:
        """True when the day of its dated migration has come and nothing was seen of it since."""
        if self.moves_on is None or self.moves_on > at.date():
            return False
        return self.last_seen_at is None or self.last_seen_at.date() <= self.moves_on


@dataclass(frozen=True, slots=True)
class SystemFacts:
    key: str
    name: str
    vendor: str
    kind: str
    deployment: str
    network_zone: str
    owner_team_id: int | None
    owner_team_key: str = ""


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """Where a system answers in an environment. `secret_ref` names a secret, it never is one; `trust_ref` names the
    certificates that are believed. `further_hosts`: authorities beside that of the address. `destination` is the digest
    of all of it."""

    base_url: str
    auth_kind: str
    secret_ref: str
    further_hosts: tuple[str, ...] = ()
    trust_ref: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True)
class BoundaryFacts:
    """Which system owns which data, where and when. `attribute_group` None is all; `scope` holds only the limited
    dimensions."""

    id: int
    entity: str
    attribute_group: str | None
    scope: Mapping[str, str]
    system: SystemFacts
    valid_from: datetime | None
    valid_until: datetime | None
    approval_id: int | None = None
    domain_key: str = ""


@dataclass(frozen=True, slots=True)
class TierFacts:
    """A resilience profile. None is "not stated", which no rule reads as zero."""

    level: int
    name: str
    notice_days: int | None
    max_staleness_s: int | None
    p95_ms: int | None
    availability: Decimal | None
    queue: str
    retry: Mapping[str, Any] = field(default_factory=dict)
    freeze_strictness: str = ""
    slots: tuple[Mapping[str, Any], ...] = ()
    degraded_mode_required: bool = False
    rto_s: int | None = None
    rpo_s: int | None = None
    freshness: Decimal | None = None
    delivery_s: int | None = None
    delivery: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TeamFacts:
    """`id` is the id of the Django group whose members are the team."""

    id: int
    key: str
    name: str
    kind: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class DependencyFacts:
    """`api_slug` needs `target`: another API (`target_kind` "api") or a system ("system")."""

    api_slug: str
    api_name: str
    api_tier: int | None
    api_layer: str
    target_kind: Literal["api", "system"]
    target_key: str
    target_name: str
    target_tier: int | None
    target_layer: str
    criticality: str
    degraded_mode: str
