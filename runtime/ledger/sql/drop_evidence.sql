-- Evidence of batches that the policy no longer keeps and nothing needs, some rows at a time. The database checks each
-- row and counts what goes (runtime/sql/45_retention.sql).
delete from {table} d
where d.ctid = any(
    array(
        select o.ctid
        from {table} o
        join runtime_subscription s on s.id = o.subscription_id
        join runtime_stream st on st.id = s.stream_id
        where o.at < %(oldest)s
            and o.at < runtime_kept_since('evidence', st.integration_id)
            and not exists (
                select
                from runtime_quarantine q
                where q.subscription_id = o.subscription_id
                    and q.lane = o.lane
                    and q.position between o.first and o.last
            )
        limit %(count)s
    )
)
