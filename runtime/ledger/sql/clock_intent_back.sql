-- The clock was set back: what was sent first before that was sent as much longer ago, or a key would be trusted for
-- too long. What lies within `since` seconds may have been stored since.
update runtime_progress
set intent_at = intent_at + make_interval(secs => %(step)s)
where intent_at > clock_timestamp()
    or intent_at <= clock_timestamp() - make_interval(secs => %(since)s)
