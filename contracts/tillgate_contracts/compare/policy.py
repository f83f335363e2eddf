"""The policy of a comparison: each debatable level is a key here, with a default."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tillgate_contracts.compare.rules import LEVELS, PLACES, iter_rules
from tillgate_contracts.compare.schema.lifecycle import LEVELS as STABILITY
from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading.limits import DEFAULT as LIMITS
from tillgate_contracts.reading.limits import Clock
from tillgate_contracts.reading.text import decode
from tillgate_contracts.reading.yaml_text import parse_yaml

#: Words that a policy file may use for a level.
_LEVEL_WORDS = {
    "breaking": "breaking",
    "warning": "warning",
    "info": "info",
    "compatible": "info",
    "error": "breaking",
    "warn": "warning",
}
#: Debatable levels: key -> the rules whose level it sets.
SWITCHES: dict[str, tuple[str, ...]] = {
    "request_input_removed": ("request-property-removed", "request-parameter-removed"),
    "error_status_removed": ("response-non-success-status-removed",),
    "success_status_added": ("response-success-status-added",),
    "server_url_changed": ("server-url-changed",),
    "security_tightened": (
        "api-security-requirement-added",
        "api-security-alternative-removed",
        "api-security-scope-added",
    ),
    "operation_id_renamed": ("api-operation-id-removed",),
    "keyword_without_effect": tuple(
        f"{direction}-{place}-keyword-without-effect" for direction, places in PLACES.items() for place in places
    ),
    "response_enum_value_added": ("response-property-enum-value-added", "response-body-enum-value-added"),
}


@dataclass(frozen=True, slots=True)
class ComparisonPolicy:
    """How a comparison decides on levels.

    `levels`: rule id -> breaking | warning | info. `content_model`: tolerant | strict (does a new property narrow an
    open object?). `strict_enum`: a new enum value in a response breaks. `sunset_min_days_*`: days that a deprecation
    must leave between today and its sunset. `stability_threshold`: elements below it are not compared. The other keys
    set the level of a group of debatable rules.
    """

    levels: Mapping[str, str] = field(default_factory=dict)
    content_model: str = "tolerant"
    strict_enum: bool = False
    sunset_min_days_beta: int = 0
    sunset_min_days_stable: int = 0
    stability_threshold: str = "beta"
    request_input_removed: str = "warning"
    error_status_removed: str = "info"
    success_status_added: str = "info"
    server_url_changed: str = "warning"
    security_tightened: str = "breaking"
    operation_id_renamed: str = "warning"
    keyword_without_effect: str = "info"
    response_enum_value_added: str = "warning"

    def level(self, rule: str, default: str, *, settled: bool = False) -> str:
        """Level of a rule under this policy: its own entry, else its group's key, else the pack's default.

        `settled`: what happens to values is proven here, so the group's key does not count.
        """
        own = self.levels.get(rule)
        if own is not None:
            return own
        if settled:
            return default
        key = _SWITCH_OF.get(rule)
        if key is None:
            return default
        chosen: str = getattr(self, key)
        if key == "response_enum_value_added" and (self.strict_enum or default == "info"):
            return "breaking" if self.strict_enum and default != "info" else default
        return chosen

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> ComparisonPolicy:
        """Policy from a parsed file.

        Raises ContractError `policy.…` with the key, what is wrong and what is allowed.
        """
        if not isinstance(data, Mapping):
            raise ContractError(
                "policy.form", "A policy is a mapping of keys to values.", {"found": type(data).__name__}
            )
        known = set(cls.__dataclass_fields__)
        found: dict[str, Any] = {}
        for key, value in data.items():
            if key not in known:
                raise ContractError(
                    "policy.key", f"The policy key {key!r} is unknown.{_guess(str(key), known)}", {"key": str(key)}
                )
            found[key] = _checked(key, value)
        return cls(**found)

    @classmethod
    def from_yaml(cls, text: str | bytes) -> ComparisonPolicy:
        """Policy from YAML or JSON text. Raises ContractError."""
        try:
            given = text.encode() if isinstance(text, str) else text
            words = decode(given, LIMITS) if given.strip() else ""
            data = parse_yaml(words, LIMITS, Clock(LIMITS))
        except ContractError as error:
            raise ContractError("policy.syntax", f"The policy is not readable YAML: {error.message}", {}) from error
        if isinstance(data, dict) and isinstance(said := data.get("strict_enum"), str):
            data["strict_enum"] = _YAML_1_1.get(said.lower(), said)
        return cls.from_mapping({} if data is None else data)

    @classmethod
    def load(cls, path: Path) -> ComparisonPolicy:
        """Policy from a file. Raises ContractError when it cannot be read."""
        try:
            return cls.from_yaml(path.read_bytes())
        except OSError as error:
            raise ContractError(
                "policy.file", f"The policy file {path} cannot be read: {error.strerror}.", {}
            ) from error


_YAML_1_1 = {"yes": True, "on": True, "no": False, "off": False}
_SWITCH_OF = {rule: key for key, rules in SWITCHES.items() for rule in rules}
DEFAULT = ComparisonPolicy()


def _guess(word: str, known: set[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _checked(key: str, value: Any) -> Any:
    if key == "levels":
        return _levels(value)
    if key == "content_model":
        return _one_of(key, value, {"tolerant", "strict"})
    if key == "stability_threshold":
        return _one_of(key, value, set(STABILITY))
    if key == "strict_enum":
        if not isinstance(value, bool):
            raise ContractError(
                "policy.value", f"The policy key {key!r} is true or false, not {value!r}.", {"key": key}
            )
        return value
    if key.startswith("sunset_min_days"):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 3650:
            raise ContractError(
                "policy.value",
                f"The policy key {key!r} is a number of days from 0 to 3650, not {value!r}.",
                {"key": key},
            )
        return value
    return _level(key, value)


def _level(key: str, value: Any) -> str:
    level = _LEVEL_WORDS.get(value) if isinstance(value, str) else None
    if level is None:
        raise ContractError(
            "policy.level", f"The level of {key!r} is one of {', '.join(LEVELS)}, not {value!r}.", {"key": key}
        )
    return level


def _one_of(key: str, value: Any, allowed: set[str]) -> str:
    if value not in allowed:
        raise ContractError(
            "policy.value",
            f"The policy key {key!r} is one of {', '.join(sorted(allowed))}, not {value!r}.",
            {"key": key},
        )
    return str(value)


def _levels(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ContractError("policy.value", "The policy key 'levels' maps rule ids to levels.", {"key": "levels"})
    known = {rule.id for rule in iter_rules()}
    for rule in value:
        if rule not in known:
            raise ContractError(
                "policy.rule", f"There is no rule {rule!r}.{_guess(str(rule), known)}", {"rule": str(rule)}
            )
    return {str(rule): _level(str(rule), level) for rule, level in value.items()}
