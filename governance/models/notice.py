"""Notices, webhooks, and the mapping of an identity provider's groups to teams."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Notice(models.Model):
    """One line for one person, shown in the inbox and sent by e-mail. `source` makes sending it twice impossible."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=60)
    text = models.CharField(max_length=300)
    url = models.CharField(max_length=300, blank=True)
    source = models.CharField(max_length=120)
    created_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["person", "source"], name="notice_once")]
        indexes = [models.Index(fields=["person", "-id"], name="notice_unread", condition=models.Q(read_at=None))]

    def __str__(self) -> str:
        return self.text


class WebhookEndpoint(models.Model):
    """A registered receiver of webhooks; they go nowhere else. Its key is derived, never stored."""

    name = models.CharField(max_length=80, unique=True)
    url = models.URLField(max_length=500)
    topics = ArrayField(models.CharField(max_length=100), default=list)
    salt = models.CharField(max_length=64)
    active = models.BooleanField(default=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class WebhookDelivery(models.Model):
    """One event for one endpoint. The body is fixed when it is made, so that a replay sends the same bytes."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries")
    event_id = models.CharField(max_length=64)
    topic = models.CharField(max_length=100)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(db_default=Now())
    last_status = models.PositiveIntegerField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["endpoint", "event_id"], name="webhook_event_once")]
        indexes = [
            models.Index(fields=["next_at"], name="webhook_open", condition=models.Q(state="open")),
            # what retention takes
            models.Index(fields=["delivered_at"], name="webhook_delivered", condition=models.Q(state="delivered")),
        ]

    def __str__(self) -> str:
        return f"{self.topic} → {self.endpoint}"


class GroupMapping(models.Model):
    """A value of the identity provider's groups claim that makes its holder a member of one of our groups."""

    claim = models.CharField(max_length=200)
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+")
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["claim"]
        constraints = [models.UniqueConstraint(fields=["claim", "group"], name="group_mapping_once")]

    def __str__(self) -> str:
        return f"{self.claim} → {self.group}"


class ProviderCheck(models.Model):
    """When the identity provider last confirmed a person and the person's groups. Local accounts have none."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="provider_check")
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.person} at {self.at}"
