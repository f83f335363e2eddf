"""What the gate last said about exactly what is recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernel import prepared_queries


@dataclass(frozen=True, slots=True)
class LastVerdict:
    """`same`: it answers the very question that is recorded; otherwise another one about this version there."""

    id: int
    word: str
    same: bool


_ABOUT = """
select v.id, v.word,
       jsonb_path_query_array(v.question, '$.consumes[*].ref') = %(consumed)s::jsonb
       and coalesce(nullif(v.question -> 'consumes', 'null'), '[]') @> %(consumes)s::jsonb
       and jsonb_path_query_array(v.question, '$.provides[*].ref') = %(provided)s::jsonb
       and v.question -> 'provides' @> %(provides)s::jsonb
       and v.question -> 'integrations' = %(integrations)s::jsonb as same
  from governance_verdict v
 where v.application = %(application)s
   and v.environment = %(environment)s
   and v.version = %(version)s
   and v.question ->> 'instance' = any(%(instances)s::text[])
   and v.as_of between v.at - interval '1 minute' and v.at + interval '1 minute'
   and v.evidence -> 'hypothetical' is distinct from 'true'::jsonb
   and (v.word <> 'unknown' or not %(decided)s)
   and (v.word <> 'unknown' or v.asked_by_id is not distinct from %(recorder)s::bigint or exists (
         select from kernel_user_groups g where g.user_id = v.asked_by_id and g.group_id = %(team)s::bigint))
 order by same desc nulls last, v.question ->> 'instance' = '', v.id desc
 limit 1
"""


def about(asked: Mapping[str, Any], *, team: int | None, recorder: int | None) -> LastVerdict | None:
    """The newest verdict on what is recorded: this application, version, environment and the same things, on this
    instance, else everywhere there; without one the newest about other things. What-ifs do not count, nor what somebody
    of another team (who may not see all of it) was told nobody knows. An `unknown`, such as on a question that leaves
    something out, takes no `deny` away."""
    same_place = {key: asked[key] for key in ("application", "version", "environment")}
    things: dict[str, Any] = {"integrations": json.dumps(asked["integrations"])}
    for key, references in (("consumes", "consumed"), ("provides", "provided")):
        entries = asked[key] or ()
        things[references] = json.dumps([entry["ref"] for entry in entries])
        things[key] = json.dumps([{name: value for name, value in entry.items() if value} for entry in entries])
    who = {"instances": list({asked["instance"], ""}), "team": team, "recorder": recorder}
    found = _newest({**same_place, **things, **who}, decided=False)
    if found is not None and found.word == "unknown":
        decided = _newest({**same_place, **things, **who}, decided=True)
        return decided if decided is not None and decided.word == "deny" else found
    return found


def _newest(wanted: Mapping[str, Any], *, decided: bool) -> LastVerdict | None:
    rows = prepared_queries.rows(_ABOUT, {**wanted, "decided": decided})
    return LastVerdict(rows[0][0], rows[0][1], bool(rows[0][2])) if rows else None
