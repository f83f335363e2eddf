"""From whom a second factor is asked: what the setting SECOND_FACTOR_REQUIRED says."""

from __future__ import annotations

from django.conf import settings

ADMINISTRATORS, DECIDERS = "administrators", "deciders"
KNOWN = frozenset({ADMINISTRATORS, DECIDERS})


def second_factor_required() -> frozenset[str]:
    """`administrators`, `deciders`, both or none."""
    return frozenset(settings.SECOND_FACTOR_REQUIRED)
