"""Who owns a thing that can be handed over, an API or an application, and where it belongs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from catalog.models import Api, Application, Team
from kernel.digest import digest_of

OF_API, OF_APPLICATION = "api", "application"


@dataclass(frozen=True, slots=True)
class OwnedThing:
    """`places` are the tiers, domains and systems that freezes go by: those of the API, and those of every API that the
    application uses or provides."""

    kind: str
    key: str
    name: str
    team: Team | None
    places: tuple[Mapping[str, Any], ...]
    data_class: str = ""

    @property
    def document(self) -> dict[str, Any]:
        return {self.kind: self.key, "owner_team": self.team.key if self.team else None}

    @property
    def digest(self) -> str:
        """Of who owns it now: a hand-over that was approved for another owner is another one."""
        return digest_of(self.document)


def of_api(api: Api) -> OwnedThing:
    return OwnedThing(OF_API, api.slug, api.name, api.owner_team, (_place(api),), api.data_class)


def of_application(row: Application, runs: Iterable[str]) -> OwnedThing:
    """`runs`: the APIs that are recorded to run with it."""
    places = tuple(_place(api) for api in _touched_by(row, runs))
    return OwnedThing(OF_APPLICATION, row.key, row.name, row.team, places)


def find(kind: str, key: str, runs: Iterable[str] = ()) -> OwnedThing | None:
    """The thing as it is now; None for one that is not there."""
    if kind == OF_API:
        api = Api.objects.select_related("owner_team", "tier", "domain", "system").filter(slug=key).first()
        return of_api(api) if api else None
    row = Application.objects.select_related("team").filter(key=key).first()
    return of_application(row, runs) if row else None


def _touched_by(row: Application, runs: Iterable[str]) -> QuerySet[Api]:
    """The APIs that it is subscribed to or has asked for, may provide, or runs with."""
    used = Q(versions__subscriptions__application=row, versions__subscriptions__state__in=["active", "requested"])
    provided = Q(provider_rights__application=row, provider_rights__ended_at=None)
    found = Api.objects.filter(used | provided | Q(slug__in=list(runs)))
    return found.select_related("tier", "domain", "system").distinct().order_by("slug")


def _place(api: Api) -> Mapping[str, Any]:
    return {
        "tier": api.tier.level if api.tier else None,
        "domain": api.domain.key if api.domain else None,
        "systems": [api.system.key] if api.system else [],
    }
