"""APIs, their versions and their contracts."""

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GistIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from catalog.domain import lifecycle
from catalog.models.ownership import Domain, Team
from catalog.models.protection import never_changed, never_deleted
from catalog.models.systems import Environment, System
from catalog.models.systems_of_record import AttributeGroup, BusinessEntity
from catalog.models.tiers import SlaTier


class Contract(models.Model):
    """A machine-readable document, identified by the SHA-256 of its canonical form. Written once."""

    digest = models.CharField(max_length=71, primary_key=True)
    format = models.CharField(max_length=30, help_text="openapi-3.0, asyncapi-2, jsonschema-2020-12, edmx-2 …")
    title = models.CharField(max_length=300, blank=True)
    declared_version = models.CharField(
        max_length=100, blank=True, help_text="The version that the document declares; some never change it"
    )
    original = models.BinaryField()
    media_type = models.CharField(max_length=100)
    file_name = models.CharField(max_length=255, blank=True)
    canonical = models.BinaryField()
    size = models.PositiveIntegerField()
    operations = models.JSONField(default=list, help_text='[{"key", "summary", …}], as the reader lists them')
    operation_words = models.TextField(blank=True)
    field_words = models.TextField(blank=True)
    findings = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(digest__regex=r"^sha256:[0-9a-f]{64}$"), name="contract_digest_form")
        ]
        triggers = [never_changed("contract")]

    def __str__(self) -> str:
        return f"{self.title or self.format} {self.digest[7:15]}"


class ContractComparison(models.Model):
    """The verdict between two contracts, kept because neighbours are asked for often. Findings are computed again when
    shown."""

    old = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="+")
    new = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="+")
    rule_pack = models.CharField(max_length=60)
    as_of = models.DateField()
    verdict = models.CharField(max_length=12)
    breaking = models.PositiveIntegerField(default=0)
    warnings = models.PositiveIntegerField(default=0)
    compatible = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["old", "new", "rule_pack"], name="comparison_once")]

    def __str__(self) -> str:
        return f"{self.old_id[7:15]} to {self.new_id[7:15]}: {self.verdict}"


