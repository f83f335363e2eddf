"""Blueprints: the estate of a retailer as one reviewed document. `apply` can be repeated; the second time changes
nothing."""

from catalog.services.blueprint.application import apply
from catalog.services.blueprint.writer import BlueprintReport

__all__ = ["BlueprintReport", "apply"]
