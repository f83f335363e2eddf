-- The clock was set ahead: what was sent just before was not sent so long ago as it seems.
update {table}
set {column} = {column} + make_interval(secs => %(step)s)
where {column} > clock_timestamp() - make_interval(secs => %(step)s + %(beyond)s)
    and {column} <= clock_timestamp() - make_interval(secs => %(step)s)
