-- Whether the lease has ended by the clock as it is, and is none of those that go on by the clock of before.
(
    {column} < clock_timestamp()
    and (
        {column} between
            to_timestamp(%(clock)s::float8)
            and to_timestamp(%(clock)s::float8) + make_interval(secs => {longest})
    ) is not true
)
