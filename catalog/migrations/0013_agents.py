"""An application may be an agent: account, purpose, limits."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0012_evidence_tallies'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='application',
            name='agent_account',
            field=models.OneToOneField(blank=True, help_text='The application is an agent, and acts by the tokens of this account', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='application',
            name='agent_limits',
            field=models.TextField(blank=True, db_default='', help_text='What it may do at most, in words'),
        ),
        migrations.AddField(
            model_name='application',
            name='agent_purpose',
            field=models.TextField(blank=True, db_default='', help_text='What the agent is for'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='application',
            trigger=pgtrigger.compiler.Trigger(name='agent_is_declared', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nif new.agent_account_id is not null then\n  if new.team_id is null or new.agent_purpose !~ '\\S' or new.agent_limits !~ '\\S' then\n    raise exception using errcode = 'check_violation', constraint = 'agent_is_declared',\n      message = 'an agent has an owner team, a purpose and limits';\n  end if;\n  if not exists (select from kernel_user u where u.id = new.agent_account_id and u.kind = 'agent') then\n    raise exception using errcode = 'check_violation', constraint = 'agent_is_declared',\n      message = 'the account of an agent is one of the kind agent';\n  end if;\nend if;\nreturn new;\n", hash='79e0b31659fc574c75c5037100d9d1528ec8bb36', operation='INSERT OR UPDATE OF "agent_account_id", "agent_purpose", "agent_limits", "team_id"', pgid='pgtrigger_agent_is_declared_62875', table='catalog_application', when='BEFORE')),
        ),
    ]
