"""Evidence for which the gate allows, in many shapes, for the tests of G1 and G2."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from governance.domain.freeze import DIMENSIONS
from governance.domain.policy import digest_of_levels

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


NOT_BROKEN = {"agreed": "none"}
AGREED = {"verdict": "breaking", "agreed": {"change": 9, "migrate_by": "2027-03-01"}}
"""A consumer that is broken on a day that its owner agreed to."""


def digest(chance: random.Random) -> str:
    return "sha256:" + "".join(chance.choice("0123456789abcdef") for _ in range(64))


def counted(items: Any) -> dict[str, Any]:
    return {"total": len(items), "items": items}


def version(chance: random.Random, number: int) -> dict[str, Any]:
    deprecated = chance.random() < 0.3
    return {
        "state": "deprecated" if deprecated else "published",
        "origin": "registered",
        "judged": True,
        "enforced_from": "now",
        "owner_team": f"team-{number}",
        "deprecated_at": (NOW - timedelta(days=9)).isoformat() if deprecated else "never",
        "sunset_at": (NOW + timedelta(days=chance.randint(1, 300))).isoformat()
        if deprecated or chance.random() < 0.2
        else "never",
        "successor": f"api-{number}@v9" if chance.random() < 0.5 else "none",
    }


def freeze(strictness: str, name: str, ends: datetime) -> dict[str, Any]:
    dimensions = dict.fromkeys(DIMENSIONS, "any")
    said = {"strictness": strictness, "name": name, "compiled": True, "ends_at": ends.isoformat()}
    return said | {"dimensions": dimensions, "not_known": counted({}), "unresolved": counted([])}


def carried(chance: random.Random) -> dict[str, Any]:
    """A valid approval, by people or by a break-glass."""
    if chance.random() < 0.7:
        return {"origin": "review", "break_glass": "none"}
    said = {"id": 4, "reason": "The tills stand still.", "opened_by": "Olaf", "confirmed_by": "Archie"}
    until = (NOW + timedelta(hours=3)).isoformat()
    return {"origin": "break_glass", "break_glass": {**said, "ends_at": until, "review": "owed"}}


def allowed(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A question and evidence that the gate answers with allow."""
    chance = random.Random(seed)
    consumes = [{"ref": f"api-{n}@v{chance.randint(1, 4)}", "contract_digest": ""} for n in range(chance.randint(0, 3))]
    provides = [{"ref": f"own-{n}@v{chance.randint(1, 4)}", "contract_digest": ""} for n in range(chance.randint(0, 2))]
    integrations = [{"ref": f"job-{n}", "digest": digest(chance)} for n in range(chance.randint(0, 2))]
    if not consumes and not provides and not integrations:
        consumes = [{"ref": "api-0@v1", "contract_digest": ""}]
    question = {
        "application": "shop",
        "version": str(seed),
        "environment": "production",
        "instance": "",
        "consumes": consumes,
        "provides": provides,
        "integrations": integrations,
    }
    waived = chance.random() < 0.3
    consumed = {}
    for number, entry in enumerate(consumes):
        consumed[entry["ref"]] = version(chance, number) | {
            "subscription": "none" if waived and number == 0 else "active",
            "contract": chance.choice(["unpinned", "same", "compatible"]),
            "agreed": "none",
            "pins": "advised",
            "unserved": counted([]),
            **chance.choice(
                [
                    {"provider": "running", "runs": counted([]), "relation": "not_needed"},
                    {"provider": "third_party", "runs": counted([]), "relation": "not_needed"},
                    {"provider": "older", "runs": counted([f"{entry['ref']}-old"]), "relation": "full"},
                ]
            ),
        }
    provided = {}
    for number, entry in enumerate(provides):
        users = {
            f"till-{n}": {
                **chance.choice([NOT_BROKEN | {"verdict": "same"}, NOT_BROKEN | {"verdict": "compatible"}, AGREED]),
                "ready": True,
                "last_seen": chance.choice(["never", NOW.isoformat()]),
            }
            for n in range(chance.randint(0, 3))
        }
        provided[entry["ref"]] = version(chance, number) | {
            "right": chance.choice(["owner", "granted"]),
            "contract": ("unpinned", "same")[number],
            "tier": 1,
            "relation": chance.choice(["none", "full", "backward", "forward"]),
            "dependencies": counted({"base-price": chance.randint(0, 1)} if chance.random() < 0.5 else {}),
            "consumers": counted(users),
        }
    jobs = {
        entry["ref"]: {
            "registered": True,
            "owner_team": "integration",
            "right": "owner",
            "approval": "valid",
            "approval_code": "none",
            "approval_fix": "none",
            **carried(chance),
            "checks": counted(
                {"integration.direction": {"status": "passed", "why": "none", "violations": counted([])}}
            ),
        }
        for entry in integrations
    }
    notice = {"3": freeze("notice", "Peak", NOW + timedelta(days=2))} if chance.random() < 0.3 else {}
    waivers = {}
    if waived and consumes:
        waivers["7"] = {
            "rule": "subscription.missing",
            "subject": consumes[0]["ref"],
            "pointer": f"/consumed/items/{consumes[0]['ref']}",
            "application": "shop",
            "environment": "production",
            "reason": "moved last week",
            "starts_at": (NOW - timedelta(days=1)).isoformat(),
            "expires_at": (NOW + timedelta(days=9)).isoformat(),
        }
    policies = {"organisation": digest(chance)}
    evidence = {
        "as_of": NOW.isoformat(),
        "hypothetical": False,
        "application": {"key": "shop", "known": True, "owner_team": "online", "agent": "no", "purpose": "none"},
        "environment": {
            "key": "production",
            "known": True,
            "records": (NOW - timedelta(days=90)).isoformat(),
            "records_enforced_from": "now",
        },
        "store": {"key": "none"},
        "instance": {"key": "none", "known": True},
        "policies": counted(policies),
        "policy_digest": digest_of_levels(policies),
        "freezes": counted(notice) | {"all_there": True},
        "consumed": counted(consumed),
        "provided": counted(provided),
        "replaced": {"known": "recorded", "versions": counted(["gone-0@v1"])},
        "withdrawn": counted({"gone-0@v1": {"provided": "still", "consumers": counted({})}}),
        "undeclared_use": counted({}),
        "integrations": counted(jobs),
        "waivers": counted(waivers),
    }
    return question, evidence
