"""Recorded traffic against a contract: where they differ, without the content of messages."""

from __future__ import annotations

from tillgate_contracts.observe.exchanges import Exchange, read_exchanges
from tillgate_contracts.observe.observer import Observer
from tillgate_contracts.observe.report import DRIFT_KINDS, DriftFinding, DriftResult

__all__ = ["DRIFT_KINDS", "DriftFinding", "DriftResult", "Exchange", "Observer", "read_exchanges"]
