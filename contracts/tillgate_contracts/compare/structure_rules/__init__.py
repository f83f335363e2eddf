"""The rules about everything around the schemas: paths, parameters, bodies, responses, security, servers, events.
Those of formats with a comparison of their own stand here as well.

They are data: one TOML file a topic, one table a rule.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from tillgate_contracts.compare.rule import ComparisonRule

_TOPICS = ("paths", "parameters", "bodies", "access", "events", "graphql", "soap", "references")


def _load(topic: str) -> tuple[ComparisonRule, ...]:
    with Path(__file__).with_name(f"{topic}.toml").open("rb") as file:
        return tuple(ComparisonRule(id=name, **row) for name, row in tomllib.load(file).items())


#: Every rule, in the order of the files.
STRUCTURE_RULES: tuple[ComparisonRule, ...] = tuple(rule for topic in _TOPICS for rule in _load(topic))
