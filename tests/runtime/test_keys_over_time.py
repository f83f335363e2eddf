"""A worker may stand still while it asks, and before it sends: a key that was known when it began may be forgotten when
the answer comes, or when the same message leaves again."""

from __future__ import annotations

import time
from typing import Any

import pytest

from runtime.ledger import send_batch
from runtime.ledger.append import Fenced
from runtime.ledger.connections import Connection
from tests.runtime.test_outcomes_in_time import Clock, Vendor

KEPT = 60.0
STILL = 9.0
"""Seconds. More than the safety margin of a key of a minute (a tenth, and the half second of a call), and within the
lease, so that it is not the lease that ends the attempt."""


class Watch:
    """The monotonic clock of whoever sends; `stand_still` is what a frozen process sees when it goes on."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor, self.ahead = vendor, 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def stand_still(self) -> None:
        self.ahead = STILL
        self.vendor.known.clear()  # the vendor's time goes on


def arrived(ledger: Connection, monkeypatch: pytest.MonkeyPatch, vendor: Vendor) -> tuple[Clock, Watch]:
    """One message that arrived without an answer, so long ago that its key is just known."""
    site, watch = Clock(ledger, vendor, idempotency="K", key_kept=KEPT, settle=0.0), Watch(vendor)
    vendor.fates = ["cut", "mute"] if vendor.can_ask else ["cut", "cut", "down"]
    site.put(site.flow.item("a"))
    site.work(1)
    assert site.effects() == [("a", 0)]
    site.passes(KEPT * 0.9 - vendor.deadline - 2.0)
    monkeypatch.setattr(send_batch, "time", watch)
    return site, watch


@pytest.mark.parametrize("by_reference", [False, True])
def test_not_there_counts_only_where_the_key_is_still_known_when_the_answer_comes(
    ledger: Connection, monkeypatch: pytest.MonkeyPatch, by_reference: bool
) -> None:
    vendor = Vendor(honours_keys=True, by_reference=by_reference)
    site, watch = arrived(ledger, monkeypatch, vendor)
    asked = vendor.ask

    def late(items: Any, *, by: str = "key") -> Any:
        if by == "key":
            watch.stand_still()
        return asked(items, by=by)

    monkeypatch.setattr(vendor, "ask", late)
    site.work(2)
    assert site.effects() == [("a", 0)]
    assert site.parked() == ([] if by_reference else [(1, "unknown", "forgotten")])


def test_the_same_again_leaves_only_where_the_key_holds_directly_before_the_call(
    ledger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = Vendor(can_ask=False, honours_keys=True)
    site, watch = arrived(ledger, monkeypatch, vendor)
    sends = vendor.send

    def late(items: Any, *, guard: Any) -> Any:
        watch.stand_still()
        return sends(items, guard=guard)

    monkeypatch.setattr(vendor, "send", late)
    with pytest.raises(Fenced, match="forgotten the key"):
        site.work(3)
    site.work(3)
    assert site.effects() == [("a", 0)]
    assert site.parked() == [(1, "unknown", "forgotten")]
