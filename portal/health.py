"""Liveness and readiness for probes."""

from __future__ import annotations

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from runtime.selectors import recovery
from runtime.services import log_partitions


@login_not_required
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """200 as long as the process serves."""
    return JsonResponse({"status": "live"})


@login_not_required
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """200 when the database answers and is migrated, else 503. A missing Redis is reported, but is no failure, like a
    server that does not tell when it was failed over, or a log without a partition for next month."""
    answer = {"database": "ok", "migrations": "ok", "redis": "ok", "failover": "noticed", "partitions": "ok"}
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            answer["migrations"] = "pending"
        elif not recovery.notices_failover():
            answer["failover"] = "not noticed: run `manage.py ledger_restored` after each failover or restore"
        if answer["migrations"] == "ok" and not log_partitions.months_ahead():
            answer["partitions"] = "none for next month: is a scheduler running?"
    except Exception as error:  # any failure means "not ready", and the probe wants the reason
        answer["database"] = f"unavailable: {type(error).__name__}"
    try:
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1).ping()
    except redis.RedisError as error:
        answer["redis"] = f"degraded: {type(error).__name__}"
    status = 200 if answer["database"] == "ok" and answer["migrations"] == "ok" else 503
    return JsonResponse(answer, status=status)
