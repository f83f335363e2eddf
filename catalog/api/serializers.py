"""The shapes of the catalog API. They describe and check form; rules stand in services."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from catalog.domain import lifecycle
from catalog.domain.api_fields import API_FIELDS, MOST_NAMES, ApiField
from catalog.models import ApiEntity, Application, Dependency, Team
from catalog.selectors.api_values import choices
from kernel.moments import MomentField


class PlainText(serializers.CharField):
    """Text without NUL characters, which DRF refuses."""


class EntityUseSerializer(serializers.Serializer[Any]):
    entity = PlainText(max_length=60, help_text="Key of a business entity")
    attribute_group = PlainText(max_length=60, required=False, allow_null=True, help_text="Null is all of it")
    access = serializers.ChoiceField(choices=ApiEntity.Access.choices)


class VersionShortSerializer(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]
    state = serializers.ChoiceField(choices=lifecycle.STATES)


class ApiLineSerializer(serializers.Serializer[Any]):
    """One API in a list."""

    slug = serializers.CharField()
    name = serializers.CharField()
    purpose = serializers.CharField()
    domain = serializers.CharField(help_text="Key, empty where it is not stated")
    owner_team = serializers.CharField(source="team")
    layer = serializers.CharField()
    style = serializers.CharField()  # type: ignore[assignment]
    tier = serializers.CharField(help_text='"0" to "3", empty where it is not stated')
    data_class = serializers.CharField()
    system = serializers.CharField()
    restricted = serializers.BooleanField()
    judged = serializers.BooleanField(help_text="False while an imported version has not been decided about")
    versions = VersionShortSerializer(many=True)
    consumers = serializers.IntegerField()
    calls = serializers.IntegerField(allow_null=True, help_text="In 30 days; null is unknown")
    changed_at = serializers.DateTimeField()


def _written(field: ApiField) -> serializers.Field[Any, Any, Any, Any]:
    """How one of the API's fields is sent."""
    if field.kind == "choice":
        return serializers.ChoiceField(choices=choices(field), required=False, allow_blank=field.optional)
    if field.kind == "level":
        return serializers.IntegerField(min_value=0, max_value=3, required=False, help_text=field.api_hint)
    if field.kind == "names":
        return serializers.ListField(child=PlainText(max_length=field.limit), required=False, max_length=MOST_NAMES)
    if field.kind == "url":
        return serializers.URLField(max_length=field.limit, required=False, allow_blank=True)
    nullable = field.kind == "reference" and field.optional
    return PlainText(max_length=field.limit, required=False, allow_blank=field.optional, allow_null=nullable)


def _answered(field: ApiField) -> serializers.Field[Any, Any, Any, Any]:
    """How one of the API's fields is answered."""
    if field.kind == "level":
        return serializers.IntegerField(allow_null=True)
    if field.kind == "names":
        return serializers.ListField(child=serializers.CharField())
    return serializers.CharField(allow_null=field.kind == "reference")


class ApiWriteSerializer(serializers.Serializer[Any]):
    """What an owner may change. Left out means unchanged."""

    entities = EntityUseSerializer(many=True, required=False)

    def get_fields(self) -> dict[str, Any]:
        declared = super().get_fields()
        first = {f.key: declared.pop(f.key) if f.key in declared else _written(f) for f in API_FIELDS}
        return first | declared


class ContentSerializer(serializers.Serializer[Any]):
    """A contract: its text, or its bytes in base64."""

    content = serializers.CharField(
        required=False,
        trim_whitespace=False,
        allow_blank=True,
        max_length=10 * 1024 * 1024,
        help_text="JSON, YAML or XML",
    )
    content_base64 = serializers.CharField(required=False, allow_blank=True, max_length=14 * 1024 * 1024)
    file_name = PlainText(max_length=255, required=False, allow_blank=True, default="")


class ApiCreateSerializer(ApiWriteSerializer, ContentSerializer):
    """A new API with its first contract."""

    slug = PlainText(max_length=100)
    label = PlainText(max_length=100, required=False, allow_blank=True, default="")  # type: ignore[assignment]
    third_party = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="A third party provides it; null: as its system says"
    )
    owner_team = PlainText(max_length=60)
    tier = serializers.IntegerField(min_value=0, max_value=3)


class ApiBulkLineSerializer(ApiWriteSerializer):
    slug = PlainText(max_length=100)
    etag = PlainText(max_length=80, required=False, help_text="Refuse this line (412) when the API has changed since")


