"""The admin shows all tables of governance and edits almost none: only services write decisions and approvals."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest

from governance import models
from governance.services.provisioning import groups
from kernel.admin import LookOnly
from kernel.models import User
from kernel.ui.wording import counted


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


class _Declared(admin.ModelAdmin):
    """What is declared counts at once for the people whom a provider keeps in the groups that it is about."""

    def save_model(self, request: HttpRequest, obj: Model, form: ModelForm, change: bool) -> None:
        assert isinstance(request.user, User)
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            joined = groups.join_declared(actor=request.user)
        if joined:
            self.message_user(request, f"{counted(joined, 'place')} in teams came with it.", messages.SUCCESS)


@admin.register(models.GroupMapping)
class GroupMappingAdmin(_Declared):
    """Which group of the identity provider means which team."""

    list_display = ["claim", "group", "note"]


@admin.register(models.GroupPattern)
class GroupPatternAdmin(_Declared):
    """Which groups of the identity provider, by their names, mean which teams."""

    list_display = ["claim", "team", "roles", "note"]


@admin.register(models.ProvisionedGroup)
class ProvisionedGroupAdmin(LookOnly):
    list_display = ["name", "external_id", "made_at", "changed_at"]
    search_fields = ["name", "external_id"]


@admin.register(models.ProvisionedPerson)
class ProvisionedPersonAdmin(LookOnly):
    list_display = ["user_name", "account", "external_id", "made_at", "changed_at"]
    search_fields = ["user_name", "external_id"]
    list_select_related = ["account"]


@admin.register(models.ProviderIdentity)
class ProviderIdentityAdmin(admin.ModelAdmin):
    """Which subject of the identity provider signs in to an account that was there before. Taking a row out parts the
    two: the next sign-in makes an account of its own, or finds one anew."""

    list_display = ["person", "subject", "rule", "at"]
    list_select_related = ["person"]
    fields = ["person", "subject", "rule"]
    autocomplete_fields = ["person"]
