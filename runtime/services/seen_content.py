"""A person decides on what that person has seen: of two who edit one dead letter the second is told that it has
changed, and so is one who redrives or discards what has been tried, edited or decided since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from django.db import connection
from django.db.backends.utils import CursorWrapper

from kernel.digest import digest_of
from kernel.errors import Conflict, Invalid

_SEEN = """
select coalesce(p.payload, m.payload)::text
  from runtime_quarantine p
  join runtime_subscription s on s.id = p.subscription_id
  join runtime_message m on m.stream_id = s.stream_id and m.lane = p.lane and m.position = p.position
 where p.subscription_id = %s
   and p.lane = %s
   and p.position = %s
   for update of p"""

_STANDING = """
select count(*),
       coalesce(sum(hashtextextended(concat_ws(
           '/', p.subscription_id, p.lane, p.position, p.token, p.state, p.reason_class, md5(p.payload::text)), 0)), 0)
  from runtime_quarantine p
 where {where}"""
_LOCK = "select from runtime_quarantine p where {where} order by p.lane, p.position for update"


class ChosenMessages(Protocol):
    """What people choose among dead letters (`dead_letters.DeadLetterFilter`)."""

    def where(self) -> tuple[str, dict[str, Any]]: ...


def standing(chosen: Sequence[ChosenMessages], *, until: datetime | None = None) -> str:
    """How many the chosen messages are and how each of them stands, in a word to be given back with a decision.
    `until`: what has come later is not among them."""
    count, total = _count(chosen)
    at = f"@{until.astimezone(UTC).isoformat()}" if until else ""
    return f"{count}-{total}{at}"


def until_of(seen: str) -> datetime | None:
    """Up to when the messages of a word had come. Raises Invalid."""
    if "@" not in seen:
        return None
    try:
        return datetime.fromisoformat(seen.partition("@")[2])
    except ValueError:
        raise Invalid("dead_letter.seen", "`seen` is the word that the dry run or the page gave, unchanged.") from None


def demand_standing(chosen: Sequence[ChosenMessages], seen: str) -> None:
    """In the transaction of a decision: the chosen messages stand as they did, and stay so until it is made. Raises
    Conflict `dead_letter.changed`."""
    with connection.cursor() as cursor:
        for one in chosen:
            where, values = one.where()
            cursor.execute(_LOCK.format(where=where), values)
    count, total = _count(chosen)
    if seen.partition("@")[0] == f"{count}-{total}":
        return
    before = seen.partition("-")[0]
    was = int(before) if before.isascii() and before.isdecimal() else 0
    if count < was:
        what = f"of the {was:,} that you saw {was - count:,} have been decided, or are tried, since"
    elif count > was:
        what = f"there are {count - was:,} more than you saw"
    else:
        what = "something of it has been tried, edited or answered since you saw it"
    raise Conflict(
        "dead_letter.changed",
        f"This is not what you decided on: {what}. Nothing was changed: look at it as it is now, and decide then.",
        {"seen": was, "now": count},
    )


def _count(chosen: Sequence[ChosenMessages]) -> tuple[int, int]:
    count = total = 0
    with connection.cursor() as cursor:
        for one in chosen:
            where, values = one.where()
            cursor.execute(_STANDING.format(where=where), values)
            number, part = cursor.fetchone()
            count, total = count + int(number), total + int(part)
    return count, total


def demand(cursor: CursorWrapper, place: tuple[int, int, int], seen: str) -> None:
    """In the transaction of an edit: the content is still the one with this digest (`DeadLetterDetail.content`).
    Raises Conflict `dead_letter.edited`."""
    cursor.execute(_SEEN, place)
    now = cursor.fetchone()
    if now is not None and digest_of(now[0]) != seen:
        raise Conflict(
            "dead_letter.edited",
            "Somebody else has edited this message since you opened it. Nothing was changed: look at what it says now, "
            "and edit that.",
        )


__all__ = ["demand", "demand_standing", "standing", "until_of"]
