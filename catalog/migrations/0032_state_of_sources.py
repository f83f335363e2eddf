"""What comes in is a draft where neither its source nor the import says a state. Sources that were imported every night
before, and imports that are under way, go on as they were."""

from django.db import migrations

_KEEP = """
update catalog_importschedule
   set defaults = defaults || '{"state": "published"}'
 where not defaults ? 'state';
update catalog_importrun
   set defaults = defaults || '{"state": "published"}'
 where state in ('waiting', 'running')
   and not defaults ? 'state';
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0031_evidence_kept")]

    operations = [migrations.RunSQL(_KEEP, migrations.RunSQL.noop)]
