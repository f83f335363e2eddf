"""Blueprints: the estate of a retailer as one reviewed document. `apply` can be repeated; the second time changes
nothing."""

from catalog.services.blueprint.application import apply, register
from catalog.services.blueprint.writer import BlueprintReport, BlueprintWriter

__all__ = ["BlueprintReport", "BlueprintWriter", "apply", "register"]
