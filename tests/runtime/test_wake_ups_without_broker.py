"""Nobody who starts work waits for a broker that is away: a wake-up is tried once, and polling finds the work."""

from __future__ import annotations

import pytest
import redis.connection
from celery import Celery
from django.conf import settings
from redis.exceptions import ConnectionError as NoConnection

from runtime.services import wakeups


def test_a_wake_up_is_tried_once_while_the_broker_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def away(self: object, *_: object, **__: object) -> None:
        tried.append("connect")
        raise NoConnection("refused")

    monkeypatch.setattr(redis.connection.AbstractConnection, "connect", away)
    app = Celery("without", set_as_current=False)
    app.conf.update(settings.CELERY | {"broker_url": "redis://127.0.0.1:1/0"})
    monkeypatch.setattr(wakeups, "current_app", app)
    monkeypatch.setattr(wakeups, "_quiet_until", 0.0)
    wakeups.wake(1, [1])
    wakeups.wake(1, [2])
    assert len(tried) == 1
