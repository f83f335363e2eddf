"""States with a period, and the moments at which another state begins to count. Written by `runtime.ledger`."""

from __future__ import annotations

from typing import Any

from django.db import models

from runtime.models.log import JsonDocument


class DatedState(models.Model):
    """One state of a subject that has not ended: what it is now, and from when until when it is in force.

    `record` tells the states of a subject apart. `position`: the message that brought it. `begins` and `ends` are wall
    time or a moment with its offset as ISO 8601 text, empty where there is none; `zone` is the document's own.
    """

    stream = models.ForeignKey("runtime.Stream", on_delete=models.CASCADE, db_index=False, related_name="dated_states")
    subject = models.TextField(db_collation="C")
    record = models.TextField(db_collation="C")
    position = models.BigIntegerField()
    version = models.BigIntegerField()
    begins = models.CharField(max_length=40, db_default="")
    ends = models.CharField(max_length=40, db_default="")
    zone = models.CharField(max_length=60, db_default="")
    withdrawn = models.BooleanField(db_default=False)
    payload: Any = JsonDocument()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "subject", "record"], name="dated_state_once")]

    def __str__(self) -> str:
        return f"{self.subject} {self.record} from {self.begins or 'ever'}"


class ValidityMoment(models.Model):
    """A moment at which a state begins or ends to be in force in one zone, or was changed. Once it has passed,
    `position` is the message by which the state that counts from there on was put into the log, a copy of the message
    at `of_position`; both are null where there was none to put.
    """

    stream = models.ForeignKey("runtime.Stream", on_delete=models.CASCADE, db_index=False, related_name="moments")
    subject = models.TextField(db_collation="C")
    record = models.TextField(db_collation="C")
    zone = models.CharField(max_length=60)
    at = models.DateTimeField()
    kind = models.CharField(max_length=7, choices=[("begins", "Begins"), ("ends", "Ends"), ("changed", "Was changed")])
    fired_at = models.DateTimeField(null=True, blank=True)
    position = models.BigIntegerField(null=True, blank=True)
    of_position = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["at"]
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "subject", "record", "zone", "at", "kind"], name="validity_moment_once"
            )
        ]
        indexes = [
            models.Index(fields=["at"], name="validity_moment_due", condition=models.Q(fired_at=None)),
            models.Index(
                fields=["stream", "subject"], name="validity_moment_copy", condition=models.Q(position__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.record} {self.kind} {self.at}"
