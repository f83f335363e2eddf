-- The clock was set ahead: what it ran over had not ended.
update {table}
set {column} = {column} + make_interval(secs => %(step)s)
where {column} > clock_timestamp() - make_interval(secs => %(step)s)
    and {column} <= clock_timestamp()
