"""Read-only administration: what stands in the tables, for people who look for a cause. Changes go through the services."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from runtime import models


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Nothing is added, changed or deleted here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(models.Integration)
class IntegrationAdmin(ReadOnly):
    list_display = ("key", "title", "domain_key", "owner_team")


@admin.register(models.Release)
class ReleaseAdmin(ReadOnly):
    list_display = ("integration", "digest", "tier", "created_at", "created_by")
    list_select_related = ("integration", "created_by")


@admin.register(models.Deployment)
class DeploymentAdmin(ReadOnly):
    list_display = ("integration", "environment", "active", "paused", "kind", "deployed_at", "ended_at")
    list_filter = ("environment", "active", "paused")
    list_select_related = ("integration",)


@admin.register(models.Run)
class RunAdmin(ReadOnly):
    list_display = (
        "id",
        "integration",
        "kind",
        "trigger",
        "state",
        "started_at",
        "ended_at",
        "read",
        "accepted",
        "rejected_count",
    )
    list_filter = ("state", "kind")
    list_select_related = ("integration",)


@admin.register(models.VendorState)
class VendorStateAdmin(ReadOnly):
    list_display = ("system_key", "instance", "environment", "breaker", "failures", "rate", "concurrency", "budget", "spent")
    list_filter = ("environment", "breaker")


@admin.register(models.Schedule)
class ScheduleAdmin(ReadOnly):
    list_display = ("integration", "environment", "expression", "zone", "enabled", "next_due_at")
    list_select_related = ("integration",)


@admin.register(models.Worker)
class WorkerAdmin(ReadOnly):
    list_display = ("name", "kind", "started_at", "beat_at", "draining")
