-- What every claim reads of its target: s is runtime_subscription, t is runtime_stream.
s.stream_id,
t.salt,
s.target,
s.instance,
s.kind,
s.idempotency,
s.coalesce,
s.batch,
s.max_attempts,
s.pace,
s.vendor_id,
s.fault <> '' as at_fault,
coalesce(s.replay_of_id, s.id) as original_subscription
