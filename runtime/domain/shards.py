"""Shards: equal shares of all targets, by which wake-ups and workers divide the work."""

SHARDS = 16
"""A target belongs to the shard that is the number of its subscription modulo this."""
