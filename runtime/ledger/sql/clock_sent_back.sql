-- The clock was set back: what was sent before that was not sent in the future.
update {table}
set {column} = least(clock_timestamp(), {column} + make_interval(secs => %(step)s))
where {column} > clock_timestamp()
