-- The same where the server does not let an ordinary role ask for cluster or timeline.
select
    pg_is_in_recovery() as standby,
    null::text as cluster,
    (select oid::bigint from pg_database where datname = current_database()) as database,
    null::int as timeline,
    i.id is not null as known,
    i.cluster as cluster_before,
    i.database as database_before,
    i.timeline as timeline_before
from (values (1)) one (id)
left join runtime_database i on i.id = one.id
