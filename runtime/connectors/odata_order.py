"""Whether rows come in the order that was asked for, as far as that can be told: of stamps always, of texts only where
no order that services sort by explains what came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

Reading = Callable[[str], Any]


def stamps_run_backwards(stamps: Sequence[int | None]) -> str:
    """The first two stamps of a page that stand the wrong way round, in words; empty where none do. Rows without a
    stamp stand before all others or behind them."""
    known = [one for one in stamps if one is not None]
    for before, after in pairwise(known):
        if after < before:
            return f"the stamp {before}, then {after}"
    runs = sum((one is None) != (other is None) for one, other in pairwise(stamps))
    return "rows without a stamp between others" if runs > 1 else ""


def keys_run_backwards(keys: Sequence[tuple[Any, ...]]) -> str:
    """As above, of keys, which services sort as text, whatever its case, or as numbers."""
    if not all(isinstance(part, str) and part.isascii() and part.isalnum() for key in keys for part in key):
        return ""
    broken = [_break(keys, reading) for reading in _READINGS if reading is not _number or _all_numbers(keys)]
    if not all(broken):
        return ""
    before, after = broken[0]
    return f"the key {'/'.join(before)}, then {'/'.join(after)}"


def _break(keys: Sequence[tuple[Any, ...]], reading: Reading) -> tuple[Any, ...]:
    for before, after in pairwise(keys):
        if [reading(part) for part in after] < [reading(part) for part in before]:
            return before, after
    return ()


def _all_numbers(keys: Sequence[tuple[Any, ...]]) -> bool:
    return all(part.isdecimal() for key in keys for part in key)


def _binary(part: str) -> str:
    return part


def _mainframe(part: str) -> bytes:
    return part.encode("cp037")


def _number(part: str) -> int:
    return int(part[:1000])


_READINGS: tuple[Reading, ...] = (_binary, str.casefold, _mainframe, _number)
