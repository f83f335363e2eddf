-- Keys of facts that a person has replaced by a later content: the first one, and each correction of it but the newest.
with replaced as (
    select
        key,
        count(*) as cases
    from runtime_conflict
    where stream_id = %(stream)s
        and state = 'replaced'
    group by key
)
select key
from replaced
union all
select c.key
from (
    select
        h.key,
        row_number() over (
            partition by r.key
            order by n desc
        ) as age
    from replaced r
    cross join generate_series(2, r.cases + 9) n
    join runtime_head h on h.stream_id = %(stream)s and h.key = r.key || '#' || n
    join runtime_message m
        on m.stream_id = h.stream_id
        and m.lane = any(array(
            select l.lane
            from runtime_lane l
            where l.stream_id = %(stream)s
        ))
        and m.position = h.position
        and m.key = h.key
    where r.cases > 1
        and m.causation ~ '^conflict [0-9]{{1,18}}$'
) c
where c.age > 1
