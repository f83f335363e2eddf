"""Runs, schedules and the workers' heartbeats."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Run(models.Model):
    """One execution of a job: a pass over one `source`, a batch of intake, or a replay.

    Counts of the source side are written with each append; the delivered side is read from progress and evidence
    over the positions in `RunSpan`, so a run's row is never hot. `start_cursor`: where the source stood when the
    run began. `read` is the sum of `accepted`, `unchanged`, `older`, `conflicts` and `rejected_count` (for the
    first time), `conflicts_again` and `rejected_again` (known already, and come again). `tally`: how many records
    of the source were read and rejected, for the limit of rejected records, which `limit_waived` switches off for
    this run. `fences`: how often a worker lost the source in this run to another one. `fault`: what is wrong with
    the connection to `fault_system`, where that ended the run (`FaultKind`). `logged`: of a pass over a source, how
    many of its messages are in the log, as far as they are in the sums (`DaySumCursor`).
    """

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    integration = models.ForeignKey("runtime.Integration", on_delete=models.PROTECT, related_name="runs")
    deployment = models.ForeignKey("runtime.Deployment", null=True, on_delete=models.PROTECT, related_name="runs")
    stream = models.ForeignKey("runtime.Stream", on_delete=models.CASCADE, related_name="runs")
    source = models.CharField(max_length=80, blank=True, db_default="")
    kind = models.CharField(
        max_length=8, choices=[("collect", "Collect"), ("intake", "Intake"), ("replay", "Replay")], default="collect"
    )
    trigger = models.CharField(
        max_length=10,
        choices=[("schedule", "Schedule"), ("manual", "Manual"), ("intake", "Intake"), ("webhook", "Webhook")],
    )
    state = models.CharField(max_length=9, choices=State.choices, default=State.RUNNING)
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    beat_at = models.DateTimeField(db_default=Now())
    expected = models.BigIntegerField(null=True, blank=True)
    read = models.BigIntegerField(db_default=0)
    accepted = models.BigIntegerField(db_default=0)
    logged = models.BigIntegerField(null=True, blank=True)
    unchanged = models.BigIntegerField(db_default=0)
    older = models.BigIntegerField(db_default=0)
    rejected_count = models.BigIntegerField(db_default=0)
    rejected_again = models.BigIntegerField(db_default=0)
    conflicts = models.BigIntegerField(db_default=0)
    conflicts_again = models.BigIntegerField(db_default=0)
    error = models.TextField(blank=True, db_default="")
    traceparent = models.CharField(max_length=55, blank=True, db_default="")
    start_cursor: Any = models.JSONField(null=True, blank=True)
    tally: Any = models.JSONField(null=True, blank=True)
    limit_waived = models.BooleanField(db_default=False)
    fences = models.IntegerField(db_default=0)
    warnings: Any = models.JSONField(null=True, blank=True)
    warned = models.IntegerField(db_default=0)
    fault = models.CharField(max_length=12, blank=True, db_default="")
    fault_system = models.CharField(max_length=80, blank=True, db_default="")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["integration", "-id"], name="run_by_integration"),
            models.Index(models.F("stream"), models.F("id") * -1, name="run_by_stream"),
            models.Index(fields=["integration", "ended_at"], name="run_by_end"),  # what retention takes
            models.Index(fields=["stream", "started_at"], name="run_collected", condition=models.Q(kind="collect")),
            models.Index(
                fields=["stream", "-id"], name="run_looked", condition=models.Q(kind="collect", state="succeeded")
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="running") ^ models.Q(ended_at__isnull=False), name="run_ended_or_running"
            ),
            models.UniqueConstraint(
                fields=["stream", "source"],
                condition=models.Q(kind="collect", state="running"),
                name="run_one_per_source",
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.integration_id}"


class RunSpan(models.Model):
    """Positions that one append of a run took in one lane."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="spans")
    lane = models.PositiveSmallIntegerField()
    first = models.BigIntegerField()
    last = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.run_id}/{self.lane} {self.first}-{self.last}"


class Schedule(models.Model):
    """When an integration collects. Local wall time in `zone`; policies for hours that a zone change skips or repeats.

    `expression`: `every 60s`, `daily 06:30`, `weekly mon 06:30`, or five cron fields (`runtime.domain.schedule`).
    """

    integration = models.ForeignKey("runtime.Integration", on_delete=models.PROTECT, related_name="schedules")
    environment = models.CharField(max_length=40)
    expression = models.CharField(max_length=80)
    zone = models.CharField(max_length=60, default="UTC")
    skipped = models.CharField(
        max_length=5, choices=[("shift", "Run at the first moment after"), ("skip", "Leave out")], default="shift"
    )
    repeated = models.CharField(
        max_length=6, choices=[("first", "First"), ("second", "Second"), ("both", "Both")], default="first"
    )
    enabled = models.BooleanField(default=True)
    next_due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["integration", "environment"], name="schedule_once")]
        indexes = [models.Index(fields=["next_due_at"], name="schedule_due", condition=models.Q(enabled=True))]

    def __str__(self) -> str:
        return f"{self.expression} {self.zone}"


class Firing(models.Model):
    """A due time that was acted on: unique, so two schedulers at once are harmless."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="firings")
    due_at = models.DateTimeField()
    fired_at = models.DateTimeField(db_default=Now())
    outcome = models.CharField(max_length=12, db_default="fired")
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["schedule", "due_at"], name="firing_once")]

    def __str__(self) -> str:
        return f"{self.schedule_id} at {self.due_at}"


class SourceAlarm(models.Model):
    """A source that was due to be read and was not, for longer than its tier allows. At most one is open per source.

    `since`: when the look or the sign of life was due that did not come. It ends with the next look that succeeds.
    """

    stream = models.ForeignKey("runtime.Stream", on_delete=models.CASCADE, related_name="source_alarms")
    source = models.CharField(max_length=80)
    since = models.DateTimeField()
    reason = models.TextField(blank=True, db_default="")
    raised_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "source"], condition=models.Q(ended_at=None), name="source_alarm_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.stream_id}/{self.source} since {self.since}"


class Worker(models.Model):
    """Heartbeat of a process that works on shards; the watchdog compares it with ready work."""

    name = models.CharField(max_length=120, primary_key=True)
    kind = models.CharField(max_length=10)
    shards: Any = models.JSONField(default=list)
    started_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now())
    draining = models.BooleanField(db_default=False)

    def __str__(self) -> str:
        return self.name


class RefusedCalls(models.Model):
    """Calls of tills and pipelines that were answered by a 5xx in one minute, of all web processes (`operation`: intake
    or gate; `why`: the code of the problem). Counted in the process while the database is away, and stored when it is
    back (`noted_at`)."""

    operation = models.CharField(max_length=12)
    why = models.CharField(max_length=80)
    minute = models.DateTimeField()
    refused = models.BigIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    noted_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "refused calls"
        ordering = ["-minute", "id"]
        constraints = [models.UniqueConstraint(fields=["minute", "operation", "why"], name="refused_calls_of_a_minute")]

    def __str__(self) -> str:
        return f"{self.operation} {self.minute:%Y-%m-%d %H:%M}: {self.refused} {self.why}"
