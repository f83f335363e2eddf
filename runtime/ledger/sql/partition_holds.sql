-- What still needs a partition of the log, one line each; none where it can be dropped.
select 'a target has still to take messages' as why
where exists (
        select
        from {part} m
        join runtime_subscription s on s.stream_id = m.stream_id and s.open
        join runtime_progress p on p.subscription_id = s.id and p.lane = m.lane
        where m.position > p.position and (p.upto is null or m.position <= p.upto)
    )
union all
select 'messages are in quarantine or wait for a person'
where exists (
        select
        from runtime_quarantine k
        join runtime_subscription s on s.id = k.subscription_id
        join {part} m on m.stream_id = s.stream_id and m.lane = k.lane and m.position = k.position
    )
union all
select 'a call has no answer yet'
where exists (
        select
        from runtime_progress p
        join runtime_subscription s on s.id = p.subscription_id
        join {part} m on m.stream_id = s.stream_id and m.lane = p.lane and m.position = p.intent
    )
union all
select 'a replay of this time is planned or under way'
where exists (
        select
        from runtime_replay r
        where r.state in ('planned', 'running') and r.since < %(until)s and r.until >= %(since)s
    )
union all
select 'a conflict about one of its messages is open'
where exists (
        select
        from runtime_conflict c
        join runtime_head h on h.stream_id = c.stream_id and h.key = c.key
        join {part} m on m.stream_id = c.stream_id and m.position = h.position and m.key = c.key
        where c.state = 'open'
    )
union all
select 'the database went back, and recovery has not ended'
where exists (select from runtime_rewind w where w.ended_at is null)
union all
select 'known keys of its facts have not been looked through yet'
where exists (
        select
        from runtime_stream st
        where st.immutable
            and runtime_kept_since('heads', st.integration_id) > '-infinity'
            and exists (select from {part} m where m.stream_id = st.id)
            and coalesce(
                (select max(d.day) from runtime_dropped d where d.data_class = 'heads' and d.stream_id = st.id),
                '-infinity'
            ) < (%(until)s::timestamptz at time zone 'utc')::date - 1
    )
union all
select 'kept longer by policy: ' || i.key
from runtime_stream st
join runtime_integration i on i.id = st.integration_id
where runtime_kept_since('messages', st.integration_id) < %(until)s
    and exists (select from {part} m where m.stream_id = st.id)
