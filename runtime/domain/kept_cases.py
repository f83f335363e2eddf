"""How much of what could not be stored is kept for a person."""

KEPT_A_DAY = 10_000
"""Conflict cases that a flow, and rejected messages that a source of it, may leave in one day (UTC) with their content.
What comes beyond that is counted (`runtime_unkept`): the database holds no copy of it, its sender does."""
