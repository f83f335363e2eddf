"""The systems of the estate and the environments in which they answer."""

from typing import Any

from django.db import models
from django.db.models.functions import Now

from catalog.models.ownership import Team
from catalog.models.protection import never_deleted


class Environment(models.Model):
    """test, staging, production; a store fleet is one environment with many instances."""

    key = models.SlugField(max_length=30, unique=True)
    name = models.CharField(max_length=60)
    is_fleet = models.BooleanField(default=False)
    position = models.PositiveSmallIntegerField(default=100)
    records_complete_since = models.DateTimeField(
        null=True, blank=True, help_text="From here on everything that runs there is recorded; empty: nobody says so"
    )
    records_enforced_from = models.DateTimeField(
        null=True, blank=True, help_text="Until then the gate only reports that a record is missing"
    )
    records_approval_id = models.BigIntegerField(
        null=True, blank=True, help_text="The approval behind the statement that the record is complete"
    )

    class Meta:
        ordering = ["position", "key"]
        triggers = [never_deleted("environment")]

    def __str__(self) -> str:
        return self.name


class System(models.Model):
    """One ERP, POS estate, loyalty engine, commerce platform, WMS …"""

    class Deployment(models.TextChoices):
        CLOUD = "cloud", "Cloud"
        ON_PREMISE = "on_premise", "On premise"
        STORE_EDGE = "store_edge", "Store edge"

    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    vendor = models.CharField(max_length=120, blank=True)
    kind = models.CharField(
        max_length=40,
        blank=True,
        help_text="erp, pos, loyalty, commerce, wms, payment, pricing, tax, fraud, crm, marketing, oms",
    )
    deployment = models.CharField(max_length=12, choices=Deployment.choices, blank=True)
    network_zone = models.CharField(max_length=60, blank=True)
    description = models.TextField(blank=True)
    third_party = models.BooleanField(
        null=True, blank=True, help_text="A vendor runs or ships it: no application of ours provides its APIs"
    )
    owner_team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="systems")
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        triggers = [never_deleted("system")]

    def __str__(self) -> str:
        return self.name


class SystemEndpoint(models.Model):
    """Where a system answers in one environment. `secret_ref` is the name of a secret, never the secret.

    Together they are the destination of everything that is sent to the system, so the digest of a destination covers
    all of them: `base_url`, `auth_kind`, `secret_ref`, `further_hosts` (hosts that the credentials may go to as well;
    each in its canonical spelling, sorted) and `trust_ref` (the certificates that are believed).
    """

    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="endpoints")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    base_url = models.CharField(max_length=500)
    auth_kind = models.CharField(max_length=40, default="none")
    secret_ref = models.CharField(max_length=200, blank=True)
    further_hosts = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="Other hosts of the system that its credentials may go to, as https://host:port: for tokens, uploads",
    )
    trust_ref = models.CharField(
        max_length=200,
        blank=True,
        db_default="",
        help_text="Name of the certificates of authorities that are believed, instead of the operating system's",
    )
    destination = models.CharField(
        max_length=71,
        editable=False,
        db_default="",
        help_text="Digest of all of it, written by the database: what approvals of integrations are compared with",
    )

    class Meta:
        ordering = ["system", "environment"]
        constraints = [
            models.UniqueConstraint(fields=["system", "environment"], name="one_endpoint_per_system_and_environment")
        ]

    def __str__(self) -> str:
        return f"{self.system_id} in {self.environment_id}: {self.base_url}"


class Destination(models.Model):
    """What an endpoint said once, under its digest: written by the database with the endpoint, never changed."""

    digest = models.CharField(max_length=71, primary_key=True)
    document: Any = models.JSONField()
    first_seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["first_seen_at"]

    def __str__(self) -> str:
        return f"{self.document.get('system')} in {self.document.get('environment')}"
