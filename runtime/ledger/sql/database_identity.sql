-- Which database this is, and which one it was at the last comparison. The timeline is that of the write-ahead log: the
-- one in the control file is written at the first checkpoint after a promotion, which may be minutes later.
select
    pg_is_in_recovery() as standby,
    (select system_identifier::text from pg_control_system()) as cluster,
    (select oid::bigint from pg_database where datname = current_database()) as database,
    case when not pg_is_in_recovery()
        then ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
    end as timeline,
    i.id is not null as known,
    i.cluster as cluster_before,
    i.database as database_before,
    i.timeline as timeline_before
from (values (1)) one (id)
left join runtime_database i on i.id = one.id
