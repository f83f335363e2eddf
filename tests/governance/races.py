"""G3: many hands on the same changes at once, through raw SQL, while a watcher looks for a state that must never exist.

The model: people decide, take back, decide on what they saw earlier, seal with the slots they computed a moment ago;
digests and subjects move, people join and leave groups, become contributors, checks flip, revisions begin. Every step
is one short transaction on its own connection, chosen at random. A step may be refused; what may never happen is listed
in `FORBIDDEN`, each judged in one statement and therefore in one snapshot.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import psycopg

from governance.domain.matching import fill
from tests.governance.raw_sql import TELL, TELL_SEALED, VERBS

FORBIDDEN = {
    "a live decision about other digests": """select count(*)
       from governance_decision d
       join governance_changerequest c on c.id = d.change_id
        where d.voided_at is null
        and c.state in ('in_review', 'approved')
        and (d.revision, d.subject_digest, d.diff_digest, d.impact_digest, d.policy_digest)
          <> (c.revision, c.subject_digest, c.diff_digest, c.impact_digest, c.policy_digest)""",
    "a live decision of author, submitter or contributor": """select count(*) from governance_decision d
        where d.voided_at is null and governance_is_party(d.change_id, d.person_id)""",
    "two live decisions of one person": """select count(*) from (select from governance_decision where voided_at is null
        group by change_id, person_id having count(*) > 1) x""",
    "a live approval about other digests": """select count(*)
       from governance_approval a
       join governance_changerequest c on c.id = a.change_id
        where a.voided_at is null
        and ((a.revision, a.subject_digest, a.diff_digest, a.impact_digest, a.policy_digest, a.environment)
          <> (c.revision, c.subject_digest, c.diff_digest, c.impact_digest, c.policy_digest, c.environment)
          or not exists (
            select
              from governance_changesubject s
             where s.change_id = c.id
               and s.kind = a.subject_kind
               and s.subject_id = a.subject_id
               and s.digest = a.digest))""",
    "a live approval on a decision that does not count": """select count(*)
       from governance_approval a
       cross join jsonb_array_elements(a.filled_slots) e
        left join governance_decision d on d.id = (e ->> 'decision')::bigint
        where a.voided_at is null
        and (d.id is null
        or d.voided_at is not null
        or d.outcome <> 'approve'
        or d.person_id <> (e ->> 'person')::bigint
        or d.change_id <> a.change_id)""",
    "one person on two slots, or a party on one": """select count(*) from governance_approval a
        where a.voided_at is null
        and ((select count(distinct p) from unnest(a.approver_ids) p) <> cardinality(a.approver_ids)
        or cardinality(a.approver_ids) = 0
          or exists (select from unnest(a.approver_ids) p where governance_is_party(a.change_id, p)))""",
    "a live approval with an empty slot": """select count(*)
       from governance_approval a
       join governance_slot s on s.change_id = a.change_id
       and s.revision = a.revision
        where a.voided_at is null
        and not exists (select from jsonb_array_elements(a.filled_slots) e where (e ->> 'slot')::bigint = s.id)""",
    "an approved change without its approval": """select count(*)
       from governance_changerequest c
       where c.state = 'approved'
        and not exists (select from governance_approval a where a.change_id = c.id and a.voided_at is null)""",
    "an approved change with a blocking check": """select count(*)
       from governance_changerequest c
       where c.state = 'approved'
        and exists (select from governance_blocking_check k where k.change_id = c.id)""",
    "a live objection under a live approval": """select count(*)
       from governance_approval a
       join governance_decision d on d.change_id = a.change_id
        where a.voided_at is null and d.voided_at is null and d.outcome <> 'approve'""",
}
DIGESTS = ["sha256:" + c * 64 for c in "abc"]
BINDING = "subject_digest, diff_digest, impact_digest, policy_digest"


@dataclass
class Report:
    """What happened: steps that were done, refused and by which constraint; looks of the watcher, and what it saw that
    may not be."""

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    looks: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def steps(self) -> int:
        return self.done.total() + self.refused.total()


@dataclass(frozen=True)
class World:
    """Ids of what the steps play with."""

    changes: list[int]
    people: list[int]
    authors: list[int]
    groups: list[int]


class Hand(threading.Thread):
    """One connection that does random steps."""

    def __init__(self, parameters: dict[str, Any], world: World, steps: int, seed: int, report: Report) -> None:
        super().__init__(daemon=True)
        self.parameters, self.world, self.todo, self.report = parameters, world, steps, report
        self.chance = random.Random(seed)
        self.remembered: dict[int, tuple[Any, ...]] = {}
        self.failure: BaseException | None = None

    def run(self) -> None:
        names = {
            self.decide: 26,
            self.decide_on_what_was_seen: 12,
            self.seal: 26,
            self.take_back: 5,
            self.object: 2,
            self.move_difference: 3,
            self.move_subject: 2,
            self.leave_or_join: 8,
            self.flip_check: 4,
            self.settle_checks: 6,
            self.contribute: 0.05,
            self.begin_revision: 1,
            self.decide_as_author: 4,
            self.revive: 2,
        }
        steps, weights = list(names), list(names.values())
        try:
            with psycopg.connect(**self.parameters, autocommit=True) as self.sql:
                for _ in range(self.todo):
                    step = self.chance.choices(steps, weights)[0]
                    try:
                        with self.sql.transaction():
                            worked = step()
                        self.report.done[step.__name__ if worked else f"{step.__name__}: nothing to do"] += 1
                    except psycopg.Error as error:
                        if not (error.sqlstate or "").startswith(("23", "40")):
                            raise
                        self.report.refused[f"{step.__name__}: {error.diag.constraint_name or error.sqlstate}"] += 1
        except BaseException as error:
            self.failure = error

    def do(self, sql: str, *arguments: Any) -> int:
        return self.sql.execute(sql, arguments).rowcount

    def rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return self.sql.execute(sql, arguments).fetchall()

    @property
    def change(self) -> int:
        return self.chance.choice(self.world.changes)

    @property
    def person(self) -> int:
        return self.chance.choice(self.world.people)

    def decide(self, person: int | None = None, outcome: str = "approve") -> bool:
        person, change = person or self.person, self.change
        made = self.do(
            f"""insert into governance_decision (change_id, revision, person_id, outcome, note, {BINDING}, void_reason)
            select id, revision, %s, %s, 'because', {BINDING}, '' from governance_changerequest where id = %s""",
            *(person, outcome, change),
        )
        return bool(made and self.do(TELL, person, VERBS[outcome], change))

    def decide_as_author(self) -> bool:
        return self.decide(self.chance.choice(self.world.authors))

    def object(self) -> bool:
        return self.decide(outcome=self.chance.choice(["request_changes", "reject"]))

    def decide_on_what_was_seen(self) -> bool:
        """A page that was opened earlier: look now, decide at a later step."""
        change = self.change
        seen = self.remembered.pop(change, None)
        if seen is None:
            self.remembered[change] = self.rows(
                f"select revision, {BINDING} from governance_changerequest where id = %s", change
            )[0]
            return True
        person = self.person
        made = self.do(
            f"insert into governance_decision (change_id, revision, person_id, outcome, note, {BINDING}, void_reason) "
            "values (%s, %s, %s, 'approve', '', %s, %s, %s, %s, '')",
            *(change, seen[0], person, *seen[1:]),
        )
        return bool(made and self.do(TELL, person, VERBS["approve"], change))

    def take_back(self) -> bool:
        return bool(
            self.do(
                "update governance_decision "
                "set voided_at = now(), void_reason = 'taken back' "
                "where change_id = %s and person_id = %s and voided_at is null",
                self.change,
                self.person,
            )
        )

    def revive(self) -> bool:
        return bool(
            self.do(
                "update governance_decision set voided_at = null where change_id = %s and person_id = %s",
                self.change,
                self.person,
            )
        )

    def seal(self) -> bool:
        change = self.change
        slots: dict[int, list[int]] = {}
        decisions: dict[int, int] = {}
        for slot, person, decision in self.rows(
            """select s.id, d.person_id, d.id
               from governance_changerequest c
               join governance_slot s on s.change_id = c.id and s.revision = c.revision
               left join governance_decision d on d.change_id = c.id
               and d.voided_at is null
               and d.outcome = 'approve'
               and governance_may_fill(s.group_ids, c.id, d.person_id, d.at)
               where c.id = %s""",
            change,
        ):
            slots.setdefault(slot, [])
            if person is not None:
                slots[slot].append(person)
                decisions[person] = decision
        slots = [
            {"slot": slot, "person": person, "decision": decisions[person]} for slot, person in fill(slots).items()
        ]
        made = self.do(
            f"""insert into governance_approval (origin, change_id, revision, subject_kind, subject_id, digest,
               environment, {BINDING}, filled_slots, approver_ids, used_by_text, void_reason)
            select 'review', c.id, c.revision, s.kind, s.subject_id, s.digest, c.environment, c.subject_digest,
            c.diff_digest, c.impact_digest, c.policy_digest, %s, %s, '', ''
              from governance_changerequest c join governance_changesubject s on s.change_id = c.id where c.id = %s""",
            json.dumps(slots),
            sorted(s["person"] for s in slots),
            change,
        )
        self.do(TELL_SEALED, change)
        return bool(made and self.do("update governance_changerequest set state = 'approved' where id = %s", change))

    def move_difference(self) -> bool:
        return bool(
            self.do(
                "update governance_changerequest set diff_digest = %s where id = %s",
                self.chance.choice(DIGESTS),
                self.change,
            )
        )

    def move_subject(self) -> bool:
        return bool(
            self.do(
                "update governance_changesubject set digest = %s where change_id = %s",
                self.chance.choice(DIGESTS),
                self.change,
            )
        )

    def leave_or_join(self) -> bool:
        group, person = self.chance.choice(self.world.groups), self.person
        if self.chance.random() < 0.3:
            return bool(self.do("delete from kernel_user_groups where user_id = %s and group_id = %s", person, group))
        return bool(
            self.do(
                "insert into kernel_user_groups (user_id, group_id) values (%s, %s) on conflict do nothing",
                person,
                group,
            )
        )

    def contribute(self) -> bool:
        return bool(
            self.do(
                "insert into governance_contributor (change_id, person_id, how) "
                "values (%s, %s, 'helped') "
                "on conflict do nothing",
                self.change,
                self.person,
            )
        )

    def flip_check(self) -> bool:
        word = self.chance.choice(["failed", "not_run"])
        return bool(
            self.do(
                "update governance_checkresult set status = %s where change_id = %s and check_id = 'thing.sound'",
                word,
                self.change,
            )
        )

    def settle_checks(self) -> bool:
        return bool(
            self.do(
                """update governance_checkresult r
                   set status = 'passed', subject_digest = c.subject_digest
                  from governance_changerequest c
                 where c.id = r.change_id and r.revision = c.revision and c.id = %s""",
                self.change,
            )
        )

    def begin_revision(self) -> bool:
        change = self.change
        self.do("select from governance_changerequest where id = %s for update", change)
        if not self.do(
            "update governance_changerequest "
            "set revision = revision + 1 "
            "where id = %s and state in ('in_review', 'approved')",
            change,
        ):
            return False
        self.do(
            """insert into governance_slot (change_id, revision, key, label, number, group_ids, why, policy_digest)
            select s.change_id, c.revision, s.key, s.label, s.number, s.group_ids, s.why, c.policy_digest
            from governance_slot s
            join governance_changerequest c on c.id = s.change_id
             where c.id = %s and s.revision = c.revision - 1""",
            change,
        )
        return bool(
            self.do(
                """insert into governance_checkresult (change_id, revision, position, check_id, title, status, why,
                   findings, fix, subject_digest)
                select r.change_id, c.revision, r.position, r.check_id, r.title, 'passed', '', '[]', '[]',
                c.subject_digest
                  from governance_checkresult r
                  join governance_changerequest c on c.id = r.change_id
                  where c.id = %s and r.revision = c.revision - 1""",
                change,
            )
        )


def look(sql: psycopg.Connection[Any], report: Report) -> None:
    """One look of the watcher at everything that must never be."""
    for name, query in FORBIDDEN.items():
        found = sql.execute(query).fetchone()
        if found and found[0]:
            report.seen[name] += found[0]
    report.looks += 1


def race(parameters: dict[str, Any], world: World, *, steps: int, hands: int, seed: int) -> Report:
    """`steps` random steps by `hands` connections, watched all the time and once more at the end."""
    report = Report()
    workers = [Hand(parameters, world, steps // hands, seed + n, report) for n in range(hands)]
    for worker in workers:
        worker.start()
    with psycopg.connect(**parameters, autocommit=True) as watching:
        while any(worker.is_alive() for worker in workers):
            look(watching, report)
            workers[0].join(timeout=0.2)
        look(watching, report)
    for worker in workers:
        if worker.failure is not None:
            raise worker.failure
    return report
