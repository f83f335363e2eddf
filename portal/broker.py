"""The broker of wake-ups: Redis (or Valkey) or RabbitMQ, by its address."""

from __future__ import annotations

import ssl
from typing import Any, Final

REDIS: Final = ("redis", "rediss", "unix", "redis+socket")
RABBITMQ: Final = ("amqp", "amqps", "pyamqp")
# Nobody waits for a broker that is away; workers try for ever.
_OF_REDIS: Final[dict[str, Any]] = {
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "visibility_timeout": 3600,
    "retry_on_timeout": True,
    "max_retries": 0,
}
# RabbitMQ reads no more from who publishes when it has no memory or disk left, and a write would wait for ever.
_OF_RABBITMQ: Final[dict[str, Any]] = {"read_timeout": 3, "write_timeout": 3, "max_retries": 0}


def _schemes(address: str) -> set[str]:
    return {one.strip().partition("://")[0] for one in address.split(";")}


def wrong(address: str) -> str | None:
    """What a broker's address should be, where it is not: one address, or several of one kind with `;` between."""
    schemes = _schemes(address)
    if all("://" in one for one in address.split(";")) and any(schemes <= set(known) for known in (REDIS, RABBITMQ)):
        return None
    return "is the address of a Redis or Valkey (redis://, rediss://, unix://) or of a RabbitMQ (amqp://, amqps://)"


def url(address: str) -> str:
    """As Celery's transports want it: a socket has another name there."""
    scheme, mark, rest = address.partition("://")
    return f"redis+socket{mark}{rest}" if scheme == "unix" else address


def options(address: str) -> dict[str, Any]:
    """Settings of Celery for this address."""
    if not _schemes(address) <= set(RABBITMQ):
        return {"broker_transport_options": dict(_OF_REDIS)}
    made: dict[str, Any] = {"broker_transport_options": dict(_OF_RABBITMQ)}
    if _schemes(address) == {"amqps"}:  # without the name any certificate of a known authority would do
        made["broker_use_ssl"] = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
    return made
