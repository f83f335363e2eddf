"""Texts that quote what was said about a message where others look: the state of a vendor, of a target, a run's error.

They are short and the next event replaces them; here those go that quote what is erased, and no others.
"""
# ruff: noqa: S608 - statements are assembled from constants of this module

from __future__ import annotations

from typing import Any

from runtime.domain.batches import LONGEST_BATCH

LEAST = 8  # characters: less than that is no quotation
_SAID = f"""
select distinct said
  from (
    select unnest(array[t.detail, t.answer])
      from unnest(%(lanes)s::int[], %(positions)s::bigint[]) as x(lane, position)
      join runtime_subscription s on s.stream_id = %(stream)s
      join runtime_attempt t
        on t.subscription_id = s.id
       and t.lane = x.lane
       and t.last between x.position and x.position + {LONGEST_BATCH}
       and t.first <= x.position
     union
    select r.reason
      from runtime_rejected r
     where r.stream_id = %(stream)s and {{rejected}}) as found(said)
 where length(said) >= %(least)s and said <> 'erased'"""
# A quotation is the whole, the beginning of it, or stands in a longer text.
_QUOTES = """
length(q.{column}) >= %(least)s
and exists (
  select from unnest(%(said)s::text[]) as w(said)
   where strpos(w.said, q.{column}) > 0
      or strpos(q.{column}, w.said) > 0
      or (length(w.said) > 100 and strpos(q.{column}, left(w.said, 100)) > 0))"""
_VENDORS = "q.id in (select vendor_id from runtime_subscription where stream_id = %(stream)s)"
_WHERE = (
    ("runtime_vendorstate", "last_error", _VENDORS),
    ("runtime_vendorstate", "fault_detail", _VENDORS),
    ("runtime_subscription", "fault_detail", "q.stream_id = %(stream)s"),
    ("runtime_subscription", "question_fault_detail", "q.stream_id = %(stream)s"),
    ("runtime_run", "error", "q.stream_id = %(stream)s and q.error <> ''"),
    ("runtime_source", "wait_reason", "q.stream_id = %(stream)s"),
)


def erase(cursor: Any, chosen: dict[str, Any], rejected: str) -> None:
    """Before what was said itself goes. `rejected` is the condition on rejected messages."""
    cursor.execute(_SAID.format(rejected=rejected), chosen | {"least": LEAST})
    said = [text for (text,) in cursor.fetchall()]
    if not said:
        return
    for table, column, where in _WHERE:
        quotes = _QUOTES.format(column=column)
        statement = f"update {table} q set {column} = 'erased' where {where} and {quotes}"
        cursor.execute(statement, chosen | {"said": said, "least": LEAST})