class Api(models.Model):
    """A named capability with an owner. `slug` is its name in URLs and never changes."""

    class Layer(models.TextChoices):
        EXPERIENCE = "experience", "Experience"
        PROCESS = "process", "Process"
        SYSTEM = "system", "System"

    class Style(models.TextChoices):
        REST = "rest", "REST"
        ODATA = "odata", "OData"
        SOAP = "soap", "SOAP"
        GRAPHQL = "graphql", "GraphQL"
        EVENT = "event", "Event"
        FILE = "file", "File"

    class DataClass(models.TextChoices):
        PUBLIC = "public", "Public"
        INTERNAL = "internal", "Internal"
        PERSONAL = "personal", "Personal"
        CARDHOLDER = "cardholder", "Cardholder"

    class Visibility(models.TextChoices):
        INTERNAL = "internal", "Everybody who is signed in"
        RESTRICTED = "restricted", "Owner team and subscribers only"

    slug = models.SlugField(max_length=100, unique=True)
    name = models.CharField(max_length=200)
    purpose = models.TextField(blank=True)
    aliases = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    domain = models.ForeignKey(Domain, null=True, blank=True, on_delete=models.PROTECT, related_name="apis")
    owner_team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="apis")
    layer = models.CharField(max_length=10, choices=Layer.choices, blank=True)
    style = models.CharField(max_length=10, choices=Style.choices, blank=True)
    tier = models.ForeignKey(SlaTier, null=True, blank=True, on_delete=models.PROTECT, related_name="apis")
    data_class = models.CharField(max_length=10, choices=DataClass.choices, blank=True)
    visibility = models.CharField(max_length=10, choices=Visibility.choices, default=Visibility.INTERNAL)
    system = models.ForeignKey(System, null=True, blank=True, on_delete=models.PROTECT, related_name="apis")
    third_party = models.BooleanField(
        null=True, blank=True, help_text="A vendor provides it; empty: as its system says"
    )
    per_instance = models.BooleanField(
        null=True, blank=True, help_text="Each instance (store) has a provider of its own; empty: as the records say"
    )
    if_it_fails = models.TextField(blank=True, help_text="What stores and channels do while it does not answer")
    documentation_url = models.URLField(max_length=500, blank=True)
    status_url = models.URLField(max_length=500, blank=True)
    enforced_from = models.DateTimeField(
        null=True, blank=True, help_text="From here on the gate blocks instead of reporting; set for imported APIs"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "API"
        indexes = [GistIndex(fields=["slug"], name="api_slug_trigrams", opclasses=["gist_trgm_ops(siglen=256)"])]
        triggers = [
            never_deleted("api"),
            pgtrigger.Trigger(
                name="api_slug_stays",
                operation=pgtrigger.UpdateOf("slug"),
                when=pgtrigger.Before,
                func=(  # as one text from the first release on: another layout would be another trigger
                    "if new.slug <> old.slug then"
                    " raise exception using errcode = 'check_violation', constraint = 'api_slug_stays',\n"
                    "                        message = 'the short name of an API never changes'; end if; return new;"
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ApiEntity(models.Model):
    """A business entity that an API exposes, and how: from the system of record, from a copy, as a command, as an
    event."""

    class Access(models.TextChoices):
        AUTHORITATIVE_READ = "authoritative_read", "Authoritative read"
        REPLICA_READ = "replica_read", "Replica read"
        COMMAND = "command", "Command"
        EVENT = "event", "Event"

    api = models.ForeignKey(Api, on_delete=models.CASCADE, related_name="entity_uses")
    entity = models.ForeignKey(BusinessEntity, on_delete=models.PROTECT, related_name="uses")
    attribute_group = models.ForeignKey(
        AttributeGroup, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    access = models.CharField(max_length=20, choices=Access.choices)

    class Meta:
        ordering = ["entity", "id"]
        verbose_name_plural = "API entities"
        constraints = [
            models.UniqueConstraint(
                fields=["api", "entity", "attribute_group", "access"], nulls_distinct=False, name="api_entity_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.api_id} {self.access} {self.entity_id}"


_STATE_LIST = ", ".join(f"'{s}'" for s in lifecycle.STATES)
_MOVE_LIST = ", ".join(f"('{a}','{b}')" for a, targets in lifecycle.MOVES.items() for b in targets)

_LIFE = f"""
if tg_op = 'INSERT' then
  if new.state not in ('draft', 'in_review') and new.origin = 'registered' then
    raise exception using errcode = 'check_violation', constraint = 'version_starts_as_draft',
      message = 'a registered version starts as a draft';
  end if;
  return new;
end if;
if new.state <> old.state and (old.state, new.state) not in ({_MOVE_LIST}) then
  raise exception using errcode = 'check_violation', constraint = 'version_move',
    message = format('a version does not go from %s to %s', old.state, new.state);
end if;
if new.api_id <> old.api_id or new.label <> old.label or new.origin <> old.origin then
  raise exception using errcode = 'check_violation', constraint = 'version_identity_stays',
    message = 'API, label and origin of a version never change';
end if;
if new.contract_id is distinct from old.contract_id and old.state not in ('draft', 'in_review')
   and (new.approval_id is null or new.approval_id is not distinct from old.approval_id) then
  raise exception using errcode = 'check_violation', constraint = 'version_contract_is_approved',
    message = format('the contract of a version that is %s changes only with a new approval', old.state);
end if;
if old.state <> new.state and new.state in ('approved', 'published', 'deprecated', 'retired')
   and (new.approval_id is null) and new.origin = 'registered' then
  raise exception using errcode = 'check_violation', constraint = 'version_move_is_approved',
    message = format('no approval stands behind the move to %s', new.state);
end if;
if old.sunset_at is not null and (new.sunset_at is null or new.sunset_at < old.sunset_at)
   and (new.approval_id is null or new.approval_id is not distinct from old.approval_id) then
  raise exception using errcode = 'check_violation', constraint = 'version_sunset_is_a_promise',
    message = 'a sunset comes earlier only with a new approval';
end if;
return new;
"""


class ApiVersion(models.Model):
    """One contract of an API under a label. Registered versions reach `approved` and beyond only with an approval's
    id."""

    class Origin(models.TextChoices):
        REGISTERED = "registered", "Registered here"
        IMPORTED = "imported", "Imported, not judged yet"
        DECLARED = "declared", "Declared by a reviewed blueprint"

    _NAMED_STATES = [(s.upper(), (s, lifecycle.tone(s).word)) for s in lifecycle.STATES]
    State = models.TextChoices("State", _NAMED_STATES)  # type: ignore[call-overload]

    api = models.ForeignKey(Api, on_delete=models.PROTECT, related_name="versions")
    label = models.CharField(max_length=100)
    contract = models.ForeignKey(Contract, null=True, blank=True, on_delete=models.PROTECT, related_name="versions")
    state = models.CharField(max_length=10, choices=State.choices, default=lifecycle.DRAFT)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.REGISTERED)
    predecessor = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    successor = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    migration_guide = models.TextField(blank=True)
    notes = models.TextField(blank=True)
    released_on = models.DateField(
        null=True, blank=True, help_text="The day that the publisher gives; orders imported versions"
    )
    position = models.PositiveIntegerField(default=0, help_text="Order of the versions of one API, oldest first")
    published_at = models.DateTimeField(null=True, blank=True)
    deprecated_at = models.DateTimeField(null=True, blank=True)
    sunset_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    approval_id = models.BigIntegerField(null=True, blank=True, help_text="The approval behind the last gated move")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["api", "position", "id"]
        verbose_name = "API version"
        constraints = [
            models.UniqueConstraint(fields=["api", "label"], name="version_label_once_per_api"),
            models.UniqueConstraint(
                fields=["api", "contract"],
                condition=~Q(state__in=["rejected", "withdrawn"]),
                name="version_contract_once_per_api",
            ),
            models.CheckConstraint(condition=Q(state__in=list(lifecycle.STATES)), name="version_state_known"),
            models.CheckConstraint(
                condition=Q(deprecated_at=None) | Q(sunset_at=None) | Q(deprecated_at__lte=F("sunset_at")),
                name="deprecated_before_sunset",
            ),
            models.CheckConstraint(
                condition=~Q(state="deprecated") | Q(deprecated_at__isnull=False), name="deprecated_has_a_date"
            ),
            models.CheckConstraint(
                condition=~Q(state="retired") | Q(retired_at__isnull=False), name="retired_has_a_date"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["published", "deprecated"]) | Q(contract__isnull=False),
                name="published_has_a_contract",
            ),
        ]
        indexes = [models.Index(fields=["sunset_at"], name="version_by_sunset", condition=Q(sunset_at__isnull=False))]
        triggers = [
            never_deleted("version"),
            pgtrigger.Trigger(
                name="version_life", operation=pgtrigger.Insert | pgtrigger.Update, when=pgtrigger.Before, func=_LIFE
            ),
        ]

    def __str__(self) -> str:
        return f"{self.api.slug}@{self.label}"


class ContractRevision(models.Model):
    """A contract proposed for a version that is already decided; it takes effect only through an approval."""

    version = models.ForeignKey(ApiVersion, on_delete=models.PROTECT, related_name="revisions")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="+")
    replaces = models.ForeignKey(Contract, null=True, on_delete=models.PROTECT, related_name="+")
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField(db_default=Now())
    adopted_at = models.DateTimeField(null=True, blank=True)
    dropped_at = models.DateTimeField(null=True, blank=True)
    approval_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["version"], condition=Q(adopted_at=None, dropped_at=None), name="one_open_revision"
            ),
            models.CheckConstraint(
                condition=Q(adopted_at=None) | Q(approval_id__isnull=False), name="adopted_with_approval"
            ),
        ]
        triggers = [never_deleted("revision")]

    def __str__(self) -> str:
        return f"{self.version_id}: {self.contract_id[7:15]}"


class VersionEndpoint(models.Model):
    """Where a version answers in one environment: the `anchor` of the linkset (RFC 9727)."""

    version = models.ForeignKey(ApiVersion, on_delete=models.CASCADE, related_name="endpoints")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    url = models.CharField(max_length=500)

    class Meta:
        ordering = ["version", "environment"]
        constraints = [
            models.UniqueConstraint(fields=["version", "environment"], name="one_endpoint_per_version_and_environment")
        ]

    def __str__(self) -> str:
        return self.url


class ApiGroupObjectPermission(GroupObjectPermissionBase):
    """Object grants of groups on APIs (django-guardian), with a real foreign key so that lists use one join."""

    content_object = models.ForeignKey(Api, on_delete=models.CASCADE)


class ApiUserObjectPermission(UserObjectPermissionBase):
    """Object grants of single people on APIs (django-guardian)."""

    content_object = models.ForeignKey(Api, on_delete=models.CASCADE)
