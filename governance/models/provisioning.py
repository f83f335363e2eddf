"""What an identity provider says of people and groups before they sign in: by SCIM, and by patterns of its groups."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Func, JSONField, Q
from django.db.models.functions import Lower, Now

from governance.domain import group_patterns
from kernel import persons


class GroupPattern(models.Model):
    """Groups of the identity provider whose names are like `claim` make their members members of the team whose key
    `team` then says. Exact names are `GroupMapping`s."""

    claim = models.CharField(max_length=200, help_text="With one star: tg-*")
    team = models.CharField(max_length=80, help_text="The key of a team; a star is what the star of the group is.")
    roles = models.BooleanField(
        default=False, db_default=False, help_text="Whether teams that decide across domains are meant as well."
    )
    note = models.CharField(max_length=200, blank=True, db_default="")

    class Meta:
        ordering = ["claim", "team"]
        constraints = [
            models.UniqueConstraint(fields=["claim", "team"], name="group_pattern_once"),
            models.CheckConstraint(
                condition=Q(claim__regex=r"^[^*]*\*[^*]*$")
                & ~Q(claim="*")
                & Q(team__regex=r"^[a-z0-9-]*\*?[a-z0-9-]*$")
                & ~Q(team=""),
                name="group_pattern_has_one_star",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.claim} → {self.team}"

    def clean(self) -> None:
        """Raises ValidationError by field."""
        if found := group_patterns.flaws(self.claim, self.team):
            raise ValidationError(found)


class ProviderIdentity(models.Model):
    """The subject of the identity provider that signs in to an account which was there before: one that a blueprint, a
    file or SCIM had named. Accounts that were made at a sign-in have it in their user name (`oidc:…`)."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="provider_identity")
    subject = models.CharField(max_length=140, unique=True)
    rule = models.CharField(max_length=20)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "provider identities"

    def __str__(self) -> str:
        return f"{self.person} is {self.subject}"


def words_in_small_letters(said: F) -> Func:
    """What a provider wrote, names and values in small letters: SCIM compares them without regard to case."""
    return Func(said, template="lower((%(expressions)s)::text)::jsonb", output_field=JSONField())


class ProvisionedPerson(models.Model):
    """A person as a provider keeps it by SCIM: `said` are the attributes by the names of the schema, as it wrote them.
    Whether the account is open, the account itself says."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="provisioned")
    user_name = models.CharField(max_length=150)
    external_id = models.CharField(max_length=200, blank=True, db_default="", db_index=True)
    said: Any = models.JSONField(default=dict)
    made_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "provisioned people"
        ordering = ["made_at", "id"]
        constraints = [models.UniqueConstraint(Lower("user_name"), name="provisioned_person_once")]
        indexes = [
            models.Index(persons.key_of(models.F("user_name")), name="provisioned_person_by_key"),
            models.Index(fields=["made_at", "id"], name="provisioned_person_in_order"),
            GinIndex(
                OpClass(words_in_small_letters(F("said")), name="jsonb_path_ops"),
                name="provisioned_person_by_words",
                fastupdate=False,  # what was written is found in the index at once, however much that is
            ),
        ]

    def __str__(self) -> str:
        return self.user_name


class ProvisionedGroup(models.Model):
    """A group as a provider keeps it by SCIM. It is no team: declared mappings say which team it means."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    external_id = models.CharField(max_length=200, blank=True, db_default="", db_index=True)
    members = models.ManyToManyField(ProvisionedPerson, related_name="groups")
    made_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["made_at", "id"]
        constraints = [models.UniqueConstraint(Lower("name"), name="provisioned_group_once")]

    def __str__(self) -> str:
        return self.name
