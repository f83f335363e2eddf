"""The outside world, one folder per protocol. Nothing here knows our tables; connectors do not know one another.

`protocols` says what a connector promises, `registry` opens one by name, `http` is the only way out over HTTP.
"""
