"""The moment at which something approved takes effect. An approval is older than that: what it was given for is looked
at again, whatever told of a difference meanwhile or did not."""

from __future__ import annotations

from django.db import connection, transaction

from governance.domain.approval import SealedApproval
from governance.domain.subject import Subject
from governance.models import ChangeRequest
from governance.services import approvals, changes, checks
from kernel.models import User

_ONE_AFTER_THE_OTHER = "select pg_advisory_xact_lock(hashtextextended('governance: something takes effect', 0))"


def one_after_the_other() -> None:
    """First in a transaction that puts something into effect: until it ends, nothing else takes effect. So neither of
    two passes checks that have not seen the other."""
    with connection.cursor() as cursor:
        cursor.execute(_ONE_AFTER_THE_OTHER)


def look_again(approval: SealedApproval) -> None:
    """Before the transaction of the effect: the change behind the approval is assessed again (facts, consumers, policy,
    who is asked), and its checks run again. What differs is stored in a transaction of its own: the approval is void
    then, and `approvals.require` says so to who asks it next. Break-glass and what is in effect already stay as they
    are."""
    if approval.change_id is None or approval.used_at is not None:
        return
    approved = ChangeRequest.objects.filter(pk=approval.change_id, state=ChangeRequest.State.APPROVED)
    if not approved.exists():
        return
    changes.refresh(approval.change_id)
    with transaction.atomic():
        change = changes.locked(approval.change_id)
        if change.state == ChangeRequest.State.APPROVED:
            checks.run_again(change)


def require(subject: Subject, environment: str, *, actor: User | None) -> SealedApproval:
    """In the transaction of the effect: `approvals.require` for the subject's digest, after `look_again`. Raises
    NotApproved; what was found then goes with the transaction, and the next one finds it again."""
    look_again(approvals.require(subject, subject.digest, environment, actor=actor))
    return approvals.require(subject, subject.digest, environment, actor=actor)
