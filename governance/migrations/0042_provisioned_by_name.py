"""A provider asks for one person by name, and for all of them page by page."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [
        ('governance', '0041_who_left'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='provisionedperson',
            index=models.Index(models.Func(models.F('user_name'), output_field=models.CharField(), template="lower(btrim(normalize(regexp_replace(normalize(%(expressions)s, NFKC), '[\\u00AD\\u0600-\\u0605\\u061C\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u180E\\u200B-\\u200F\\u202A-\\u202E\\u2060-\\u2064\\u2066-\\u206F\\uFEFF\\uFFF9-\\uFFFB\\U000110BD\\U000110CD\\U00013430-\\U0001343F\\U0001BCA0-\\U0001BCA3\\U0001D173-\\U0001D17A\\U000E0001\\U000E0020-\\U000E007F]', '', 'g'), NFKC), E' \\t\\r\\n'))"), name='provisioned_person_by_name'),
        ),
        AddIndexConcurrently(
            model_name='provisionedperson',
            index=models.Index(fields=['made_at', 'id'], name='provisioned_person_in_order'),
        ),
    ]
