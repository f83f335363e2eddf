-- Messages sent to this vendor today (UTC).
case when v.spent_on = (clock_timestamp() at time zone 'UTC')::date then v.spent else 0 end
