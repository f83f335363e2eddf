"""Who may provide an API, and the stores in which instances run."""

from django.conf import settings
from django.contrib.postgres.indexes import GistIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from catalog.models.apis import Api
from catalog.models.consumers import Application
from catalog.models.protection import never_deleted
from catalog.models.systems_of_record import ScopeValue
from catalog.models.tallies import BEGINNING, counted


class ProviderRight(models.Model):
    """An application whose team does not own the API may provide it all the same."""

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="provider_rights")
    api = models.ForeignKey(Api, on_delete=models.PROTECT, related_name="provider_rights")
    reason = models.TextField()
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    granted_at = models.DateTimeField(db_default=Now())
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "api"], condition=Q(ended_at=None), name="one_provider_right"
            ),
            models.CheckConstraint(condition=Q(reason__regex=r"\S"), name="provider_right_needs_a_reason"),
        ]
        triggers = [never_deleted("provider_right")]

    def __str__(self) -> str:
        return f"{self.application_id} may provide {self.api_id}"


class RetailStore(models.Model):
    """A store: the instance of the same key in a fleet runs there. Its banner, region, channel and time zone count for
    freeze windows."""

    key = models.SlugField(max_length=120, unique=True)
    name = models.CharField(max_length=200)
    banner = models.ForeignKey(ScopeValue, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    region = models.ForeignKey(ScopeValue, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    channel = models.ForeignKey(ScopeValue, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    zone = models.CharField(max_length=64, blank=True, help_text="IANA time zone, such as Europe/Berlin")
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["key"]
        indexes = [GistIndex(fields=["key"], name="store_key_trigrams", opclasses=["gist_trgm_ops(siglen=256)"])]
        triggers = [never_deleted("store"), *counted(("store", "0", "0", f"date '{BEGINNING}'"))]

    def __str__(self) -> str:
        return self.name
