"""Business entities and their systems of record.

Exactly one system is right about a fact. A boundary covers (entity, attribute group or all, banner, region and channel
or all, period). Each dimension is a range: a named value is a range of one point, an absent one is the endless range
(int8range of nulls is unbounded), so "all" overlaps everything, and one EXCLUDE constraint over ranges makes overlap
impossible. Only built-in range operator classes are used; no extension is needed.
"""

import pgtrigger
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value

from catalog.models.ownership import Domain
from catalog.models.protection import never_deleted
from catalog.models.systems import System


class BusinessEntity(models.Model):
    """product, price, inventory, order, customer, loyalty account, promotion, tender …"""

    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    domain = models.ForeignKey(Domain, null=True, blank=True, on_delete=models.PROTECT, related_name="entities")
    aliases = models.JSONField(default=list, blank=True, help_text="Other words that contracts use for it")
    position = models.PositiveSmallIntegerField(default=100)

    class Meta:
        ordering = ["position", "name"]
        verbose_name_plural = "business entities"
        triggers = [never_deleted("entity")]

    def __str__(self) -> str:
        return self.name


class AttributeGroup(models.Model):
    """A part of an entity that may have a record of its own: base price, offer price, tax class."""

    entity = models.ForeignKey(BusinessEntity, on_delete=models.PROTECT, related_name="attribute_groups")
    key = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    position = models.PositiveSmallIntegerField(default=100)

    class Meta:
        ordering = ["position", "name"]
        constraints = [models.UniqueConstraint(fields=["entity", "key"], name="attribute_group_once_per_entity")]
        triggers = [never_deleted("attribute_group")]

    def __str__(self) -> str:
        return self.name


class ScopeValue(models.Model):
    """A banner, a region or a channel in which a boundary may hold."""

    class Dimension(models.TextChoices):
        BANNER = "banner", "Banner"
        REGION = "region", "Region"
        CHANNEL = "channel", "Channel"

    dimension = models.CharField(max_length=10, choices=Dimension.choices)
    key = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)

    class Meta:
        ordering = ["dimension", "key"]
        constraints = [models.UniqueConstraint(fields=["dimension", "key"], name="scope_value_once")]
        triggers = [never_deleted("scope_value")]

    def __str__(self) -> str:
        return f"{self.dimension} {self.name}"


def _span(column: str) -> models.GeneratedField:
    """The one point of a named value, or the endless range for "all"."""
    point = Func(F(column), F(column), Value("[]"), function="int8range")
    return models.GeneratedField(expression=point, output_field=BigIntegerRangeField(), db_persist=True)


# A backslash ends a line that the text of the trigger does not end: another text would be another trigger.
_MOVE_ONLY_ENDS = """
if new.entity_id <> old.entity_id or new.attribute_group_id is distinct from old.attribute_group_id
   or new.banner_id is distinct from old.banner_id or new.region_id is distinct from old.region_id
   or new.channel_id is distinct from old.channel_id or new.system_id <> old.system_id \
or lower(new.valid) is distinct from lower(old.valid) then
  raise exception using errcode = 'check_violation', constraint = 'boundary_history_is_kept',
    message = format('boundary %s is history: only its end may be set; write a new one', old.id);
end if;
return new;
"""

_BELONGS = """
if new.attribute_group_id is not null
   and not exists (select 1 from catalog_attributegroup g \
where g.id = new.attribute_group_id and g.entity_id = new.entity_id) then
  raise exception using errcode = 'check_violation', constraint = 'boundary_group_of_its_entity',
    message = 'the attribute group belongs to another entity';
end if;
if exists (select 1 from catalog_scopevalue s
            where (s.id = new.banner_id and s.dimension <> 'banner') \
or (s.id = new.region_id and s.dimension <> 'region')
               or (s.id = new.channel_id and s.dimension <> 'channel')) then
  raise exception using errcode = 'check_violation', constraint = 'boundary_scope_of_its_dimension',
    message = 'a scope value stands in the wrong dimension';
end if;
return new;
"""


class Boundary(models.Model):
    """One system is right about this, here, during this period. A null attribute group, banner, region or channel is
    "all"."""

    entity = models.ForeignKey(BusinessEntity, on_delete=models.PROTECT, related_name="boundaries")
    attribute_group = models.ForeignKey(
        AttributeGroup, null=True, blank=True, on_delete=models.PROTECT, related_name="boundaries"
    )
    banner = models.ForeignKey(ScopeValue, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    region = models.ForeignKey(ScopeValue, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    channel = models.ForeignKey(ScopeValue, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    valid = DateTimeRangeField(help_text="Half-open [from, until) in UTC; no upper end means until somebody moves it")
    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="boundaries")
    approval_id = models.BigIntegerField(null=True, blank=True)
    entity_span = _span("entity_id")
    attribute_span = _span("attribute_group_id")
    banner_span = _span("banner_id")
    region_span = _span("region_id")
    channel_span = _span("channel_id")

    class Meta:
        ordering = ["entity", "attribute_group", "id"]
        verbose_name_plural = "boundaries"
        constraints = [
            ExclusionConstraint(
                name="one_system_of_record",
                expressions=[
                    (name, RangeOperators.OVERLAPS)
                    for name in ("entity_span", "attribute_span", "banner_span", "region_span", "channel_span", "valid")
                ],
                violation_error_message="Another system is already the record for a part of this.",
            ),
            models.CheckConstraint(condition=Q(valid__isempty=False), name="boundary_period_not_empty"),
        ]
        triggers = [
            never_deleted("boundary"),
            pgtrigger.Trigger(
                name="boundary_history", operation=pgtrigger.Update, when=pgtrigger.Before, func=_MOVE_ONLY_ENDS
            ),
            pgtrigger.Trigger(
                name="boundary_belongs",
                operation=pgtrigger.Insert | pgtrigger.Update,
                when=pgtrigger.Before,
                func=_BELONGS,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.system_id} for {self.entity_id}/{self.attribute_group_id or 'all'}"
