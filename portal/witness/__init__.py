"""The witness of the ledger: its head leaves the database every minute, signed, so that a ledger that was written anew
or cut afterwards shows (docs/decisions/0049-witness.md)."""
