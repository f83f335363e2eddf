"""Whoever leaves the quarantine wakes the first message that waits, and what slept for ever with nobody before it is
woken once."""

from django.db import migrations

_WAKE = """
update runtime_quarantine q
set asleep = false
where q.asleep
    and not exists (
        select
        from runtime_quarantine e
        where e.subscription_id = q.subscription_id and e.key = q.key and e.position < q.position
    )
    and not exists (
        select
        from runtime_subscription s
        join runtime_quarantine w on w.subscription_id = s.after_subscription
        where s.id = q.subscription_id and w.lane = q.lane and w.position = q.position
    )
"""


class Migration(migrations.Migration):
    # The views of the gate join those of governance.
    dependencies = [("runtime", "0031_service_levels"), ("governance", "0007_current_sql")]

    operations = [migrations.RunSQL(_WAKE, migrations.RunSQL.noop)]
