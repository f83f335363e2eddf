"""Keep the sums of each day (`runtime.models.day_sums`): a periodic job adds what has come and what targets have passed
since, some thousand messages a transaction, under the locks of its own cursors. Appends and deliveries do nothing for
it, and wait for nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from kernel import periodic_jobs
from kernel.errors import NotFound
from runtime.domain.day_sums import DayDeltas, Days, Summed
from runtime.domain.erased import left_of
from runtime.models import Stream
from runtime.selectors.day_sums import FLEET, LOG, RUNS, TO
from runtime.selectors.sql_rows import rows
from runtime.services import day_sum_parts as parts
from runtime.services.day_messages import ReconciledFlow, flow_of

EVERY = 5.0  # seconds between two looks
LEAST = 3_000  # messages that wait for the sums are added at once; pages add up so many themselves
OLDEST = 300.0  # and fewer of them after so many seconds
TILE = 10_000
TURN = 1.0  # seconds of work before the other streams have their turn
_FEW = "{end} - coalesce(c.done, 0) >= %(least)s or coalesce(c.at, 'epoch') < clock_timestamp() - %(oldest)s"
_DUE = f"""
select st.id
  from runtime_stream st
 where exists (select
                 from runtime_lane l
                 left join runtime_daysumcursor c on c.stream_id = st.id and c.lane = l.lane and c.about = '{LOG}'
                where l.stream_id = st.id
                  and (c.zone <> %(zone)s
                       or (l.next - 1 > coalesce(c.done, 0) and ({_FEW.format(end="l.next - 1")}))))
    or exists (select
                 from runtime_subscription s
                 join runtime_progress p on p.subscription_id = s.id
                 left join runtime_daysumcursor c
                   on c.stream_id = st.id and c.lane = p.lane and c.about = '{TO}' || s.target
                where s.stream_id = st.id
                  and s.open
                  and s.replay_of_id is null
                  and s.instance = ''
                  and p.position > coalesce(c.done, 0)
                  and ({_FEW.format(end="p.position")}))
 order by st.id"""  # noqa: S608 - constants
_ADD_CURSORS = """
insert into runtime_daysumcursor (stream_id, about, lane, zone, at)
select %(stream)s, unnest(%(abouts)s::text[]), %(lane)s, %(zone)s, 'epoch'
on conflict do nothing"""
_LOCK_CURSORS = """
select about, done, zone
  from runtime_daysumcursor
 where stream_id = %(stream)s and lane = %(lane)s
 order by about
   for update skip locked"""
_LOCK_ALL = "select from runtime_daysumcursor where stream_id = %s order by lane, about for update"
_LOCKED = """
select about, lane, done
  from runtime_daysumcursor
 where stream_id = %(stream)s and zone = %(zone)s and lane = any(%(lanes)s)
 order by lane, about
   for update"""
_ENDS = f"""
select '{LOG}' as about, next - 1 as position from runtime_lane where stream_id = %(stream)s and lane = %(lane)s
 union all
select '{TO}' || s.target, p.position
  from runtime_subscription s
  join runtime_progress p on p.subscription_id = s.id and p.lane = %(lane)s
 where s.id = any(%(ids)s)"""  # noqa: S608
_MESSAGES = """
select m.lane, m.position, m.key, m.received_at, m.run_id, m.previous, m.payload::text as payload
  from runtime_message m
 where m.stream_id = %(stream)s and m.lane = %(lane)s and m.position > %(after)s and m.position <= %(until)s
 order by m.position
 limit %(limit)s"""
_AT = """
select m.lane, m.position, m.key, m.received_at, m.run_id, m.previous, m.payload::text as payload
  from runtime_message m
 where m.stream_id = %(stream)s and m.lane = %(lane)s and m.position = any(%(positions)s)
 order by m.position"""
_MOVE = """
update runtime_daysumcursor c
   set done = x.done,
       at = clock_timestamp()
  from unnest(%(abouts)s::text[], %(dones)s::bigint[]) x(about, done)
 where c.stream_id = %(stream)s and c.lane = %(lane)s and c.about = x.about"""
_ADD_SUMS = """
insert into runtime_daysum as d
  (stream_id, day, month, target, code, business, store, currency, lane, number, amount, unknown)
