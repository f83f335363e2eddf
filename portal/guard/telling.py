"""What an operator accepts for a while stands in the ledger, once for each last day."""

from __future__ import annotations

import logging

from django.db import DatabaseError, connection, transaction

from kernel import audit
from kernel.models import AuditEntry
from portal.guard import acceptance, judgement

log = logging.getLogger(__name__)
VERB = "kernel.guard_accepted"
# A lock that none can hold who may only connect; nobody else waits for it.
_ONE_AT_A_TIME = "lock table kernel_replacedprocess in share update exclusive mode"


def tell() -> int:
    """Of this process. Returns how many entries that were; nothing is served less because it cannot be told."""
    try:
        accepted = judgement.present().accepted
        return sum(_tell(one.id, one.said, until.isoformat()) for one, until in accepted)
    except DatabaseError as error:
        log.warning("what %s accepts could not be told in the ledger: %s", acceptance.SETTING, error)
        return 0


def _tell(name: str, said: str, until: str) -> bool:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_ONE_AT_A_TIME)
        newest = AuditEntry.objects.filter(verb=VERB, subject_kind="guard", subject_id=name).order_by("-id").first()
        after = {"until": until, "said": said}
        if newest is not None and newest.after == after:
            return False
        audit.record(VERB, "guard", name, actor=None, after=after)
    return True
