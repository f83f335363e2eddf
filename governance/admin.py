"""The admin shows all tables of governance and edits almost none: only services write decisions and approvals."""

from __future__ import annotations

from django.contrib import admin

from governance import models
from kernel.admin import LookOnly


@admin.register(models.ChangeRequest)
class ChangeRequestAdmin(LookOnly):
    list_display = ["id", "title", "kind", "state", "environment", "author", "submitted_at"]
    list_filter = ["state", "kind", "environment"]
    search_fields = ["title", "subjects__subject_id"]


@admin.register(models.Decision)
class DecisionAdmin(LookOnly):
    list_display = ["id", "change", "person", "outcome", "at", "voided_at"]
    list_filter = ["outcome"]


@admin.register(models.Approval)
class ApprovalAdmin(LookOnly):
    list_display = ["id", "subject_kind", "subject_id", "environment", "origin", "sealed_at", "used_at", "voided_at"]
    list_filter = ["origin", "environment"]
    search_fields = ["subject_id", "digest"]


@admin.register(models.Policy)
class PolicyAdmin(LookOnly):
    list_display = ["level", "version", "state", "activated_at"]
    list_filter = ["state", "level"]


@admin.register(models.Waiver)
class WaiverAdmin(LookOnly):
    list_display = ["id", "rule", "subject_id", "state", "expires_at"]
    list_filter = ["state"]


@admin.register(models.BreakGlass)
class BreakGlassAdmin(LookOnly):
    list_display = ["id", "subject_id", "environment", "opened_by", "confirmed_by", "ends_at", "reviewed_at"]


@admin.register(models.Verdict)
class VerdictAdmin(LookOnly):
    list_display = ["id", "application", "version", "environment", "word", "as_of"]
    list_filter = ["word", "environment"]


@admin.register(models.FreezeWindow)
class FreezeWindowAdmin(LookOnly):
    list_display = ["name", "strictness", "environment", "tier", "ended_at"]


@admin.register(models.WebhookDelivery)
class WebhookDeliveryAdmin(LookOnly):
    list_display = ["id", "endpoint", "topic", "state", "attempts", "last_status"]
    list_filter = ["state"]


@admin.register(models.GroupMapping)
class GroupMappingAdmin(admin.ModelAdmin):
    """Which group of the identity provider means which team."""

    list_display = ["claim", "group", "note"]