class ApiBulkSerializer(serializers.Serializer[Any]):
    items = ApiBulkLineSerializer(many=True, max_length=500)  # type: ignore[call-arg]


class EnforcementSerializer(serializers.Serializer[Any]):
    slugs = serializers.ListField(child=PlainText(max_length=100), min_length=1, max_length=5000)
    at = MomentField(help_text="From here on the gate blocks instead of reporting")


class EnforcedSerializer(serializers.Serializer[Any]):
    enforced = serializers.IntegerField()


class BulkOutcomeSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    status = serializers.IntegerField(help_text="As for the single call")
    etag = serializers.CharField(allow_blank=True)
    problem = serializers.DictField(allow_null=True)


class BulkAnswerSerializer(serializers.Serializer[Any]):
    changed = serializers.IntegerField()
    refused = serializers.IntegerField()
    items = BulkOutcomeSerializer(many=True)


class LinkSerializer(serializers.Serializer[Any]):
    rel = serializers.CharField()
    href = serializers.CharField()


class ApiSerializer(serializers.Serializer[Any]):
    """One API."""

    slug = serializers.CharField()
    entities = EntityUseSerializer(many=True)
    enforced_from = serializers.CharField(allow_null=True)
    versions = VersionShortSerializer(many=True)
    may_change = serializers.BooleanField()
    links = LinkSerializer(many=True)

    def get_fields(self) -> dict[str, Any]:
        declared = super().get_fields()
        made = {"slug": declared.pop("slug")}
        for field in API_FIELDS:
            made[field.key] = _answered(field)
            if field.key == "system":
                made["entities"] = declared.pop("entities")
        return made | declared


class VersionSerializer(serializers.Serializer[Any]):
    """One version, the same facts as the gate reads."""

    id = serializers.IntegerField()
    reference = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    state = serializers.ChoiceField(choices=lifecycle.STATES)
    contract_digest = serializers.CharField(allow_null=True)
    contract_format = serializers.CharField(allow_blank=True)
    origin = serializers.CharField()
    judged = serializers.BooleanField()
    predecessor = serializers.CharField(allow_blank=True)
    successor = serializers.CharField(allow_blank=True)
    migration_guide = serializers.CharField(allow_blank=True)
    published_at = serializers.DateTimeField(allow_null=True)
    deprecated_at = serializers.DateTimeField(allow_null=True)
    sunset_at = serializers.DateTimeField(allow_null=True)
    proposed_digest = serializers.CharField(allow_null=True)
    endpoints = serializers.DictField(child=serializers.CharField(), help_text="Address by environment")
    links = LinkSerializer(many=True)


class VersionCreateSerializer(ContentSerializer):
    label = PlainText(max_length=100, required=False, allow_blank=True, default="")  # type: ignore[assignment]
    predecessor = PlainText(max_length=100, required=False, allow_blank=True, default="")
    released_on = serializers.DateField(required=False, allow_null=True, default=None)
    notes = PlainText(max_length=4000, required=False, allow_blank=True, default="")


class EndpointSerializer(serializers.Serializer[Any]):
    environment = PlainText(max_length=30)
    url = serializers.URLField(max_length=500, allow_blank=True)


class ReasonSerializer(serializers.Serializer[Any]):
    reason = PlainText(max_length=4000, required=False, allow_blank=True, default="")


class EntityHintSerializer(serializers.Serializer[Any]):
    entity = serializers.CharField()
    access = serializers.CharField()
    weight = serializers.IntegerField()


class ReadingSerializer(serializers.Serializer[Any]):
    """What was read in a contract, and what is suggested. Nothing is stored."""

    digest = serializers.CharField()
    format = serializers.CharField()
    title = serializers.CharField()
    declared_version = serializers.CharField()
    description = serializers.CharField()
    operation_count = serializers.IntegerField()
    path_count = serializers.IntegerField()
    fields_count = serializers.IntegerField(source="fields")
    servers = serializers.ListField(child=serializers.CharField())
    slug = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    style = serializers.CharField()  # type: ignore[assignment]
    data_class = serializers.CharField()
    sensitive = serializers.ListField(child=serializers.CharField())
    entities = EntityHintSerializer(many=True)
    problems = serializers.ListField(child=serializers.DictField())
    known_as = serializers.CharField()
    missing = serializers.ListField(child=serializers.CharField())


class FindingPlaceSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField(allow_blank=True)
    line = serializers.IntegerField(allow_null=True)
    side = serializers.ChoiceField(choices=["base", "revision"])
    operations = serializers.ListField(child=serializers.CharField())


class TouchedSerializer(serializers.Serializer[Any]):
    surely = serializers.ListField(child=serializers.CharField(), help_text="Call one of the operations")
    perhaps = serializers.ListField(child=serializers.CharField(), help_text="Which operations they call is unknown")
    spared = serializers.ListField(child=serializers.CharField(), help_text="Call other operations only")


class FindingSerializer(serializers.Serializer[Any]):
    rule = serializers.CharField()
    level = serializers.ChoiceField(choices=["breaking", "warning", "info"])
    direction = serializers.CharField()
    message = serializers.CharField()
    hint = serializers.CharField()
    operations = serializers.ListField(child=serializers.CharField())
    pointer = serializers.CharField()
    line = serializers.IntegerField(allow_null=True)
    fingerprint = serializers.CharField()
    count = serializers.IntegerField(help_text="How many places have this very difference")
    places = FindingPlaceSerializer(many=True)


class FindingGroupSerializer(serializers.Serializer[Any]):
    """Differences of one rule in one schema or operation, in one sentence."""

    rule = serializers.CharField()
    level = serializers.ChoiceField(choices=["breaking", "warning", "info"])
    component = serializers.CharField(allow_blank=True)
    message = serializers.CharField()
    count = serializers.IntegerField()
    members = serializers.ListField(child=serializers.CharField())
    operations = serializers.ListField(child=serializers.CharField())
    hint = serializers.CharField(allow_blank=True)
    fingerprints = serializers.ListField(child=serializers.CharField())
    touched = TouchedSerializer(help_text="Which known consumers of the older version it touches")


class ComparisonSerializer(serializers.Serializer[Any]):
    """Who is hurt by going from one contract to the other."""

    verdict = serializers.ChoiceField(choices=["breaking", "warning", "compatible", "none"])
    breaking = serializers.IntegerField()
    warnings = serializers.IntegerField()
    compatible = serializers.IntegerField()
    rule_pack = serializers.CharField()
    as_of = serializers.CharField()
    base_digest = serializers.CharField()
    revision_digest = serializers.CharField()
    findings = FindingSerializer(many=True, help_text="Equal differences are one, with their number and places")
    groups = FindingGroupSerializer(many=True, help_text="The same for people, worst first")


class ConsumerSerializer(serializers.Serializer[Any]):
    application_key = serializers.CharField()
    name = serializers.CharField()
    team_key = serializers.CharField(allow_blank=True)
    environment = serializers.CharField()
    version_reference = serializers.CharField()
    state = serializers.ChoiceField(choices=["active", "requested", "expired", "ended", "unsubscribed"])
    valid_from = serializers.DateTimeField(allow_null=True)
    valid_until = serializers.DateTimeField(allow_null=True)
    last_seen_at = serializers.DateTimeField(allow_null=True)
    calls = serializers.IntegerField(allow_null=True)


class ApplicationSerializer(serializers.Serializer[Any]):
    key = PlainText(max_length=100)
    name = PlainText(max_length=200)
    description = PlainText(max_length=4000, required=False, allow_blank=True, default="")
    team = serializers.SlugRelatedField(slug_field="key", queryset=Team.objects.filter(retired_at=None))

    class Meta:
        model = Application


class SubscriptionSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    application = serializers.CharField(source="application.key")
    version = serializers.CharField(source="version.__str__")
    environment = serializers.CharField(source="environment.key")
    state = serializers.CharField()
    justification = serializers.CharField()
    requested_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    decision_note = serializers.CharField()
    valid_from = serializers.DateTimeField(allow_null=True)
    valid_until = serializers.DateTimeField(allow_null=True)
    moves_on = serializers.DateField(allow_null=True)
    moves_to = serializers.CharField(
        source="moves_to.label", allow_null=True, default=None, help_text="Label of the version that it moves to"
    )
    last_seen_at = serializers.DateTimeField(allow_null=True)


