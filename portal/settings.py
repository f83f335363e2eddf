"""Settings from the environment only, typed, failing loudly. Secrets may also come from a file named by `<NAME>_FILE`.

Everything has a default that works on one machine; product knobs (policies, tiers, freezes) are data, not settings.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from kernel import acting
from kernel.networks import Reach
from kernel.postgresql.sessions import KEEP_ALIVE, process_role
from kernel.secret_references import SecretPlaces
from portal import broker

BASE_DIR = Path(__file__).resolve().parent.parent


OWN_VARIABLES: set[str] = set()
"""Names of settings: what they hold is no secret of a system."""


def env(name: str, default: str | None = None) -> str:
    """The variable, or the content of the file named by `<name>_FILE`, or the default.

    Required when the default is None.
    """
    OWN_VARIABLES.add(name)
    if file := os.environ.get(f"{name}_FILE"):
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}_FILE points to {file}, which cannot be read: {error.strerror}."
            ) from None
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"Set {name} in the environment (or {name}_FILE).")
    return value


def env_bool(name: str, default: bool) -> bool:
    text = env(name, "yes" if default else "no").lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off", ""}:
        return False
    raise ImproperlyConfigured(f"{name} is yes or no, not {text!r}.")


def env_int(name: str, default: int) -> int:
    text = env(name, str(default)) or str(default)
    try:
        return int(text)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is a whole number, not {text!r}.") from None


def address(url: str, name: str = "DATABASE_URL") -> dict[str, Any]:
    """The parts of a URL as libpq reads it, so several hosts and ports are fine."""
    looks = f"{name} looks like postgresql://user:password@host:5432/name (PostgreSQL 15 or newer)."
    if not url.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured(looks)
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        raise ImproperlyConfigured(f"{looks} {str(error).strip()}") from None
    if not parts.get("dbname"):
        raise ImproperlyConfigured(looks)
    return {key: value for key, value in parts.items() if value is not None}


def _program() -> str:
    """What the database calls this process in its own views and in entries of the ledger."""
    return f"tillgate {acting.command or process_role}"[:63]


def database(url: str, name: str = "DATABASE_URL") -> dict[str, Any]:
    """A Django database entry from a PostgreSQL URL. Any other scheme is refused: there is one database."""
    options: dict[str, Any] = dict(KEEP_ALIVE) | {"application_name": _program()} | address(url, name)
    return {
        "ENGINE": "kernel.postgresql",
        "NAME": options.pop("dbname"),
        "USER": options.pop("user", ""),
        "PASSWORD": options.pop("password", ""),
        "HOST": options.pop("host", ""),
        "PORT": options.pop("port", ""),
        "OPTIONS": options,
        "CONN_MAX_AGE": env_int("DATABASE_CONN_MAX_AGE", 60),
        "CONN_HEALTH_CHECKS": True,
        "TEST": {
            "NAME": os.environ.get("TEST_DATABASE_NAME") or None,
            "TEMPLATE": os.environ.get("TEST_DATABASE_TEMPLATE"),
        },
    }


DEBUG = env_bool("DEBUG", False)
TESTING = "pytest" in sys.modules
SECRET_KEY = env(
    "SECRET_KEY",
    "not-a-secret-only-for-tools"
    if TESTING or any(w in sys.argv for w in ("makemigrations", "spectacular", "check", "collectstatic"))
    else None,
)
ALLOWED_HOSTS = [h for h in env("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",") if h]
PUBLIC_URL = env("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
# Forms come from the installation's own address, also where the proxy before it does not tell the scheme.
CSRF_TRUSTED_ORIGINS = [o for o in env("CSRF_TRUSTED_ORIGINS", "").split(",") if o] + [
    "/".join(PUBLIC_URL.split("/")[:3])
]
# Ed25519 keys in PEM; the first signs statements, the others are only published (docs/reference/statements.md).
STATEMENT_KEYS = env("STATEMENT_KEYS", "")
# The folder of secrets that pipeline connections name as file:<name>; empty: none (docs/how-to/connect-a-pipeline.md).
PIPELINE_SECRETS = env("PIPELINE_SECRETS", "")
# The folder of secrets with which vendors sign their webhooks (docs/how-to/receive-webhooks.md); empty: none.
WEBHOOK_SECRETS = env("WEBHOOK_SECRETS", "")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "guardian",
    "pgtrigger",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "kernel",
    "catalog",
    "governance",
    "runtime",
    "portal",
]

MIDDLEWARE = [
    "portal.answer_headers.PromisedHeadersMiddleware",
    "portal.health.HealthMiddleware",
    "portal.middleware.RequestIdMiddleware",
    "portal.observing.ObservedRequestMiddleware",
    "portal.readable_addresses.ReadableAddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.middleware.SessionLimitsMiddleware",
    "portal.middleware.ActingMiddleware",
    "portal.middleware.LoginRequiredMiddleware",
    "portal.middleware.ReadableFormMiddleware",
    "portal.proofs.SecondFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.proofs.FreshAdministrationMiddleware",
    "portal.middleware.DomainErrorMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.navigation.context",
            ],
            "builtins": ["django.templatetags.static", "kernel.templatetags.parts"],
        },
    }
]

DATABASES = {"default": database(env("DATABASE_URL", "postgresql://tillgate@127.0.0.1:5432/tillgate"))}
# `transaction`: DATABASE_URL is a pooler that gives each transaction to any session. Pages and API then hold nothing in
# theirs; what needs a session of its own (intake, workers, scheduler, migrations) has DATABASE_DIRECT_URL.
DATABASE_POOLER = env("DATABASE_POOLER", "none")
_direct = env("DATABASE_DIRECT_URL", "")
DATABASE_ADDRESSES: dict[str, dict[str, Any]] = {
    name: address(url, name)
    for name, url in (
        ("DATABASE_URL", env("DATABASE_URL", "postgresql://tillgate@127.0.0.1:5432/tillgate")),
        ("DATABASE_DIRECT_URL", _direct),
    )
    if url
}
DATABASE_DIRECT: dict[str, Any] = dict(KEEP_ALIVE) | address(_direct, "DATABASE_DIRECT_URL") if _direct else {}
if DATABASE_POOLER not in {"none", "session", "transaction"}:
    raise ImproperlyConfigured(f"DATABASE_POOLER is none, session or transaction, not {DATABASE_POOLER!r}.")
if DATABASE_POOLER == "transaction" and not _direct:
    raise ImproperlyConfigured(
        "DATABASE_POOLER=transaction needs DATABASE_DIRECT_URL as well: the address of the server, or of a pool in "
        "session mode, for intake, workers, scheduler and migrations, whose sessions hold state."
    )
if _direct and process_role != "web":
    DATABASES, DATABASE_POOLER = {"default": database(_direct)}, "none"
# The owner of the tables, for `migrate`, `boot` and `database_roles` alone; the role of DATABASE_URL then owns nothing
# (docs/how-to/two-database-roles.md). DATABASE_SERVING_ROLE: who is given the rights, where that is a group of roles.
_owner = env("DATABASE_OWNER_URL", "")
DATABASE_OWNER: dict[str, Any] = database(_owner, "DATABASE_OWNER_URL") if _owner else {}
DATABASE_SERVING_ROLE = env("DATABASE_SERVING_ROLE", "")
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = DATABASE_POOLER == "transaction"
REDIS_URL = env("REDIS_URL", "redis://127.0.0.1:6379/0")
BROKER_URL = env("BROKER_URL", REDIS_URL)
if BROKER_URL and (_said := broker.wrong(BROKER_URL)):
    raise ImproperlyConfigured(f"BROKER_URL {_said}.")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "kernel.User"
AUTHENTICATION_BACKENDS = [
    "portal.demo_database.DemoDoor",
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
GUARDIAN_RAISE_403 = True
LOGIN_URL = "sign-in"
CSRF_FAILURE_VIEW = "portal.errors.csrf_failure"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "portal.demo_database.NotTheDemosPassword"},
    {"NAME": "portal.password_length.AtMostSoLong"},
]
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

LANGUAGE_CODE = "en-gb"
TIME_ZONE = env("DISPLAY_TIME_ZONE", "UTC")
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = Path(env("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if TESTING or DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = TESTING or DEBUG
WHITENOISE_AUTOREFRESH = TESTING  # looks files up one by one instead of listing thousands for every test client

SESSION_ENGINE = "kernel.sessions"
SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
# A session ends after so many minutes in which nothing was asked for, and so many hours after the sign-in.
SESSION_IDLE_MINUTES = env_int("SESSION_IDLE_MINUTES", 60)
SESSION_HOURS = env_int("SESSION_HOURS", 12)
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
# A decision of a local account needs a password or second factor that was given in so many minutes.
SIGN_IN_FRESH_MINUTES = env_int("SIGN_IN_FRESH_MINUTES", 15)
# Who needs a second factor: administrators, deciders, both with a comma between, or nobody.
SECOND_FACTOR_REQUIRED = [word for word in env("SECOND_FACTOR_REQUIRED", "").replace(" ", "").split(",") if word]
if unknown := sorted(set(SECOND_FACTOR_REQUIRED) - {"administrators", "deciders"}):
    raise ImproperlyConfigured(
        f"SECOND_FACTOR_REQUIRED is administrators, deciders or both with a comma between, not {', '.join(unknown)}."
    )
# Earlier values of SECRET_KEY: what was encrypted with them can still be read.
SECRET_KEY_FALLBACKS = [key for key in env("SECRET_KEY_FALLBACKS", "").split(",") if key]
HTTPS = env_bool("HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
if HTTPS:  # browsers take such a cookie from this host alone, by TLS: no other host of the domain can plant one
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = HTTPS and env_bool("HTTPS_REDIRECT", True)
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# Proxies of one's own (docs/reference/sign-in.md): which of them are believed is judged before Django (portal.front).
TRUSTED_PROXIES = env("TRUSTED_PROXIES", "")
_behind_proxy = env_bool("BEHIND_PROXY", TRUSTED_PROXIES not in ("", "0"))
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _behind_proxy else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 200  # a folder of contracts
MAX_REQUEST_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["kernel.access.TokenAuthentication", "kernel.access.BrowserSession"],
    "DEFAULT_PERMISSION_CLASSES": ["kernel.access.SignedInWithScope"],
    "DEFAULT_PAGINATION_CLASS": "kernel.pagination.Cursor",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "kernel.negotiation.JsonFirst",
    "DEFAULT_PARSER_CLASSES": ["kernel.request_bodies.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "portal.problem.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tillgate API",
    "DESCRIPTION": (
        "Catalog, change approval, release gate and runtime of one retailer's integrations. "
        "Errors are RFC 9457 problem documents. A time says its zone (RFC 3339); without one it is refused. A day is a "
        "day of UTC."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "LifecycleState": "catalog.domain.lifecycle.STATES",
        "LevelEnum": ["breaking", "warning", "info"],
        "VerdictEnum": ["breaking", "warning", "compatible", "none"],
        "LintLevel": ["error", "warning", "info"],
    },
}

# Celery carries wake-ups only: every fact and every piece of work is a row. See docs/decisions on the ledger.
CELERY = {
    "broker_url": broker.url(BROKER_URL),
    **broker.options(BROKER_URL),
    "task_ignore_result": True,
    "task_acks_late": True,
    "task_reject_on_worker_lost": False,
    "worker_prefetch_multiplier": 1,
    "task_default_queue": "tier2",
    "task_create_missing_queues": True,
    "task_serializer": "json",
    "accept_content": ["json"],
    "worker_enable_remote_control": False,  # who can write to the broker commands no worker
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_channel_error_retry": True,
    "worker_soft_shutdown_timeout": 10,
    "task_publish_retry": False,
    "worker_hijack_root_logger": False,
    "timezone": "UTC",
}

OIDC: dict[str, Any] = {
    "issuer": env("OIDC_ISSUER", ""),
    "client_id": env("OIDC_CLIENT_ID", ""),
    "client_secret": env("OIDC_CLIENT_SECRET", ""),
    "groups_claim": env("OIDC_GROUPS_CLAIM", "groups"),
    # A decision needs the provider's word about the person's groups, not older than this; pages ask for it silently.
    "recheck_minutes": env_int("OIDC_RECHECK_MINUTES", 15),
    # What of the provider's word stands for a second factor: values of `amr` (RFC 8176) and of `acr`.
    "second_factor_amr": [word for word in env("OIDC_SECOND_FACTOR_AMR", "").split(",") if word],
    "second_factor_acr": [word for word in env("OIDC_SECOND_FACTOR_ACR", "").split(",") if word],
    "scopes": env("OIDC_SCOPES", "openid profile email"),
    "algorithms": env("OIDC_ALGORITHMS", "RS256").replace(",", " ").split(),
    "clock_skew": env_int("OIDC_CLOCK_SKEW", 60),  # seconds by which the provider's clock may differ
    "trusted_audiences": env("OIDC_TRUSTED_AUDIENCES", "").replace(",", " ").split(),
    "trust_email": env_bool("OIDC_TRUST_EMAIL", False),
    "logout": env_bool("OIDC_LOGOUT", True),  # sign-out goes to the provider as well
}
if OIDC["issuer"]:
    AUTHENTICATION_BACKENDS.append("governance.web.oidc.Backend")
    MIDDLEWARE.append("governance.web.oidc.Recheck")

EXPECTED_WORKERS = env("EXPECTED_WORKERS", "")  # delivery=1 collectors=3: fewer are reported as missing

EMAIL_BACKEND = env(
    "EMAIL_BACKEND",
    "django.core.mail.backends.locmem.EmailBackend" if TESTING else "django.core.mail.backends.console.EmailBackend",
)
EMAIL_FILE_PATH = env("EMAIL_FILE_PATH", str(Path(env("STATE_DIR", str(BASE_DIR / ".state"))) / "mail"))
EMAIL_HOST = env("EMAIL_HOST", "localhost")
EMAIL_PORT = env_int("EMAIL_PORT", 25)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = env("EMAIL_HOST_USER", ""), env("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS", False)
EMAIL_TIMEOUT = env_int("EMAIL_TIMEOUT", 10)  # seconds; without one a mail server that hangs would hold the scheduler
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", "tillgate@localhost")

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"serializer": "kernel.cache_serializer.JsonCacheSerializer"},
    }
}
# The demo retailer with its well-known password; never on a server that others reach.
DEMO = env_bool("DEMO", "SANDBOX_ERP_URL" in os.environ)
STATE_DIR = Path(env("STATE_DIR", str(BASE_DIR / ".state")))
_LOCAL = DEMO or TESTING  # the sandbox is on this machine
# Networks beside the public Internet to which calls go; where secrets of systems are (docs/reference/connections.md).
try:
    EGRESS_SYSTEMS = Reach.of(env("EGRESS_SYSTEMS", "private loopback" if _LOCAL else "private"))
    EGRESS_RECEIVERS = Reach.of(env("EGRESS_RECEIVERS", "loopback" if _LOCAL else ""))
    SECRET_PLACES = SecretPlaces.of(
        env("SECRET_PREFIXES", "SANDBOX_" if _LOCAL else ""),
        env("SECRETS_FOLDER", tempfile.gettempdir() if TESTING else ""),
        OWN_VARIABLES,
    )
except ValueError as error:
    raise ImproperlyConfigured(
        f"EGRESS_SYSTEMS, EGRESS_RECEIVERS, SECRET_PREFIXES or SECRETS_FOLDER: {error}"
    ) from None

# Where the signed heads of the ledger go, each minute (docs/how-to/keep-a-witness.md).
WITNESS_FILE = "no-witness-of-tests" if TESTING else env("WITNESS_FILE", str(STATE_DIR / "witness" / "heads.jsonl"))
WITNESS = {
    "webhook": env("WITNESS_WEBHOOK", ""),
    "syslog": env("WITNESS_SYSLOG", ""),
    "s3_url": env("WITNESS_S3_URL", ""),
    "s3_key": env("WITNESS_S3_KEY", ""),
    "s3_secret": env("WITNESS_S3_SECRET", ""),
    "s3_region": env("WITNESS_S3_REGION", "us-east-1"),
}

# Both forms leave out card numbers, passwords, tokens and e-mail addresses (kernel/redaction.py).
LOG_FORMAT = env("LOG_FORMAT", "text")
if LOG_FORMAT not in ("text", "json"):
    raise ImproperlyConfigured(f"LOG_FORMAT is text or json, not {LOG_FORMAT!r}.")
ACCESS_LOG = env_bool("ACCESS_LOG", LOG_FORMAT == "json")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"text": {"()": "kernel.log_lines.TextLines"}, "json": {"()": "kernel.log_lines.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": env("LOG_LEVEL", "WARNING")},
    "loggers": {
        "tillgate.access": {"level": "INFO" if ACCESS_LOG else "CRITICAL"},
        "django.request": {"level": "ERROR"},  # what a client did wrong is in its access line
        "httpcore": {"level": "INFO"},  # below, it writes headers
        "httpx": {"level": "WARNING"},  # below, it writes addresses
    },
}
