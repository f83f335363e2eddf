"""Numbers of a manifest that the database would write otherwise than they are digested here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kernel.errors import finding


def unlike(value: Any, at: str = "") -> Iterator[dict[str, Any]]:
    """Findings about numbers with an exponent: those below a ten-thousandth, or from ten quadrillion on."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from unlike(one, f"{at}/{str(name).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from unlike(one, f"{at}/{number}")
    elif isinstance(value, float) and "e" in repr(value):
        said = f"{value!r} cannot be kept as it is: write it without a fraction, as text, or between 0.0001 and 10^16"
        yield finding(at, said, code="manifest.number")
