"""Shapes of the runtime's API."""

from __future__ import annotations

import math
from typing import Any, get_args

from rest_framework import serializers

from kernel.json_fields import DocumentField, ParsedJSONField
from runtime.connectors.protocols import FaultKind
from runtime.domain import manifest as manifests
from runtime.services import manifest_checks

DIGEST = r"^sha256:[0-9a-f]{64}$"


class IntegrationSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()
    domain = serializers.CharField(source="domain_key")
    owner_team = serializers.CharField(source="owner_team.name")
    created_at = serializers.DateTimeField()


class ManifestSerializer(serializers.Serializer[Any]):
    """A manifest as data; its own schema is checked by the service, which names every finding with a JSON Pointer."""

    manifest = DocumentField()
    pin_current = serializers.BooleanField(
        default=False, help_text="Replace `contract: current` by the digest that the catalog holds now."
    )


class ReleaseSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    integration = serializers.CharField(source="integration.key")
    digest = serializers.CharField()
    tier = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    manifest = serializers.JSONField()
    warnings = serializers.SerializerMethodField(help_text="what may not be meant; nothing is refused for it")

    def get_warnings(self, release: Any) -> list[dict[str, str]]:
        return manifest_checks.warnings(manifests.load(release.manifest))


class DeploymentSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    integration = serializers.CharField(source="integration.key")
    digest = serializers.CharField(source="release.digest")
    environment = serializers.CharField()
    approval = serializers.IntegerField(source="approval_id")
    kind = serializers.CharField()
    active = serializers.BooleanField()
    paused = serializers.BooleanField()
    pause_reason = serializers.CharField()
    deployed_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class DeploySerializer(serializers.Serializer[Any]):
    digest = serializers.RegexField(DIGEST)
    environment = serializers.CharField(max_length=40)
    rollback = serializers.BooleanField(default=False)


class PauseSerializer(serializers.Serializer[Any]):
    environment = serializers.CharField(max_length=40)
    paused = serializers.BooleanField()
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class ConditionSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()
    says = serializers.CharField()
    met = serializers.BooleanField()


class GateSerializer(serializers.Serializer[Any]):
    target = serializers.CharField()
    instance = serializers.CharField()
    permitted = serializers.BooleanField(source="gate.permitted")
    open = serializers.BooleanField(source="gate.open")
    says = serializers.CharField(source="gate.says")
    conditions = ConditionSerializer(source="gate.conditions", many=True)
    waiting = serializers.IntegerField(
        source="backlog.on_the_way", help_text="On the way: queued, to be tried again, asked about, or behind those."
    )
    with_a_person = serializers.IntegerField(source="backlog.for_person")
    last_delivery_at = serializers.DateTimeField(source="backlog.last_delivery_at", allow_null=True)


class RunSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    integration = serializers.CharField(source="integration.key")
    environment = serializers.CharField(source="stream.environment")
    kind = serializers.CharField()
    source_name = serializers.CharField(source="source", help_text="Empty where a run did not read one source.")
    trigger = serializers.CharField()
    state = serializers.CharField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    read = serializers.IntegerField()
    accepted = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    older = serializers.IntegerField()
    rejected = serializers.IntegerField(source="rejected_count")
    rejected_again = serializers.IntegerField(help_text="Rejected records that were known already and came again.")
    conflicts = serializers.IntegerField()
    conflicts_again = serializers.IntegerField(help_text="Conflicts that were known already and came again.")
    error = serializers.CharField()


class StartedSerializer(RunSerializer):
    """The run of the first source; `runs` are the ids of all that read now, one per source."""

    runs = serializers.SerializerMethodField()

    def get_runs(self, run: Any) -> list[int]:
        found: list[int] = self.context["runs"]
        return found


class ShareSerializer(serializers.Serializer[Any]):
    target = serializers.CharField()
    instance = serializers.CharField()
    total = serializers.IntegerField()
    delivered = serializers.IntegerField()
    superseded = serializers.IntegerField()
    skipped = serializers.IntegerField()
    declined = serializers.IntegerField()
    refused = serializers.IntegerField()
    unknown = serializers.IntegerField()
    retrying = serializers.IntegerField()
    behind = serializers.IntegerField()
    blocked = serializers.IntegerField(help_text="Of those behind: behind a message that waits for a person.")
    waiting = serializers.IntegerField()
    discarded = serializers.IntegerField(source="closed")


