"""Comparison of contracts: whom a change hurts, where, and why."""

from __future__ import annotations

from tillgate_contracts.compare.compat import MODES, Compat, check_compat, check_transitive
from tillgate_contracts.compare.engine import DocumentLike, compare
from tillgate_contracts.compare.findings import ComparisonReport, Finding
from tillgate_contracts.compare.policy import DEFAULT, ComparisonPolicy
from tillgate_contracts.compare.rule import ComparisonRule
from tillgate_contracts.compare.rules import RULE_PACK, iter_rules

__all__ = [
    "DEFAULT",
    "MODES",
    "RULE_PACK",
    "ComparisonPolicy",
    "ComparisonReport",
    "ComparisonRule",
    "Compat",
    "DocumentLike",
    "Finding",
    "check_compat",
    "check_transitive",
    "compare",
    "iter_rules",
]
