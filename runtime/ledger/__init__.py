"""The ledger in SQL: append, claim, deliver, park, ask, trace. psycopg 3 on its own connections, no ORM.

Rules that everything here keeps:

1. Position order is commit order per lane: the counter's row lock is held to commit.
2. A key lives in exactly one lane, so a lane read in order is a key read in order.
3. All delivery state of a (subscription, lane) is one row; whoever moves it must show the current token.
4. Effect inside the database: same transaction as the move. Effect outside: intent committed before the call, outcome
   after it; an open intent found at takeover means "ask the vendor, then send what it does not have".
5. Exceptions are the only per-message rows that change.
"""
