"""Codes for what became of a message in its batch, as the evidence of a delivery keeps it by position, and outcomes of
single attempts."""

CONFIRMED, SUPERSEDED, SKIPPED, DECLINED, QUARANTINED = "c", "u", "s", "d", "q"

DECIDED = ["edited", "corrected", "given_up"]
"""Outcomes of attempts by which a person has decided about a message: what is stored is not what was decided."""
