"""Owners. A team is a Django group; its members change, what it owns stays."""

from django.contrib.auth.models import Group
from django.db import models

from catalog.models.protection import never_deleted


class Team(models.Model):
    """One Django group with a stable key. `team.pk` is the group's id, so owners are foreign keys to live groups."""

    class Kind(models.TextChoices):
        ROLE = "role", "Role"
        DOMAIN = "domain", "Domain team"
        CONSUMER = "consumer", "Consumer team"

    group = models.OneToOneField(Group, primary_key=True, on_delete=models.PROTECT, related_name="team")
    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.DOMAIN)
    email = models.EmailField(blank=True)
    on_call = models.CharField(max_length=200, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        triggers = [never_deleted("team")]

    def __str__(self) -> str:
        return self.name


class Domain(models.Model):
    """A business domain: product, price, inventory, order … An owner may be missing, and then nothing of it is
    approved."""

    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    owner_team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="domains")
    position = models.PositiveSmallIntegerField(default=100)

    class Meta:
        ordering = ["position", "name"]
        triggers = [never_deleted("domain")]

    def __str__(self) -> str:
        return self.name
