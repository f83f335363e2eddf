"""Deployments are judged by the stricter data class of before, as the changes of the API are."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0035_loosened_facts"), ("runtime", "0071_waivers_bind_findings")]

    operations = []
