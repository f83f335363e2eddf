"""Settings are judged before anything starts: a wrong one is said in one line, with name and value, and exit code 2.

`portal.settings` reads them; here stands what it cannot know of those that other modules read, and what a driver would
find out only while it waits for a server.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import sys
import zoneinfo
from collections.abc import Callable, Mapping

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from kernel.postgresql import sessions
from portal.front.places import threads_of

Rule = Callable[[str], str | None]
"""What the value should be, where it is not that."""
_CHOICES = {
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "load_balance_hosts": ("disable", "random"),
    "channel_binding": ("disable", "prefer", "require"),
}


def _one_of(*words: str) -> Rule:
    return lambda text: None if text in words else f"is one of {', '.join(words)}"


def _positive(text: str) -> str | None:
    try:
        good = 0 < float(text) < 1e7
    except ValueError:
        good = False
    return None if good else "is a number above 0"


def _address(*schemes: str) -> Rule:
    said = f"begins with {' or '.join(f'{scheme}://' for scheme in schemes)}" if schemes else "is an address with ://"

    def judge(text: str) -> str | None:
        scheme, mark, rest = text.partition("://")
        return (
            None if mark and rest and re.fullmatch(r"[a-z+]+", scheme) and (scheme in schemes or not schemes) else said
        )

    return judge


def _zone(text: str) -> str | None:
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return "is the name of a time zone, such as Europe/Berlin"
    return None


def _database(text: str) -> str | None:
    try:
        parts = conninfo_to_dict(text)
    except ProgrammingError as error:
        return f"cannot be read: {str(error).strip()}"
    for name, words in _CHOICES.items():
        if name in parts and parts[name] not in words:
            return f"has {name}={parts[name]!r}, which is one of {', '.join(words)}"
    if any(not one.isdigit() for one in str(parts.get("port") or "5432").split(",")):
        return f"has the port {parts['port']!r}, which is a number"
    return None


RULES: Mapping[str, Rule] = {
    "LOG_LEVEL": _one_of(*(name for name in logging.getLevelNamesMapping() if name not in ("NOTSET", "WARN", "FATAL"))),
    "DISPLAY_TIME_ZONE": _zone,
    "DATABASE_URL": _database,
    "DATABASE_DIRECT_URL": _database,
    "TILLGATE_ROLE": _one_of(*sessions.LIMITS),
    "TILLGATE_LEASE_SECONDS": _positive,
    "TILLGATE_RECOVERY_HOURS": _positive,
    "REDIS_URL": _address("redis", "rediss", "unix"),
    "BROKER_URL": _address(),
    "OTEL_EXPORTER_OTLP_ENDPOINT": _address("http", "https"),
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": _address("http", "https"),
}
_SECRET = ("_URL",)  # a password may stand in it


def wrong(environment: Mapping[str, str]) -> str | None:
    """What is wrong with the first setting that is, in one line."""
    for name, rule in RULES.items():
        text = environment.get(name, "")
        if text and (should := rule(text)) is not None:
            shown = re.sub(r"//[^@/]*@", "//…@", text) if name.endswith(_SECRET) else text
            return f"{name} {should}; it is {shown[:120]!r}."
    try:
        sessions.limits_of("web", environment.get("DATABASE_LIMITS", ""))
        keys: str = importlib.import_module("portal.settings").STATEMENT_KEYS
        threads_of(environment.get("WEB_THREADS", ""))
    except ImproperlyConfigured as error:
        return " ".join(str(error).split())
    if keys and (said := importlib.import_module("governance.domain.statement_keys").wrong(keys)) is not None:
        return said
    return None


def refuse_wrong_settings() -> None:
    """Ends the process where a setting is wrong. The first thing that an entry point does."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    if (said := wrong(os.environ)) is not None:
        sys.stderr.write(f"tillgate: {said}\n")
        raise SystemExit(2)
