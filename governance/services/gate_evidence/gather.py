"""The evidence document for a question, put together from its parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from catalog.selectors import gate_asking, gate_facts
from governance.selectors import records, sight
from governance.services.gate_evidence import consumed, freezes, integrations, provided, surroundings, waivers
from governance.services.gate_evidence.asked import Asked, counted
from kernel.viewer import Viewer


def gather(question: Mapping[str, Any], as_of: datetime, viewer: Viewer) -> dict[str, Any]:
    """The evidence document for a normalised question, read in one snapshot. Unknown things are said in words, and
    what the viewer may not see is told like what does not exist."""
    with _snapshot():
        return _gather(_asked(question, as_of, viewer))


def hidden(question: Mapping[str, Any], viewer: Viewer, more: Iterable[str] = ()) -> frozenset[str]:
    """What the question names, and `more` versions, that the viewer may not see."""
    if viewer.sees_everything:
        return frozenset()
    named = [entry["ref"] for key in ("consumes", "provides") for entry in question[key] or ()] + list(more)
    apis = gate_facts.hidden_apis([ref.partition("@")[0] for ref in named], viewer)
    keys = [entry["ref"] for entry in question["integrations"]]
    return frozenset(
        [ref for ref in named if ref.partition("@")[0] in apis]
        + [key for key in keys if not sight.sees(viewer, "integration", key)]
    )


@contextmanager
def _snapshot() -> Iterator[None]:
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
    unseen = hidden(question, viewer, [*own.replaced, *own.beside, *called])
    named = [entry["ref"] for key in ("consumes", "provides") for entry in question[key] or ()]
    known = gate_facts.versions({*named, *own.replaced, *own.beside} - unseen)
    used = [known[entry["ref"]].id for entry in question["consumes"] or () if entry["ref"] in known]
    asking, there = gate_asking.who_asks(question["application"], used, environment, as_of)
    apis = [known[entry["ref"]].api_slug for entry in question["consumes"] or () if entry["ref"] in known]
    return Asked(
        question=question,
        as_of=as_of,
        versions=known,
        asking=asking,
        there=there,
        store=gate_asking.store(instance) if instance else None,
        integrations=integrations.facts_of(question),
        own=own,
        places=records.places(apis, environment, instance),
        called=called,
        hidden=unseen,
    )


def _gather(asked: Asked) -> dict[str, Any]:
    policies = surroundings.policies_in_force(asked)
    return {
        "as_of": asked.as_of.isoformat(),
        "hypothetical": surroundings.is_hypothetical(asked.as_of),
        "application": surroundings.application(asked),
        "environment": surroundings.environment(asked),
        "store": surroundings.store(asked),
        "policies": counted(policies),
        "policy_digest": surroundings.digest_of_policies(policies),
        "freezes": freezes.gather(asked),
        "consumed": consumed.gather(asked),
        "provided": provided.gather(asked),
        "replaced": provided.gather_replaced(asked),
        "withdrawn": provided.gather_withdrawn(asked),
        "undeclared_use": surroundings.undeclared_use(asked),
        "integrations": integrations.gather(asked),
        "waivers": waivers.gather(asked),
    }
