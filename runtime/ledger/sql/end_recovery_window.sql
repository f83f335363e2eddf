-- What is appended from now on is new, and is sent without a question.
update runtime_progress p
set ask_until = l.next - 1
from runtime_subscription s
join runtime_lane l on l.stream_id = s.stream_id
where s.id = p.subscription_id
    and l.lane = p.lane
    and p.ask_until = %(endless)s
