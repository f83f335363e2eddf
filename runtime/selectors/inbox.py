"""What the runtime asks people to correct: faults of connections that their teams own."""

from __future__ import annotations

from collections.abc import Iterator

from governance.domain import inbox_items
from governance.domain.inbox_items import InboxItem
from kernel.viewer import Viewer
from runtime.selectors import connection_faults


def register_all() -> None:
    inbox_items.register("runtime.connection_faults", faults)


def faults(viewer: Viewer) -> Iterator[InboxItem]:
    """One item per fault; it is over when a call succeeds."""
    for fault in connection_faults.mine(viewer):
        if fault.run is not None:
            yield InboxItem(f"{fault.label}: {fault.title}", fault.detail, fault.url, fault.since)
            continue
        kept = f"{fault.waiting_words} in {fault.environment}, nothing is lost."
        if fault.question:
            yield InboxItem(f"{fault.label}: {fault.title}", f"{kept} {fault.to_do}", fault.url, fault.since)
            continue
        text = f"{kept} {fault.to_do} Then everything goes out by itself; the next message tries {fault.next_words}."
        yield InboxItem(f"{fault.label}: {fault.title}", text, fault.url, fault.since)
