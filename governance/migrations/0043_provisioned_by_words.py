"""A provider asks for people by what it wrote of them, an address of mail above all."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [
        ('governance', '0042_provisioned_by_name'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='provisionedperson',
            index=GinIndex(
                OpClass(
                    models.Func(
                        models.F('said'),
                        output_field=models.JSONField(),
                        template='lower((%(expressions)s)::text)::jsonb',
                    ),
                    name='jsonb_path_ops',
                ),
                fastupdate=False,
                name='provisioned_person_by_words',
            ),
        ),
    ]
