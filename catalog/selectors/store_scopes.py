"""What stores can be named by: banners, channels, regions, and time zones."""

from __future__ import annotations

from catalog.models import RetailStore, ScopeValue


def value_id(dimension: str, key: str) -> int | None:
    """The row of a banner, channel or region."""
    return ScopeValue.objects.filter(dimension=dimension, key=key).values_list("pk", flat=True).first()


def zones() -> list[str]:
    """The time zones in which there are stores."""
    rows = RetailStore.objects.filter(retired_at=None).exclude(zone="").order_by("zone")
    return list(rows.values_list("zone", flat=True).distinct())
