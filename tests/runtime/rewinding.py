"""A vendor whose books do not go back with the product's database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from runtime.connectors.protocols import OutboundMessage
from runtime.ledger.vendor_client import CannotAsk, SendResult


class StrictVendor:
    """Keeps keys and compares bodies, as the demo's loyalty engine does. `asks` says by what it can be asked:
    "key", "reference" (the message's own key), both or nothing."""

    deadline = 0.5

    def __init__(self, asks: Sequence[str] = ("key", "reference")) -> None:
        self.asks = asks
        self.by_key: dict[str, str] = {}
        self.journal: list[tuple[str, str]] = []  # idempotency key, business key
        self.seen: dict[str, set[str]] = defaultdict(set)  # idempotency key → business keys that came with it
        self.questions: list[tuple[str, str]] = []

    def send(self, items: Sequence[OutboundMessage], *, guard: Any) -> list[SendResult]:
        guard()
        return [self._act(item) for item in items]

    def _act(self, item: OutboundMessage) -> SendResult:
        self.seen[item.idempotency_key].add(item.key)
        held = self.by_key.get(item.idempotency_key)
        if held is not None and held != item.key:
            detail = "this key came with another body before"
            return SendResult("refused", detail=f"{detail} [key_reused]", pattern=f"key_reused: {detail}")
        if held is None:
            self.by_key[item.idempotency_key] = item.key
            self.journal.append((item.idempotency_key, item.key))
        return SendResult("confirmed", f"T-{item.key}")

    def ask(self, items: Sequence[OutboundMessage], *, by_reference: bool = False) -> list[SendResult]:
        how = "reference" if by_reference else "key"
        if how not in self.asks:
            raise CannotAsk
        self.questions += [(how, item.key) for item in items]
        known = {key for _, key in self.journal} if by_reference else set(self.by_key)
        names = [item.key if by_reference else item.idempotency_key for item in items]
        return [SendResult("confirmed", "asked") if name in known else SendResult("unsent") for name in names]

    def booked(self) -> list[str]:
        """Business keys in the order of their effects."""
        return [key for _, key in self.journal]

    def shared_keys(self) -> dict[str, set[str]]:
        """Idempotency keys that came with more than one message."""
        return {key: names for key, names in self.seen.items() if len(names) > 1}
