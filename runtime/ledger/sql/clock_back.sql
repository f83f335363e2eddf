-- The clock was set back: a time of before it ends as much earlier by the clock, at the earliest now. What is not
-- further off than `beyond` seconds may have been stored since.
update {table}
set {column} = greatest(clock_timestamp(), {column} + make_interval(secs => %(step)s))
where {column} > clock_timestamp() + make_interval(secs => %(beyond)s)
