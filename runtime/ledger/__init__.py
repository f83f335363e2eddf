"""The ledger in SQL. A *lane* is a partition, a *position* an offset in it, a *head* the latest version of a key.

psycopg 3 on connections of its own, no ORM: append, claim, deliver, quarantine, ask. Rules that everything here keeps:

1. Position order is commit order per lane: the counter's row lock is held to commit.
2. A key lives in exactly one lane, so a lane read in order is a key read in order.
3. All delivery state of a (subscription, lane) is one row; whatever moves it must show the current token.
4. Effect inside the database: same transaction as the move. Effect outside: intent committed before the call, outcome
   after it; an open intent found at takeover means "ask the vendor, then send what it does not have".
5. Quarantined messages are the only per-message rows that change.
"""
