-- What the claiming worker serves.
s.tier = any(%(tiers)s)
and (%(only)s::bigint[] is null or s.id = any(%(only)s))
and (%(shards)s::int[] is null or s.id %% {shards} = any(%(shards)s))
