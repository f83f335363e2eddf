"""Processes of the product that tests, campaigns and measurements start on throw-away databases: what the production
guard would refuse is accepted for them, by name."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from portal.guard import acceptance
from portal.guard.rules import REFUSING


def everything() -> str:
    until = datetime.now(UTC).date() + timedelta(days=30)
    return ",".join(f"{name}:{until}" for name in REFUSING)


def accept_everything() -> None:
    os.environ.setdefault(acceptance.SETTING, everything())
