-- Messages that the rate allows now: a token bucket, refilled by the database's clock.
least(v.burst, v.allowance + v.rate * extract(epoch from clock_timestamp() - v.refilled_at))
