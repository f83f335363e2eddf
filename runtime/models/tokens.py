"""Tokens that were got with the credentials of systems, shared by all workers."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class SharedToken(models.Model):
    """One token of one sign-in. `name` is a digest of everything that it was asked for with, so other credentials have
    a token of their own; `sealed` holds it, and the refresh token that is valid now, as only this installation can read
    them. Until `claimed_until` one worker renews it."""

    name = models.CharField(max_length=64, primary_key=True)
    sealed = models.TextField(db_default="")
    claimed_until = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "runtime_sharedtoken"

    def __str__(self) -> str:
        return f"token {self.name[:12]}"
