"""Recording what runs has a scope of its own; tokens that could record keep the right."""

from django.db import migrations

_KEEP = """
update kernel_apitoken
   set scopes = scopes || '["record:write"]'::jsonb
 where scopes @> '["gate:ask"]'::jsonb and not scopes @> '["record:write"]'::jsonb
   and revoked_at is null and expires_at > now();
"""


class Migration(migrations.Migration):
    dependencies = [("kernel", "0004_process_metrics")]

    operations = [migrations.RunSQL(_KEEP, migrations.RunSQL.noop)]
