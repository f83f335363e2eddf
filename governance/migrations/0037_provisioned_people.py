"""People and groups as an identity provider keeps them by SCIM, and patterns of its groups."""

import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('governance', '0036_facts_of_changes'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='GroupPattern',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('claim', models.CharField(help_text='With one star: tg-*', max_length=200)),
                ('team', models.CharField(help_text='The key of a team; a star is what the star of the group is.', max_length=80)),
                ('roles', models.BooleanField(db_default=False, default=False, help_text='Whether teams that decide across domains are meant as well.')),
                ('note', models.CharField(blank=True, db_default='', max_length=200)),
            ],
            options={
                'ordering': ['claim', 'team'],
                'constraints': [models.UniqueConstraint(fields=('claim', 'team'), name='group_pattern_once'), models.CheckConstraint(condition=models.Q(('claim__regex', '^[^*]*\\*[^*]*$'), models.Q(('claim', '*'), _negated=True), ('team__regex', '^[a-z0-9-]*\\*?[a-z0-9-]*$'), models.Q(('team', ''), _negated=True)), name='group_pattern_has_one_star')],
            },
        ),
        migrations.CreateModel(
            name='ProviderIdentity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', models.CharField(max_length=140, unique=True)),
                ('rule', models.CharField(max_length=20)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('person', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='provider_identity', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'provider identities',
            },
        ),
        migrations.CreateModel(
            name='ProvisionedPerson',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('user_name', models.CharField(max_length=150)),
                ('external_id', models.CharField(blank=True, db_default='', db_index=True, max_length=200)),
                ('said', models.JSONField(default=dict)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('changed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='provisioned', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'provisioned people',
                'ordering': ['made_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='ProvisionedGroup',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('external_id', models.CharField(blank=True, db_default='', db_index=True, max_length=200)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('changed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('members', models.ManyToManyField(related_name='groups', to='governance.provisionedperson')),
            ],
            options={
                'ordering': ['made_at', 'id'],
            },
        ),
        migrations.AddConstraint(
            model_name='provisionedperson',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('user_name'), name='provisioned_person_once'),
        ),
        migrations.AddConstraint(
            model_name='provisionedgroup',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('name'), name='provisioned_group_once'),
        ),
    ]
