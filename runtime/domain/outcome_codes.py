"""One code for what became of a message in its batch, as the evidence of a delivery keeps it by position."""

CONFIRMED, SUPERSEDED, SKIPPED, DECLINED, QUARANTINED = "c", "u", "s", "d", "q"
