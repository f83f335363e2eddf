"""The key of a name knows letters that share a capital, and more signs that nobody sees."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('kernel', '0023_outbox_done'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='user',
            name='key_of_a_name',
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='user',
            trigger=pgtrigger.compiler.Trigger(name='key_of_a_name', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE made text;', func="\nmade := case when starts_with(new.username, 'oidc:') then new.username else translate(lower(btrim(normalize(regexp_replace(normalize(new.username, NFKC), '[\\u00AD\\u034F\\u0600-\\u0605\\u061C\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u202A-\\u202E\\u2060-\\u206F\\u3164\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\U000110BD\\U000110CD\\U00013430-\\U0001343F\\U0001BCA0-\\U0001BCA3\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF]', '', 'g'), NFKC), E' \\t\\r\\n')), 'ςᲀᲁᲂᲃᲄᲅᲆᲇᲈ', 'σвдосттъѣꙋ') end;\nif tg_op = 'UPDATE' then\n  if new.username = old.username\n     or made = (case when starts_with(old.username, 'oidc:') then old.username\n                     else translate(lower(btrim(normalize(regexp_replace(normalize(old.username, NFKC), '[\\u00AD\\u034F\\u0600-\\u0605\\u061C\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u202A-\\u202E\\u2060-\\u206F\\u3164\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\U000110BD\\U000110CD\\U00013430-\\U0001343F\\U0001BCA0-\\U0001BCA3\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF]', '', 'g'), NFKC), E' \\t\\r\\n')), 'ςᲀᲁᲂᲃᲄᲅᲆᲇᲈ', 'σвдосттъѣꙋ') end) then\n    new.name_key := old.name_key;\n    return new;\n  end if;\nend if;\nif exists (select from kernel_user u\n            where u.name_key is null\n              and u.id <> new.id\n              and translate(lower(btrim(normalize(regexp_replace(normalize(u.username, NFKC), '[\\u00AD\\u034F\\u0600-\\u0605\\u061C\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u202A-\\u202E\\u2060-\\u206F\\u3164\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\U000110BD\\U000110CD\\U00013430-\\U0001343F\\U0001BCA0-\\U0001BCA3\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF]', '', 'g'), NFKC), E' \\t\\r\\n')), 'ςᲀᲁᲂᲃᲄᲅᲆᲇᲈ', 'σвдосттъѣꙋ') = made) then\n  raise exception using errcode = 'unique_violation', constraint = 'one_account_for_each_name',\n    message = 'two accounts have this name already, in two spellings';\nend if;\nnew.name_key := made;\nreturn new;\n", hash='8722e892c377ad8647909f0438440ea3438f5a8d', operation='INSERT OR UPDATE OF "username"', pgid='pgtrigger_key_of_a_name_6c522', table='kernel_user', when='BEFORE')),
        ),
    ]
