"""What somebody who holds the serving role's password can say: plain rows, in one transaction, past every service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from governance.domain.subject import Subject
from kernel.models import User
from tests import serving_role
from tests.governance.raw_sql import run

DIFFERENCE, IMPACT = "sha256:" + "d" * 64, "sha256:" + "e" * 64


@contextmanager
def as_serving() -> Iterator[None]:
    """The rights of the serving role inside the test's transaction. At its end everything deferred is judged."""
    role = serving_role.given()
    with transaction.atomic():
        run(f"set local role {role}")
        yield
        run("set constraints all immediate")
        run("set constraints all deferred")
        run("set local role none")


@dataclass
class Forger:
    """Writes a whole approval by hand. `slots`: key, groups; `people`: who fills them; `recorded`: also the entries of
    the ledger that the product would write."""

    author: User
    subject: Subject
    people: tuple[User, ...]
    slots: tuple[tuple[str, tuple[int, ...]], ...]
    checks: tuple[str, ...] = ("thing.sound",)
    facts: dict[str, Any] = field(default_factory=dict)
    levels: tuple[str, ...] = ("organisation",)
    owners: tuple[int, ...] = ()
    kind: str = "test.thing"
    environment: str = "production"
    recorded: bool = False

    def forge(self) -> int:
        """The id of the approval."""
        change = self._change()
        slots = [self._slot(change, number, key, groups) for number, (key, groups) in enumerate(self.slots, start=1)]
        for check in self.checks:
            run(
                "insert into governance_checkresult (change_id, revision, position, check_id, title, status, why, "
                "findings, fix, subject_digest) values (%s, 1, 0, %s, '', 'not_applicable', '', '[]', '[]', %s)",
                *(change, check, self.subject.digest),
            )
        run(
            "update governance_changerequest set state = 'in_review', submitter_id = author_id, submitted_at = now() "
            "where id = %s",
            change,
        )
        decisions = [self._decision(change, person) for person in self.people]
        approval = self._approval(change, slots, decisions)
        run("update governance_changerequest set state = 'approved' where id = %s", change)
        return approval

    def _change(self) -> int:
        change = run(
            "insert into governance_changerequest (kind, title, justification, rollback_plan, environment, parameters, "
            "state, author_id, revision, subject_digest, diff_digest, impact_digest, policy_digest, policy_levels, "
            "facts, difference, owner_team_ids, risk, checks_state, checks_done, checks_total, apply_error) values "
            "(%s, 'x', '', '', %s, '{}', 'draft', %s, 1, '', %s, %s, '', %s, %s, '{}', %s, 'low', 'done', 0, 0, '') "
            "returning id",
            *(self.kind, self.environment, self.author.pk, DIFFERENCE, IMPACT, list(self.levels)),
            *(json.dumps(self.facts), list(self.owners)),
        )[0][0]
        run(
            "insert into governance_changesubject (change_id, position, kind, subject_id, digest, title, url) "
            "values (%s, 0, %s, %s, %s, '', '')",
            *(change, self.subject.kind, self.subject.id, self.subject.digest),
        )
        return int(change)

    def _slot(self, change: int, number: int, key: str, groups: tuple[int, ...]) -> int:
        made = run(
            "insert into governance_slot (change_id, revision, key, label, number, group_ids, why, policy_digest) "
            "select id, 1, %s, 'Anyone', %s, %s, '[]', policy_digest from governance_changerequest where id = %s "
            "returning id",
            *(key, number, list(groups), change),
        )
        return int(made[0][0])

    def _decision(self, change: int, person: User) -> int:
        made = run(
            "insert into governance_decision (change_id, revision, person_id, outcome, note, "
            "subject_digest, diff_digest, impact_digest, policy_digest, void_reason) select id, 1, %s, 'approve', '', "
            "subject_digest, diff_digest, impact_digest, policy_digest, '' from governance_changerequest "
            "where id = %s returning id",
            *(person.pk, change),
        )
        if self.recorded:
            run(
                "select kernel_record(%s, %s, 'governance.decision_approved', 'change', id::text, null, "
                "jsonb_build_object('subject_digest', subject_digest, 'diff_digest', diff_digest, 'impact_digest', "
                "impact_digest, 'policy_digest', policy_digest), '', '') from governance_changerequest where id = %s",
                *(person.pk, str(person), change),
            )
        return int(made[0][0])

    def _approval(self, change: int, slots: list[int], decisions: list[int]) -> int:
        filled = [
            {"slot": slot, "decision": decision, "person": person.pk}
            for slot, decision, person in zip(slots, decisions, self.people, strict=True)
        ]
        approval = run(
            "insert into governance_approval (origin, change_id, revision, subject_kind, subject_id, "
            "digest, environment, subject_digest, diff_digest, impact_digest, policy_digest, filled_slots, "
            "approver_ids, used_by_text, void_reason, valid_from) select 'review', c.id, 1, s.kind, s.subject_id, "
            "s.digest, c.environment, "
            "c.subject_digest, c.diff_digest, c.impact_digest, c.policy_digest, %s, %s, '', '', "
            "now() - interval '30 days' from governance_changerequest c join governance_changesubject s "
            "on s.change_id = c.id where c.id = %s returning id",
            *(json.dumps(filled), sorted(person.pk for person in self.people), change),
        )[0][0]
        if self.recorded:
            run(
                "select kernel_record(null, 'system', 'governance.change_approved', 'change', id::text, null, "
                "jsonb_build_object('approvals', array[%s], 'approvers', %s::bigint[], 'digest', subject_digest), '', "
                "'') from governance_changerequest where id = %s",
                *(approval, sorted(person.pk for person in self.people), change),
            )
        return int(approval)