class ProgressSerializer(serializers.Serializer[Any]):
    """A run with what became of its messages.

    `rate` in messages per second; null where nothing was delivered lately.
    """

    id = serializers.IntegerField()
    integration = serializers.CharField()
    environment = serializers.CharField()
    kind = serializers.CharField()
    source_name = serializers.CharField(source="source", help_text="Empty where a run did not read one source.")
    trigger = serializers.CharField()
    state = serializers.CharField()
    live = serializers.BooleanField()
    percent = serializers.IntegerField(allow_null=True)
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    digest = serializers.CharField()
    read = serializers.IntegerField()
    accepted = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    older = serializers.IntegerField()
    rejected = serializers.IntegerField()
    rejected_again = serializers.IntegerField(help_text="Rejected records that were known already and came again.")
    conflicts = serializers.IntegerField()
    conflicts_again = serializers.IntegerField(help_text="Conflicts that were known already and came again.")
    delivered = serializers.IntegerField()
    superseded = serializers.IntegerField()
    skipped = serializers.IntegerField()
    refused = serializers.IntegerField()
    unknown = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True)
    remaining_s = serializers.SerializerMethodField()
    error = serializers.CharField()
    fences = serializers.IntegerField(help_text="How often a worker lost the source in this run to another one.")
    warnings = serializers.ListField(child=serializers.CharField(), help_text="Of the source; at most 50 are kept.")
    warned = serializers.IntegerField()
    limit_waived = serializers.BooleanField()
    waits_until = serializers.DateTimeField(allow_null=True, help_text="The source asked to be left alone until then.")
    wait_reason = serializers.CharField()
    targets = ShareSerializer(source="shares", many=True)

    def get_remaining_s(self, run: Any) -> float | None:
        return run.remaining.total_seconds() if run.remaining else None


class StartSerializer(serializers.Serializer[Any]):
    """`source_name`: the one to read, else all of the integration. `waive_limit`: the limit of rejected records
    does not count for this run; its cursor moves on."""

    environment = serializers.CharField(max_length=40)
    source_name = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")
    waive_limit = serializers.BooleanField(required=False, default=False)


class CancelSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class FoundSerializer(serializers.Serializer[Any]):
    correlation = serializers.CharField()
    integration = serializers.CharField()
    environment = serializers.CharField()
    key = serializers.CharField()
    version = serializers.IntegerField(allow_null=True)
    received_at = serializers.DateTimeField()
    lane = serializers.IntegerField()
    position = serializers.IntegerField()


class StepSerializer(serializers.Serializer[Any]):
    who = serializers.CharField()
    note = serializers.CharField()
    at = serializers.DateTimeField()
    outcome = serializers.CharField(source="says")
    tone = serializers.CharField(source="tone.tone")
    reference = serializers.CharField(help_text="What the vendor calls the message; empty where it gave no name.")
    answer = serializers.CharField(help_text="What the vendor said about the message, redacted; empty: nothing kept.")


class TraceSerializer(serializers.Serializer[Any]):
    message = FoundSerializer()
    payload = serializers.CharField(help_text="JSON text as stored, with every digit of its numbers.")
    release = serializers.CharField(source="release_digest")
    run = serializers.IntegerField(allow_null=True)
    causation = serializers.CharField()
    traceparent = serializers.CharField()
    happened = serializers.CharField(help_text="when it happened, as the message says it; empty where it does not")
    erased_at = serializers.DateTimeField(allow_null=True, help_text="when its payload was erased; it is empty then")
    steps = StepSerializer(many=True)
    history = FoundSerializer(many=True)
    corrections = FoundSerializer(many=True, help_text="of the same fact: what it corrects, and what corrects it")


class GroupSerializer(serializers.Serializer[Any]):
    group = serializers.CharField(source="key")
    kind = serializers.ChoiceField(choices=["parked", "asked", "rejected", "conflict"])
    integration = serializers.CharField()
    target = serializers.CharField()
    system = serializers.CharField()
    fingerprint = serializers.CharField()
    reason_class = serializers.CharField()
    reason = serializers.CharField()
    letters = serializers.IntegerField(source="count")
    waiting_behind = serializers.IntegerField()
    instances = serializers.ListField(child=serializers.CharField())
    oldest_at = serializers.DateTimeField()
    outcome_unknown = serializers.BooleanField(source="unknown")


class LetterSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    place = serializers.CharField(help_text="subscription/lane/position of a quarantined message, else an id.")
    key = serializers.CharField()
    reason = serializers.CharField()
    reason_class = serializers.CharField()
    since = serializers.DateTimeField()
    attempts = serializers.IntegerField()
    instance = serializers.CharField()
    state = serializers.CharField()


class TrySerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    outcome = serializers.CharField(source="says")
    detail = serializers.CharField()
    reference = serializers.CharField()


class StorySerializer(serializers.Serializer[Any]):
    letter = LetterSerializer(source="dead_letter")
    integration = serializers.CharField()
    target = serializers.CharField()
    system = serializers.CharField()
    fingerprint = serializers.CharField()
    correlation = serializers.CharField()
    payload = serializers.CharField()
    content = serializers.CharField()
    corrected = serializers.BooleanField(source="replaced")
    behind = serializers.IntegerField()
    decided = serializers.CharField()
    tries = TrySerializer(source="attempts", many=True)


class FiniteFloatField(serializers.FloatField):
    """Not "nan" and not "inf", which Python reads as numbers and which every comparison lets through."""

    def to_internal_value(self, data: Any) -> float:
        value = float(super().to_internal_value(data))
        if not math.isfinite(value):
            self.fail("invalid")
        return value


class MendSerializer(serializers.Serializer[Any]):
    """`seen`: the `content` of the message as you read it; where somebody has edited it since, 409."""

    payload = ParsedJSONField()
    reason = serializers.CharField(max_length=2000)
    seen = serializers.CharField(max_length=100, required=False)


