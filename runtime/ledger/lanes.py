"""More or fewer lanes for a stream, under load.

From one moment on new messages go by the new number, at positions that no lane has had. No target takes one of them
before it has everything from before that moment out of all its lanes: so a key is never under way in two lanes, and its
positions grow. Messages in quarantine hold later ones of their key by the key, whatever the lane.
"""
# ruff: noqa: S608 - statements are assembled from constants of this module

from __future__ import annotations

from runtime.ledger import sql
from runtime.ledger.connections import Connection
from runtime.ledger.faultpoints import hit

MOST_LANES = 255
LOCK_TIMEOUT = "select set_config('lock_timeout', '1s', true)"  # appends of the stream wait behind this
TO_DO = """
select id, wanted_lanes
from runtime_stream
where wanted_lanes is not null or lane_change is not null
order by id"""
LOCK_STREAM = "select lanes from runtime_stream where id = %s for update"
LOCK_ALL_LANES = "select lane, next from runtime_lane where stream_id = %s order by lane for update"
LOCK_PROGRESS = """
select
from runtime_progress p
join runtime_subscription s on s.id = p.subscription_id
where s.stream_id = %s and s.replay_of_id is null
order by p.subscription_id, p.lane
for update of p"""
ADD_CHANGE = """
insert into runtime_lanechange (stream_id, before, lanes, first, ends)
values (%s, %s, %s, %s, %s)
returning id"""
SET_COUNTERS = """
insert into runtime_lane (stream_id, lane, next, lanes, gap)
select %(stream)s, n, %(first)s, %(lanes)s, %(first)s - 1
from generate_series(0, %(most)s - 1) n
on conflict (stream_id, lane) do update
set next = excluded.next,
    lanes = excluded.lanes,
    gap = runtime_lane.gap + excluded.next - runtime_lane.next"""
# Where the database went back, a new lane has the keys of the newest epoch: what was lost may have had this lane, too.
SET_EPOCHS = """
insert into runtime_key_epoch (stream_id, lane, from_position, salt, rewind_id)
select e.stream_id, n, %(first)s, e.salt, e.rewind_id
from (
    select *
    from runtime_key_epoch
    where stream_id = %(stream)s
    order by rewind_id desc
    limit 1
) e, generate_series(0, %(lanes)s - 1) n
on conflict do nothing"""
SET_STREAM = "update runtime_stream set lanes = %s, wanted_lanes = null, lane_change = %s where id = %s"
SET_ENDS = """
update runtime_progress p
set upto = (%(ends)s::bigint[])[p.lane + 1]
from runtime_subscription s
where s.id = p.subscription_id
    and s.stream_id = %(stream)s
    and s.replay_of_id is null
    and s.lane_change is null"""
ADD_PROGRESS = """
insert into runtime_progress (subscription_id, lane, position, upto, ask_until)
select
    s.id,
    n,
    %(first)s - 1,
    %(first)s - 1,
    (select max(o.ask_until) from runtime_progress o where o.subscription_id = s.id)
from runtime_subscription s, generate_series(0, %(lanes)s - 1) n
where s.stream_id = %(stream)s and s.replay_of_id is null
on conflict (subscription_id, lane) do nothing"""
HOLD_BACK = """
update runtime_subscription
set lane_change = %s
where stream_id = %s and replay_of_id is null and lane_change is null"""
_BUSY = """
p.position < p.upto
        or p.intent is not null
        or (p.owner is not null and p.lease_until > clock_timestamp())"""
BEFORE_A_CHANGE = f"""
select s.id
from runtime_subscription s
where s.stream_id = %s
    and s.lane_change is not null
    and not exists (select from runtime_progress p where p.subscription_id = s.id and (
        {_BUSY}
    ))
order by s.id"""
LOCK_PLACES = f"""
select p.lane, (
        {_BUSY}
    )
from runtime_progress p
where p.subscription_id = %s
order by p.lane
for update"""
NEXT_LANES = sql.read("next_lanes")
PASSED_ALL = """
update runtime_stream t
set lane_change = null
where t.id = %s and not exists (
    select
    from runtime_subscription s
    where s.stream_id = t.id and s.open and s.lane_change is not null
)"""


def begin(conn: Connection, stream_id: int, lanes: int) -> int:
    """New messages go to so many lanes from now on; answers their first position.

    All lanes and all that is delivered from them are locked for a moment, for a second at most.
    """
    if not 1 <= lanes <= MOST_LANES:
        raise ValueError(f"a stream has 1 to {MOST_LANES} lanes")
    with conn.transaction():
        conn.execute(LOCK_TIMEOUT)
        row = conn.execute(LOCK_STREAM, (stream_id,)).fetchone()
        counters = conn.execute(LOCK_ALL_LANES, (stream_id,)).fetchall()
        if row is None or not counters:
            raise LookupError(f"there is no stream {stream_id}")
        conn.execute(LOCK_PROGRESS, (stream_id,))
        first, ends = max(following for _, following in counters), [following - 1 for _, following in counters]
        made = conn.execute(ADD_CHANGE, (stream_id, row[0], lanes, first, ends)).fetchone()
        assert made is not None
        given = {"stream": stream_id, "lanes": lanes, "first": first, "most": max(lanes, len(counters)), "ends": ends}
        conn.execute(SET_COUNTERS, given)
        conn.execute(SET_EPOCHS, given)
        conn.execute(SET_STREAM, (lanes, made[0], stream_id))
        conn.execute(SET_ENDS, given)
        conn.execute(ADD_PROGRESS, given)
        conn.execute(HOLD_BACK, (made[0], stream_id))
        hit("lanes.before_commit")
    return first


def advance(conn: Connection, stream_id: int) -> int:
    """Let each target on that has everything from before a change of lanes; answers how many went on."""
    passed = 0
    for (subscription,) in conn.execute(BEFORE_A_CHANGE, (stream_id,)).fetchall():
        with conn.transaction():
            conn.execute(LOCK_TIMEOUT)
            places = conn.execute(LOCK_PLACES, (subscription,)).fetchall()
            if not any(busy for _, busy in places):
                passed += conn.execute(NEXT_LANES, {"subscription": subscription}).rowcount
    if passed or not conn.execute(BEFORE_A_CHANGE, (stream_id,)).fetchall():
        conn.execute(PASSED_ALL, (stream_id,))
    return passed


def attend(conn: Connection) -> int:
    """Begin the changes that deployments want, and let targets on; answers how much was done."""
    done = 0
    for stream, wanted in conn.execute(TO_DO).fetchall():
        if wanted is not None:
            begin(conn, stream, wanted)
            done += 1
        done += advance(conn, stream)
    return done
