"""What the runtime asks people to correct: faults of connections that their teams own, and systems that moved without
approval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from catalog.selectors import systems
from governance.domain import inbox_items
from governance.domain.inbox_items import InboxItem
from kernel.ui.wording import counted
from kernel.viewer import Viewer
from runtime.selectors import connection_faults, destinations
from runtime.selectors.connection_faults import ConnectionFaultRow
from runtime.selectors.destinations import MovedDestination

NAMED = 12  # stores of a fleet that an item names; the others are counted


def register_all() -> None:
    inbox_items.register("runtime.connection_faults", faults)
    inbox_items.register("runtime.destinations", moved_systems)


def moved_systems(viewer: Viewer) -> Iterator[InboxItem]:
    """One item per system that answers elsewhere than approved, for its owners and those of what waits for it."""
    if not viewer.team_ids:
        return
    owners = {system.key: (system.name, system.owner_team_id) for system in systems.all_systems()}
    together: dict[tuple[str, str], list[MovedDestination]] = {}
    for one in destinations.moved():
        together.setdefault((one.system, one.environment), []).append(one)
    for (key, environment), waiting in together.items():
        name, owner = owners.get(key, (key, None))
        seen = [one for one in waiting if owner in viewer.team_ids or one.owner_team_id in viewer.team_ids]
        if not seen:
            continue
        titles = ", ".join(one.title for one in seen[:NAMED])
        text = (
            f"{titles}: nothing is sent in {environment}, and nothing is lost. Propose where it answers now, or put "
            f"the approved address, secret and trust back; then everything goes on by itself."
        )
        url = f"/catalog/systems/{key}/{environment}/"
        yield InboxItem(f"{name}: destination changed since approval", text, url, min(one.since for one in seen))


def faults(viewer: Viewer) -> Iterator[InboxItem]:
    """One item per fault; it is over when a call succeeds. Stores of a fleet with the same fault are one item, since
    one correction ends them all."""
    together: dict[tuple[object, ...], list[ConnectionFaultRow]] = {}
    for fault in connection_faults.mine(viewer):
        alone = fault.run or (None if fault.instance else (fault.vendor, fault.subscription))
        targets = fault.targets if fault.subscription else ()
        kind = (fault.system_key, fault.environment, fault.kind, fault.integrations, targets, alone)
        together.setdefault(kind, []).append(fault)
    for found in together.values():
        yield _of_fleet(found) if len(found) > 1 else _of_one(found[0])


def _of_one(fault: ConnectionFaultRow) -> InboxItem:
    if fault.run is not None:
        return InboxItem(f"{fault.label}: {fault.title}", fault.detail, fault.url, fault.since)
    kept = f"{fault.waiting_words} in {fault.environment}, nothing is lost."
    text = f"{kept} {fault.to_do} Then everything goes out by itself; the next message tries {fault.next_words}."
    return InboxItem(f"{fault.label}: {fault.title}", text, fault.url, fault.since)


def _of_fleet(found: Sequence[ConnectionFaultRow]) -> InboxItem:
    """The first of them stands for all: the same system, the same kind of fault, the same integrations."""
    first = min(found, key=lambda fault: fault.since)
    stores = sorted(fault.instance for fault in found)
    named = ", ".join(stores[:NAMED]) + (f" and {len(stores) - NAMED:,} more" if len(stores) > NAMED else "")
    waiting = sum(fault.waiting for fault in found)
    kept = f"{counted(waiting, 'message')} wait{'s' if waiting == 1 else ''} in {first.environment}, nothing is lost."
    text = f"{kept} {first.to_do} Then everything goes out by itself. Stores: {named}."
    return InboxItem(
        f"{first.connection.system}, {counted(len(found), 'store')}: {first.title}", text, first.url, first.since
    )
