"""Administration pages for accounts, and read-only ones for tokens, the ledger and the outbox."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model
from django.http import HttpRequest

from kernel.models import ApiToken, AuditEntry, OutboxEvent, User

admin.site.site_header = "Tillgate administration"
admin.site.site_title = "Tillgate"
admin.site.index_title = "Accounts and stored data"
admin.site.site_url = "/"


class LookOnly(admin.ModelAdmin):
    """Read-only: services write these rows, and the database refuses most changes anyway."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(User)
class Accounts(UserAdmin):
    list_display = ("username", "first_name", "last_name", "kind", "is_active", "is_staff")
    list_filter = ("kind", "is_active", "is_staff", "groups")
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Tillgate", {"fields": ("kind",)}))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Accounts are deactivated (`is_active`), never deleted: ledger entries refer to them."""
        return False


@admin.register(ApiToken)
class Tokens(LookOnly):
    list_display = ("name", "prefix", "user", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_filter = ("revoked_at",)
    search_fields = ("name", "prefix", "user__username")
    exclude = ("token_hash",)


@admin.register(AuditEntry)
class Ledger(LookOnly):
    list_display = ("id", "at", "actor_text", "verb", "subject_kind", "subject_id")
    search_fields = ("verb", "actor_text", "subject_id", "request_id")
    list_select_related = ("actor",)
    show_full_result_count = False


@admin.register(OutboxEvent)
class Outbox(LookOnly):
    list_display = ("id", "topic", "key", "created_at", "attempts", "done_at", "failed_at")
    list_filter = ("topic",)
    search_fields = ("key", "topic")
    show_full_result_count = False
