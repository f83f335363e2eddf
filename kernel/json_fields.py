"""Fields of API shapes that take a JSON document. The parser of requests gives fractions as Decimals, exactly as they
were sent; a document that is kept as JSON has them as JSON does everywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rest_framework import serializers


def without_decimals(value: Any) -> Any:
    """The same value with floats for Decimals, as a file or a form with the same text would give it."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {name: without_decimals(inner) for name, inner in value.items()}
    return [without_decimals(inner) for inner in value] if isinstance(value, list) else value


class DocumentField(serializers.JSONField):
    """Any JSON value."""

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(without_decimals(data))


class ObjectField(serializers.DictField):
    """A JSON object."""

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(without_decimals(data))


class ParsedJSONField(serializers.JSONField):
    """The output of the strict parser, unchanged: its fractions are Decimals, which the base class would refuse."""

    def to_internal_value(self, data: Any) -> Any:
        return data
