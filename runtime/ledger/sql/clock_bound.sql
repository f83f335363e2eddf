-- A time that is further off than any that is stored is one of a clock that was set back.
update {table}
set {column} = clock_timestamp() + make_interval(secs => %(longest)s)
where {column} > clock_timestamp() + make_interval(secs => %(longest)s)
