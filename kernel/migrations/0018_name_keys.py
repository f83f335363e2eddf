"""The key of a user name: what all its spellings have in common, written by a trigger."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('kernel', '0017_persons'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='name_key',
            field=models.TextField(editable=False, null=True),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='user',
            trigger=pgtrigger.compiler.Trigger(name='key_of_a_name', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE made text;', func="\nmade := case when starts_with(new.username, 'oidc:') then new.username else lower(btrim(normalize(regexp_replace(normalize(new.username, NFKC), '[\\u00AD\\u0600-\\u0605\\u061C\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u180E\\u200B-\\u200F\\u202A-\\u202E\\u2060-\\u2064\\u2066-\\u206F\\uFEFF\\uFFF9-\\uFFFB\\U000110BD\\U000110CD\\U00013430-\\U0001343F\\U0001BCA0-\\U0001BCA3\\U0001D173-\\U0001D17A\\U000E0001\\U000E0020-\\U000E007F]', '', 'g'), NFKC), E' \\t\\r\\n')) end;\nif tg_op = 'UPDATE' then\n  if new.username = old.username\n     or made = (case when starts_with(old.username, 'oidc:') then old.username\n                     else lower(btrim(normalize(regexp_replace(normalize(old.username, NFKC), '[\\u00AD\\u0600-\\u0605\\u061C\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u180E\\u200B-\\u200F\\u202A-\\u202E\\u2060-\\u2064\\u2066-\\u206F\\uFEFF\\uFFF9-\\uFFFB\\U000110BD\\U000110CD\\U00013430-\\U0001343F\\U0001BCA0-\\U0001BCA3\\U0001D173-\\U0001D17A\\U000E0001\\U000E0020-\\U000E007F]', '', 'g'), NFKC), E' \\t\\r\\n')) end) then\n    new.name_key := old.name_key;\n    return new;\n  end if;\nend if;\nif exists (select from kernel_user u\n            where u.name_key is null\n              and u.id <> new.id\n              and lower(btrim(normalize(regexp_replace(normalize(u.username, NFKC), '[\\u00AD\\u0600-\\u0605\\u061C\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u180E\\u200B-\\u200F\\u202A-\\u202E\\u2060-\\u2064\\u2066-\\u206F\\uFEFF\\uFFF9-\\uFFFB\\U000110BD\\U000110CD\\U00013430-\\U0001343F\\U0001BCA0-\\U0001BCA3\\U0001D173-\\U0001D17A\\U000E0001\\U000E0020-\\U000E007F]', '', 'g'), NFKC), E' \\t\\r\\n')) = made) then\n  raise exception using errcode = 'unique_violation', constraint = 'one_account_for_each_name',\n    message = 'two accounts have this name already, in two spellings';\nend if;\nnew.name_key := made;\nreturn new;\n", hash='69dfc13fc7bf230513713613e2e96a7341b46861', operation='INSERT OR UPDATE OF "username"', pgid='pgtrigger_key_of_a_name_6c522', table='kernel_user', when='BEFORE')),
        ),
    ]
