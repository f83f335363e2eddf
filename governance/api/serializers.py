"""Shapes of requests and answers. The domain checks what they mean."""

from __future__ import annotations

from typing import Any, Literal

from rest_framework import serializers

from governance.domain import emergency, limits
from governance.models import (
    Approval,
    BreakAcceptance,
    BreakGlass,
    ChangeEvent,
    ChangeRequest,
    CheckResult,
    Decision,
    Delegation,
    FreezeWindow,
    Policy,
    WebhookDelivery,
    WebhookEndpoint,
)
from kernel import clock
from kernel.json_fields import ObjectField
from kernel.moments import MomentField

DIGEST = serializers.RegexField(r"^sha256:[0-9a-f]{64}$", help_text="sha256: and 64 hex digits")


class SubjectInput(serializers.Serializer[Any]):
    kind = serializers.CharField(max_length=60)
    id = serializers.CharField(max_length=200)
    digest = serializers.CharField(max_length=71)


class ChangeInput(serializers.Serializer[Any]):
    kind = serializers.CharField(max_length=60)
    subjects = serializers.ListField(child=SubjectInput(), min_length=1, max_length=50)
    environment = serializers.CharField(max_length=60)
    title = serializers.CharField(max_length=200)
    justification = serializers.CharField(max_length=20_000)
    rollback_plan = serializers.CharField(max_length=20_000, required=False, default="", allow_blank=True)
    planned_from = MomentField(required=False, allow_null=True, default=None)
    planned_until = MomentField(required=False, allow_null=True, default=None)
    parameters = ObjectField(required=False, default=dict)
    links = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**62), required=False, default=list, max_length=50
    )


class AmendInput(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=200, required=False)
    justification = serializers.CharField(max_length=20_000, required=False)
    rollback_plan = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    planned_from = MomentField(required=False, allow_null=True)
    planned_until = MomentField(required=False, allow_null=True)
    parameters = ObjectField(required=False)


class ReviseInput(serializers.Serializer[Any]):
    subjects = serializers.ListField(child=SubjectInput(), min_length=1, max_length=50)


class DecisionInput(serializers.Serializer[Any]):
    """The four digests are those that the person has looked at; the present ones stand on the change."""

    outcome = serializers.ChoiceField(choices=Decision.Outcome.choices)
    note = serializers.CharField(max_length=20_000, required=False, default="", allow_blank=True)
    subject_digest = serializers.CharField(max_length=71)
    diff_digest = serializers.CharField(max_length=71)
    impact_digest = serializers.CharField(max_length=71)
    policy_digest = serializers.CharField(max_length=71)


class NoteInput(serializers.Serializer[Any]):
    note = serializers.CharField(max_length=20_000, required=False, default="", allow_blank=True)


class CommentInput(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=10_000)


class AcceptanceInput(serializers.Serializer[Any]):
    rule = serializers.CharField(max_length=100)
    pointer = serializers.CharField(max_length=500, allow_blank=True)
    kind = serializers.ChoiceField(choices=BreakAcceptance.Kind.choices)
    reason = serializers.CharField(max_length=20_000)
    migrate_by = serializers.DateField(required=False, allow_null=True, default=None)
    subject = serializers.CharField(
        max_length=270,
        required=False,
        allow_blank=True,
        default="",
        help_text="As the finding names it, such as `version price-api@v2`; needed where several subjects have it",
    )


class DecisionOutput(serializers.ModelSerializer[Decision]):
    person = serializers.CharField(source="person.username")

    class Meta:
        model = Decision
        fields = [
            "id",
            "revision",
            "person",
            "outcome",
            "note",
            "subject_digest",
            "diff_digest",
            "impact_digest",
            "policy_digest",
            "at",
            "voided_at",
            "void_reason",
        ]


class CheckOutput(serializers.ModelSerializer[CheckResult]):
    class Meta:
        model = CheckResult
        fields = ["check_id", "title", "status", "why", "findings", "fix", "as_of", "subject_digest"]


class EventOutput(serializers.ModelSerializer[ChangeEvent]):
    actor = serializers.CharField(source="actor.username", default=None)

    class Meta:
        model = ChangeEvent
        fields = ["id", "at", "kind", "actor", "text", "data"]


class ApprovalOutput(serializers.ModelSerializer[Approval]):
    class Meta:
        model = Approval
        fields = [
            "id",
            "origin",
            "change",
            "subject_kind",
            "subject_id",
            "digest",
            "environment",
            "policy_digest",
            "approver_ids",
            "sealed_at",
            "valid_from",
            "valid_until",
            "apply_from",
            "apply_until",
            "used_at",
            "voided_at",
            "void_reason",
        ]


class SubjectOutput(serializers.Serializer[Any]):
    kind = serializers.CharField()
    id = serializers.CharField(source="subject_id")
    digest = serializers.CharField()
    title = serializers.CharField()


