"""What people prove beside the password: authenticator apps, passkeys and recovery codes, told by triggers."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models



class Migration(migrations.Migration):

    dependencies = [
        ('kernel', '0011_sign_in_limits'),
    ]

    operations = [
        migrations.CreateModel(
            name='UsedChallenge',
            fields=[
                ('digest', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='RecoveryCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code_hash', models.CharField(max_length=64)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('used_at', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='recovery_codes', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('user', 'code_hash'), name='recovery_code_once')],
            },
        ),
        migrations.CreateModel(
            name='SecondFactor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('app', 'Authenticator app'), ('passkey', 'Passkey')], max_length=10)),
                ('name', models.CharField(max_length=60)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('used_at', models.DateTimeField(null=True)),
                ('sealed', models.TextField(blank=True, db_default='')),
                ('step', models.BigIntegerField(db_default=0)),
                ('credential_id', models.CharField(max_length=1400, null=True, unique=True)),
                ('credential', models.BinaryField(null=True)),
                ('signatures', models.BigIntegerField(db_default=0)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='second_factors', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['made_at', 'pk'],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('credential', None), ('credential_id', None), ('kind', 'app'), models.Q(('sealed', ''), _negated=True)), models.Q(('credential__isnull', False), ('credential_id__isnull', False), ('kind', 'passkey'), ('sealed', '')), _connector='OR'), name='second_factor_is_app_or_passkey'), models.UniqueConstraint(condition=models.Q(('kind', 'app')), fields=('user',), name='one_app_for_each_person')],
            },
        ),
    ]
