-- From here on every message of every lane has another salt in its key. Two rewinds without a message between them
-- leave the salt of the later one: the earlier one may have been used in what was lost.
insert into runtime_key_epoch (stream_id, lane, from_position, salt, rewind_id)
select l.stream_id, l.lane, l.next, %(salt)s, %(rewind)s
from runtime_lane l
on conflict (stream_id, lane, from_position) do update
set salt = excluded.salt, rewind_id = excluded.rewind_id
