-- May have reached its vendor, and was not asked about already.
o.state = 'sending'
and o.intent_release is not null
