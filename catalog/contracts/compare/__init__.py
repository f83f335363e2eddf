"""Comparison of contracts: who is hurt by a change, where, and why."""

from __future__ import annotations

from catalog.contracts.compare.compat import MODES, Compat, check_compat, check_transitive
from catalog.contracts.compare.engine import DocumentLike, compare
from catalog.contracts.compare.findings import Comparison, Finding
from catalog.contracts.compare.policy import DEFAULT, Policy
from catalog.contracts.compare.rules import RULE_PACK, Rule, iter_rules

__all__ = [
    "DEFAULT",
    "MODES",
    "RULE_PACK",
    "Comparison",
    "Compat",
    "DocumentLike",
    "Finding",
    "Policy",
    "Rule",
    "check_compat",
    "check_transitive",
    "compare",
    "iter_rules",
]