select %(stream)s, x.*
  from unnest(%(days)s::date[], %(months)s::date[], %(targets)s::text[], %(codes)s::text[], %(businesses)s::text[],
              %(stores)s::text[], %(currencies)s::text[], %(lanes)s::smallint[], %(numbers)s::bigint[],
              %(amounts)s::numeric[], %(unknowns)s::bigint[]) x
 order by 2, 3, 4, 5, 6, 7, 8, 9
on conflict (stream_id, day, target, code, business, store, currency, lane, month) do update
set number = d.number + excluded.number, amount = d.amount + excluded.amount, unknown = d.unknown + excluded.unknown"""
_ADD_NUMBERS = """
insert into runtime_tillnumbers as t (stream_id, day, month, business, store, till, numbers)
select %(stream)s, day, month, business, store, till, range_agg(int8range(number, number, '[]'))
  from unnest(%(days)s::date[], %(months)s::date[], %(businesses)s::text[], %(stores)s::text[], %(tills)s::text[],
              %(numbers)s::bigint[]) x(day, month, business, store, till, number)
 group by day, month, business, store, till
 order by day, month, business, store, till
on conflict (stream_id, day, business, store, till, month) do update
set numbers = t.numbers + excluded.numbers
where not t.numbers @> excluded.numbers"""
_ADD_SPANS = """
insert into runtime_dayspan as s (stream_id, lane, day, month, first, last)
select %(stream)s, %(lane)s, x.*
  from unnest(%(days)s::date[], %(months)s::date[], %(firsts)s::bigint[], %(lasts)s::bigint[]) x
