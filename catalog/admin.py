"""The admin shows the facts and changes none: owners change them on pages and by the API, and the audit log records
each change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from catalog import models
from kernel.admin import LookOnly


@admin.register(models.Api)
class ApiAdmin(LookOnly):
    list_display = ["slug", "name", "domain", "owner_team", "layer", "style", "tier"]
    list_filter = ["domain", "layer", "style", "tier"]
    list_select_related = ["domain", "owner_team", "tier"]
    search_fields = ["slug", "name"]


@admin.register(models.ApiVersion)
class ApiVersionAdmin(LookOnly):
    list_display = ["api", "label", "state", "origin", "published_at", "sunset_at"]
    list_filter = ["state", "origin"]
    list_select_related = ["api"]
    search_fields = ["api__slug", "label"]


@admin.register(models.Contract)
class ContractAdmin(LookOnly):
    list_display = ["digest", "format", "title", "declared_version", "size", "created_at"]
    list_filter = ["format"]
    exclude = ["original", "canonical", "operation_words", "field_words"]
    search_fields = ["digest", "title"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("original", "canonical", "operation_words", "field_words")


@admin.register(models.Boundary)
class BoundaryAdmin(LookOnly):
    list_display = ["entity", "attribute_group", "banner", "region", "channel", "system", "valid"]
    list_filter = ["entity", "system"]
    list_select_related = ["entity", "attribute_group", "banner", "region", "channel", "system"]


@admin.register(models.Subscription)
class SubscriptionAdmin(LookOnly):
    list_display = ["application", "version", "environment", "state", "valid_from", "valid_until", "last_seen_at"]
    list_filter = ["state", "environment"]
    list_select_related = ["application", "version__api", "environment"]


for model in (
    models.Team,
    models.Domain,
    models.System,
    models.SystemEndpoint,
    models.Environment,
    models.BusinessEntity,
    models.AttributeGroup,
    models.ScopeValue,
    models.SlaTier,
    models.Application,
    models.Dependency,
    models.Campaign,
    models.ImportRun,
):
    admin.site.register(model, LookOnly)
