"""Blueprints: the estate of a retailer as one reviewed document, applied as often as one likes (`apply`)."""

from catalog.services.blueprint.application import apply
from catalog.services.blueprint.writer import BlueprintReport

__all__ = ["BlueprintReport", "apply"]
