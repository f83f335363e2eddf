"""Lint: one contract against the rules for retail APIs, with levels per SLA tier and own rules as data."""

from tillgate_contracts.lint.engine import built_in_rules, lint
from tillgate_contracts.lint.own import Loaded, Unmapped, load_rules, parse_rules
from tillgate_contracts.lint.rule import RULE_PACK, LintFinding, LintReport, LintRule, RuleOutcome, Violation, levels

__all__ = [
    "RULE_PACK",
    "LintFinding",
    "LintReport",
    "LintRule",
    "Loaded",
    "RuleOutcome",
    "Unmapped",
    "Violation",
    "built_in_rules",
    "levels",
    "lint",
    "load_rules",
    "parse_rules",
]
