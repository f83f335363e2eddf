"""The other hosts of a system, and whose certificates are believed, are registered with its address."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0017_identity'),
    ]

    operations = [
        migrations.AddField(
            model_name='systemendpoint',
            name='further_hosts',
            field=models.JSONField(blank=True, db_default=[], default=list, help_text='Other hosts of the system that its credentials may go to, as https://host:port: for tokens, uploads'),
        ),
        migrations.AddField(
            model_name='systemendpoint',
            name='trust_ref',
            field=models.CharField(blank=True, db_default='', help_text="Name of the certificates of authorities that are believed, instead of the operating system's", max_length=200),
        ),
    ]