class CountSerializer(serializers.Serializer[Any]):
    letters = serializers.IntegerField()


class ResubmitSerializer(serializers.Serializer[Any]):
    payload = ParsedJSONField()
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")
    although_newer = serializers.BooleanField(
        required=False, default=False, help_text="It replaces a state that came later; `reason` says why."
    )


class DismissalSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000)


class ConflictSerializer(serializers.Serializer[Any]):
    keep = serializers.BooleanField(
        help_text="True: the stored version is kept. False: the later one is applied as a correction."
    )
    reason = serializers.CharField(max_length=2000)


class IntakeReceiptSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    key = serializers.CharField()
    status = serializers.ChoiceField(choices=["accepted", "duplicate", "older", "conflict", "refused"])
    correlation = serializers.CharField()
    reason = serializers.CharField()
    pointer = serializers.CharField(help_text="where in the item the reason lies (RFC 6901); empty for the whole item")


class IntakeSerializer(serializers.Serializer[Any]):
    """Items in order, or one item for itself.

    `correlation_ids` has one entry per item, null where the sender has none; for one that cannot be used the item gets
    one of its own, and its receipt says so.
    """

    items = serializers.ListField(child=ParsedJSONField())
    # a member of the body, not DRF's `source`
    source = serializers.CharField(required=False, max_length=80)  # type: ignore[assignment]
    correlation_ids = serializers.ListField(child=serializers.CharField(allow_null=True, max_length=64), required=False)


class IntakeResultSerializer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    conflict = serializers.IntegerField()
    refused = serializers.IntegerField()
    older = serializers.IntegerField()
    receipts = IntakeReceiptSerializer(many=True)


class ConnectionFaultSerializer(serializers.Serializer[Any]):
    """What is wrong with a connection until a person corrects it. `target` is set where one target alone is meant."""

    kind = serializers.ChoiceField(choices=list(get_args(FaultKind)))
    detail = serializers.CharField()
    since = serializers.DateTimeField()
    target = serializers.SerializerMethodField()
    next_probe_at = serializers.DateTimeField(source="next_at", allow_null=True)
    waiting = serializers.IntegerField(help_text="Messages that wait for it.")
    to_do = serializers.CharField()
    integrations = serializers.ListField(child=serializers.CharField())

    def get_target(self, fault: Any) -> str | None:
        return fault.targets[0] if fault.subscription is not None and fault.targets else None


class IntakeGrantSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    environment = serializers.CharField()
    account = serializers.CharField(source="account.username", default=None, allow_null=True)
    team = serializers.CharField(source="team.name", default=None, allow_null=True)
    granted_at = serializers.DateTimeField()
    granted_by = serializers.CharField(source="granted_by.username", default="system")


class GiveIntakeSerializer(serializers.Serializer[Any]):
    """Exactly one of `account` (user name) and `team` (key)."""

    account = serializers.CharField(required=False, default="", max_length=150)
    team = serializers.CharField(required=False, default="", max_length=80)
    environment = serializers.CharField(required=False, default="production", max_length=40)


class VendorSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    system = serializers.CharField(source="system_key")
    instance = serializers.CharField()
    environment = serializers.CharField()
    breaker = serializers.CharField()
    says = serializers.CharField(source="breaker_tone.word")
    failures = serializers.IntegerField()
    open_until = serializers.DateTimeField()
    not_before = serializers.DateTimeField()
    rate = serializers.FloatField(allow_null=True)
    burst = serializers.FloatField(allow_null=True)
    concurrency = serializers.IntegerField(allow_null=True)
    leases = serializers.IntegerField()
    budget = serializers.IntegerField(allow_null=True)
    spent = serializers.IntegerField()
    retrying = serializers.IntegerField()
    unknown = serializers.IntegerField()
    last_error = serializers.CharField()
    last_error_at = serializers.DateTimeField(allow_null=True)
    last_success_at = serializers.DateTimeField(allow_null=True)
    integrations = serializers.ListField(child=serializers.CharField())
    fault = serializers.CharField(help_text="Kind of the connection fault that all its targets have; empty: none.")
    fault_detail = serializers.CharField()
    fault_since = serializers.DateTimeField(allow_null=True)
    waiting = serializers.IntegerField(help_text="Messages that wait for a connection fault.")
    faults = ConnectionFaultSerializer(many=True)


class ScheduleSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    integration = serializers.CharField()
    environment = serializers.CharField()
    expression = serializers.CharField()
    zone = serializers.CharField()
    skipped = serializers.CharField()
    repeated = serializers.CharField()
    enabled = serializers.BooleanField()
    next_due_at = serializers.DateTimeField(allow_null=True)
    fired_at = serializers.DateTimeField(allow_null=True)


class ScheduleChangeSerializer(serializers.Serializer[Any]):
    enabled = serializers.BooleanField()
    expression = serializers.CharField(max_length=80, required=False)
    zone = serializers.CharField(max_length=60, required=False)
    skipped = serializers.ChoiceField(choices=["shift", "skip"], required=False)
    repeated = serializers.ChoiceField(choices=["first", "second", "both"], required=False)
