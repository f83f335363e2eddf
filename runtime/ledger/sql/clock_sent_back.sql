-- The clock was set back: what was sent before that was not sent in the future, nor further ahead than a lost owner may
-- send (`beyond`, in seconds).
update {table}
set {column} = least(clock_timestamp(), {column} + make_interval(secs => %(step)s))
where {column} > clock_timestamp() + make_interval(secs => %(beyond)s)
