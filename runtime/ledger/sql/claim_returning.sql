-- What every claim answers: p is the claimed row as it is now, c what was read of its target.
p.subscription_id as subscription,
p.lane,
p.position,
p.token,
p.attempt,
p.intent_release,
extract(epoch from clock_timestamp())::float8 as database_time,
c.stream_id as stream,
c.salt as stream_salt,
c.immutable as facts,
c.target,
c.instance,
c.kind,
c.idempotency,
c.coalesce,
c.batch,
c.max_attempts,
c.pace,
c.settle,
c.key_kept,
c.vendor_id as vendor,
c.release_id as release,
c.deployment_id as deployment,
c.original_subscription,
(
    select array_agg(array[e.from_position, e.salt] order by e.from_position)
    from runtime_key_epoch e
    where e.stream_id = c.stream_id
        and e.lane = p.lane
) as key_epochs,
c.at_fault,
c.after,
c.limited,
c.metered
