"""Freeze windows: a local calendar, compiled to half-open UTC intervals."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import DateTimeRangeField
from django.contrib.postgres.indexes import GistIndex
from django.db import models
from django.db.models.functions import Now


def _one_of(model: str, column: str) -> Any:
    """A row of the catalog by its key, which is what the column holds; None means all. The database refuses a key that
    nothing has, and the end of one that a window names.
    """
    return models.ForeignKey(
        model,
        to_field="key",
        db_column=column,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
    )


def _value() -> Any:
    """A banner, channel or region (of its own dimension: trigger); None means all."""
    return models.ForeignKey(
        "catalog.ScopeValue", null=True, blank=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )


class FreezeWindow(models.Model):
    """The dimensions of its scope are `environment`, `tier` (n means n and more critical, 0..n), `domain`, `system`,
    and those of the stores: `channel`, `banner`, `region`, `store_zone` (an IANA name). None means all.

    `unresolved` holds, by dimension, names of windows that were planned before names were keys and that the catalog
    does not have: in this dimension the window counts for all until a person says what it covers.

    `strictness`: `notice` is shown only; `changes` refuses to put changes into effect; `work` stops claims of work as
    well. `calendar` is a document of `governance.domain.freeze`.
    """

    class Strictness(models.TextChoices):
        NOTICE = "notice", "Shown only"
        CHANGES = "changes", "No change goes live"
        WORK = "work", "No change goes live and no job runs"

    name = models.CharField(max_length=120)
    reason = models.TextField(blank=True)
    environment = _one_of("catalog.Environment", "environment")
    tier = models.PositiveSmallIntegerField(null=True, blank=True)
    domain = _one_of("catalog.Domain", "domain")
    system = _one_of("catalog.System", "system")
    channel = _value()
    banner = _value()
    region = _value()
    store_zone = models.CharField(max_length=64, null=True, blank=True)
    unresolved: Any = models.JSONField(default=dict, db_default={}, blank=True)
    strictness = models.CharField(max_length=8, choices=Strictness.choices, default=Strictness.CHANGES)
    calendar: Any = models.JSONField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    compiled_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(store_zone=""), name="freeze_names_a_store_zone_or_none")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def scope(self) -> dict[str, Any]:
        """Key of each dimension, None for all; a query for each dimension of stores that was not read with it."""
        return {
            "environment": self.environment_id,
            "tier": self.tier,
            "domain": self.domain_id,
            "system": self.system_id,
            "channel": self.channel.key if self.channel else None,
            "banner": self.banner.key if self.banner else None,
            "region": self.region.key if self.region else None,
            "store_zone": self.store_zone,
        }


class FreezeInterval(models.Model):
    """One occurrence `[starts, ends)` of a window in UTC."""

    freeze = models.ForeignKey(FreezeWindow, on_delete=models.CASCADE, related_name="intervals")
    period = DateTimeRangeField()

    class Meta:
        ordering = ["period"]
        indexes = [GistIndex(fields=["period"], name="freeze_by_period")]
        constraints = [models.UniqueConstraint(fields=["freeze", "period"], name="freeze_interval_once")]

    def __str__(self) -> str:
        return f"{self.freeze_id} {self.period}"
