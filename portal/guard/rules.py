"""What the guard refuses or warns of: each rule says what is wrong and what to set, in one line."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from portal.guard.setup import GuardAnswers, Setup, is_loopback, is_this_machine, reached_by_others

KEY_LENGTH, KEY_VARIETY = 50, 10
PASSWORD_LENGTH = 12
KNOWN_KEYS: Final = ("not-a-secret-only-for-tools", "django-insecure-", "changeme", "change-me", "secret", "tillgate")
KNOWN_PASSWORDS: Final = ("postgres", "password", "tillgate", "tillgate_serving", "changeme", "secret", "guest")
MAIL_TO_NOBODY: Final = ("console", "filebased", "locmem", "dummy", "mail_files")

Look = Callable[[Setup, GuardAnswers], str]
"""What is wrong, or nothing."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`advice` says what to set. A rule that `refuses` keeps the process from starting; another one warns."""

    id: str
    look: Look
    advice: str
    refuses: bool = True


@dataclass(frozen=True, slots=True)
class GuardFinding:
    """One line of the guard."""

    id: str
    said: str
    advice: str
    refuses: bool

    def __str__(self) -> str:
        return f"{self.id}: {self.said}. {self.advice}"

    @property
    def logged(self) -> str:
        """For the log, which leaves out what follows a name such as `secret_key:`."""
        return f"{self.said}. {self.advice} [{self.id}]"


def judge(setup: Setup, seen: GuardAnswers) -> list[GuardFinding]:
    """Everything that is wrong for production, the demo's settings included."""
    return [
        GuardFinding(rule.id, said, rule.advice, rule.refuses) for rule in RULES if (said := rule.look(setup, seen))
    ]


def _debug(setup: Setup, _: GuardAnswers) -> str:
    return "DEBUG=yes shows source code and settings to everybody who meets an error" if setup.debug else ""


def _hosts(setup: Setup, _: GuardAnswers) -> str:
    wide = [
        host for host in setup.allowed_hosts if host.startswith("*") or (host.startswith(".") and "." not in host[1:])
    ]
    if wide:
        return f"ALLOWED_HOSTS={','.join(wide)} answers under every name"
    named = urlsplit(setup.public_url).hostname or ""
    covered = any(host in (named, f"[{named}]") or _is_below(named, host) for host in setup.allowed_hosts)
    if named and not covered and not is_this_machine(named):
        return f"ALLOWED_HOSTS does not name {named}, the host of PUBLIC_URL"
    return ""


def _is_below(name: str, host: str) -> bool:
    return host.startswith(".") and (name == host[1:] or name.endswith(host))


def _secret_key(setup: Setup, _: GuardAnswers) -> str:
    if not setup.secret_key:
        return "SECRET_KEY is empty"
    wrong = _of_a_key(setup.secret_key)
    return f"SECRET_KEY {wrong}" if wrong else ""


def _fallback_keys(setup: Setup, _: GuardAnswers) -> str:
    for n, key in enumerate(setup.fallback_keys, 1):
        if wrong := _of_a_key(key):
            return f"key {n} of SECRET_KEY_FALLBACKS {wrong}, and it still opens and signs"
    return ""


def _of_a_key(key: str) -> str:
    if any(key.lower() == known or (known.endswith("-") and key.startswith(known)) for known in KNOWN_KEYS):
        return "is one that everybody knows"
    if len(key) < KEY_LENGTH or len(set(key)) < KEY_VARIETY:
        return f"can be guessed: it has {len(key)} characters, {len(set(key))} different ones"
    return ""


def _public_url(setup: Setup, _: GuardAnswers) -> str:
    parts = urlsplit(setup.public_url)
    if "PUBLIC_URL" not in setup.stated:
        return "PUBLIC_URL is not set, so links in mail and statements lead to this machine"
    if not parts.hostname or is_this_machine(parts.hostname):
        return f"PUBLIC_URL={setup.public_url} leads each reader to their own machine"
    return "" if parts.scheme == "https" else f"PUBLIC_URL={setup.public_url} is not https://"


def _https(setup: Setup, _: GuardAnswers) -> str:
    return "" if setup.https else "HTTPS=no sends passwords and sessions in clear, and cookies without Secure"


def _proxy(setup: Setup, _: GuardAnswers) -> str:
    if setup.https and not setup.behind_proxy:
        return "HTTPS=yes without BEHIND_PROXY=yes: this server ends no TLS, so every page would lead to itself"
    if setup.behind_proxy and not setup.proxies:
        return "BEHIND_PROXY=yes and TRUSTED_PROXIES=0: all callers look like the proxy, and share its limits"
    wide = [one for one in setup.proxy_networks if _holds_strangers(one)]
    return f"TRUSTED_PROXIES={','.join(wide)} believes what strangers say about themselves" if wide else ""


def _holds_strangers(network: str) -> bool:
    """No house has so large a network: fc00::/7 and 10.0.0.0/8 are the largest ones for private use."""
    found = ipaddress.ip_network(network)
    return found.prefixlen < (8 if found.version == 4 else 7)


def _mail(setup: Setup, _: GuardAnswers) -> str:
    backend = setup.mail.split(".")
    if any(word in backend for word in MAIL_TO_NOBODY):
        return f"EMAIL_BACKEND={setup.mail} sends mail to nobody"
    return "EMAIL_HOST is not set" if "smtp" in backend and "EMAIL_HOST" not in setup.stated else ""


def _witness(setup: Setup, _: GuardAnswers) -> str:
    if setup.witness_elsewhere:
        return ""
    if not setup.witness_file:
        return "no witness of the ledger is set"
    if PurePosixPath(setup.state_dir) in PurePosixPath(setup.witness_file).parents:
        return "the only witness of the ledger lies in STATE_DIR, beside what it is to testify about"
    return ""


