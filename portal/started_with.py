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
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from governance.domain.id_tokens import ALGORITHMS
from kernel import clock
from kernel.postgresql import sessions
from portal import broker
from portal.front.connections import per_address_of
from portal.front.places import threads_of
from portal.front.proxies import proxies_of
from portal.guard import acceptance
from runtime import profiles
from runtime.connectors import drop_modes
from runtime.domain import expected_workers

Rule = Callable[[str], str | None]
"""What the value should be, where it is not that."""
MOST_TIME = 100_000  # of any unit: no clock that is added to leaves the years that exist
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


def _hours(text: str) -> str | None:
    return None if re.fullmatch(r"0+(\.0*)?", text) or _positive(text) is None else "is a number of hours, or 0"


def _whole(least: int, most: int, of: str = "") -> Rule:
    said = f"is a whole number{of} from {least} to {most}"

    def judge(text: str) -> str | None:
        good = text.isascii() and text.isdecimal() and len(text) <= 9 and least <= int(text) <= most
        return None if good else said

    return judge


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


def _workers(text: str) -> str | None:
    try:
        expected_workers.of(text)
    except ValueError as error:
        return f"names workers as in delivery=1 collectors=3, not as in {error}"
    return None


def _database(text: str) -> str | None:
    try:
        parts = conninfo_to_dict(text)
    except ProgrammingError as error:
        return f"cannot be read: {str(error).strip()}"
    for name, words in _CHOICES.items():
        if name in parts and parts[name] not in words:
            return f"has {name}={parts[name]!r}, which is one of {', '.join(words)}"
    if any(not one.isdecimal() for one in str(parts.get("port") or "5432").split(",")):
        return f"has the port {parts['port']!r}, which is a number"
    return None


def _accepts(text: str) -> str | None:
    try:
        acceptance.read(text, clock.now().date())
    except ValueError as error:
        return str(error)
    return None


def _folder(text: str) -> str | None:
    return None if Path(text).is_dir() else "is a folder that this process can read"


def _folders(text: str) -> str | None:
    wrong = [one for one in text.split(os.pathsep) if one and not Path(one).is_dir()]
    return f"names folders that this process can read, and {wrong[0][:100]} is none" if wrong else None


def _scopes(text: str) -> str | None:
    return None if "openid" in text.split() else "names scopes with blanks between them, openid among them"


def _algorithms(text: str) -> str | None:
    named = text.replace(",", " ").split()
    return None if named and set(named) <= set(ALGORITHMS) else f"names some of {', '.join(ALGORITHMS)}"


RULES: Mapping[str, Rule] = {
    "OIDC_SCOPES": _scopes,
    "OIDC_ALGORITHMS": _algorithms,
    "OIDC_CLOCK_SKEW": _whole(0, 600, " of seconds"),
    "OIDC_RECHECK_MINUTES": _whole(1, MOST_TIME, " of minutes"),
    "SESSION_HOURS": _whole(1, MOST_TIME, " of hours"),
    "SESSION_IDLE_MINUTES": _whole(1, MOST_TIME, " of minutes"),
    "SIGN_IN_FRESH_MINUTES": _whole(1, MOST_TIME, " of minutes"),
    "DATABASE_CONN_MAX_AGE": _whole(0, MOST_TIME, " of seconds"),
    "EMAIL_PORT": _whole(1, 65_535),
    "EMAIL_TIMEOUT": _whole(1, 600, " of seconds"),
    "LOG_LEVEL": _one_of(*(name for name in logging.getLevelNamesMapping() if name not in ("NOTSET", "WARN", "FATAL"))),
    "DISPLAY_TIME_ZONE": _zone,
    "DATABASE_URL": _database,
    "DATABASE_DIRECT_URL": _database,
    "DATABASE_OWNER_URL": _database,
    "EXPECTED_WORKERS": _workers,
    drop_modes.SETTING: drop_modes.wrong,
    acceptance.SETTING: _accepts,
    "PIPELINE_SECRETS": _folder,
    profiles.SETTING: _folders,
    "TILLGATE_ROLE": _one_of(*sessions.LIMITS),
    "TILLGATE_LEASE_SECONDS": _positive,
    "TILLGATE_RECOVERY_HOURS": _hours,
    "TILLGATE_STILL_SECONDS": _positive,
    "WITNESS_WEBHOOK": _address("https", "http"),
    "WITNESS_SYSLOG": _address("udp", "tcp", "unix"),
    "WITNESS_S3_URL": _address("https", "http"),
    "REDIS_URL": _address("redis", "rediss", "unix"),
    "BROKER_URL": broker.wrong,
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
        proxies = proxies_of(environment)
        per_address_of(environment.get("WEB_CONNECTIONS_PER_ADDRESS", ""), proxies=proxies)
    except ImproperlyConfigured as error:
        return " ".join(str(error).split())
    if keys and (said := importlib.import_module("governance.domain.statement_keys").wrong(keys)) is not None:
        return said
    return None


def state_folder() -> Path:
    """STATE_DIR, without the settings."""
    return Path(os.environ.get("STATE_DIR", Path(__file__).resolve().parent.parent / ".state"))


def refuse_wrong_settings() -> None:
    """Ends the process where a setting is wrong. The first thing that an entry point does."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    if (said := wrong(os.environ)) is not None:
        sys.stderr.write(f"tillgate: {said}\n")
        raise SystemExit(2)
