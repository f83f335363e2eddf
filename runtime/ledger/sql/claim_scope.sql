-- What the claiming worker serves, and no fault of its connection holds back.
s.held_until <= clock_timestamp()
and s.tier = any(%(tiers)s)
and (%(only)s::bigint[] is null or s.id = any(%(only)s))
and (%(shards)s::int[] is null or s.id %% {shards} = any(%(shards)s))
