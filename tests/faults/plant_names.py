"""The known bugs that may be put in, by name. What they do is in `plants.py`, which loads the product."""

from __future__ import annotations

WHAT = {
    "token": "the token is not checked at completion: a paused owner goes on beside its heir",
    "outside": "the position moves in one transaction and the effect follows in another",
    "sequence": "positions come from a counter without a lock held to commit, and readers take 'id > last'",
    "early": "the answer leaves before the commit",
    "gate": "the gate is looked at when a release is deployed, and not when work is taken",
    "noask": "an unknown outcome is sent again without asking",
    "overtake": "later messages overtake one that is parked under the same key",
    "intent": "the intent is not stored before the call",
    "trusting": "any 2xx is a success, whatever it says",
    "shrug": "a 503 is taken for nothing done",
    "forgetful": "a key is taken for one that its vendor never forgets",
    "nosettle": "what is not there is sent again at once, while its vendor may still act on it",
    "hurried": "a key of ours, or a natural one, is taken for a reason to send again at once, settled or not",
    "rekeyed": "after the database went back the keys of lost messages are given to others",
    "unnoticed": "the database went back, and the runtime goes on as if nothing had happened",
    "short_pause": "after the database went back vendors are left alone for one call, not for the longest lease",
    "own_keys": "a replay sends under keys of its own, as if nobody had sent before",
    "past_failed": "a replay goes on past what failed, and keeps nothing of it",
    "side_by_side": "two replays of the same messages run at the same time",
    "undoes": "a replay sends older states although there are newer ones",
    "unwaiting": "a replay of states sends while its target does",
    "wet": "a dry run sends",
    "rejects": "a run over its limit of rejected records moves its cursor past them",
    "queue": "what a store has is as fresh as its queue is empty, whoever looks at the source",
    "unwoken": "what leaves the quarantine wakes nothing that waits behind it",
    "overslept": "a message wakes nobody who sleeps on its lane",
    "leaving": "what comes behind a message that is just leaving the quarantine falls asleep",
    "hindsight": "how long ago something was sent is counted from before the question",
    "unbounded": "a call has its whole deadline from the moment at which it is made, not from the look at the lease",
    "hasty": "a batch whose sender has lost its session is asked about at once, and what is not there is sent again",
    "rehashed": "after a change of the number of lanes nobody waits for what is left in the old ones",
    "dead_pool": "a session that has ended goes back into the pool of intake and is used again",
    "read_only_pool": "a session that began while the database took no writes stays in the pool",
    "unflushed": "a call is answered before its commit is on the disk",
    "roomless": "a database without room is taken for a fault of ours",
    "limitless": "neither a wait for a lock nor a transaction that does nothing ends",
    "blocking": "a partition is made by a statement that locks the whole log, and waits for it",
    "body_threads": "a thread waits for each body",
    "clock_history": "leases and pauses are believed, whatever the clock has done since",
    "clock_first": "what was sent first ahead of the clock is believed to be sent then",
    "clock_sent": "what was sent is as long ago as a clock says that was set just now",
    "clock_since": "a step of the clock moves what was stored after it as well",
    "new_key": "what is sent again after a failure has another key",
}

FOUND_BY: dict[str, tuple[str, ...]] = {
    "trusting": ("lies",),
    "shrug": ("behind",),
    "forgetful": ("forgotten",),
    "nosettle": ("slow",),
    "rejects": ("odd",),
    "queue": ("unread",),
    "dead_pool": ("restarts",),
    "read_only_pool": ("readonly",),
    "unflushed": ("wal",),
    "roomless": ("full",),
    "limitless": ("frozen",),
    "blocking": ("reader",),
    "body_threads": ("bodies",),
    "clock_history": ("clock",),
    "new_key": ("behind",),
}
"""The kind of fault that shows a planted bug in real processes; the others show without any of these."""
SHOWN_AS = {"new_key": ("twice",)}
"""The counts of which one has to show it, for plants that a slow machine could be taken for; of others any does."""
REAL_ONLY = frozenset(
    {"queue", "dead_pool", "read_only_pool", "unflushed", "roomless", "limitless", "blocking", "body_threads"}
)
"""Plants that show in what the product says (`told.py`), or before a real database or web server only."""
IN_THE_CAMPAIGN = frozenset({"limitless", "blocking"})
"""Plants that are in the campaign's own process, too: it stands for one of the product that is frozen, or makes
partitions."""
IN_STEPPED = frozenset({"clock_first", "clock_history", "clock_sent", "clock_since"})
"""Bugs that show only where the database's clock is set."""
IN_REWOUND = frozenset({"rekeyed", "short_pause", "unnoticed"})
"""Plants that show only in worlds whose database goes back (`sim_rewind.py`)."""
IN_REPLAYS = frozenset({"own_keys", "past_failed", "side_by_side", "undoes", "unwaiting", "wet"})
"""Plants that show only in worlds with replays (`sim_replays.py`)."""
IN_LANES = frozenset({"rehashed"})
"""Plants that show only in worlds whose number of lanes changes (`sim_lanes.py`)."""
IN_DROWSY = frozenset({"hasty", "hindsight", "leaving", "unbounded"})
"""Plants that show where processes stand still (`Shape.drowsy_of`), and hardly elsewhere."""

WITHOUT_TRIGGERS = {
    "gate": ("runtime_progress_token", "runtime_quarantine_token"),
    "token": ("runtime_progress_move", "runtime_progress_token"),
}
"""Guards in the database that would stop a planted bug by themselves: they are set aside, so that the campaign is what
finds it."""

OTHER_FUNCTIONS = {
    "gate": "create or replace function runtime_may_take(asked bigint, by_release bigint) returns boolean "
    "language sql as 'select true'"
}
"""Plants inside functions of the database."""
