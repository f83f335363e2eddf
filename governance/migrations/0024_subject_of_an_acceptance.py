"""An acceptance names the subject that it is about, and planned freezes are counted."""

from django.db import migrations, models


# Locked, so that nobody plans one between the count and the trigger that counts on.
_COUNT = """
lock table governance_freezewindow in share row exclusive mode;
insert into governance_releasetally (environment, kind, name, live)
select '', 'freeze', '', count(*) from governance_freezewindow having count(*) > 0;
"""
_KINDS = [("application", "Application"), ("api", "Provided API"), ("freeze", "Planned freezes")]
_FINDING = ("change", "subject_kind", "subject_id", "rule", "pointer")


class Migration(migrations.Migration):
    dependencies = [("governance", "0023_second_factors"), ("catalog", "0019_second_factors")]

    operations = [
        migrations.RemoveConstraint("breakacceptance", "one_live_acceptance_per_finding"),
        migrations.AddField("breakacceptance", "applications", models.JSONField(blank=True, null=True)),
        migrations.AddField(
            "breakacceptance", "subject_id", models.CharField(blank=True, db_default="", max_length=200)
        ),
        migrations.AddField(
            "breakacceptance", "subject_kind", models.CharField(blank=True, db_default="", max_length=60)
        ),
        migrations.AddConstraint(
            "breakacceptance",
            models.UniqueConstraint(
                condition=models.Q(("voided_at", None)), fields=_FINDING, name="one_live_acceptance_per_finding"
            ),
        ),
        migrations.AlterField("releasetally", "kind", models.CharField(choices=_KINDS, max_length=11)),
        migrations.RunSQL(_COUNT, migrations.RunSQL.noop),
    ]
