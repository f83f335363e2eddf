"""The catalog's door to the contract engine: the one module of the portal that imports `tillgate_contracts`.

The engine is a package of its own and raises its own exception. Each function here runs one entry of the engine and
turns a `ContractError` into the kernel's `Invalid` with the same code, message and findings, so that pages and the API
answer 422. An import contract keeps all other modules from calling the engine directly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from kernel.errors import Invalid
from tillgate_contracts import compare as comparison
from tillgate_contracts import lint as linter
from tillgate_contracts.compare import DEFAULT as DEFAULT_POLICY
from tillgate_contracts.compare import RULE_PACK, ComparisonPolicy, ComparisonReport
from tillgate_contracts.compare.findings import text_of
from tillgate_contracts.compare.groups import DESCRIPTIVE, FindingGroup, FindingText, group
from tillgate_contracts.errors import ContractError
from tillgate_contracts.lint import LintFinding, LintReport, RuleOutcome
from tillgate_contracts.observe import DRIFT_KINDS, DriftFinding, DriftResult, Exchange, Observer
from tillgate_contracts.observe.kept import is_call, is_list_value, is_name
from tillgate_contracts.observe.report import speaks
from tillgate_contracts.reading import DEFAULT as LIMITS
from tillgate_contracts.reading import Document, document, text, yaml_text
from tillgate_contracts.reading.limits import Clock
from tillgate_contracts.schemas import UnusableSchema
from tillgate_contracts.schemas import validator_for as schema_validator

__all__ = [
    "DEFAULT_POLICY",
    "DESCRIPTIVE",
    "DRIFT_KINDS",
    "RULE_PACK",
    "ComparisonPolicy",
    "ComparisonReport",
    "Document",
    "DriftFinding",
    "DriftResult",
    "Exchange",
    "FindingGroup",
    "FindingText",
    "LintFinding",
    "LintReport",
    "RuleOutcome",
    "UnusableSchema",
    "compare",
    "decode",
    "from_canonical",
    "from_value",
    "group",
    "groups_of",
    "is_call",
    "is_list_value",
    "is_name",
    "lint",
    "lint_groups",
    "observer",
    "parse_text",
    "parse_yaml",
    "read",
    "schema_validator",
    "speaks",
]

P = ParamSpec("P")
R = TypeVar("R")


def _translated(entry: Callable[P, R]) -> Callable[P, R]:
    """The entry with the engine's exception turned into `Invalid`."""

    @wraps(entry)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return entry(*args, **kwargs)
        except ContractError as error:
            raise Invalid(error.code, error.message, error.data) from error

    return call


#: Bytes of a contract file → Document.
read = _translated(document.read)
#: A stored contract's canonical bytes → Document.
from_canonical = _translated(Document.from_canonical)
#: A contract that is parsed already → Document.
from_value = _translated(Document.from_value)
#: Bytes of a JSON or YAML file that is no contract → its value, read as strictly as contracts are.
parse_text = _translated(document.parse_text)
#: Two documents → every difference with its level.
compare = _translated(comparison.compare)
#: One document → an observer, which compares traffic with it.
observer = _translated(Observer)
#: One document → the findings of the house rules.
lint = _translated(linter.lint)
#: A lint report, and maybe some of its findings → those of a rule that fails nearly everywhere as one.
lint_groups = linter.grouped


def groups_of(findings: Sequence[Any]) -> list[FindingGroup]:
    """The findings of a comparison, those of one schema and rule in one sentence."""
    return group(text_of(found) for found in findings)


@_translated
def decode(data: bytes) -> str:
    """Text of a file, with the encodings and size limits that contracts have."""
    return text.decode(data, LIMITS)


@_translated
def parse_yaml(data: bytes) -> Any:
    """Value of a YAML file: bounded, no duplicate keys, no aliases that explode."""
    return yaml_text.parse_yaml(text.decode(data, LIMITS), LIMITS, Clock(LIMITS))
