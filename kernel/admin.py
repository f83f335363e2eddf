"""Administration pages for accounts, and read-only ones for tokens, the ledger and the outbox."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from kernel import persons
from kernel.factors import held
from kernel.models import ApiToken, AuditEntry, OutboxEvent, User
from kernel.ui.wording import counted

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


class NameTwice(admin.SimpleListFilter):
    """Accounts of before, whose name an older account has in another spelling."""

    title = "name"
    parameter_name = "name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("twice", "of another account, in another spelling")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        return queryset.filter(name_key=None) if self.value() == "twice" else queryset


@admin.register(User)
class Accounts(UserAdmin):
    list_display = ("username", "first_name", "last_name", "kind", "is_active", "is_staff")
    list_filter = ("kind", "is_active", "is_staff", "groups", NameTwice)
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Tillgate", {"fields": ("kind", "same_person_as")}))

    autocomplete_fields = ("same_person_as",)
    actions = ("reset_second_factors", "forget_proved_addresses")

    @admin.action(description="Reset the second factors of the chosen accounts", permissions=["change"])
    def reset_second_factors(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """For people who lost phone and keys. Each is told by mail, and their rights rest."""
        assert isinstance(request.user, User)
        gone = sum(held.reset(account, actor=request.user) for account in chosen)
        said = "Their sessions ended, they were told by mail, and their approvals do not count for some hours."
        self.message_user(request, f"{gone} second factors are removed. {said}", messages.SUCCESS)

    @admin.action(description="Forget the proved addresses of the chosen accounts", permissions=["change"])
    def forget_proved_addresses(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """For an address that belongs to another person by now, or to several."""
        assert isinstance(request.user, User)
        gone = sum(persons.forget(account, actor=request.user) for account in chosen)
        said = "The approvals of these accounts do not count for some hours."
        forgotten = counted(gone, "proved address", "proved addresses")
        self.message_user(request, f"{forgotten} forgotten. {said}", messages.SUCCESS)

    def view_on_site(self, obj: User) -> str:
        """What was given to this person, by whom."""
        return reverse("person", args=[obj.pk])

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
