"""Rules of retention: what a policy may say, and when a fact is too old to be told from one that is known."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from kernel.errors import finding

GRACE_DAYS = 7
SHORTEST = 35  # a till may be without a line for weeks, a month is reconciled after its end, and a replay reaches back
LONGEST = 36_500
CLASSES = ("messages", "evidence", "runs", "rejected", "comparisons", "heads", "events", "indicators")
WITH_MESSAGES = ("evidence", "runs")  # without these a message that is still there could not say what became of it

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATES = re.compile(rb'"business_?[Dd]ate"\s*:\s*"([0-9]{4}-[0-9]{2}-[0-9]{2})')


def problems(
    data_class: str, days: int | None, now: Mapping[str, int | None], *, per_integration: bool
) -> list[dict[str, Any]]:
    """What is wrong with a policy; `now` holds the others that are in force with it."""
    if data_class not in CLASSES:
        return [finding("/data_class", f"a data class is one of {', '.join(CLASSES)}")]
    found = []
    if days is not None and not SHORTEST <= days <= LONGEST:
        found.append(finding("/days", f"between {SHORTEST} and {LONGEST} days, or none for ever"))
    if per_integration and data_class in ("events", "indicators"):
        found.append(finding("/integration", f"{data_class} are kept equally long for all integrations"))
    given = {**now, data_class: days}
    for other in WITH_MESSAGES:
        if _shorter(given[other], given["messages"]) and data_class == other:
            found.append(finding("/days", f"{other} are kept at least as long as the messages that they are about"))
    if (
        data_class in ("heads", "messages")
        and given["heads"] is not None
        and _shorter(given["messages"], given["heads"])
    ):
        found.append(finding("/days", "messages are kept at least as long as the window of known keys"))
    return found


def with_messages(days: Mapping[str, int | None]) -> dict[str, int | None]:
    """Policies as they are in force: evidence and runs are kept at least as long as messages, as the database does it
    (`runtime_kept_since`)."""
    longer = {name for name in WITH_MESSAGES if _shorter(days[name], days["messages"])}
    return {name: days["messages"] if name in longer else kept for name, kept in days.items()}


def _shorter(one: int | None, other: int | None) -> bool:
    return one is not None and (other is None or one < other)


TOO_OLD = (
    "its business date, {day}, lies before {since}, since when known keys are kept: nobody can say any more whether "
    "it is known already, so a person decides"
)


def too_old(payloads: Sequence[bytes], since: date | None) -> frozenset[int]:
    """Which of these facts bear a business date before `since`; usually none. One without a date is none of them: its
    key is kept for ever."""
    if since is None:
        return frozenset()
    edge, page = since.isoformat(), b"\n".join(payloads)
    if b"\\" not in page and not any(day.decode() < edge for day in set(_DATES.findall(page))):
        return frozenset()
    return frozenset(
        index
        for index, payload in enumerate(payloads)
        if (b"\\u" in payload or any(day.decode() < edge for day in _DATES.findall(payload)))
        and (stated := business_date(payload)) is not None
        and stated < edge
    )


def business_date(payload: bytes) -> str | None:
    """As retention reads it in SQL: `businessDate`, or else `business_date`, of the document, ten characters of it."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    day = document.get("businessDate")
    day = document.get("business_date") if day is None else day
    return day[:10] if isinstance(day, str) and _DAY.match(day) else None