class ChangeOutput(serializers.ModelSerializer[ChangeRequest]):
    author = serializers.CharField(source="author.username")
    submitter = serializers.CharField(source="submitter.username", default=None)
    subjects = SubjectOutput(many=True, read_only=True)

    class Meta:
        model = ChangeRequest
        fields = [
            "id",
            "kind",
            "title",
            "justification",
            "rollback_plan",
            "environment",
            "parameters",
            "state",
            "revision",
            "risk",
            "author",
            "submitter",
            "subjects",
            "subject_digest",
            "diff_digest",
            "impact_digest",
            "policy_digest",
            "planned_from",
            "planned_until",
            "checks_state",
            "checks_done",
            "checks_total",
            "created_at",
            "submitted_at",
            "due_at",
            "decided_at",
            "applied_at",
            "apply_error",
        ]


class SlotOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the name of the field, not the label of this shape
    needed = serializers.IntegerField()
    filled = serializers.IntegerField()
    by = serializers.ListField(child=serializers.CharField())
    could = serializers.ListField(child=serializers.CharField())
    why = serializers.ListField(child=serializers.CharField())


class UnfillableOutput(serializers.Serializer[Any]):
    """Slots that nobody can fill as things are, drafts included."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the name of the field, not the label of this shape
    missing = serializers.IntegerField()
    way_out = serializers.CharField()


class PolicyOutput(serializers.ModelSerializer[Policy]):
    class Meta:
        model = Policy
        fields = ["id", "level", "version", "digest", "state", "summary", "document", "created_at", "activated_at"]


class PolicyInput(serializers.Serializer[Any]):
    level = serializers.CharField(max_length=80)
    document = ObjectField()
    title = serializers.CharField(max_length=200)
    justification = serializers.CharField(max_length=20_000)
    environment = serializers.CharField(max_length=60)
    summary = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class PreviewInput(serializers.Serializer[Any]):
    level = serializers.CharField(max_length=80)
    document = ObjectField()


class SituationInput(serializers.Serializer[Any]):
    kind = serializers.CharField(max_length=60)
    environment = serializers.CharField(max_length=60)
    tier = serializers.IntegerField(min_value=0, max_value=3, required=False, allow_null=True, default=None)
    data_class = serializers.CharField(max_length=20, required=False, allow_null=True, default=None)
    entities = serializers.ListField(
        child=serializers.CharField(max_length=120), required=False, default=list, max_length=100
    )
    consumers = serializers.IntegerField(min_value=0, max_value=10**6, required=False, allow_null=True, default=None)
    breaking = serializers.IntegerField(min_value=0, max_value=10**6, required=False, allow_null=True, default=None)
    levels = serializers.ListField(
        child=serializers.CharField(max_length=80), required=False, default=list, max_length=20
    )


class FreezeOutput(serializers.ModelSerializer[FreezeWindow]):
    """`unresolved` holds names of an older release that are not in the catalog: the window counts for all there."""

    environment = serializers.CharField(source="environment_id", allow_null=True, read_only=True)
    domain = serializers.CharField(source="domain_id", allow_null=True, read_only=True)
    system = serializers.CharField(source="system_id", allow_null=True, read_only=True)
    channel = serializers.CharField(source="channel.key", allow_null=True, default=None, read_only=True)
    banner = serializers.CharField(source="banner.key", allow_null=True, default=None, read_only=True)
    region = serializers.CharField(source="region.key", allow_null=True, default=None, read_only=True)
    unresolved = serializers.DictField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = FreezeWindow
        fields = [
            "id",
            "name",
            "reason",
            "environment",
            "tier",
            "domain",
            "system",
            "channel",
            "banner",
            "region",
            "store_zone",
            "unresolved",
            "strictness",
            "calendar",
            "created_at",
            "ended_at",
        ]


class FreezeInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    calendar = ObjectField()
    strictness = serializers.ChoiceField(choices=FreezeWindow.Strictness.choices, default="changes")
    reason = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)
    environment = serializers.CharField(max_length=60, required=False, allow_null=True, default=None)
    tier = serializers.IntegerField(min_value=0, max_value=3, required=False, allow_null=True, default=None)
    domain = serializers.CharField(max_length=80, required=False, allow_null=True, default=None)
    system = serializers.CharField(max_length=80, required=False, allow_null=True, default=None)
    channel = serializers.CharField(max_length=80, required=False, allow_null=True, default=None)
    banner = serializers.CharField(max_length=80, required=False, allow_null=True, default=None)
    region = serializers.CharField(max_length=80, required=False, allow_null=True, default=None)
    store_zone = serializers.CharField(max_length=64, required=False, allow_null=True, default=None)


class BreakGlassInput(serializers.Serializer[Any]):
    subject = SubjectInput()
    environment = serializers.CharField(max_length=60)
    reason = serializers.CharField(max_length=20_000)
    hours = serializers.IntegerField(
        min_value=1, max_value=limits.BREAK_GLASS_HOURS, required=False, default=limits.BREAK_GLASS_HOURS
    )


class BreakGlassOutput(serializers.ModelSerializer[BreakGlass]):
    review = serializers.SerializerMethodField()

    def get_review(self, case: BreakGlass) -> Literal["none", "owed", "overdue", "done"]:
        return emergency.review_state(case.ends_at, case.reviewed_at, clock.now()) if case.ends_at else "none"

    class Meta:
        model = BreakGlass
        fields = [
            "id",
            "subject_kind",
            "subject_id",
            "digest",
            "environment",
            "reason",
            "hours",
            "opened_by",
            "opened_at",
            "confirmed_by",
            "starts_at",
            "ends_at",
            "reviewed_by",
            "reviewed_at",
            "review_note",
            "review",
        ]


class DelegationInput(serializers.Serializer[Any]):
    delegate = serializers.CharField(max_length=150, help_text="User name")
    team = serializers.CharField(max_length=60, help_text="Team key")
    starts_at = MomentField()
    ends_at = MomentField()
    reason = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class DelegationOutput(serializers.ModelSerializer[Delegation]):
    delegator = serializers.CharField(source="delegator.username")
    delegate = serializers.CharField(source="delegate.username")
    group = serializers.CharField(source="group.name")

    class Meta:
        model = Delegation
        fields = ["id", "delegator", "delegate", "group", "starts_at", "ends_at", "reason", "revoked_at"]


class WebhookInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    url = serializers.URLField(max_length=500)
    topics = serializers.ListField(child=serializers.CharField(max_length=100), max_length=50, allow_empty=False)


class WebhookOutput(serializers.ModelSerializer[WebhookEndpoint]):
    class Meta:
        model = WebhookEndpoint
        fields = ["id", "name", "url", "topics", "active", "created_at"]


class DeliveryOutput(serializers.ModelSerializer[WebhookDelivery]):
    class Meta:
        model = WebhookDelivery
        fields = [
            "id",
            "endpoint",
            "event_id",
            "topic",
            "state",
            "attempts",
            "next_at",
            "last_status",
            "last_error",
            "created_at",
            "delivered_at",
        ]


class EntryInput(serializers.Serializer[Any]):
    """See docs/reference/gate.md: versions may stand as text or with their contract digest."""

    application = serializers.CharField(max_length=200)
    version = serializers.CharField(max_length=200)
    environment = serializers.CharField(max_length=60)
    instance = serializers.CharField(max_length=200, required=False, allow_blank=True)
    as_of = serializers.CharField(required=False, allow_null=True, help_text="A time with its zone.")
    consumes = serializers.ListField(
        child=serializers.JSONField(), required=False, allow_null=True, help_text="Null: unsaid, as if left out."
    )
    provides = serializers.ListField(child=serializers.JSONField(), required=False)
    integrations = serializers.ListField(child=serializers.DictField(), required=False)


class StandingOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    word = serializers.CharField(help_text="The verdict: allow, deny or unknown.")
    stands = serializers.BooleanField(help_text="The gate would give the same answer now.")
    why = serializers.CharField(help_text="Why it does not stand: changed, expired, what-if.")
    at = serializers.DateTimeField()
    until = serializers.DateTimeField(help_text="It does not stand longer than this, whatever happens.")
    application = serializers.CharField()
    version = serializers.CharField()
    environment = serializers.CharField()
    instance = serializers.CharField(allow_blank=True)
    question_digest = serializers.CharField(help_text="Digest of the question in its one form: docs/reference/gate.md.")
    answer_digest = serializers.CharField(help_text="Digest of the bytes of the verdict.")
    nonce = serializers.CharField(required=False, help_text="The `nonce` of this call.")


class PlaceInput(serializers.Serializer[Any]):
    application = serializers.CharField(max_length=200)
    environment = serializers.CharField(max_length=60)
    instance = serializers.CharField(max_length=200, required=False, allow_blank=True)


class EndedInput(PlaceInput):
    version = serializers.CharField(max_length=200)


class ReleaseOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    application = serializers.CharField()
    version = serializers.CharField()
    environment = serializers.CharField()
    instance = serializers.CharField()
    mode = serializers.CharField()
    consumes = serializers.ListField(child=serializers.CharField())
    provides = serializers.ListField(child=serializers.CharField())
    integrations = serializers.ListField(child=serializers.CharField())
    recorded_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    ended_how = serializers.CharField()
    verdict = serializers.IntegerField(source="verdict_id", allow_null=True)
    against_gate = serializers.BooleanField()
    ended_against_gate = serializers.BooleanField()
