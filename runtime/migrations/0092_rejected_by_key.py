"""What was rejected under a key is found without a look at all that was rejected: erasure asks for it."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0091_shared_tokens")]

    operations = [AddIndexConcurrently("rejectedmessage", models.Index(fields=["stream", "key"], name="rejected_by_key"))]
