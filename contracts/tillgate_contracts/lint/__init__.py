"""Lint: one contract against the rules for retail APIs, with levels per SLA tier and rule files of the user."""

from tillgate_contracts.lint.engine import built_in_rules, lint
from tillgate_contracts.lint.groups import grouped
from tillgate_contracts.lint.rule import (
    PROFILES,
    RULE_PACK,
    LintFinding,
    LintReport,
    LintRule,
    RuleOutcome,
    Violation,
    levels,
)
from tillgate_contracts.lint.rule_files import LoadedRules, UnmappedRule, load_rules, parse_rules

__all__ = [
    "PROFILES",
    "RULE_PACK",
    "LintFinding",
    "LintReport",
    "LintRule",
    "LoadedRules",
    "RuleOutcome",
    "UnmappedRule",
    "Violation",
    "built_in_rules",
    "grouped",
    "levels",
    "lint",
    "load_rules",
    "parse_rules",
]
