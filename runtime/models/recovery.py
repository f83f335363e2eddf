"""What the runtime knows of its own database: which one it is, when it went back, and which salt keys have since."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class DatabaseIdentity(models.Model):
    """The database as it was when a process last compared: cluster, database and timeline. One row.

    Another value of any of the three means that these rows are a copy: of a standby that was promoted, of a backup, of
    a dump.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    cluster = models.CharField(max_length=20, null=True)
    database = models.BigIntegerField()
    timeline = models.IntegerField(null=True)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "runtime_database"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="database_once")]

    def __str__(self) -> str:
        return f"cluster {self.cluster}, database {self.database}, timeline {self.timeline}"


class Rewind(models.Model):
    """The database went back to an earlier moment, noticed or stated by a person. A new epoch of keys began with it.

    Until `window_until` everything that is sent to a vendor is asked about first; `window_ended_at` says when that
    ended. Recovery has ended (`ended_at`) when every lane has passed what was to be asked about.
    """

    class Reason(models.TextChoices):
        TIMELINE = "timeline", "Another timeline: a standby was promoted, or a backup restored to a moment"
        CLUSTER = "cluster", "Another database server: a dump or a copy"
        DATABASE = "database", "Another database on the same server: a dump or a copy"
        STATED = "stated", "Stated by a person"

    at = models.DateTimeField(db_default=Now())
    reason = models.CharField(max_length=8, choices=Reason.choices)
    before = models.CharField(max_length=80, blank=True, db_default="")
    after = models.CharField(max_length=80, blank=True, db_default="")
    note = models.TextField(blank=True, db_default="")
    lanes = models.IntegerField(db_default=0)
    window_until = models.DateTimeField()
    window_ended_at = models.DateTimeField(null=True)
    announced_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"rewind {self.pk}: {self.reason}"


class KeyEpoch(models.Model):
    """From `from_position` on, messages of this lane have this salt in their idempotency keys. Older ones keep theirs;
    without a row it is the stream's."""

    pk = models.CompositePrimaryKey("stream_id", "lane", "from_position")
    stream = models.ForeignKey("runtime.Stream", on_delete=models.CASCADE, db_index=False, related_name="key_epochs")
    lane = models.PositiveSmallIntegerField()
    from_position = models.BigIntegerField()
    salt = models.BigIntegerField()
    rewind = models.ForeignKey(Rewind, on_delete=models.PROTECT, related_name="key_epochs")

    class Meta:
        db_table = "runtime_key_epoch"

    def __str__(self) -> str:
        return f"{self.stream_id}/{self.lane} from {self.from_position}"