on conflict (stream_id, day, lane, month) do update
set first = least(s.first, excluded.first), last = greatest(s.last, excluded.last)"""
_ADD_RUNS = """
update runtime_run r
   set logged = coalesce(r.logged, 0) + x.number
  from unnest(%(ids)s::bigint[], %(numbers)s::bigint[]) x(id, number)
 where r.id = x.id and r.kind = 'collect'"""
_TABLES = ("runtime_daysum", "runtime_dayspan", "runtime_tillnumbers")


def run_due(seconds: float = TURN) -> int:
    """Bring the sums of each stream up to date; answers how many messages were added."""
    given = {"least": LEAST, "oldest": timedelta(seconds=OLDEST), "zone": settings.TIME_ZONE}
    return sum(bring_up_to_date(row["id"], seconds=seconds) for row in rows(_DUE, given))


def bring_up_to_date(stream_id: int, *, seconds: float = 3_600.0) -> int:
    """Add what has come to one stream; answers how many messages were added."""
    stream = Stream.objects.select_related("integration").get(pk=stream_id)
    flow = _flow_of(stream)
    until, added = time.monotonic() + seconds, 0
    lanes = [row["lane"] for row in rows("select lane from runtime_lane where stream_id = %(id)s", {"id": stream_id})]
    for lane in sorted(lanes):
        tile = _Lane(stream, lane, flow)
        while (step := tile.step()) and time.monotonic() < until:
            added += step
        added += step
    return added


def _flow_of(stream: Stream) -> ReconciledFlow | None:
    """None where it is not deployed now: what is in its log counts all the same."""
    try:
        return flow_of(stream.integration, stream.environment)
    except NotFound:
        return None


class _Lane:
    """One lane, and what is to be added up of it."""

    def __init__(self, stream: Stream, lane: int, flow: ReconciledFlow | None) -> None:
        self.stream, self.lane, self.days = stream, lane, Days(timezone.get_current_timezone())
        sides = flow.sides if flow else ()
        self.targets = {
            TO + one.target: (one.pk, side.meant) for side in sides for one in side.subscriptions if not one.instance
        }
        self.fleets = {
            FLEET + side.target.name: side.meant for side in sides if any(one.instance for one in side.subscriptions)
        }

    def step(self) -> int:
        """The next messages, in one transaction; answers how many were looked at. 0: nothing is left, or somebody else
        adds up this lane."""
        with transaction.atomic():
            given: dict[str, Any] = {"stream": self.stream.pk, "lane": self.lane, "zone": settings.TIME_ZONE}
            abouts = [LOG, RUNS, *self.targets, *self.fleets]
            with connection.cursor() as cursor:
                cursor.execute(_ADD_CURSORS, given | {"abouts": abouts})
            found = rows(_LOCK_CURSORS, given)
            if not {one["about"] for one in found} >= set(abouts):
                return 0
            if any(one["zone"] != settings.TIME_ZONE for one in found):
                _begin_anew(self.stream.pk)
                return 1
            return self._add({one["about"]: one["done"] for one in found if one["about"] in abouts}, given)

    def _add(self, done: Mapping[str, int], given: Mapping[str, Any]) -> int:
        ids = [subscription for subscription, _ in self.targets.values()]
        ends = {row["about"]: row["position"] for row in rows(_ENDS, {**given, "ids": ids})}
        log = ends.get(LOG, 0)
        limits = {about: min(ends.get(about, 0), log) if about.startswith(TO) else log for about in done}
        open_ones = [about for about in done if limits[about] > done[about]]
        if not open_ones:
            return 0
        after, until = min(done[about] for about in open_ones), max(limits[about] for about in open_ones)
        messages = rows(_MESSAGES, {**given, "after": after, "until": until, "limit": TILE})
        end = messages[-1]["position"] if len(messages) == TILE else until
        moved = {about: min(limits[about], end) for about in open_ones if done[about] < min(limits[about], end)}
        made, counted = DayDeltas(), parts.summed(messages, self.days)
        for about, upto in moved.items():
            first = next((n for n, one in enumerate(counted) if one.position > done[about]), len(counted))
            last = next((n for n, one in enumerate(counted) if one.position > upto), len(counted))
            if first < last:
                self._count(about, messages[first:last], counted[first:last], made)
        _keep(made, {**given, "abouts": list(moved), "dones": list(moved.values())})
        return max(len(messages), 1)

    def take_out(
        self, about: str, messages: Sequence[Mapping[str, Any]], counted: Sequence[Summed], made: DayDeltas
    ) -> None:
        erased = [one._replace(facts=left_of(one.facts)) for one in counted]
        if about == LOG:
            made.log(counted, sign=-1)
            made.log(erased)
        else:
            subscription, meant = self.targets[about]
            codes = parts.codes_of(subscription, self.lane, messages, meant)
            made.target(about.removeprefix(TO), counted, codes, sign=-1)
            made.target(about.removeprefix(TO), erased, codes)

    def _count(
        self, about: str, messages: Sequence[Mapping[str, Any]], counted: Sequence[Summed], made: DayDeltas
    ) -> None:
        if about == LOG:
            made.log(counted)
        elif about == RUNS:
            made.runs.update(one.run for one in counted if one.run is not None)
        elif about.startswith(TO):
            subscription, meant = self.targets[about]
            made.target(about.removeprefix(TO), counted, parts.codes_of(subscription, self.lane, messages, meant))
        else:
            name, meant = about.removeprefix(FLEET), self.fleets[about]
            pairs = list(zip(messages, counted, strict=True))
            for lane, one, number in parts.newest_of_the_day(self.stream, pairs, meant, self.days):
                made.newest(name, lane, one, number)


def _keep(made: DayDeltas, given: Mapping[str, Any]) -> None:
    cells = list(made.cells.items())
    numbers = [(*key, number) for key, found in made.numbers.items() for number in set(found)]
    sums: dict[str, Any] = {
        "days": [key.day for key, _ in cells],
        "months": [key.month for key, _ in cells],
        "targets": [key.target for key, _ in cells],
        "codes": [key.code for key, _ in cells],
        "businesses": [key.business for key, _ in cells],
        "stores": [key.store for key, _ in cells],
        "currencies": [key.currency for key, _ in cells],
        "lanes": [key.lane for key, _ in cells],
        "numbers": [cell.number for _, cell in cells],
        "amounts": [cell.amount for _, cell in cells],
        "unknowns": [cell.unknown for _, cell in cells],
    }
    names = ("days", "months", "businesses", "stores", "tills", "numbers")
    tills: dict[str, Any] = {name: [row[place] for row in numbers] for place, name in enumerate(names)}
    spans: dict[str, Any] = {
        "days": [day for day, _ in made.spans],
        "months": [month for _, month in made.spans],
        "firsts": [first for first, _ in made.spans.values()],
        "lasts": [last for _, last in made.spans.values()],
    }
    with connection.cursor() as cursor:
        if cells:
            cursor.execute(_ADD_SUMS, {**given, **sums})
        if numbers:
            cursor.execute(_ADD_NUMBERS, {**given, **tills})
        if made.spans:
            cursor.execute(_ADD_SPANS, {**given, **spans})
        if made.runs:
            runs = sorted(made.runs.items())
            cursor.execute(_ADD_RUNS, {"ids": [run for run, _ in runs], "numbers": [number for _, number in runs]})
        if "abouts" in given:
            cursor.execute(_MOVE, given)


def _begin_anew(stream: int) -> None:
    """Days are shown in another zone now: what is kept by day is made again."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_ALL, [stream])
        for table in _TABLES:
            cursor.execute(f"delete from {table} where stream_id = %s", [stream])  # noqa: S608 - constants
        cursor.execute(
            "update runtime_daysumcursor set done = case when about = %s then done else 0 end, zone = %s "
            "where stream_id = %s",
            [RUNS, settings.TIME_ZONE, stream],
        )


