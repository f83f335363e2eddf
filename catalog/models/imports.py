"""Bulk imports as rows: what was asked, how far it is, what was not understood."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class ContractUpload(models.Model):
    """The bytes of a contract between "what did you read in it" and "save it as a draft". Only a person's last few are
    kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    file_name = models.CharField(max_length=255, blank=True)
    data = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.file_name or f"upload {self.pk}"


class ImportRun(models.Model):
    """One bulk import. `total` is None until the sources are counted.

    A run that a page or the API requested waits with its files until a worker takes it. `lease_until` and `attempts`
    say which worker has it now; `done` counts the items that are finished, so that another worker can continue.
    `digest` identifies the request: the same request again, while the first is open, is the same run.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    source = models.CharField(max_length=500)
    source_key = models.CharField(
        max_length=200, blank=True, db_default="", help_text="Name of the source; what it no longer names is listed"
    )
    choice = models.CharField(
        max_length=8, blank=True, db_default="", help_text="What becomes of things that the source names no more"
    )
    dry_run = models.BooleanField(default=False)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    total = models.PositiveIntegerField(null=True, blank=True)
    done = models.PositiveIntegerField(default=0)
    defaults = models.JSONField(default=dict, blank=True)
    digest = models.CharField(max_length=71, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"import {self.pk} of {self.source}"


class ImportFile(models.Model):
    """A file of a run that waits or runs; gone when the run has ended. Of one that is no file to read, `data` are words
    that say why."""

    class Kind(models.TextChoices):
        FILE = "file", "File"
        UNREAD = "unread", "Cannot be read"
        ASIDE = "aside", "Nothing to read"

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="files")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=500)
    data = models.BinaryField()
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.FILE, db_default=Kind.FILE)

    class Meta:
        ordering = ["run", "position"]
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="import_file_once")]

    def __str__(self) -> str:
        return self.name


class ImportRow(models.Model):
    """What became of one file, CSV line or YAML document."""

    class Outcome(models.TextChoices):
        CREATED = "created", "Created"
        CHANGED = "changed", "Changed"
        UNCHANGED = "unchanged", "Unchanged"
        REFUSED = "refused", "Not understood"

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="rows")
    position = models.PositiveIntegerField()
    source = models.CharField(max_length=500)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    reference = models.CharField(max_length=300, blank=True)
    code = models.CharField(max_length=100, blank=True)
    message = models.TextField(blank=True)

    class Meta:
        ordering = ["run", "position"]
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="import_row_once")]

    def __str__(self) -> str:
        return f"{self.source}: {self.outcome}"


class ImportedThing(models.Model):
    """What a source calls one thing of the catalog.

    `ref` is the source's own name of it: kind, namespace and name of a Backstage entity (`api:default/pay`), or the id
    of a data contract (`odcs:…`). `table` and `key` say which row it is here. `source` is the named source that it
    comes from, "" for an upload. `said` holds what the source said last: only what it says differently is taken over.
    `facts` is what the source says and the catalog has no field for.
    """

    ref = models.CharField(max_length=500, unique=True)
    table = models.CharField(max_length=12)
    key = models.CharField(max_length=100)
    source = models.CharField(max_length=200, blank=True)
    said = models.JSONField(default=dict, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    gone_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["ref"]
        constraints = [models.UniqueConstraint(fields=["table", "key"], name="imported_thing_once")]

    def __str__(self) -> str:
        return self.ref


class ImportSchedule(models.Model):
    """A source that is imported every night, and what came of it last.

    `kind` and `location` say where it is read: a folder or a Git checkout of the workers' machine, or a file with a
    list of addresses. `apply` is whether differences are taken over: always, where nothing needs a person (clean), or
    never. `told` is a digest of what people were told last, so that the same is told once.
    """

    source = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=8)
    location = models.CharField(max_length=1000)
    hour = models.PositiveSmallIntegerField(default=2, help_text="From this hour of a day on, UTC")
    apply = models.CharField(max_length=8, default="always")
    defaults = models.JSONField(default=dict, blank=True)
    team = models.ForeignKey("catalog.Team", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    done_on = models.DateField(null=True, blank=True)
    last_run = models.ForeignKey(ImportRun, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    told = models.CharField(max_length=71, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["source"]
        constraints = [models.CheckConstraint(condition=models.Q(hour__lte=23), name="import_schedule_hour_of_a_day")]

    def __str__(self) -> str:
        return self.source
