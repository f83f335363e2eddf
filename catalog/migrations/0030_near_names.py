"""What is written alike is found by trigrams: names of applications, stores and APIs."""

from django.contrib.postgres.indexes import GistIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


def _trigrams(model: str, field: str, name: str) -> AddIndexConcurrently:
    return AddIndexConcurrently(model, GistIndex(fields=[field], name=name, opclasses=["gist_trgm_ops(siglen=256)"]))


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("catalog", "0029_bodies_of_drift")]

    operations = [
        _trigrams("application", "key", "application_key_trigrams"),
        _trigrams("retailstore", "key", "store_key_trigrams"),
        _trigrams("api", "slug", "api_slug_trigrams"),
    ]
