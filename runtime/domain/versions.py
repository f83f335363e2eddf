"""The order of states of one key. Sources say it as a number, an ISO 8601 time or an OData V2 date; the ledger keeps a
bigint."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_WHOLE = re.compile(r"[+-]?[0-9]+\Z")
_DIGITS = 40  # of a whole number; the limit has 19
_YEAR = re.compile(r"[0-9]{4}-?[0-9W]")
_ODATA = re.compile(r"/Date\((-?[0-9]+)(?:[+-][0-9]+)?\)/\Z")
EPOCH = re.compile(r"([0-9]{9,16})\.([0-9]{1,20})\Z")
"""A time since 1970 with a fraction. Fewer digits before the point may be a version such as 1.10, which has none."""
_FINER = re.compile(r"[0-9][.,][0-9]{6}([0-9]+)")
LIMIT = 2**63 - 1


class AtLeast(int):
    """The version of a state of which nobody knows when it came about. It counts as the newest of its key when it is
    stored: at the version of the one before it or at this one, whichever is higher."""


class Unbelieved(str):
    """What stands for a stamp that cannot be true: the highest one that its feed has shown, behind a sign."""

    @classmethod
    def of(cls, shown: str | None) -> Unbelieved:
        return cls(f"\u2265{shown or ''}")

    def number(self) -> AtLeast:
        """0 where the feed has shown nothing that is a version."""
        try:
            return AtLeast(version_number(self[1:]))
        except (ValueError, OverflowError):
            return AtLeast(0)


def version_number(text: str | None) -> int:
    """Whole numbers as they are, of times since 1970 with a fraction what stands before it (`finer_digits` has the
    rest), other times as microseconds since the epoch, 0 where there is none. Raises ValueError otherwise."""
    if text is None or text == "":
        return 0
    if isinstance(text, Unbelieved):
        return text.number()
    if match := _ODATA.match(text):
        return _bounded(int(match[1]) * 1000, text)
    if _WHOLE.match(text):
        if len(text) > _DIGITS:
            raise ValueError(f"the version {text[:40]!r}… is too large")
        number = int(text)
    elif match := EPOCH.match(text):
        number = int(match[1])
    elif not text.isascii() or not _YEAR.match(text):
        raise ValueError(f"{text[:40]!r} is neither a whole number in the digits 0 to 9 nor a time (ISO 8601)")
    else:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
        number = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    return _bounded(number, text)


def finer_digits(text: str) -> str:
    """The digits of a time behind the microsecond, or behind the point of one since 1970, so that two of one version
    compare as texts."""
    if epoch := EPOCH.match(text):
        return epoch[2].rstrip("0")
    found = None if _WHOLE.match(text) else _FINER.search(text)
    return found[1].rstrip("0") if found else ""


def is_older(one: str, other: str) -> bool | None:
    """Whether a version comes before another one; None where the two do not compare."""
    if not one or not other or _is_number(one) != _is_number(other):
        return None
    try:
        return (version_number(one), finer_digits(one)) < (version_number(other), finer_digits(other))
    except (ValueError, OverflowError):
        return None


def _is_number(text: str) -> bool:
    return bool(_WHOLE.match(text) or EPOCH.match(text))


def _bounded(number: int, text: str) -> int:
    if not -LIMIT <= number <= LIMIT:
        raise ValueError(f"the version {text[:40]!r} is too large")
    return number
