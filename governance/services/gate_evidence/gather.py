"""The evidence document for a question, put together from its parts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from catalog.selectors import gate_facts
from governance.domain import policy
from governance.selectors import policies
from governance.services.gate_evidence import consumed, freezes, integrations, provided, waivers
from governance.services.gate_evidence.asked import Asked


def gather(question: Mapping[str, Any], as_of: datetime, hidden: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The evidence document for a normalised question. Reads only; unknown things are absent or `unregistered`.
    `hidden` are the references that the asker may not see.
    """
    asked = _asked(question, as_of, hidden)
    asking = asked.asking
    return {
        "as_of": as_of.isoformat(),
        "application": {"key": question["application"], "owner_team": asking.team_key or None}
        if asking.known
        else None,
        "environment": {"key": asked.environment} if asking.environment_known else None,
        "policy_digest": _policy_digest(),
        "freezes": freezes.gather(asked),
        "consumed": consumed.gather(asked),
        "provided": provided.gather(asked),
        "integrations": integrations.gather(asked),
        "waivers": waivers.gather(asked),
    }


def _asked(question: Mapping[str, Any], as_of: datetime, hidden: frozenset[str]) -> Asked:
    named = [entry["ref"] for key in ("consumes", "provides") for entry in question[key] or ()]
    known = {ref: facts for ref, facts in gate_facts.versions(named).items() if ref not in hidden} if named else {}
    used = [known[entry["ref"]].id for entry in question["consumes"] or () if entry["ref"] in known]
    asking = gate_facts.application(question["application"], used, question["environment"], as_of)
    return Asked(question, as_of, known, asking, integrations.facts_of(question), hidden)


def _policy_digest() -> str | None:
    digest = policies.present_digest()
    return policy.digest_of_levels({policies.ORGANISATION: digest}) if digest else None
