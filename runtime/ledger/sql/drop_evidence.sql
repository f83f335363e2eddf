-- Evidence of batches that the policy of these flows no longer keeps and nothing needs, some rows at a time, target by
-- target. The database checks each row and counts what goes (runtime/sql/45_retention.sql).
delete from {table} d
where d.ctid = any(
    array(
        select o.ctid
        from runtime_stream st
        join runtime_subscription s on s.stream_id = st.id
        cross join lateral (
            select e.ctid
            from {table} e
            where e.subscription_id = s.id
                and e.at < %(since)s
                and not exists (
                    select
                    from runtime_quarantine q
                    where q.subscription_id = e.subscription_id
                        and q.lane = e.lane
                        and q.position between e.first and e.last
                )
            order by e.at
            limit %(count)s
        ) o
        where st.integration_id = any(%(flows)s)
        limit %(count)s
    )
)
