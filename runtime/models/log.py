"""The message log. Positions are assigned under the lane's row lock, held to commit: position order is commit order."""

from __future__ import annotations

import json
import secrets
from decimal import Decimal
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from kernel.digest import canonical_json
from runtime.models.subscriptions import LONG_AGO


class JsonDocument(models.Field):  # type: ignore[type-arg]
    """A PostgreSQL `json` column: the text as it came, queryable in SQL. Python sees parsed JSON with Decimal for every
    fraction."""

    def db_type(self, connection: Any) -> str:
        return "json"

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        return f"({sql})::text", params

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return None if value is None else json.loads(value, parse_float=Decimal)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else canonical_json(value).decode()


def new_salt() -> int:
    return secrets.randbits(63)


class Stream(models.Model):
    """The messages of one integration in one environment, in lanes.

    `immutable`: messages are facts (a sale): the same key with other content is a conflict case. Otherwise they are
    states (a price): other content is a new version. `salt` keys the content hash and is the high half of correlation
    ids. `wanted_lanes`: the deployed manifest wants another number of lanes, and the scheduler has not begun it yet.
    `lane_change`: the newest change of their number, while targets still take messages from before it.
    """

    id = models.SmallAutoField(primary_key=True)
    integration = models.ForeignKey("runtime.Integration", on_delete=models.PROTECT, related_name="streams")
    environment = models.CharField(max_length=40)
    lanes = models.PositiveSmallIntegerField(default=4)
    immutable = models.BooleanField(default=False)
    salt = models.BigIntegerField(default=new_salt)
    wanted_lanes = models.PositiveSmallIntegerField(null=True, blank=True)
    lane_change = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["integration", "environment"], name="stream_once"),
            models.CheckConstraint(condition=models.Q(lanes__gte=1, lanes__lte=255), name="stream_lanes"),
        ]

    def __str__(self) -> str:
        return f"{self.integration_id} in {self.environment}"


class StreamSource(models.Model):
    """One source of a stream, under its name in the manifest: what it does, it does to no other source.

    `cursor` is where it has been read up to; it moves with what was read. `read_at`: everything that the source had at
    that moment has been read; of a source that is fed by intake, its last sign of life. `session` is the process id of
    the database session of the `owner` that reads it now. `not_before`: the source asked to be left alone until then,
    and `wait_reason` says how.
    """

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="sources", db_index=False)
    name = models.CharField(max_length=80)
    cursor: Any = models.JSONField(null=True, blank=True)
    token = models.BigIntegerField(db_default=0)
    lease_until = models.DateTimeField(db_default=LONG_AGO)
    owner = models.CharField(max_length=120, blank=True, db_default="")
    session = models.IntegerField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(db_default=LONG_AGO)
    wait_reason = models.TextField(blank=True, db_default="")

    class Meta:
        db_table = "runtime_source"
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["stream", "name"], name="source_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.stream_id}"


class Lane(models.Model):
    """Position counter. A key lives in exactly one lane (`crc32(key) % lanes`).

    `lanes`: the number by which keys find this lane since the last change of it; 0 where it never changed. A writer who
    knows another number writes nothing. `gap`: positions that changes have left out.
    """

    pk = models.CompositePrimaryKey("stream_id", "lane")
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, db_index=False, related_name="counters")
    lane = models.PositiveSmallIntegerField()
    next = models.BigIntegerField(db_default=1)
    lanes = models.PositiveSmallIntegerField(db_default=0)
    gap = models.BigIntegerField(db_default=0)

    def __str__(self) -> str:
        return f"{self.stream_id}/{self.lane}"


class LaneChange(models.Model):
    """A stream got more or fewer lanes: `before`, and `lanes` since then. Messages from `first` on go by the new
    number; `ends` is the last position before it in each lane (0 on)."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="lane_changes")
    before = models.PositiveSmallIntegerField()
    lanes = models.PositiveSmallIntegerField()
    first = models.BigIntegerField()
    ends: Any = ArrayField(models.BigIntegerField())
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.stream_id}: {self.before} to {self.lanes} lanes"


class LaneSleep(models.Model):
    """Targets that sleep on this lane have nothing to take before the message at `next`; null: none of them sleeps."""

    pk = models.CompositePrimaryKey("stream_id", "lane")
    stream = models.ForeignKey(
        Stream, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+"
    )
    lane = models.PositiveSmallIntegerField()
    next = models.BigIntegerField(null=True)

    class Meta:
        db_table = "runtime_lane_sleep"

    def __str__(self) -> str:
        return f"{self.stream_id}/{self.lane} sleeps before {self.next}"


class Message(models.Model):
    """One business fact on its way. Append-only; partitioned by month of arrival.

    `previous` is the position of the message before it under the same key (0: none), so a key's history is a chain.
    `correlation` is what the source supplied; without it the id is the message's address (`domain.correlation`).
    """

    pk = models.CompositePrimaryKey("stream_id", "lane", "position", "received_at")
    stream = models.ForeignKey(
        Stream, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+"
    )
    lane = models.PositiveSmallIntegerField()
    position = models.BigIntegerField()
    received_at = models.DateTimeField(db_default=Now())
    key = models.TextField(db_collation="C")
    version = models.BigIntegerField(null=True)
    previous = models.BigIntegerField(default=0)
    release = models.ForeignKey(
        "runtime.Release", null=True, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+"
    )
    run = models.ForeignKey(
        "runtime.Run", null=True, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+"
    )
    correlation = models.CharField(max_length=64, null=True)
    causation = models.CharField(max_length=64, null=True)
    traceparent = models.CharField(max_length=55, null=True)
    payload: Any = JsonDocument()

    def __str__(self) -> str:
        return f"{self.stream_id}/{self.lane}/{self.position} {self.key}"


class Head(models.Model):
    """The last message of a key: deduplication ("unchanged" costs no write) and the entry to the key's history."""

    pk = models.CompositePrimaryKey("stream_id", "key")
    stream = models.ForeignKey(
        Stream, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+"
    )
    key = models.TextField(db_collation="C")
    hash = models.BigIntegerField()
    version = models.BigIntegerField()
    position = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.key} at {self.position}"