class SubscribeSerializer(serializers.Serializer[Any]):
    application = PlainText(max_length=100)
    version = PlainText(max_length=201, help_text="price-api@v3")
    environment = PlainText(max_length=30)
    justification = PlainText(max_length=4000, required=False, allow_blank=True, default="")
    valid_from = MomentField(required=False, allow_null=True, default=None)
    valid_until = MomentField(required=False, allow_null=True, default=None)


class MoveSerializer(serializers.Serializer[Any]):
    moves_to = PlainText(
        max_length=100,
        required=False,
        allow_blank=True,
        default="",
        help_text="Label of a published version of the same API; empty: it stops",
    )
    moves_on = serializers.DateField(
        allow_null=True, help_text="The day by which it has moved; null takes the plan back"
    )


class DecisionSerializer(serializers.Serializer[Any]):
    decision = serializers.ChoiceField(choices=["approve", "refuse"])
    note = PlainText(max_length=4000, required=False, allow_blank=True, default="")
    valid_until = MomentField(required=False, allow_null=True, default=None)


class UsageRowSerializer(serializers.Serializer[Any]):
    application = PlainText(max_length=100)
    version = PlainText(max_length=201)
    environment = PlainText(max_length=30)
    calls = serializers.IntegerField(min_value=0)
    errors = serializers.IntegerField(min_value=0, required=False)  # type: ignore[assignment]
    p95_ms = serializers.IntegerField(min_value=0, required=False, allow_null=True)
    staleness_s = serializers.IntegerField(
        min_value=0, required=False, allow_null=True, help_text="Age of the oldest data that was answered with"
    )
    outage_s = serializers.IntegerField(
        min_value=0, required=False, allow_null=True, help_text="The longest time without a good answer"
    )
    day = serializers.DateField(required=False)
    seen_at = MomentField(required=False)
    operations = serializers.DictField(
        child=serializers.IntegerField(min_value=0),
        required=False,
        help_text="How many of the calls went to which operation of the contract",
    )


class UsageSerializer(serializers.Serializer[Any]):
    batch_id = PlainText(max_length=100, help_text="New for every batch; the same one sent twice counts once")
    rows = UsageRowSerializer(many=True, max_length=5000)  # type: ignore[call-arg]


class ReceiptSerializer(serializers.Serializer[Any]):
    batch_id = serializers.CharField()
    accepted = serializers.IntegerField()
    repeated = serializers.BooleanField()
    unknown = serializers.ListField(child=serializers.DictField())


class BoundarySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    entity = serializers.CharField()
    attribute_group = serializers.CharField(allow_null=True)
    scope = serializers.DictField(child=serializers.CharField())
    system = serializers.CharField(source="system.key")
    valid_from = serializers.DateTimeField(allow_null=True)
    valid_until = serializers.DateTimeField(allow_null=True)


class SystemSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    vendor = serializers.CharField()
    kind = serializers.CharField()
    deployment = serializers.CharField()
    network_zone = serializers.CharField()
    owner_team_key = serializers.CharField()


class TeamSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField()


class DependencySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    api = serializers.CharField(source="api.slug")
    needs = serializers.CharField(source="target_api.slug", allow_null=True, default=None)
    needs_system = serializers.CharField(source="target_system.key", allow_null=True, default=None)
    criticality = serializers.CharField()
    degraded_mode = serializers.CharField()


class DependencyWriteSerializer(serializers.Serializer[Any]):
    needs = PlainText(max_length=100, required=False, allow_blank=True, default="")
    needs_system = PlainText(max_length=60, required=False, allow_blank=True, default="")
    criticality = serializers.ChoiceField(choices=Dependency.Criticality.choices, required=False, default="hard")
    degraded_mode = PlainText(max_length=300, required=False, allow_blank=True, default="")


class FacetCountSerializer(serializers.Serializer[Any]):
    value = serializers.CharField()
    count = serializers.IntegerField()


class SearchSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    page = serializers.IntegerField()
    pages = serializers.IntegerField()
    loose = serializers.BooleanField(help_text="No API holds all words; these hold any of them")
    corrected = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
    facets = serializers.DictField(child=FacetCountSerializer(many=True))
    results = ApiLineSerializer(many=True)


class PointSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()
    holds = serializers.BooleanField(allow_null=True)
    fact = serializers.CharField()


class ScorecardSerializer(serializers.Serializer[Any]):
    subject = serializers.CharField()
    reached = serializers.IntegerField()
    possible = serializers.IntegerField()
    points = PointSerializer(many=True)
