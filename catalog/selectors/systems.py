"""Systems and where they answer."""

from __future__ import annotations

from catalog.domain.facts import EndpointFacts, SystemFacts
from catalog.models import Environment, System, SystemEndpoint


def facts_of(system: System) -> SystemFacts:
    return SystemFacts(
        key=system.key,
        name=system.name,
        vendor=system.vendor,
        kind=system.kind,
        deployment=system.deployment,
        network_zone=system.network_zone,
        owner_team_id=system.owner_team_id,
        owner_team_key=system.owner_team.key if system.owner_team else "",
    )


def by_key(key: str) -> SystemFacts | None:
    system = System.objects.select_related("owner_team").filter(key=key).first()
    return facts_of(system) if system else None


def all_systems() -> list[SystemFacts]:
    return [facts_of(s) for s in System.objects.select_related("owner_team").filter(retired_at=None)]


def endpoint(system_key: str, environment: str) -> EndpointFacts | None:
    row = SystemEndpoint.objects.filter(system__key=system_key, environment__key=environment).first()
    return endpoint_facts_of(row) if row else None


def endpoint_facts_of(row: SystemEndpoint) -> EndpointFacts:
    hosts = tuple(str(host) for host in row.further_hosts)
    return EndpointFacts(row.base_url, row.auth_kind, row.secret_ref, hosts, row.trust_ref, row.destination)


def every_endpoint(system_key: str) -> list[EndpointFacts]:
    """Where the system answers in each environment that has an address of it."""
    rows = SystemEndpoint.objects.filter(system__key=system_key).order_by("environment__key")
    return [endpoint_facts_of(row) for row in rows]


def addresses(system_key: str) -> list[str]:
    """The addresses of a system in every environment that has one."""
    found = SystemEndpoint.objects.filter(system__key=system_key).order_by("environment__key")
    return list(dict.fromkeys(found.values_list("base_url", flat=True)))


def environments() -> list[tuple[str, str, bool]]:
    """(key, name, is_fleet), in the order in which things move through them."""
    return list(Environment.objects.values_list("key", "name", "is_fleet"))
