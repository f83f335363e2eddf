"""The bytes of a contract between reading it and saving it as a draft."""

from __future__ import annotations

from django.db import transaction

from catalog.models import ContractUpload
from kernel.errors import NotFound
from kernel.models import User

KEPT = 5


def keep(*, actor: User, data: bytes, file_name: str) -> ContractUpload:
    """Keep it for its owner; only the last five of a person stay."""
    with transaction.atomic():
        made = ContractUpload.objects.create(user=actor, data=data, file_name=file_name.replace("\x00", "")[:255])
        newest = ContractUpload.objects.filter(user=actor).order_by("-id").values_list("pk", flat=True)[:KEPT]
        ContractUpload.objects.filter(user=actor).exclude(pk__in=list(newest)).delete()
    return made


def find(upload_id: str, *, actor: User) -> ContractUpload:
    """The upload. Raises NotFound when it is not kept any more, or belongs to another person."""
    number = int(upload_id) if upload_id.isascii() and upload_id.isdecimal() and len(upload_id) < 18 else 0
    found = ContractUpload.objects.filter(user=actor, pk=number).first()
    if found is None:
        raise NotFound("upload.unknown", "The contract that was read is not kept any more. Choose the file again.")
    return found
