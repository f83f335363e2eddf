"""The exceptions: the only per-message rows that change, and the history of what was tried."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now

from runtime.models.log import JsonDocument
from runtime.models.subscriptions import LONG_AGO, TargetSubscription


class QuarantinedMessage(models.Model):
    """A message that cannot go with its batch, and the later messages of its key that wait behind it.

    `retry` will be tried again, `sending` may have reached the vendor (asked about first), `behind` waits for an
    earlier one of its key, `dead` waits for a person, `unknown` waits for a person because the vendor can neither be
    asked nor be sent the same again. `payload` replaces the stored one after a person's fix. `fresh_key` counts the
    keys that a redrive gave instead of one that the vendor knows from another message; `not_arrived`: a person has said
    that the vendor does not have it. `first_sent_at` and `sent_at` are the bounds of when it may have been sent,
    `rounds` counts the tries without an outcome, `accepted_as` names it at a vendor that has taken it and not decided
    yet. `asleep`: it waits for an earlier one, which wakes it when it leaves; no claim looks at it before.
    """

    class State(models.TextChoices):
        RETRY = "retry", "Retry"
        SENDING = "sending", "Sending"
        BEHIND = "behind", "Behind"
        DEAD = "dead", "Dead letter"
        UNKNOWN = "unknown", "Unknown outcome"

    pk = models.CompositePrimaryKey("subscription_id", "lane", "position")
    subscription = models.ForeignKey(
        TargetSubscription, on_delete=models.CASCADE, db_index=False, related_name="quarantined"
    )
    lane = models.PositiveSmallIntegerField()
    position = models.BigIntegerField()
    key = models.TextField(db_collation="C")
    state = models.CharField(max_length=8, choices=State.choices)
    reason_class = models.CharField(max_length=20, db_default="")
    fingerprint = models.CharField(max_length=16, db_default="")
    reason = models.TextField(db_default="")
    attempt = models.IntegerField(db_default=0)
    first_seen_at = models.DateTimeField(db_default=Now())
    not_before = models.DateTimeField(db_default=LONG_AGO)
    token = models.BigIntegerField(db_default=0)
    lease_until = models.DateTimeField(db_default=LONG_AGO)
    ask_only = models.BooleanField(db_default=False)
    asleep = models.BooleanField(db_default=False)
    intent_release = models.BigIntegerField(null=True, blank=True)
    fresh_key = models.SmallIntegerField(db_default=0)
    not_arrived = models.BooleanField(db_default=False)
    rounds = models.IntegerField(db_default=0)
    accepted_as = models.CharField(max_length=200, db_default="")
    first_sent_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    payload: Any = JsonDocument(null=True, blank=True)

    class Meta:
        db_table = "runtime_quarantine"
        indexes = [
            models.Index(fields=["subscription", "key", "position"], name="quarantine_by_key"),
            models.Index(
                fields=["subscription", "fingerprint"],
                name="quarantine_dead",
                condition=models.Q(state__in=["dead", "unknown"]),
            ),
            models.Index(fields=["subscription"], name="quarantine_unknown", condition=models.Q(state="unknown")),
            models.Index(
                fields=["subscription", "lane", "not_before", "position"],
                name="quarantine_awake",
                condition=models.Q(state__in=["retry", "sending"]) | models.Q(state="behind", asleep=False),
            ),
            models.Index(
                fields=["not_before"], name="quarantine_to_sleep", condition=models.Q(state="behind", asleep=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id}/{self.lane}/{self.position} {self.state}"


class Attempt(models.Model):
    """One try that was not plainly confirmed with its batch: of one quarantined message, a call whose outcome was
    unknown, an answer of the vendor's business. `answer` is what the vendor said, redacted; `payload` the content that
    a person has put in the place of the stored one. Insert only."""

    subscription = models.ForeignKey(
        TargetSubscription, on_delete=models.CASCADE, db_index=False, related_name="attempts"
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
    detail = models.TextField(db_default="")
    reference = models.CharField(max_length=200, null=True, blank=True)
    answer = models.TextField(null=True, blank=True)
    payload: Any = JsonDocument(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["subscription", "lane", "last"], name="attempt_by_position"),
            models.Index(fields=["subscription", "at"], name="attempt_by_age"),  # what retention takes
            BrinIndex(fields=["at"], name="attempt_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id}/{self.lane} {self.first}-{self.last} {self.outcome}"


class RejectedMessage(models.Model):
    """What a source gave and the contract refused: it never entered the log. Kept until a person decides.

    `source` names the source of the integration that gave it, empty for messages that were handed in.
    """

    stream = models.ForeignKey("runtime.Stream", on_delete=models.CASCADE, related_name="rejected")
    run = models.ForeignKey("runtime.Run", null=True, on_delete=models.SET_NULL, related_name="rejected")
    at = models.DateTimeField(db_default=Now())
    source = models.CharField(max_length=80, blank=True, db_default="")
    key = models.TextField(blank=True, db_default="")
    digest = models.CharField(max_length=32)
    reason_class = models.CharField(max_length=20)
    fingerprint = models.CharField(max_length=16)
    reason = models.TextField()
    raw = models.TextField()
    seen = models.IntegerField(db_default=1)
    last_at = models.DateTimeField(db_default=Now())
    state = models.CharField(
        max_length=9, choices=[("open", "Open"), ("fixed", "Fixed"), ("dismissed", "Dismissed")], db_default="open"
    )
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, db_default="")

    class Meta:
        db_table = "runtime_rejected"
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["stream", "digest"], name="rejected_once")]
        indexes = [
            models.Index(fields=["stream", "fingerprint"], name="rejected_open", condition=models.Q(state="open")),
            models.Index(fields=["stream", "at"], name="rejected_by_day"),
            models.Index(fields=["stream", "key"], name="rejected_by_key"),  # what an erasure takes
            models.Index(  # what retention takes
                fields=["stream", "decided_at"], name="rejected_by_end", condition=models.Q(decided_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream_id} {self.key} {self.reason_class}"


class ConflictCase(models.Model):
    """The same key came again with other content where messages are immutable facts. Nothing was overwritten."""

    stream = models.ForeignKey("runtime.Stream", on_delete=models.CASCADE, related_name="conflicts")
    key = models.TextField(db_collation="C")
    held_position = models.BigIntegerField()
    hash = models.BigIntegerField()
    payload: Any = JsonDocument()
    at = models.DateTimeField(db_default=Now())
    last_at = models.DateTimeField(db_default=Now())
    seen = models.IntegerField(db_default=1)
    state = models.CharField(
        max_length=9,
        choices=[("open", "Open"), ("kept", "Held one kept"), ("replaced", "Corrected")],
        db_default="open",
    )
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, db_default="")

    class Meta:
        db_table = "runtime_conflict"
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["stream", "key", "hash"], name="conflict_once")]
        indexes = [
            models.Index(fields=["stream", "at"], name="conflict_by_day"),
            models.Index(fields=["stream"], name="conflict_open", condition=models.Q(state="open")),
            models.Index(  # what retention takes
                fields=["stream", "decided_at"], name="conflict_by_end", condition=models.Q(decided_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream_id} {self.key}"


class UnkeptCount(models.Model):
    """How many rejected messages of a source, or conflicts of a flow, came on a day (UTC) beyond those that are kept
    with its content. Their senders have them, and were told.
    """

    stream = models.ForeignKey("runtime.Stream", on_delete=models.CASCADE, related_name="unkept")
    kind = models.CharField(max_length=8, choices=[("rejected", "Rejected"), ("conflict", "Conflict")])
    source = models.CharField(max_length=80, blank=True, db_default="")
    day = models.DateField()
    counted = models.BigIntegerField()
    last_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "runtime_unkept"
        ordering = ["-day", "id"]
        constraints = [models.UniqueConstraint(fields=["stream", "kind", "source", "day"], name="unkept_once")]
        indexes = [models.Index(fields=["stream", "last_at"], name="unkept_by_age")]  # what retention takes

    def __str__(self) -> str:
        return f"{self.stream_id} {self.kind} {self.day}: {self.counted}"
