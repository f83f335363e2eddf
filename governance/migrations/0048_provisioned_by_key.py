"""People of a provider are found by the key that all spellings of their name have in common."""

from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction

    dependencies = [
        ('governance', '0047_first_records'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='provisionedperson',
            index=models.Index(models.Func(models.F('user_name'), output_field=models.CharField(), template="translate(lower(btrim(normalize(regexp_replace(normalize(%(expressions)s, NFKC), '[\\u00AD\\u034F\\u0600-\\u0605\\u061C\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u202A-\\u202E\\u2060-\\u206F\\u3164\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\U000110BD\\U000110CD\\U00013430-\\U0001343F\\U0001BCA0-\\U0001BCA3\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF]', '', 'g'), NFKC), E' \\t\\r\\n')), 'ςᲀᲁᲂᲃᲄᲅᲆᲇᲈ', 'σвдосттъѣꙋ')"), name='provisioned_person_by_key'),
        ),
        RemoveIndexConcurrently(
            model_name='provisionedperson',
            name='provisioned_person_by_name',
        ),
    ]
