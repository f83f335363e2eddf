"""What messages add to the sums of a day: their facts, their outcomes by the evidence, and of a fleet the keys whose
newest message is meant for it. The periodic job keeps it; pages add up in memory what is not kept yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from runtime.domain.day_sums import Days, Summed
from runtime.domain.outcome_codes import CONFIRMED, SKIPPED
from runtime.domain.reconciliation import Facts, facts_from, facts_of
from runtime.ledger.log_reader import decode
from runtime.models import Stream
from runtime.selectors import daily_totals
from runtime.selectors.lane_changes import LANES_BEFORE
from runtime.selectors.sql_rows import rows

Meant = Callable[[str, Any], bool]
Place = tuple[int, int]
_BEFORE = f"""
select c.lane, c.position, p.lane as lane_before, p.received_at, p.key, p.payload::text as payload
  from unnest(%(lanes)s::int[], %(positions)s::bigint[], %(previous)s::bigint[], %(keys)s::text[])
       x(lane, position, previous, key)
 cross join lateral (select %(stream)s::smallint as stream_id, x.lane, x.position, x.previous) c
  join runtime_message p
    on p.stream_id = %(stream)s
   and p.lane = any({LANES_BEFORE})
   and p.position = x.previous
   and p.key = x.key
   and p.received_at >= %(since)s
   and p.received_at < %(until)s"""  # noqa: S608 - constants


class _Sale(msgspec.Struct, gc=False):
    store: Any = None
    till: Any = None
    day: Any = msgspec.field(default=None, name="businessDate")
    other_day: Any = msgspec.field(default=None, name="business_date")
    sequence: Any = None
    total: Any = None
    currency: Any = None


_sales = msgspec.json.Decoder(list[_Sale], float_hook=Decimal)


def facts(payloads: Sequence[str]) -> list[Facts]:
    """Of each payload, as `facts_of` reads them; documents that are objects are not built for it."""
    try:
        found = _sales.decode(f"[{','.join(payloads)}]")
    except (msgspec.DecodeError, ArithmeticError):  # one of them is no object, or nothing that can be read at once
        return [facts_of(decode(payload.encode())) for payload in payloads]
    return [
        facts_from(
            one.store, one.till, one.other_day if one.day is None else one.day, one.sequence, one.total, one.currency
        )
        for one in found
    ]


def summed(messages: Sequence[Mapping[str, Any]], days: Days) -> list[Summed]:
    """Rows of messages (`position`, `received_at`, `run_id`, `payload`) with their day and facts."""
    said = facts([row["payload"] for row in messages])
    return [
        Summed(row["position"], *days.of(row["received_at"]), one, row["run_id"])
        for row, one in zip(messages, said, strict=True)
    ]


def codes_of(
    subscription: int, lane: int, messages: Sequence[Mapping[str, Any]], meant: Meant
) -> Callable[[Summed], str]:
    """The code of each of these messages, which a target has passed: by the evidence of its batch. Where that is from
    before outcomes were kept by position, or gone, what was meant for the target counts as delivered."""
    first, last = messages[0]["position"], messages[-1]["position"]
    named = daily_totals.named_outcomes(subscription, {lane: (first, last)})
    others = {
        row["position"]: CONFIRMED if meant(row["key"], decode(row["payload"].encode())) else SKIPPED
        for row in messages
        if (lane, row["position"]) not in named
    }

    def code(one: Summed) -> str:
        return named.get((lane, one.position)) or others.get(one.position, CONFIRMED)

    return code


def _earlier_of_the_day(
    stream: int, messages: Sequence[tuple[Mapping[str, Any], Summed]], days: Days
) -> dict[Place, tuple[Mapping[str, Any], Summed]]:
    """{(lane, position): the message before it under its key}, of those whose earlier one came on the same day: only
    the newest of a key counts for a fleet."""
    later = [row for row, _ in messages if row["previous"] > 0]
    if not later:
        return {}
    given = {
        "stream": stream,
        "lanes": [row["lane"] for row in later],
        "positions": [row["position"] for row in later],
        "previous": [row["previous"] for row in later],
        "keys": [row["key"] for row in later],
        "since": daily_totals.bounds(min(one.day for _, one in messages))[0],
        "until": daily_totals.bounds(max(one.day for _, one in messages))[1],
    }
    by_place = {(row["lane"], row["position"]): one for row, one in messages}
    found = rows(_BEFORE, given)
    made: dict[Place, tuple[Mapping[str, Any], Summed]] = {}
    before = summed([{**row, "run_id": None} for row in found], days)
    for row, one in zip(found, before, strict=True):
        if one.day == by_place[row["lane"], row["position"]].day:
            made[row["lane"], row["position"]] = ({**row, "lane": row["lane_before"]}, one)
    return made


def newest_of_the_day(
    stream: Stream, messages: Sequence[tuple[Mapping[str, Any], Summed]], meant: Meant, days: Days
) -> list[tuple[int, Summed, int]]:
    """What these messages change in the number of keys whose newest message of a day is meant for a fleet, by lane: one
    more for each, one less for the one of its key that came before it on the same day."""
    before = {} if stream.immutable else _earlier_of_the_day(stream.pk, messages, days)
    made = []
    for row, one in messages:
        if _is_meant(meant, row):
            made.append((row["lane"], one, 1))
        earlier = before.get((row["lane"], row["position"]))
        if earlier is not None and _is_meant(meant, earlier[0]):
            made.append((earlier[0]["lane"], earlier[1], -1))
    return made


def _is_meant(meant: Meant, row: Mapping[str, Any]) -> bool:
    return meant(row["key"], decode(row["payload"].encode()))
