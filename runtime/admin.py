"""Read-only administration of the tables, for people who look for a cause. Changes go through the services."""

from __future__ import annotations

from django.contrib import admin

from kernel.admin import LookOnly
from runtime import models


@admin.register(models.Integration)
class IntegrationAdmin(LookOnly):
    list_display = ("key", "title", "domain_key", "owner_team")


@admin.register(models.Release)
class ReleaseAdmin(LookOnly):
    list_display = ("integration", "digest", "tier", "created_at", "created_by")
    list_select_related = ("integration", "created_by")


@admin.register(models.Deployment)
class DeploymentAdmin(LookOnly):
    list_display = ("integration", "environment", "active", "paused", "kind", "deployed_at", "ended_at")
    list_filter = ("environment", "active", "paused")
    list_select_related = ("integration",)


@admin.register(models.Run)
class RunAdmin(LookOnly):
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
class VendorStateAdmin(LookOnly):
    list_display = (
        "system_key",
        "instance",
        "environment",
        "breaker",
        "failures",
        "rate",
        "concurrency",
        "budget",
        "spent",
    )
    list_filter = ("environment", "breaker")


@admin.register(models.Schedule)
class ScheduleAdmin(LookOnly):
    list_display = ("integration", "environment", "expression", "zone", "enabled", "next_due_at")
    list_select_related = ("integration",)


@admin.register(models.Worker)
class WorkerAdmin(LookOnly):
    list_display = ("name", "kind", "started_at", "beat_at", "draining")