def _statement_keys(setup: Setup, _: GuardAnswers) -> str:
    return "" if setup.statement_keys else "STATEMENT_KEYS is not set: verdicts and approvals are not signed"


def _demo_mode(setup: Setup, seen: GuardAnswers) -> str:
    if not setup.demo:
        return ""
    if seen.made_for_demo is False:
        return "DEMO=yes, and this database was not made for the demo"
    if reached_by_others(setup):
        others = [host for host in setup.allowed_hosts if not is_loopback(host)]
        where = f"ALLOWED_HOSTS={','.join(others)}" if others else f"the web server listens on {setup.bound}, which"
        return f"DEMO=yes, and {where} lets others in, who all know its passwords"
    return "DEMO=yes: this is the demo"


def _demo_data(setup: Setup, seen: GuardAnswers) -> str:
    return "this database was made for the demo and holds its data" if seen.made_for_demo else ""


def _demo_accounts(setup: Setup, seen: GuardAnswers) -> str:
    names = seen.demo_accounts or ()
    return f"these accounts are open and have the demo's password: {', '.join(names)}" if names else ""


def _role(setup: Setup, seen: GuardAnswers) -> str:
    said = [f"the role of {name} may do more than serve: {'; '.join(what)}" for name, what in seen.roles.items()]
    return "; ".join(said)


def _database_password(setup: Setup, _: GuardAnswers) -> str:
    for name, parts in setup.databases.items():
        password = str(parts.get("password") or "")
        if not password:  # it may come from elsewhere: a file of libpq, a certificate, a socket
            continue
        if password.lower() in KNOWN_PASSWORDS or password in (parts.get("user"), parts.get("dbname")):
            return f"the password in {name} is one that everybody tries first"
        if len(password) < PASSWORD_LENGTH:
            return f"the password in {name} has {len(password)} characters"
    return ""


def _redis(setup: Setup, seen: GuardAnswers) -> str:
    for name, url in (("REDIS_URL", setup.redis_url), ("BROKER_URL", setup.broker_url)):
        parts = urlsplit(url)
        password = unquote(parts.password or "")
        if parts.scheme in ("unix", "redis+socket", ""):
            continue
        if not password:
            return f"{name} has no password"
        if password.lower() in KNOWN_PASSWORDS:
            return f"the password in {name} is one that everybody tries first"
    return f"the server of {seen.open_redis[0]} answers without a password, too" if seen.open_redis else ""


def _second_factor(setup: Setup, _: GuardAnswers) -> str:
    lacking = [who for who in ("administrators", "deciders") if who not in setup.second_factor]
    return f"SECOND_FACTOR_REQUIRED asks no second factor of {' and '.join(lacking)}" if lacking else ""


RULES: Final[tuple[Rule, ...]] = (
    Rule("debug", _debug, "Set DEBUG=no."),
    Rule("hosts", _hosts, "Set ALLOWED_HOSTS to the names under which people and pipelines reach it."),
    Rule(
        "secret_key",
        _secret_key,
        f"Set SECRET_KEY (or SECRET_KEY_FILE) to {KEY_LENGTH} random characters or more: openssl rand -base64 48",
    ),
    Rule(
        "secret_key_fallbacks",
        _fallback_keys,
        "Take it out of SECRET_KEY_FALLBACKS once nothing of it is needed: docs/how-to/secure.md",
    ),
    Rule("public_url", _public_url, "Set PUBLIC_URL to the address in people's browsers: https://tillgate.example.com"),
    Rule("https", _https, "Put a proxy that ends TLS in front, and set HTTPS=yes and BEHIND_PROXY=yes."),
    Rule(
        "proxy", _proxy, "Set BEHIND_PROXY=yes, and TRUSTED_PROXIES to your proxies: how many, or their own networks."
    ),
    Rule("demo_mode", _demo_mode, "Set DEMO=no; the demo serves on this machine alone, from a database of its own."),
    Rule(
        "demo_data",
        _demo_data,
        "Name an empty database in DATABASE_URL; where yours has grown out of the demo: manage.py end_demo",
    ),
    Rule("demo_accounts", _demo_accounts, "Close them in the administration, or set other passwords."),
    Rule(
        "database_role",
        _role,
        "Give DATABASE_OWNER_URL to the step that migrates, and the other addresses a role that owns nothing: "
        "docs/how-to/two-database-roles.md",
    ),
    Rule("database_password", _database_password, f"Set a random one of {PASSWORD_LENGTH} characters or more."),
    Rule("redis", _redis, "Give that server a random password (requirepass) and name it in the address."),
    Rule(
        "witness",
        _witness,
        "Set WITNESS_FILE to a volume of its own, or WITNESS_SYSLOG, WITNESS_WEBHOOK or WITNESS_S3_URL: "
        "docs/how-to/keep-a-witness.md",
    ),
    Rule("mail", _mail, "Set EMAIL_BACKEND=django.core.mail.backends.smtp.EmailBackend and EMAIL_HOST."),
    Rule("statement_keys", _statement_keys, "Set STATEMENT_KEYS (or STATEMENT_KEYS_FILE).", refuses=False),
    Rule("second_factor", _second_factor, "Set SECOND_FACTOR_REQUIRED=administrators,deciders.", refuses=False),
)
IDS: Final = frozenset(rule.id for rule in RULES)
REFUSING: Final[Mapping[str, Rule]] = {rule.id: rule for rule in RULES if rule.refuses}
