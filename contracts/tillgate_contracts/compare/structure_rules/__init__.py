"""The rules about everything around the schemas: paths, parameters, bodies, responses, security, servers, events."""

from __future__ import annotations

from tillgate_contracts.compare.structure_rules.access import ACCESS_RULES
from tillgate_contracts.compare.structure_rules.events import EVENT_RULES
from tillgate_contracts.compare.structure_rules.messages import BODY_RULES
from tillgate_contracts.compare.structure_rules.parameters import PARAMETER_RULES
from tillgate_contracts.compare.structure_rules.paths import PATH_RULES

#: (id, default level, area, direction, title, why)
STRUCTURE_RULES: tuple[tuple[str, str, str, str, str, str], ...] = (
    *PATH_RULES,
    *PARAMETER_RULES,
    *BODY_RULES,
    *ACCESS_RULES,
    *EVENT_RULES,
)