def leave_out_erased(stream_id: int, places: Sequence[tuple[int, int]]) -> None:
    """Payloads at these places (lane, position) are about to be erased, in this transaction: the sums say of them what
    the log will say, that they came, of which day and store, and nothing of their amount. Numbers of tills stay: what
    was erased is not missing."""
    found = rows(_LOCKED, {"stream": stream_id, "zone": settings.TIME_ZONE, "lanes": sorted({n for n, _ in places})})
    if not found:
        return
    stream = Stream.objects.select_related("integration").get(pk=stream_id)
    flow = _flow_of(stream)
    for lane in sorted({row["lane"] for row in found}):
        tile, made = _Lane(stream, lane, flow), DayDeltas()
        done = {row["about"]: row["done"] for row in found if row["lane"] == lane}
        mine = sorted(position for number, position in places if number == lane)
        for group in _near(mine):
            messages = rows(_AT, {"stream": stream_id, "lane": lane, "positions": group})
            counted = parts.summed(messages, tile.days)
            for about in (LOG, *tile.targets):
                upto = sum(1 for one in counted if one.position <= done.get(about, 0))
                if upto:
                    tile.take_out(about, messages[:upto], counted[:upto], made)
        _keep(made, {"stream": stream_id, "lane": lane})


def _near(positions: Sequence[int]) -> list[list[int]]:
    """In parts whose evidence is read at once."""
    made: list[list[int]] = []
    for one in positions:
        if made and one - made[-1][0] < TILE:
            made[-1].append(one)
        else:
            made.append([one])
    return made


def start() -> threading.Event:
    """Start the job in a new thread. Set the returned event to stop it."""
    return periodic_jobs.start("sums of days", lambda: periodic_jobs.run("day_sums", run_due), every=EVERY)
