"""Where the guard's facts come from: the settings of this process, its database and its Redis."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from kernel.factors.required import second_factor_required
from kernel.postgresql import role_strength
from portal import demo_password
from portal.front.proxies import proxies_of
from portal.guard.setup import GuardAnswers, Setup
from runtime.ledger import connections

ANSWER_SECONDS = 2
BOUND = "TILLGATE_BOUND"  # set by the web server for those whom it asks and starts


def setup() -> Setup:
    try:
        key = str(settings.SECRET_KEY)
    except ImproperlyConfigured:  # Django's own word for an empty one
        key = ""
    proxies = proxies_of(os.environ)
    return Setup(
        debug=settings.DEBUG,
        demo=settings.DEMO,
        secret_key=key,
        fallback_keys=tuple(settings.SECRET_KEY_FALLBACKS),
        allowed_hosts=tuple(settings.ALLOWED_HOSTS),
        bound=os.environ.get(BOUND, "127.0.0.1"),
        public_url=settings.PUBLIC_URL,
        https=settings.HTTPS,
        behind_proxy=settings.SECURE_PROXY_SSL_HEADER is not None,
        proxies=bool(proxies),
        proxy_networks=tuple(str(one) for one in proxies.networks),
        mail=settings.EMAIL_BACKEND,
        witness_file=_kept(str(settings.WITNESS_FILE)),
        state_dir=str(Path(settings.STATE_DIR).resolve()),
        witness_elsewhere=any(settings.WITNESS[name] for name in ("webhook", "s3_url"))
        or syslog_keeps(settings.WITNESS["syslog"]),
        statement_keys=bool(settings.STATEMENT_KEYS),
        databases=settings.DATABASE_ADDRESSES,
        redis_url=settings.REDIS_URL,
        broker_url=settings.BROKER_URL,
        second_factor=second_factor_required(),
        stated=frozenset(name for name, value in os.environ.items() if value),
    )


def seen() -> GuardAnswers:
    """What does not answer is left open; who waits for it asks again."""
    made_for_demo: bool | None = None
    accounts: tuple[str, ...] | None = None
    roles: Mapping[str, tuple[str, ...]] = {}
    try:
        with connections.connected(name="tillgate-guard", role="probe") as conn:
            made_for_demo, accounts = _demo(conn)
        roles = role_strength.too_strong()
    except psycopg.Error:
        made_for_demo = None  # asked again as a whole
    servers = {"REDIS_URL": settings.REDIS_URL, "BROKER_URL": settings.BROKER_URL}
    answers = {url: redis_open(url) for url in set(servers.values())}
    return GuardAnswers(made_for_demo, accounts, roles, tuple(name for name, url in servers.items() if answers[url]))


def _kept(file: str) -> str:
    """The whole path of the witness file; nothing where it is no file, such as /dev/null."""
    if not file:
        return ""
    path = Path(file).resolve()
    try:
        return str(path) if stat.S_ISREG(path.stat().st_mode) else ""
    except OSError:  # not made yet
        return str(path)


def syslog_keeps(address: str) -> bool:
    """Whether somebody can hear there: a host, or a socket of this machine."""
    parts = urlsplit(address)
    return bool(address) and (parts.scheme != "unix" or Path(parts.path).is_socket())


def _demo(conn: connections.Connection) -> tuple[bool, tuple[str, ...]]:
    tables = conn.execute("select to_regclass('kernel_demomark'), to_regclass('kernel_user')").fetchone()
    if tables is None or tables[1] is None:  # nothing was migrated yet
        return False, ()
    marked = tables[0] is not None and conn.execute(_MARKED).fetchone() is not None
    if settings.DEMO and marked:  # there they belong
        return True, ()
    return marked, tuple(demo_password.holders(conn.execute(_ACCOUNTS, [demo_password.NAMES]).fetchall()))


_MARKED = "select 1 from kernel_demomark where ended_at is null"
_ACCOUNTS = "select username, password from kernel_user where username = any(%s) and is_active order by username"


def redis_open(url: str) -> bool | None:
    """Whether the server answers somebody who says no password. None where it does not answer at all."""
    import redis  # it loads the whole library for traces, which a worker does without
    from redis.connection import parse_url

    try:
        known: dict[str, Any] = dict(parse_url(url))
    except ValueError:
        return None
    if "path" in known:
        return False  # a socket: whose it is says the file
    known.pop("username", None)
    known.pop("password", None)
    made = redis.Redis(
        connection_pool=redis.ConnectionPool(
            **known, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
        )
    )
    try:
        return bool(made.ping())
    except redis.AuthenticationError:
        return False
    except redis.RedisError as error:
        return False if "NOAUTH" in str(error) else None
    finally:
        made.close()
