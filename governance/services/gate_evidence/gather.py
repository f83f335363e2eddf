"""The evidence document for a question, put together from its parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from catalog.domain.facts import VersionFacts
from catalog.selectors import gate_asking, gate_facts
from catalog.selectors.gate_facts import DeclaredNeed
from governance.selectors import records, sight
from governance.services.gate_evidence import consumed, freezes, integrations, provided, surroundings, waivers
from governance.services.gate_evidence.asked import Asked, GrantedWaiver, counted
from kernel.viewer import Viewer


def gather(question: Mapping[str, Any], as_of: datetime, viewer: Viewer) -> dict[str, Any]:
    """The evidence document for a normalised question, read in one snapshot. Unknown things are said in words, and
    what the viewer may not see is told like what does not exist."""
    with snapshot():
        return _gather(_asked(question, as_of, viewer))


def _unseen(question: Mapping[str, Any], viewer: Viewer) -> frozenset[str]:
    """What the question names and the viewer may not see."""
    keys = [entry["ref"] for entry in question["integrations"]]
    return _hidden(_named(question), viewer) | {key for key in keys if not sight.sees(viewer, "integration", key)}


def _named(question: Mapping[str, Any]) -> list[str]:
    return [entry["ref"] for key in ("consumes", "provides") for entry in question[key] or ()]


def _hidden(names: Iterable[str], viewer: Viewer) -> frozenset[str]:
    """Those of the versions and APIs that the viewer may not see."""
    named = set(names)
    if viewer.sees_everything or not named:
        return frozenset()
    apis = gate_facts.hidden_apis([name.partition("@")[0] for name in named], viewer)
    return frozenset(name for name in named if name.partition("@")[0] in apis)


@contextmanager
def snapshot() -> Iterator[None]:
    """One view of all tables. Inside a transaction that has begun, its own view counts."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read, read only")
        yield


def _asked(question: Mapping[str, Any], as_of: datetime, viewer: Viewer) -> Asked:
    environment, instance = question["environment"], question["instance"]
    own = records.own(question["application"], environment, instance)
    called = gate_asking.called(question["application"], environment)
    unseen = _unseen(question, viewer)
    running = {*own.replaced, *own.beside}
    restricted = _hidden({*running, *(called or ())}, viewer)
    known = gate_facts.versions({*_named(question), *running} - unseen - restricted)
    provided_apis = {known[entry["ref"]].api_id for entry in question["provides"] if entry["ref"] in known}
    needs = gate_facts.needs(provided_apis) if provided_apis else {}
    brought = integrations.facts_of(question)
    granted = waivers.granted(question, as_of, unseen - set(brought), {*running, *(called or ())})
    restricted |= _hidden(_named_beside(known, needs, granted), viewer)
    used = [known[entry["ref"]].id for entry in question["consumes"] or () if entry["ref"] in known]
    pins = {entry["ref"]: entry["contract_digest"] for entry in question["consumes"] or () if entry["contract_digest"]}
    strange = [pin for ref, pin in pins.items() if ref in known and pin != known[ref].contract_digest]
    asking, there = gate_asking.who_asks(question["application"], used, environment, as_of)
    apis = [known[entry["ref"]].api_slug for entry in question["consumes"] or () if entry["ref"] in known]
    return Asked(
        question=question,
        as_of=as_of,
        versions=known,
        asking=asking,
        there=there,
        store=gate_asking.store(instance) if instance else None,
        integrations=brought,
        own=own,
        places=records.places(
            apis,
            environment,
            instance,
            application=question["application"],
            provides=[entry["ref"] for entry in question["provides"] if entry["ref"] in known],
        ),
        recorded=records.instances_in(environment) if instance or there.is_fleet else frozenset(),
        stores=gate_asking.stores() if there.is_fleet and not instance else frozenset(),
        called=called,
        needs=needs,
        waivers=granted,
        hidden=unseen,
        restricted=restricted,
        hidden_contracts=gate_facts.hidden_contracts(strange, viewer),
        kept_back=waivers.about_hidden_integrations(granted, set(brought), viewer),
    )


def _named_beside(
    known: Mapping[str, VersionFacts], needs: Mapping[int, list[DeclaredNeed] | None], granted: Iterable[GrantedWaiver]
) -> Iterator[str]:
    """Versions and APIs that are told of beside what the question and the records name."""
    yield from (version.successor_reference for version in known.values() if version.successor_reference)
    yield from (need.slug for listed in needs.values() for need in listed or ())
    yield from (waiver.subject_id for waiver in granted if waiver.subject_kind in ("version", "api"))


def _gather(asked: Asked) -> dict[str, Any]:
    policies = surroundings.policies_in_force(asked)
    brought = integrations.gather(asked)
    return {
        "as_of": asked.as_of.isoformat(),
        "hypothetical": False,  # who asks about another time says so: `verdicts.ask`
        "application": surroundings.application(asked),
        "environment": surroundings.environment(asked),
        "store": surroundings.store(asked),
        "instance": surroundings.instance(asked),
        "policies": counted(policies),
        "policy_digest": surroundings.digest_of_policies(policies),
        "freezes": freezes.gather(asked, integrations.carried(brought)),
        "consumed": consumed.gather(asked),
        "provided": provided.gather(asked),
        "replaced": provided.gather_replaced(asked),
        "withdrawn": provided.gather_withdrawn(asked),
        "undeclared_use": surroundings.undeclared_use(asked),
        "integrations": brought,
        "waivers": waivers.gather(asked),
    }
