"""Who takes from the log: one subscription per target, one progress row per lane, evidence per batch, and the vendor's
state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from runtime.domain.retry import DEFAULT_MAX_ATTEMPTS

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)  # a time that every client can read, which -infinity is not


class VendorState(models.Model):
    """What all workers must know of one system (one store of a fleet) in one environment: circuit breaker, quota,
    back-off.

    `rate` calls per second up to `burst` (token bucket, refilled by the database clock), `concurrency` live leases,
    `budget` items per UTC day; null means no limit. `not_before` obeys Retry-After. While the circuit breaker is open,
    one claim at a time may probe after `open_until`. `fault` is what is wrong with the connection (`FaultKind`), empty
    while nothing is known to be: met first at `fault_since` by `fault_subscription`, over with the next call that
    succeeds. Where another target succeeds, it becomes the fault of that one target. `base_url` is the address at which
    it was called last, since `base_url_since` where there was another one before.
    """

    system_key = models.CharField(max_length=80)
    instance = models.CharField(max_length=80, blank=True, default="")
    environment = models.CharField(max_length=40)
    breaker = models.CharField(max_length=6, choices=[("closed", "Closed"), ("open", "Open")], db_default="closed")
    failures = models.IntegerField(db_default=0)
    openings = models.IntegerField(db_default=0)
    open_until = models.DateTimeField(db_default=LONG_AGO)
    fault = models.CharField(max_length=12, blank=True, db_default="")
    fault_detail = models.TextField(blank=True, db_default="")
    fault_since = models.DateTimeField(null=True, blank=True)
    fault_subscription = models.BigIntegerField(null=True, blank=True)
    probe_subscription = models.BigIntegerField(null=True, blank=True)
    probe_lane = models.SmallIntegerField(null=True, blank=True)
    probe_until = models.DateTimeField(db_default=LONG_AGO)
    not_before = models.DateTimeField(db_default=LONG_AGO)
    rate = models.FloatField(null=True, blank=True)
    burst = models.FloatField(null=True, blank=True)
    allowance = models.FloatField(db_default=0)
    refilled_at = models.DateTimeField(db_default=Now())
    concurrency = models.IntegerField(null=True, blank=True)
    budget = models.BigIntegerField(null=True, blank=True)
    spent = models.BigIntegerField(db_default=0)
    spent_on = models.DateField(db_default=RawSQL("current_date", []))
    last_error = models.TextField(blank=True, db_default="")
    last_error_at = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    base_url = models.CharField(max_length=500, blank=True, db_default="")
    base_url_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["system_key", "instance", "environment"]
        constraints = [
            models.UniqueConstraint(fields=["system_key", "instance", "environment"], name="vendor_state_once")
        ]

    def __str__(self) -> str:
        return f"{self.system_key}{'/' + self.instance if self.instance else ''} in {self.environment}"


class TargetSubscription(models.Model):
    """One target (or one instance of a fleet target) of one stream, bound to the deployment that may serve it.
    `after_subscription`: it takes a message only once that other target of the stream has it.

    `fault`: what is wrong with the connection of this target alone, while others of its vendor work (a wrong path, a
    missing scope); one claim probes it after `held_until`, and `fault_tries` counts how often it was met: 0 where it
    stands to be seen whether the fault is this target's alone. `question_fault`: what is wrong with the question about
    its messages (the path of the lookup), while messages go on.

    In seconds, from the deployed manifest or the vendor's profile: `settle` after a call the vendor may still act on
    it, `key_kept` it keeps our keys, `deadline` is the longest call.

    `lane_change`: the change of the number of lanes that it has not reached. It takes nothing from after that change
    before it has everything from before it.
    """

    stream = models.ForeignKey("runtime.Stream", on_delete=models.PROTECT, related_name="subscriptions")
    target = models.CharField(max_length=80)
    instance = models.CharField(max_length=80, blank=True, default="")
    deployment = models.ForeignKey("runtime.Deployment", on_delete=models.PROTECT, related_name="subscriptions")
    vendor = models.ForeignKey(VendorState, on_delete=models.PROTECT, related_name="subscriptions")
    kind = models.CharField(max_length=8, choices=[("database", "Database"), ("vendor", "Vendor"), ("dry", "Dry run")])
    idempotency = models.CharField(
        max_length=1, choices=[("K", "Key honoured"), ("N", "Natural key"), ("L", "Look up first"), ("U", "Unsafe")]
    )
    coalesce = models.BooleanField(default=False)
    batch = models.PositiveIntegerField(default=500)
    max_attempts = models.PositiveSmallIntegerField(default=DEFAULT_MAX_ATTEMPTS)
    tier = models.PositiveSmallIntegerField(default=2)
    open = models.BooleanField(default=True)
    pace = models.FloatField(null=True, blank=True)
    after_subscription = models.BigIntegerField(null=True, blank=True)
    fault = models.CharField(max_length=12, blank=True, db_default="")
    fault_detail = models.TextField(blank=True, db_default="")
    fault_since = models.DateTimeField(null=True, blank=True)
    fault_tries = models.IntegerField(db_default=0)
    held_until = models.DateTimeField(db_default=LONG_AGO)
    question_fault = models.CharField(max_length=12, blank=True, db_default="")
    question_fault_detail = models.TextField(blank=True, db_default="")
    question_fault_since = models.DateTimeField(null=True, blank=True)
    settle = models.FloatField(null=True, blank=True)
    key_kept = models.FloatField(null=True, blank=True)
    deadline = models.FloatField(null=True, blank=True)
    lane_change = models.BigIntegerField(null=True, blank=True)
    replay_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="replays")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "runtime_subscription"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "target", "instance"], condition=models.Q(replay_of=None), name="subscription_once"
            ),
            models.CheckConstraint(condition=models.Q(batch__gte=1, batch__lte=10_000), name="subscription_batch"),
        ]
        indexes = [
            models.Index(
                fields=["after_subscription"],
                name="subscription_after",
                condition=models.Q(after_subscription__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.target}{'/' + self.instance if self.instance else ''}"


class Progress(models.Model):
    """All mutable delivery state of one (subscription, lane).

    Everything at or before `position` is delivered, quarantined or superseded. Nothing beyond `upto` is taken: it
    ends a replay, or the lane before a change of lanes. `intent` is the last position of a vendor call whose answer
    is not stored yet, `intent_release` the release that made it, `intent_at` when it was stored, `sent_at` the latest
    time at which it can have been sent, `rounds` how often it stayed without an outcome. `token` grows at every
    claim. `session` is the process id of the owner's database session: once that has ended, nobody waits for the
    lease. `ask_until`: the database went back; up to this position a message is asked about before it is sent. Claims
    go by `tier`, which is the subscription's, and `waits_since`, and pass over what is `asleep`: it has nothing to take
    (`LaneSleep`), or, `at_gate`, its gate stays closed (`runtime/ledger/gate_sleep.py`).
    """

    pk = models.CompositePrimaryKey("subscription_id", "lane")
    subscription = models.ForeignKey(
        TargetSubscription, on_delete=models.CASCADE, db_index=False, related_name="progress"
    )
    lane = models.PositiveSmallIntegerField()
    position = models.BigIntegerField(db_default=0)
    upto = models.BigIntegerField(null=True, blank=True)
    intent = models.BigIntegerField(null=True, blank=True)
    intent_release = models.BigIntegerField(null=True, blank=True)
    ask_until = models.BigIntegerField(null=True, blank=True)
    intent_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    rounds = models.IntegerField(db_default=0)
    ask_only = models.BooleanField(db_default=False)
    attempt = models.IntegerField(db_default=0)
    token = models.BigIntegerField(db_default=0)
    lease_until = models.DateTimeField(db_default=LONG_AGO)
    not_before = models.DateTimeField(db_default=LONG_AGO)
    owner = models.CharField(max_length=120, null=True, blank=True)
    session = models.IntegerField(null=True, blank=True)
    tier = models.PositiveSmallIntegerField(db_default=2)
    waits_since = models.DateTimeField(db_default=LONG_AGO)
    asleep = models.BooleanField(db_default=False)
    at_gate = models.BooleanField(db_default=False)

    class Meta:
        indexes = [
            models.Index(fields=["tier", "waits_since"], name="progress_in_turn", condition=models.Q(asleep=False)),
            models.Index(fields=["subscription", "lane"], name="progress_at_gate", condition=models.Q(at_gate=True)),
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id}/{self.lane} at {self.position}"


class Delivery(models.Model):
    """Evidence of one batch, insert only. Batches of one lane are tiles: no gap, no overlap (checked by the fault
    campaign).

    `outcomes` has a code (`runtime.domain.outcome_codes`) for each position from `first` to `last`, null where all
    are confirmed; `references` what the target calls the confirmed ones, in that order.
    """

    id = models.BigAutoField(primary_key=True)
    subscription = models.ForeignKey(
        TargetSubscription, on_delete=models.CASCADE, db_index=False, related_name="deliveries"
    )
    lane = models.PositiveSmallIntegerField()
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    token = models.BigIntegerField()
    release = models.ForeignKey(
        "runtime.Release", null=True, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+"
    )
    at = models.DateTimeField(db_default=Now())
    outcome = models.CharField(max_length=12)
    confirmed = models.IntegerField(default=0)
    superseded = models.IntegerField(default=0)
    skipped = models.IntegerField(default=0)
    refused = models.IntegerField(default=0)
    waiting = models.IntegerField(default=0)
    declined = models.IntegerField(db_default=0)
    outcomes = models.TextField(null=True)
    references: Any = models.JSONField(null=True, db_column="refs")

    class Meta:
        indexes = [
            models.Index(fields=["subscription", "lane", "last"], name="delivery_by_position"),
            models.Index(fields=["subscription", "at"], name="delivery_by_age"),  # what retention takes
            BrinIndex(fields=["at"], name="delivery_by_time"),  # rows come in the order of time: a few pages find a day
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id}/{self.lane} {self.first}-{self.last} {self.outcome}"
