"""An agent is a kind of account, and its tokens hold no deciding scope."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('kernel', '0006_replaced_processes'),
    ]

    operations = [
        migrations.AlterField(
            model_name='user',
            name='kind',
            field=models.CharField(choices=[('person', 'Person'), ('service', 'Service account'), ('agent', 'Agent')], default='person', max_length=10),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='apitoken',
            trigger=pgtrigger.compiler.Trigger(name='agent_token_decides_nothing', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nif new.revoked_at is null and new.scopes ?| array['catalog:write', 'governance:write', 'runtime:write']\n   and exists (select from kernel_user u where u.id = new.user_id and u.kind = 'agent') then\n  raise exception using errcode = 'check_violation', constraint = 'agent_token_decides_nothing',\n    message = 'a token of an agent holds no deciding scope';\nend if;\nreturn new;\n", hash='6a7a47db7d01afa90b5d112d77033f1b22877d91', operation='INSERT OR UPDATE OF "scopes", "user_id", "revoked_at"', pgid='pgtrigger_agent_token_decides_nothing_d0943', table='kernel_apitoken', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='user',
            trigger=pgtrigger.compiler.Trigger(name='agent_decides_nothing', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nif new.kind = 'agent' then\n  if new.is_superuser or new.is_staff then\n    raise exception using errcode = 'check_violation', constraint = 'agent_decides_nothing',\n      message = 'an agent is no administrator';\n  end if;\n  update kernel_apitoken set revoked_at = clock_timestamp()\n   where user_id = new.id and revoked_at is null and scopes ?| array['catalog:write', 'governance:write', 'runtime:write'];\nend if;\nreturn new;\n", hash='a5ba500b5c903dff243229de2de5f1faa7d9d7d8', operation='INSERT OR UPDATE OF "kind", "is_superuser", "is_staff"', pgid='pgtrigger_agent_decides_nothing_98bde', table='kernel_user', when='BEFORE')),
        ),
    ]
