-- The clock was set ahead: what it ran over had not ended. What lies within `since` seconds may have been stored after
-- the step and is over: moved, it would last for as long as the step was wide.
update {table}
set {column} = {column} + make_interval(secs => %(step)s)
where {column} > clock_timestamp() - make_interval(secs => %(step)s)
    and {column} <= clock_timestamp() - make_interval(secs => %(since)s)
