"""Bounds that hold against hostile input: size, depth, number of values and time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tillgate_contracts.errors import ContractError, finding


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """How large a contract may be. The largest real one known has 2 MB, 130,000 values and a depth of 33."""

    max_bytes: int = 16 * 1024 * 1024
    max_depth: int = 160
    max_values: int = 2_000_000
    max_files: int = 20_000
    seconds: float = 30.0


DEFAULT = ReadingLimits()


class Clock:
    """The time budget of one reading. `check` is cheap enough to be called every few thousand steps."""

    __slots__ = ("_end", "_limits")

    def __init__(self, limits: ReadingLimits) -> None:
        self._limits = limits
        self._end = time.monotonic() + limits.seconds

    def check(self, line: int | None = None) -> None:
        if time.monotonic() > self._end:
            where = f" at line {line}" if line else ""
            raise refusal(
                "contract.too_slow",
                f"Reading the contract took longer than {self._limits.seconds:g} seconds (stopped{where}). "
                "Split the contract, or upload it as JSON, which is read much faster than YAML.",
                line=line,
            )


def refusal(code: str, message: str, *, pointer: str = "", line: int | None = None, **data: Any) -> ContractError:
    """A ContractError that carries one finding with pointer and line."""
    more: dict[str, Any] = {"code": code}
    if line is not None:
        more["line"] = line
    return ContractError(code, message, {**data, "findings": [finding(pointer, message, **more)]})


def too_large(size: int, limits: ReadingLimits) -> ContractError:
    return refusal(
        "contract.too_large",
        f"The contract has {size:,} bytes; at most {limits.max_bytes:,} are read. "
        "Split it, or leave generated examples out.",
        size=size,
        limit=limits.max_bytes,
    )


def too_deep(pointer: str, line: int | None, limits: ReadingLimits) -> ContractError:
    shown = pointer if len(pointer) <= 200 else pointer[:200] + "…"
    return refusal(
        "contract.too_deep",
        f"The contract is nested deeper than {limits.max_depth} levels{f' at line {line}' if line else ''}. "
        "Name the inner schemas under components and refer to them.",
        pointer=shown,
        line=line,
        limit=limits.max_depth,
    )


def too_many(line: int | None, limits: ReadingLimits) -> ContractError:
    return refusal(
        "contract.too_many_values",
        f"The contract holds more than {limits.max_values:,} values once every alias is counted"
        f"{f' (reached at line {line})' if line else ''}. Replace aliases by $ref, or split the contract.",
        line=line,
        limit=limits.max_values,
    )


def measure(tree: Any, limits: ReadingLimits, clock: Clock) -> int:
    """Count the values of a parsed tree and refuse what is too deep or too many. Returns the count."""
    count = 1
    depth = 0
    level: list[Any] = [tree]
    while level:
        depth += 1
        if depth > limits.max_depth + 1:
            raise too_deep("", None, limits)
        below: list[Any] = []
        for value in level:
            if type(value) is dict:
                count += len(value)
                below += [item for item in value.values() if type(item) is dict or type(item) is list]
            elif type(value) is list:
                count += len(value)
                below += [item for item in value if type(item) is dict or type(item) is list]
        if count > limits.max_values:
            raise too_many(None, limits)
        clock.check()
        level = below
    return count
