"""Views of the runtime stand on those of governance: applied anew after them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0034_waivers_bind_findings"), ("runtime", "0070_persons")]

    operations = []
