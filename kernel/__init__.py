"""What every room may use: errors, digests, clock, money, differences, audit ledger, outbox, tokens."""
